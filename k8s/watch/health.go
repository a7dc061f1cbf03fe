package watch

import (
	"sync"
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// health is what a feed knows of its own connection.
type health struct {
	mu sync.Mutex
	// loaded: a first list was complete. Rows stay valid through an outage.
	loaded bool
	// refused is Forbidden or Absent: the feed rests until a retry.
	refused live.State
	// brokenSince is when attempts began to fail; zero while they do not.
	brokenSince time.Time
	failures    int
	since       time.Time // when loading, ready or refused was entered
	heard       time.Time
	items       int // while the first list runs
	err         foreign.Text
	unreadable  foreign.Text  // of the last object that could not be read
	settled     chan struct{} // closed once the first outcome is known, good or bad
}

func newHealth(now time.Time) *health {
	return &health{since: now, settled: make(chan struct{})}
}

// settle says that the first outcome is known; the caller holds mu.
func (h *health) settle() {
	select {
	case <-h.settled:
	default:
		close(h.settled)
	}
}

func (h *health) isSettled() bool {
	select {
	case <-h.settled:
		return true
	default:
		return false
	}
}

// listed says that a list is complete.
func (h *health) listed(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.loaded || h.refused != 0 {
		h.since = now
	}
	h.loaded, h.refused = true, 0
	h.heal(now)
	h.settle()
}

// connected says that the server answers. It reports whether the connection
// was broken before.
func (h *health) connected(now time.Time) (healed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	healed = !h.brokenSince.IsZero()
	h.heal(now)
	return healed
}

// heal ends an outage; the caller holds mu.
func (h *health) heal(now time.Time) {
	if !h.brokenSince.IsZero() {
		h.since = now
	}
	h.brokenSince, h.failures, h.err, h.heard = time.Time{}, 0, "", now
}

// failed says that an attempt came to nothing. It reports whether that is
// news: the first failure, or another reason.
func (h *health) failed(now time.Time, why foreign.Text) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	news = h.brokenSince.IsZero() || h.err != why
	if h.brokenSince.IsZero() {
		h.brokenSince = now
	}
	h.failures++
	h.err = why
	h.settle()
	return news
}

// rest says that the server refused for good: Forbidden or Absent.
func (h *health) rest(now time.Time, state live.State, why foreign.Text) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused, h.since, h.err, h.brokenSince, h.failures = state, now, why, time.Time{}, 0
	h.settle()
}

// retry leaves the refused state for another attempt.
func (h *health) retry(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused != 0 {
		h.refused, h.since, h.err = 0, now, ""
	}
}

// counted says how many objects the running first list has brought so far.
func (h *health) counted(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.items = n
}

// note remembers an object that could not be read.
func (h *health) note(why foreign.Text) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unreadable = why
}

// state tells how things stand. While the connection is broken a feed is
// Unreachable since the first failure; once nothing was heard for
// [live.StaleAfter] and there are rows from before, those are Stale, since
// they were last known to be true.
func (h *health) state(now time.Time) live.Source {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := live.Source{Since: h.since, Heard: h.heard, Items: h.items, Err: h.err}
	switch {
	case h.refused != 0:
		s.State = h.refused
	case !h.brokenSince.IsZero() && h.loaded && now.Sub(h.heard) >= live.StaleAfter:
		s.State, s.Since = live.Stale, h.heard
	case !h.brokenSince.IsZero():
		s.State, s.Since = live.Unreachable, h.brokenSince
	case h.loaded:
		s.State, s.Err = live.Ready, h.unreadable
	default:
		s.State = live.Loading
	}
	return s
}

// complete reports whether a list was ever complete.
func (h *health) complete() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loaded
}

// over reports whether the first list is complete or will never be.
func (h *health) over() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loaded || h.refused != 0
}

// refusal is why the feed rests, if it may not read.
func (h *health) refusal() foreign.Text {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused != live.Forbidden {
		return ""
	}
	return h.err
}

// resigned reports whether waiting longer is unlikely to help: there are
// rows, or a refusal, or several failures in a row.
func (h *health) resigned() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused != 0 || h.failures >= 3 || (h.loaded && h.brokenSince.IsZero())
}
