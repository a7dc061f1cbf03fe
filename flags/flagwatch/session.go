package flagwatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"midwatch/flags"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Options say what to keep up to date.
type Options struct {
	// Providers are closed with the session.
	Providers []flags.Provider
	Hub       *live.Hub
	Clock     live.Clock
	// Failed are providers that could not even be opened: their name, and why.
	Failed []Failed
	// Usage says which flags a workload uses; nil when nothing is known.
	Usage *Usage
}

// Failed is a provider that could not be opened.
type Failed struct {
	Name, Type string
	Why        foreign.Text
}

// Session keeps flags up to date until it is closed. It is safe for concurrent
// use.
type Session struct {
	o       Options
	sources []*source
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu     sync.Mutex
	pinned *flags.EvalContext
	rows   []*Row // merged and sorted; nil when they have to be made again
}

// Start begins to read the providers.
func Start(ctx context.Context, o Options) *Session {
	ctx, stop := context.WithCancel(ctx)
	s := &Session{o: o, stop: stop}
	for _, p := range o.Providers {
		src := &source{session: s, provider: p, name: p.Info().Name, lists: map[string]*listing{}, tried: make(chan struct{})}
		s.sources = append(s.sources, src)
	}
	o.Hub.Provide(Topic, s.build)
	for _, src := range s.sources {
		s.done.Go(func() { src.run(ctx) })
	}
	return s
}

// Close ends the readers, waits for them, and closes the providers.
func (s *Session) Close() {
	s.stop()
	s.done.Wait()
	for _, src := range s.sources {
		_ = src.provider.Close() // nothing is lost with it
	}
}

// Uses says which flags a workload uses. It does IO.
func (s *Session) Uses(ctx context.Context, ref k8s.Ref) *Uses { return s.o.Usage.Of(ctx, ref) }

// Usage says how that is found out; nil when nothing is known.
func (s *Session) Usage() *Usage { return s.o.Usage }

// Once waits until every provider has been tried once and returns what is
// known then, for a command that looks once.
func (s *Session) Once(ctx context.Context) (*Board, error) {
	for _, src := range s.sources {
		select {
		case <-src.tried:
		case <-ctx.Done():
			return nil, fmt.Errorf("read the flags of %s: %w", src.name, ctx.Err())
		}
	}
	b, _ := s.build(ctx, live.Topic{Name: Topic}, s.o.Clock.Now()).Value.(*Board)
	return b, nil
}

// Provider finds one by its name.
func (s *Session) Provider(name string) (flags.Provider, error) {
	for _, src := range s.sources {
		if src.name == name {
			return src.provider, nil
		}
	}
	for _, f := range s.o.Failed {
		if f.Name == name {
			return nil, fmt.Errorf("flag provider %s: %s", name, f.Why)
		}
	}
	return nil, fmt.Errorf("there is no flag provider %s", foreign.CleanN(name, 80))
}

// Providers are all that could be opened.
func (s *Session) Providers() []flags.Provider {
	out := make([]flags.Provider, len(s.sources))
	for i, src := range s.sources {
		out[i] = src.provider
	}
	return out
}

// Pin says whom to evaluate every flag for; nil for nobody. All flags are
// evaluated at once.
func (s *Session) Pin(who *flags.EvalContext) {
	s.mu.Lock()
	s.pinned = who
	s.mu.Unlock()
	for _, src := range s.sources {
		src.ask()
	}
	s.o.Hub.Notable(Topic)
}

// Pinned is whom every flag is evaluated for; nil for nobody.
func (s *Session) Pinned() *flags.EvalContext {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pinned
}

// Refresh lists everything again.
func (s *Session) Refresh() {
	for _, src := range s.sources {
		src.refresh()
	}
}

// again lists one environment of one provider again.
func (s *Session) again(provider, environment string) {
	for _, src := range s.sources {
		if src.name != provider {
			continue
		}
		src.each(func(l *listing) {
			if l.key == environment {
				signal(l.again)
			}
		})
	}
}

// changed says that the screen may look different; rows, that the list does.
func (s *Session) changed(rows, notable bool) {
	if rows {
		s.mu.Lock()
		s.rows = nil
		s.mu.Unlock()
	}
	if notable {
		s.o.Hub.Notable(Topic)
	} else {
		s.o.Hub.Dirty(Topic)
	}
}

// build makes the board. It does no IO.
func (s *Session) build(context.Context, live.Topic, time.Time) live.Snapshot {
	b := &Board{}
	for _, src := range s.sources {
		b.Providers = append(b.Providers, src.state())
	}
	for _, f := range s.o.Failed {
		b.Providers = append(b.Providers, Provider{
			Info: flags.Info{Name: f.Name, Type: f.Type}, Status: flags.ProviderStatus{Status: flags.StatusFatal, Why: f.Why}, Err: f.Why,
		})
	}
	b.Rows = s.merged()
	b.Asked = s.asked()
	return verdict(b)
}

// verdict is the state of the topic: loading until one provider has answered.
func verdict(b *Board) live.Snapshot {
	snap := live.Snapshot{State: live.Ready, Value: b}
	if len(b.Providers) == 0 {
		return live.Snapshot{State: live.Absent, Err: "no flag provider is named in the settings (flags:)", Value: b}
	}
	listed, failed := 0, foreign.Text("")
	for i := range b.Providers {
		p := &b.Providers[i]
		switch {
		case !p.ListedAt.IsZero():
			listed++
		case p.Err != "":
			failed = p.Err
		}
	}
	switch {
	case listed > 0:
	case failed != "":
		snap.State, snap.Err = live.Unreachable, failed
	default:
		snap.State = live.Loading
	}
	return snap
}

func (s *Session) merged() []*Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows != nil {
		return s.rows
	}
	all := []*Row{}
	for _, src := range s.sources {
		all = append(all, src.rows()...)
	}
	sortRows(all)
	s.rows = all
	return all
}

// asked gathers the answers of all providers for the pinned context.
func (s *Session) asked() *Asked {
	who := s.Pinned()
	if who == nil {
		return nil
	}
	a := &Asked{Who: *who, Answers: map[Place]flags.Evaluation{}, Errs: map[Place]foreign.Text{}}
	for _, src := range s.sources {
		src.answers(a, who)
	}
	return a
}

// shownEnvironments is how many environments of a provider are listed: each
// costs requests, and the screen has room for as many.
const shownEnvironments = 3

// choose picks the environments to show: production and the one the settings
// name first.
func choose(all []flags.Environment, named string) (shown []flags.Environment, more int) {
	rank := func(e flags.Environment) int {
		switch {
		case e.Production:
			return 0
		case e.Key == named:
			return 1
		case e.Disabled:
			return 3
		}
		return 2
	}
	shown = slices.Clone(all)
	slices.SortStableFunc(shown, func(a, b flags.Environment) int { return cmp.Compare(rank(a), rank(b)) })
	if len(shown) > shownEnvironments {
		more = len(shown) - shownEnvironments
		shown = shown[:shownEnvironments]
	}
	return shown, more
}
