package flags

import (
	"cmp"
	"slices"
	"time"

	"midwatch/foreign"
)

// Kind is the type of a flag's values.
type Kind string

// The kinds. Unleash's flags are boolean; their variants carry a payload.
const (
	KindBoolean Kind = "boolean"
	KindString  Kind = "string"
	KindNumber  Kind = "number"
	KindObject  Kind = "object"
	KindUnknown Kind = "unknown" // OFREP does not say before it is evaluated
)

// Flag is one flag as a list shows it.
type Flag struct {
	// Key names the flag in its project. It is cleaned like all foreign text;
	// a key that cleaning changed finds nothing when asked for.
	Key  string
	Name foreign.Text
	// Description is a single line.
	Description foreign.Text
	Kind        Kind
	// Type is the provider's own word for what the flag is for: "release",
	// "kill-switch", "temporary", "permanent".
	Type foreign.Text
	// Variations are what it can serve, in the provider's order.
	Variations []Variation
	Tags       []foreign.Text
	Maintainer foreign.Text
	Created    time.Time
	// States has one entry per environment that was asked for.
	States []EnvState
	// Stale is true when the provider takes the flag for dead weight; StaleWhy
	// says by what rule: "release flags live 40 days, this one 112".
	Stale    bool
	StaleWhy foreign.Text
	Archived bool
}

// In returns the flag's state in an environment.
func (f *Flag) In(environment string) (EnvState, bool) {
	i := slices.IndexFunc(f.States, func(s EnvState) bool { return s.Environment == environment })
	if i < 0 {
		return EnvState{}, false
	}
	return f.States[i], true
}

// Variation is one of the values a flag can serve.
type Variation struct {
	// ID is the provider's own, empty when it has none.
	ID   string
	Name foreign.Text
	// Value is its JSON, in one line; empty when it has none beside its name.
	Value foreign.Text
}

// Label is the name, or the value of a variation without one.
func (v Variation) Label() foreign.Text {
	if v.Name != "" {
		return v.Name
	}
	return v.Value
}

// EnvState is a flag in one environment.
type EnvState struct {
	Environment string
	On          bool
	// Serves says what it does in a few words: "true to 5 %, else false".
	// Empty when a list does not carry it.
	Serves foreign.Text
	// Changed is when its targeting last changed; ChangedBy who did, empty
	// when the provider does not say in a list.
	Changed   time.Time
	ChangedBy foreign.Text
	// LastSeen is when it was last evaluated by anyone; zero when not known
	// or never.
	LastSeen time.Time
	// Served counts recent evaluations per variation; nil when not known.
	Served *Stats
	// Version identifies this configuration of the flag: another version,
	// another configuration. It is compared, never ordered or drawn.
	Version string
}

// Detail is everything about one flag in one environment.
type Detail struct {
	Flag
	// State is the flag in the environment that was asked for.
	State EnvState
	// Rules are tried in this order; Default applies when none matches, Off
	// is served while the flag is off.
	Rules        []Rule
	Default, Off foreign.Text
	// Prerequisites must hold before any rule is tried: "checkout-v2 is true".
	Prerequisites []foreign.Text
	// Dependants are flags that have this one as a prerequisite. DependantsWhy
	// says why they are not known, when they are not.
	Dependants    []string
	DependantsWhy foreign.Text
	// Pending are changes that wait: scheduled, or for an approval.
	Pending []Pending
	// Experiments run on this flag now.
	Experiments []RunningExperiment
	// Notes are what a reader should know: "a disabled strategy is there".
	Notes []foreign.Text
	// ReadAt is when this was read.
	ReadAt time.Time
}

// Rule is one targeting rule in words.
type Rule struct {
	// ID is the provider's own; it is what [Edit.RuleID] names.
	ID   string
	Name foreign.Text
	// Disabled rules are skipped.
	Disabled bool
	// When are the clauses, all of which must hold; empty means everyone.
	When []foreign.Text
	// Serves is what it gives: "true", "a 50 %, b 50 % by user".
	Serves foreign.Text
	// Rollout is the percentage of those who match that get the feature, as
	// [Edit.Percent] sets it; -1 when the rule is not a percentage.
	Rollout float64
}

// Everyone reports whether the rule has no condition.
func (r Rule) Everyone() bool { return len(r.When) == 0 }

// Pending is a change that was asked for and has not happened.
type Pending struct {
	// Kind is "approval", "scheduled" or "change request".
	Kind foreign.Text
	// What it would do, in words.
	What foreign.Text
	By   foreign.Text
	// At is when it was asked for, or when it will happen.
	At time.Time
}

// RunningExperiment is an experiment that uses a flag's variations.
type RunningExperiment struct {
	Key  string
	Name foreign.Text
	// Status is the provider's word: "running".
	Status foreign.Text
	// Since is when the present iteration began.
	Since time.Time
	// Unit is what is randomised: "user".
	Unit foreign.Text
	// Arms are its variations with the share of traffic each gets.
	Arms []Arm
	Note foreign.Text
}

// Arm is one branch of an experiment.
type Arm struct {
	Name foreign.Text
	// Percent of all traffic; -1 when not known.
	Percent  float64
	Baseline bool
}

// SortByChange puts the flags first that changed last in the environment: the
// order in which someone on call wants them. Those whose time is not known
// follow, by key.
func SortByChange(all []Flag, environment string) {
	slices.SortStableFunc(all, func(a, b Flag) int {
		x, _ := a.In(environment)
		y, _ := b.In(environment)
		return cmp.Or(y.Changed.Compare(x.Changed), cmp.Compare(a.Key, b.Key))
	})
}
