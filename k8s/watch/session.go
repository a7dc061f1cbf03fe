package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/live"
)

// Options say what to watch.
type Options struct {
	Cluster Cluster
	// Hub gets the topics of this package. Nil is allowed: for [Session.Once].
	Hub *live.Hub
	// Clock is the system's when nil.
	Clock live.Clock
	Scope Scope
	// Namespaces are known without listing them: the context's, and those the
	// user has typed. They are read one by one where the whole cluster may not
	// be.
	Namespaces []string
	// Endings judges the credentials of workloads; nil judges none.
	Endings Judge
	// OnHeld is called when what operators hold may have changed. It must not
	// block.
	OnHeld func()

	assess assessor // rollout.Assess; a test counts its calls
}

// Session watches one cluster. It is safe for concurrent use.
type Session struct {
	opts  Options
	ctx   context.Context //nolint:containedctx // the session's own lifetime, ended by Close
	stop  context.CancelFunc
	wg    sync.WaitGroup
	pulse pulse

	// changing is held while the run is exchanged or ended.
	changing sync.Mutex

	mu       sync.Mutex
	run      *run
	selected string
	known    []string // namespaces
	denials  map[right]struct{}
	names    *namespaceList
}

// Start begins to watch. It returns at once; what it finds comes through the
// hub. ctx bounds the session's life, Close ends it earlier.
func Start(ctx context.Context, o Options) *Session {
	if o.Clock == nil {
		o.Clock = live.SystemClock{}
	}
	if o.assess == nil {
		o.assess = rollout.Assess
	}
	s := &Session{opts: o, denials: map[right]struct{}{}, known: slices.Clone(o.Namespaces)}
	s.ctx, s.stop = context.WithCancel(ctx)
	s.names = newNamespaceList(s)
	s.run = newRun(s, o.Scope)
	s.provide()
	return s
}

// Close ends all reading and waits until it has ended.
func (s *Session) Close() {
	s.stop()
	s.changing.Lock()
	defer s.changing.Unlock()
	s.current().wg.Wait()
	s.wg.Wait()
}

func (s *Session) current() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

// Scope is what is being read.
func (s *Session) Scope() Scope { return s.current().scope }

// SetScope reads other namespaces from now on. Refusals are remembered, rows
// are not. It returns at once; the old reading ends behind it.
func (s *Session) SetScope(scope Scope) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	if slices.Equal(s.run.scope.Namespaces, scope.Namespaces) || s.ctx.Err() != nil {
		s.mu.Unlock()
		return
	}
	for _, ns := range scope.Namespaces {
		if !slices.Contains(s.known, ns) {
			s.known = append(s.known, ns)
		}
	}
	s.mu.Unlock()
	next := newRun(s, scope)
	s.mu.Lock()
	old := s.run
	s.run = next
	s.mu.Unlock()
	old.stop()
	s.wg.Go(old.wg.Wait)
	next.notable()
	s.notable(TopicNamespaces)
}

// Select says which workload is looked at, by [k8s.Ref.Key]: its pods are
// read before others. The empty key selects nothing.
func (s *Session) Select(key string) {
	s.mu.Lock()
	changed := s.selected != key
	s.selected = key
	r := s.run
	s.mu.Unlock()
	if changed {
		r.prober.consider()
	}
}

func (s *Session) selection() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.selected
}

// Retry asks again at once: everything that was refused, and everything that
// waits for its next attempt.
func (s *Session) Retry() {
	s.mu.Lock()
	clear(s.denials)
	r := s.run
	s.mu.Unlock()
	r.retry()
	s.names.retry()
}

// Pod returns the row of a pod of the scope.
func (s *Session) Pod(namespace, name string) (*k8s.PodRow, bool) {
	w := s.current().world
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.pods.all()
	i, ok := slices.BinarySearchFunc(list, k8s.PodRow{Namespace: namespace, Name: name}, func(p *k8s.PodRow, want k8s.PodRow) int {
		p2 := *p
		p2.UID = ""
		return byName(&p2, &want)
	})
	if !ok {
		return nil, false
	}
	return list[i], true
}

// Once waits until everything of the scope that can be read has been, or ctx
// ends, and returns the board as it is then. The error says that nothing at
// all could be judged; what else is missing is in the sources and in
// [Board.Restricted].
func (s *Session) Once(ctx context.Context) (*Board, []live.Source, error) {
	r := s.current()
	for {
		changed := s.pulse.wait()
		if r.over() {
			// Judging may find trouble whose pods are worth reading.
			r.boardNow()
			if r.over() {
				break
			}
			continue
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		case <-s.ctx.Done():
		}
		break
	}
	now := s.opts.Clock.Now()
	board, _ := r.boardNow()
	sources := r.sources(now)
	err := r.judgeable(now)
	if err == nil && s.ctx.Err() != nil {
		err = errors.New("the session was closed")
	}
	return board, sources, err
}

// over reports whether waiting longer would bring nothing new.
func (r *run) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started || !r.prober.idle() || !r.clues.idle() {
		return false
	}
	for _, list := range r.feeds {
		if slices.ContainsFunc(list, func(f *running) bool { return !f.health.resigned() }) {
			return false
		}
	}
	return true
}

// judgeable returns an error when none of the resources that are judged could
// be read.
func (r *run) judgeable(now time.Time) error {
	var why error
	for _, name := range []string{deploymentsName, statefulSetsName, daemonSetsName} {
		s := r.source(name, now)
		switch {
		case slices.ContainsFunc(r.list(name), func(f *running) bool { return f.health.complete() }):
			return nil
		case s.Err != "":
			why = errors.Join(why, fmt.Errorf("%s: %s", name, s.Err))
		default:
			why = errors.Join(why, fmt.Errorf("%s: no answer yet", name))
		}
	}
	return why
}

// skew is how far the cluster's clock is ahead of ours, as far as its
// connection knows. Everything the cluster tells has its times; so what passes
// with time is reckoned by its clock.
func (s *Session) skew() time.Duration {
	if c, ok := s.opts.Cluster.(interface{ Skew() time.Duration }); ok {
		return c.Skew()
	}
	return 0
}

func (s *Session) deny(r right) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denials[r] = struct{}{}
}

func (s *Session) denied(r right) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.denials[r]
	return ok
}

func (s *Session) knownNamespaces() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(s.known)))
}

func (s *Session) dirty(topics ...string) {
	if s.opts.Hub != nil {
		s.opts.Hub.Dirty(topics...)
	}
}

func (s *Session) notable(topics ...string) {
	if s.opts.Hub != nil {
		s.opts.Hub.Notable(topics...)
	}
}

// pulse wakes everyone who waits for something to have changed.
type pulse struct {
	mu sync.Mutex
	c  chan struct{}
}

// wait returns a channel that the next beat closes.
func (p *pulse) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil {
		p.c = make(chan struct{})
	}
	return p.c
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c != nil {
		close(p.c)
		p.c = nil
	}
}
