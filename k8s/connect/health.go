package connect

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// How long is waited between two questions to a server that is away, and
// between two tries of a credential plugin that fails: each try may open a
// browser or ring a telephone.
const (
	askFirst   = time.Second
	askMost    = 5 * time.Second
	loginFirst = 15 * time.Second
	loginMost  = 2 * time.Minute
)

// health is what is known of one connection. It is written by the observer on
// every answer and byte, and read by the header.
type health struct {
	clock  live.Clock
	where  OpenError // which server, for the words
	notify func()    // called after a change of state, without the lock
	// wake asks the keeper to look whether the server is there.
	wake chan struct{}

	heard atomic.Int64 // nanoseconds since 1970; 0: never
	skew  atomic.Int64 // nanoseconds the server's clock is ahead of ours
	fine  atomic.Bool  // state is Ready: the path of every byte takes no lock

	mu      sync.Mutex
	state   live.State
	since   time.Time
	problem Problem
	// login is set while the credential plugin fails: the last failure, when
	// it may be tried again, and how long to wait after the next failure.
	login      error
	loginAgain time.Time
	loginWait  time.Duration
}

func newHealth(clock live.Clock, where OpenError, notify func()) *health {
	if notify == nil {
		notify = func() {}
	}
	return &health{clock: clock, where: where, notify: notify, wake: make(chan struct{}, 1), since: clock.Now()}
}

// source is the state as the header shows it.
func (h *health) source() live.Source {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := live.Source{Name: "connection", State: h.state, Since: h.since, Items: 1}
	if ns := h.heard.Load(); ns != 0 {
		s.Heard = time.Unix(0, ns)
	}
	if h.state == live.Unreachable {
		s.Err = foreign.Clean(h.problem.Line())
	}
	return s
}

// ok notes that the server said something.
func (h *health) ok() {
	now := h.clock.Now()
	h.heard.Store(now.UnixNano())
	if !h.fine.Load() {
		h.enter(live.Ready, Problem{}, now)
	}
}

// dated compares the time an answer was made at with ours. The header has whole
// seconds and the answer took its time to come, so a few seconds say nothing.
func (h *health) dated(date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := at.Sub(h.clock.Now())
	if ahead.Abs() < skewTolerance {
		ahead = 0
	}
	h.skew.Store(int64(ahead))
}

// skewTolerance is how far two clocks may lie apart without anyone being told.
const skewTolerance = 15 * time.Second

// fail notes that the server could not be reached or would not have us.
func (h *health) fail(err error) {
	where := h.where
	where.Err = err
	h.enter(live.Unreachable, Explain(&where), h.clock.Now())
	h.suspect()
}

func (h *health) enter(state live.State, p Problem, now time.Time) {
	h.mu.Lock()
	changed := h.state != state || h.problem.Kind != p.Kind
	if h.state != state {
		h.state, h.since = state, now
	}
	h.problem = p
	h.fine.Store(state == live.Ready)
	if state == live.Ready {
		h.login, h.loginWait = nil, 0
	}
	h.mu.Unlock()
	if changed {
		h.notify()
	}
}

// suspect asks the keeper to look. It never blocks.
func (h *health) suspect() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// loginFailed remembers a failure of the credential plugin.
func (h *health) loginFailed(err error) {
	h.mu.Lock()
	h.loginWait = min(max(2*h.loginWait, loginFirst), loginMost)
	h.login, h.loginAgain = err, h.clock.Now().Add(h.loginWait)
	h.mu.Unlock()
	h.fail(err)
}

// loginBlocked returns the last failure of the credential plugin while it is
// too early to run it again. A dozen watches that reconnect would otherwise
// run it a dozen times.
func (h *health) loginBlocked() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.login != nil && h.clock.Now().Before(h.loginAgain) {
		return h.login
	}
	return nil
}

// pause is how long to wait before the nth question to a server that is away.
func (h *health) pause(n int) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.login != nil {
		return max(h.loginAgain.Sub(h.clock.Now()), askFirst)
	}
	return min(askFirst<<min(n, 8), askMost)
}

// keep asks a server that is away, or that may be, until it answers. It is
// what heals the header without a key press even when nothing else talks to
// the server. It ends with ctx.
func (h *health) keep(ctx context.Context, ask func(context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for n := 0; h.ask(ctx, ask) != nil; n++ {
			if !h.sleep(ctx, h.pause(n)) || h.fine.Load() {
				break // the end, or something else heard of it meanwhile
			}
		}
		h.sleep(ctx, askFirst) // whatever happens, not in a tight loop
	}
}

// sleep reports whether d has passed before the end.
func (h *health) sleep(ctx context.Context, d time.Duration) bool {
	after, stop := h.clock.After(d)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-after:
		return true
	}
}

// ask runs one question. Its outcome reaches the state through the observer;
// the error only says whether to ask again.
func (h *health) ask(ctx context.Context, ask func(context.Context) error) error {
	err := ask(context.WithValue(ctx, askKey{}, true))
	if err == nil || h.fine.Load() {
		return nil
	}
	return errors.Join(errAway, err)
}

var errAway = errors.New("the server is away")

// askKey marks the keeper's own requests: their 401 is taken at its word,
// while any other request's may only mean that a token is being renewed.
type askKey struct{}

// loginKey marks requests that a user waits for: they run the credential
// plugin even right after it has failed.
type loginKey struct{}
