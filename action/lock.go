package action

import (
	"fmt"
	"sync"
	"time"

	"midwatch/live"
)

// MaxUnlock is the longest timed unlock.
const MaxUnlock = 8 * time.Hour

// Lock decides whether anything may be written. It starts locked, belongs to
// one context of one cluster, and locks itself when the time is up or another
// context is opened. It is safe for concurrent use.
type Lock struct {
	clock live.Clock

	mu         sync.Mutex
	context    string
	clusterUID string
	mode       lockMode
	since      time.Time
	span       time.Duration
}

type lockMode uint8

const (
	locked lockMode = iota
	openTimed
	openSession
)

// NewLock returns a locked lock for the context of that name. clusterUID is
// the UID of the kube-system namespace; empty when it is not known (yet).
func NewLock(clock live.Clock, context, clusterUID string) *Lock {
	return &Lock{clock: clock, context: context, clusterUID: clusterUID}
}

// Bind makes the lock belong to a context and locks it, unless it belongs to
// this context already. Learning the UID of the cluster it belongs to keeps it
// open; another UID behind the same context's name locks it.
func (l *Lock) Bind(context, clusterUID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case context != l.context, clusterUID != "" && l.clusterUID != "" && clusterUID != l.clusterUID:
		l.mode = locked
		l.context, l.clusterUID = context, clusterUID
	case clusterUID != "":
		l.clusterUID = clusterUID
	}
}

// Bound returns the context the lock belongs to and the cluster's UID: what a
// plan's [Target] has to carry.
func (l *Lock) Bound() (context, clusterUID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.context, l.clusterUID
}

// Open unlocks until the context changes: the --write flag.
func (l *Lock) Open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode = openSession
}

// UnlockFor unlocks for d, counted from now, at most [MaxUnlock].
func (l *Lock) UnlockFor(d time.Duration) error {
	if d <= 0 || d > MaxUnlock {
		return fmt.Errorf("unlock for %v: give a time above 0 and up to %v, such as 10m", d, MaxUnlock)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode, l.since, l.span = openTimed, l.clock.Now(), d
	return nil
}

// Lock makes the context read-only again.
func (l *Lock) Lock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mode = locked
}

// Unlocked reports whether writes are allowed now.
func (l *Lock) Unlocked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openAt(l.clock.Now())
}

// Left returns for how long the lock stays open, as of now: zero when it is
// locked. forever is true when it was opened without a limit.
func (l *Lock) Left(now time.Time) (left time.Duration, forever bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.openAt(now):
		return 0, false
	case l.mode == openSession:
		return 0, true
	}
	return l.leftAt(now), false
}

// openAt locks for good once the time is up, so that a clock set back does not
// open it again.
func (l *Lock) openAt(now time.Time) bool {
	if l.mode == openTimed && l.leftAt(now) <= 0 {
		l.mode = locked
	}
	return l.mode != locked
}

// leftAt takes the shorter of what the monotonic and the wall clock say: the
// first does not count a laptop's sleep, the second can be set back.
func (l *Lock) leftAt(now time.Time) time.Duration {
	monotonic := l.span - now.Sub(l.since)
	wall := l.span - now.Round(0).Sub(l.since.Round(0))
	return min(monotonic, wall, l.span)
}

// allows checks that the lock is open and belongs to the target's cluster.
func (l *Lock) allows(t Target) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Context != l.context {
		return fmt.Errorf("%w: it is for context %q, open is %q", ErrOtherContext, t.Context, l.context)
	}
	if t.ClusterUID != l.clusterUID {
		return fmt.Errorf("%w: context %q leads to cluster %s now, it was %s", ErrOtherContext, t.Context, known(l.clusterUID), known(t.ClusterUID))
	}
	if !l.openAt(l.clock.Now()) {
		return ErrLocked
	}
	return nil
}

func known(uid string) string {
	if uid == "" {
		return "of unknown identity"
	}
	return uid
}
