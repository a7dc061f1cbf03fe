package action

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeClock moves only when told.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[int]fakeTimer
	next   int
}

type fakeTimer struct {
	at time.Time
	c  chan time.Time
}

func newClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC), timers: map[int]fakeTimer{}}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.next
	c.next++
	t := fakeTimer{at: c.now.Add(d), c: make(chan time.Time, 1)}
	c.timers[id] = t
	return t.c, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, id)
	}
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for id, t := range c.timers {
		if !t.at.After(c.now) {
			t.c <- c.now
			delete(c.timers, id)
		}
	}
}

func (c *fakeClock) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// memory is a journal that can be made to fail from an entry on.
type memory struct {
	mu      sync.Mutex
	entries []Entry
	fail    map[Phase]error
}

func (m *memory) Append(_ context.Context, e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail[e.Phase]; err != nil {
		return err
	}
	m.entries = append(m.entries, e)
	return nil
}

func (m *memory) phases() []Phase {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Phase
	for _, e := range m.entries {
		out = append(out, e.Phase)
	}
	return out
}

func (m *memory) last(t *testing.T) Entry {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) == 0 {
		t.Fatal("the journal is empty")
	}
	return m.entries[len(m.entries)-1]
}

const (
	testContext = "kind-shop"
	testCluster = "c1"
)

func target(name string) Target {
	return Target{Context: testContext, ClusterUID: testCluster, Kind: "Deployment", Namespace: "shop", Name: name, UID: "u-" + name}
}

// trace notes which steps were called.
type trace struct {
	mu    sync.Mutex
	steps []string
}

func (t *trace) note(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, s)
}

func (t *trace) seen() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps)
}

// traced returns steps that succeed and note their names.
func (t *trace) traced() Steps {
	step := func(name string) func(context.Context) error {
		return func(context.Context) error { t.note(name); return nil }
	}
	return Steps{Check: step("check"), DryRun: step("dry run"), Apply: step("apply")}
}

// bench is a gate with everything it needs, unlocked.
type bench struct {
	*Gate
	clock *fakeClock
	log   *memory
}

func newBench(t *testing.T, opts ...GateOption) *bench {
	t.Helper()
	clock := newClock()
	lock := NewLock(clock, testContext, testCluster)
	lock.Open()
	log := &memory{fail: map[Phase]error{}}
	n := 0
	opts = append([]GateOption{NewIDs(func(time.Time) string { n++; return fmt.Sprintf("id%d", n) })}, opts...)
	g := NewGate(lock, log, clock, "oncall@example.com", opts...)
	t.Cleanup(func() {
		if n := clock.waiting(); n != 0 {
			t.Errorf("%d timers are left running", n)
		}
	})
	return &bench{Gate: g, clock: clock, log: log}
}
