package flagwatch

import (
	"cmp"
	"slices"
	"time"

	"midwatch/flags"
	"midwatch/foreign"
)

// Topic is the hub topic; its value is a [*Board].
const Topic = "flags"

// Board is all flags of all providers at one moment.
type Board struct {
	Providers []Provider
	// Rows are the flags, those first that changed last in production.
	Rows []*Row
	// Asked is what the pinned context gets; nil when nobody is pinned.
	Asked *Asked
}

// Provider is one provider's state.
type Provider struct {
	Info   flags.Info
	Status flags.ProviderStatus
	// Environments that are shown; More counts those that are not.
	Environments []flags.Environment
	More         int
	// Err is why the list could not be read last; the rows are then those
	// from before.
	Err foreign.Text
	// ListedAt is when it was read; zero while it never was.
	ListedAt time.Time
	// Unlisted are the environments whose flags were never read so far, each
	// with the reason; no reason while the first reading goes on.
	Unlisted map[string]foreign.Text
}

// Production is the first production environment, or else the first at all.
func (p *Provider) Production() (flags.Environment, bool) {
	for _, e := range p.Environments {
		if e.Production {
			return e, true
		}
	}
	if len(p.Environments) == 0 {
		return flags.Environment{}, false
	}
	return p.Environments[0], true
}

// Environment finds one of the environments.
func (p *Provider) Environment(key string) (flags.Environment, bool) {
	for _, e := range p.Environments {
		if e.Key == key {
			return e, true
		}
	}
	return flags.Environment{}, false
}

// Row is one flag in all environments that are shown.
type Row struct {
	Provider string
	// Flag has a state for each environment in which it is known.
	Flag flags.Flag
	// Changed, ChangedIn and ChangedBy are its newest change: in production
	// if there is one, else elsewhere.
	Changed   time.Time
	ChangedIn string
	ChangedBy foreign.Text
	// Live is true when that was in production.
	Live bool
}

// ID names the row on the whole board.
func (r *Row) ID() string { return r.Provider + "\x00" + r.Flag.Key }

// Place names a flag in an environment.
type Place struct{ Provider, Environment, Key string }

// Asked is what one context gets from every flag.
type Asked struct {
	Who flags.EvalContext
	// Answers by flag and environment.
	Answers map[Place]flags.Evaluation
	// Errs say per provider and environment why there are none.
	Errs map[Place]foreign.Text
	// At is when the newest of them was evaluated; Took how long the slowest
	// provider needed.
	At   time.Time
	Took time.Duration
	// Pending is true while some have not answered for this context yet.
	Pending bool
}

// Of is the answer for a flag.
func (a *Asked) Of(provider, environment, key string) (flags.Evaluation, bool) {
	if a == nil {
		return flags.Evaluation{}, false
	}
	e, ok := a.Answers[Place{provider, environment, key}]
	return e, ok
}

// Provider finds a provider by its name.
func (b *Board) Provider(name string) (*Provider, bool) {
	for i := range b.Providers {
		if b.Providers[i].Info.Name == name {
			return &b.Providers[i], true
		}
	}
	return nil, false
}

// Merge makes rows of the lists of one provider's environments, sorted as on
// the board.
func Merge(provider string, environments []flags.Environment, lists map[string][]flags.Flag) []*Row {
	out := rows(provider, environments, lists)
	sortRows(out)
	return out
}

// rows merges the lists of one provider's environments.
func rows(provider string, environments []flags.Environment, lists map[string][]flags.Flag) []*Row {
	byKey := map[string]*Row{}
	var out []*Row
	for _, e := range environments {
		for i := range lists[e.Key] {
			f := &lists[e.Key][i]
			state, ok := f.In(e.Key)
			r := byKey[f.Key]
			if r == nil {
				r = &Row{Provider: provider, Flag: *f}
				r.Flag.States = nil
				byKey[f.Key] = r
				out = append(out, r)
			}
			if ok {
				r.Flag.States = append(r.Flag.States, state)
				r.note(e, state)
			}
		}
	}
	return out
}

// note takes the newest change, where one in production goes first.
func (r *Row) note(e flags.Environment, s flags.EnvState) {
	if s.Changed.IsZero() || r.Live && !e.Production {
		return
	}
	if e.Production && !r.Live || s.Changed.After(r.Changed) {
		r.Changed, r.ChangedIn, r.ChangedBy, r.Live = s.Changed, s.Environment, s.ChangedBy, e.Production
	}
}

// sortRows puts what changed last in production first, then what changed last
// elsewhere, then the rest by key.
func sortRows(all []*Row) {
	class := func(r *Row) int {
		switch {
		case r.Live:
			return 0
		case !r.Changed.IsZero():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b *Row) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), b.Changed.Compare(a.Changed), cmp.Compare(a.Flag.Key, b.Flag.Key), cmp.Compare(a.Provider, b.Provider))
	})
}
