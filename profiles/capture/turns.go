package capture

import (
	"context"
	"sync"
)

// mostAtOnce is how many pods of one revision of a workload are looked at at
// the same time: never all replicas of a large one.
const mostAtOnce = 3

// turns keep captures apart: one per pod, a few per group.
type turns struct {
	mu   sync.Mutex
	held map[string]int
	wake chan struct{}
}

func newTurns() *turns { return &turns{held: map[string]int{}, wake: make(chan struct{})} }

// take waits for a turn. onWait is called once when there is none yet.
func (t *turns) take(ctx context.Context, pod, group string, onWait func()) (release func(), err error) {
	waiting := false
	for {
		t.mu.Lock()
		if t.held[pod] == 0 && (group == "" || t.held[group] < mostAtOnce) {
			t.held[pod]++
			t.held[group]++
			t.mu.Unlock()
			return func() { t.give(pod, group) }, nil
		}
		wake := t.wake
		t.mu.Unlock()
		if !waiting {
			waiting = true
			onWait()
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (t *turns) give(pod, group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range []string{pod, group} {
		if t.held[key]--; t.held[key] <= 0 {
			delete(t.held, key)
		}
	}
	close(t.wake)
	t.wake = make(chan struct{})
}
