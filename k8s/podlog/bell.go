package podlog

import (
	"context"
	"sync"
	"time"

	"midwatch/live"
)

// bell wakes everyone who waits for a pod to change.
type bell struct {
	mu sync.Mutex
	c  chan struct{}
}

func newBell() *bell { return &bell{c: make(chan struct{})} }

// ring wakes those who wait now.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.c)
	b.c = make(chan struct{})
}

// next is closed by the next ring. Take it before looking, not after.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.c
}

// How long is waited before something is tried again.
const (
	shortestPause = time.Second
	longestPause  = 15 * time.Second
)

// pauses grow from one failure to the next.
type pauses struct {
	clock live.Clock
	last  time.Duration
}

func (p *pauses) reset() { p.last = 0 }

// wait returns when the pause is over, when changed is closed, or with false
// when ctx ends.
func (p *pauses) wait(ctx context.Context, changed <-chan struct{}) bool {
	p.last = min(max(2*p.last, shortestPause), longestPause)
	timer, stop := p.clock.After(p.last)
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer:
	}
	return true
}
