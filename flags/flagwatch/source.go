package flagwatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"midwatch/flags"
	"midwatch/foreign"
)

// How often and how long one provider is read.
const (
	readWithin = 20 * time.Second
	askWithin  = 10 * time.Second
	// listEvery is the least time between two listings that events ask for:
	// providers gather bursts, and a list may cost many requests.
	listEvery  = 2 * time.Second
	retryFirst = 2 * time.Second
	retryMost  = time.Minute
)

// source is one provider being read.
type source struct {
	session  *Session
	provider flags.Provider
	name     string

	mu           sync.Mutex
	environments []flags.Environment
	more         int
	err          foreign.Text
	lists        map[string]*listing // by environment
	waiting      int                 // environments that were not listed yet
	tried        chan struct{}       // closed once everything was tried once
	triedOnce    sync.Once
}

// attempted says that everything was tried once, with or without success.
func (s *source) attempted() { s.triedOnce.Do(func() { close(s.tried) }) }

// listed counts the environments down that were tried for the first time.
func (s *source) listed() {
	s.mu.Lock()
	s.waiting--
	done := s.waiting == 0
	s.mu.Unlock()
	if done {
		s.attempted()
	}
}

// listing is one environment of a provider.
type listing struct {
	source *source
	key    string
	// again and pinned wake the reader: list again, evaluate again. Buffered
	// by one: "look again".
	again, pinned chan struct{}

	mu      sync.Mutex
	flags   []flags.Flag
	at      time.Time
	err     foreign.Text
	who     *flags.EvalContext
	answers []flags.Evaluation
	answer  error
	took    time.Duration
	askedAt time.Time
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run reads the provider until ctx ends.
func (s *source) run(ctx context.Context) {
	for wait := retryFirst; ctx.Err() == nil; wait = min(2*wait, retryMost) {
		list, err := s.readEnvironments(ctx)
		if err == nil {
			s.follow(ctx, list)
			return
		}
		s.failed(err)
		s.attempted()
		if !s.pause(ctx, wait) {
			return
		}
	}
}

func (s *source) readEnvironments(ctx context.Context) ([]*listing, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	all, err := s.provider.Environments(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("it has no environments")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.environments, s.more = choose(all, s.provider.Info().Environment)
	s.err = ""
	var list []*listing
	for _, e := range s.environments {
		l := &listing{source: s, key: e.Key, again: make(chan struct{}, 1), pinned: make(chan struct{}, 1)}
		s.lists[e.Key] = l
		list = append(list, l)
	}
	s.waiting = len(list)
	return list, nil
}

// failed notes why the provider could not be read.
func (s *source) failed(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	s.err = foreign.CleanN(err.Error(), 400)
	s.mu.Unlock()
	s.session.changed(false, true)
}

// pause waits, and reports whether to go on.
func (s *source) pause(ctx context.Context, d time.Duration) bool {
	due, stop := s.session.o.Clock.After(d)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return true
	}
}

// follow reads every environment until ctx ends.
func (s *source) follow(ctx context.Context, list []*listing) {
	var all sync.WaitGroup
	for _, l := range list {
		all.Go(func() { l.run(ctx) })
		all.Go(func() { l.watch(ctx) })
	}
	all.Wait()
}

// watch hears of changes until ctx ends.
func (l *listing) watch(ctx context.Context) {
	s := l.source
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		if !s.provider.Info().Capabilities.Of(flags.CanWatch).OK {
			return // a refresh is asked for by hand
		}
		err := s.provider.Watch(ctx, l.key, func(flags.Event) {
			signal(l.again)
			signal(l.pinned)
			s.session.changed(false, true)
		})
		if ctx.Err() != nil || errors.Is(err, flags.ErrUnsupported) {
			return
		}
		s.failed(err)
		if !s.pause(ctx, wait) {
			return
		}
	}
}

// run lists and evaluates whenever somebody asks for it.
func (l *listing) run(ctx context.Context) {
	clock := l.source.session.o.Clock
	failures, first := 0, true
	for {
		ok := l.list(ctx)
		if first {
			first = false
			l.source.listed()
		}
		l.evaluate(ctx)
		failures++
		if ok {
			failures = 0
		}
		next := clock.Now().Add(listEvery)
		if !l.wait(ctx, next, failures) {
			return
		}
	}
}

// wait returns when the list is to be read again, not before next unless the
// last reading failed; meanwhile it evaluates.
func (l *listing) wait(ctx context.Context, next time.Time, failures int) bool {
	clock := l.source.session.o.Clock
	var due <-chan time.Time
	stop := func() {}
	defer func() { stop() }()
	if failures > 0 {
		due, stop = clock.After(min(retryFirst<<min(failures-1, 6), retryMost))
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-l.pinned:
			l.evaluate(ctx)
		case <-due:
			return true
		case <-l.again:
			left := next.Sub(clock.Now())
			if left <= 0 {
				return true
			}
			stop()
			due, stop = clock.After(left)
			l.evaluate(ctx)
		}
	}
}

// list reads the flags. What was read before stays when that fails.
func (l *listing) list(ctx context.Context) bool {
	s := l.source
	read, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	list, err := s.provider.List(read, l.key, flags.Query{})
	if ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	if err != nil {
		l.err = foreign.CleanN(err.Error(), 400)
	} else {
		l.flags, l.at, l.err = list, s.session.o.Clock.Now(), ""
	}
	l.mu.Unlock()
	s.session.changed(true, err != nil)
	return err == nil
}

// evaluate asks what the pinned context gets.
func (l *listing) evaluate(ctx context.Context) {
	s := l.source
	who := s.session.Pinned()
	if who == nil {
		l.mu.Lock()
		l.who, l.answers, l.answer = nil, nil, nil
		l.mu.Unlock()
		return
	}
	ask, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	start := s.session.o.Clock.Now()
	answers, err := s.provider.Evaluate(ask, l.key, *who)
	if ctx.Err() != nil {
		return
	}
	now := s.session.o.Clock.Now()
	l.mu.Lock()
	l.who, l.answers, l.answer, l.took, l.askedAt = who, answers, err, now.Sub(start), now
	l.mu.Unlock()
	s.session.changed(false, true)
}

// ask evaluates again; refresh lists again too.
func (s *source) ask() { s.each(func(l *listing) { signal(l.pinned) }) }

func (s *source) refresh() { s.each(func(l *listing) { signal(l.again) }) }

func (s *source) each(f func(*listing)) {
	for _, l := range s.all() {
		f(l)
	}
}

// all are the environments being read, in the order shown.
func (s *source) all() []*listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*listing
	for _, e := range s.environments {
		if l := s.lists[e.Key]; l != nil {
			out = append(out, l)
		}
	}
	return out
}

// state is what the board says of the provider.
func (s *source) state() Provider {
	p := Provider{Info: s.provider.Info(), Status: s.provider.Status()}
	s.mu.Lock()
	p.Environments, p.More, p.Err = s.environments, s.more, s.err
	s.mu.Unlock()
	for _, l := range s.all() {
		l.mu.Lock()
		if l.at.After(p.ListedAt) {
			p.ListedAt = l.at
		}
		if l.at.IsZero() {
			if p.Unlisted == nil {
				p.Unlisted = map[string]foreign.Text{}
			}
			p.Unlisted[l.key] = l.err
		}
		if l.err != "" {
			p.Err = l.err
		}
		l.mu.Unlock()
	}
	return p
}

// rows are the provider's flags.
func (s *source) rows() []*Row {
	lists := map[string][]flags.Flag{}
	for _, l := range s.all() {
		l.mu.Lock()
		lists[l.key] = l.flags
		l.mu.Unlock()
	}
	s.mu.Lock()
	environments := s.environments
	s.mu.Unlock()
	return rows(s.name, environments, lists)
}

// answers adds what who gets to a.
func (s *source) answers(a *Asked, who *flags.EvalContext) {
	for _, l := range s.all() {
		l.mu.Lock()
		switch {
		case l.who != who:
			a.Pending = true
		case l.answer != nil:
			a.Errs[Place{Provider: s.name, Environment: l.key}] = foreign.CleanN(l.answer.Error(), 300)
		}
		if l.who == who {
			for _, e := range l.answers {
				a.Answers[Place{s.name, l.key, e.Key}] = e
			}
			a.Took = max(a.Took, l.took)
			if l.askedAt.After(a.At) {
				a.At = l.askedAt
			}
		}
		l.mu.Unlock()
	}
}
