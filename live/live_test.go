package live

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeClock moves only when told.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[chan time.Time]time.Time
	armed  chan time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{
		now:    time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC),
		timers: map[chan time.Time]time.Time{},
		armed:  make(chan time.Duration, 16),
	}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.timers[ch] = c.now.Add(d)
	c.armed <- d
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, ch)
	}
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for ch, at := range c.timers {
		if !at.After(c.now) {
			ch <- c.now
			delete(c.timers, ch)
		}
	}
}

func counting(n *int) Builder {
	return func(context.Context, Topic, time.Time) Snapshot {
		*n++
		return Snapshot{State: Ready, Value: *n}
	}
}

func TestNextCoalescesAndHandsOutTheLatest(t *testing.T) {
	clock := newFakeClock()
	hub := NewHub(clock, 100*time.Millisecond)
	builds := 0
	board := Topic{Name: "board"}
	hub.Provide("board", counting(&builds))
	hub.Want(board)
	if b, err := hub.Next(t.Context()); err != nil || b[board].Value != 1 {
		t.Fatalf("a newly wanted topic must come at once: %v %v", b, err)
	}
	for range 1000 {
		hub.Dirty("board", "somebody-else")
	}
	got := make(chan Batch)
	go func() {
		b, _ := hub.Next(t.Context())
		got <- b
	}()
	if d := <-clock.armed; d != 100*time.Millisecond {
		t.Fatalf("waits %v, want the interval", d)
	}
	clock.advance(100 * time.Millisecond)
	if b := <-got; b[board].Value != 2 || builds != 2 {
		t.Fatalf("1000 events must make one build, made %d: %v", builds-1, b)
	}
}

func TestPausesGrowWhileChangesGoOn(t *testing.T) {
	clock := newFakeClock()
	hub := NewHub(clock, 100*time.Millisecond)
	builds := 0
	hub.Provide("board", counting(&builds))
	hub.Want(Topic{Name: "board"})
	<-hub.wake
	if _, err := hub.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := func() time.Duration {
		hub.Dirty("board")
		<-hub.wake // so that Next sleeps once and not twice
		got := make(chan error)
		go func() { _, err := hub.Next(t.Context()); got <- err }()
		d := <-clock.armed
		clock.advance(d)
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		return d
	}
	var pauses []time.Duration
	for range 10 {
		pauses = append(pauses, next()/time.Millisecond)
	}
	if want := []time.Duration{100, 100, 100, 200, 300, 400, 500, 500, 500, 500}; !slices.Equal(pauses, want) {
		t.Errorf("paused %d ms, want %d", pauses, want)
	}
	hub.Notable("board")
	<-hub.wake
	if _, err := hub.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := next(); d != 100*time.Millisecond {
		t.Errorf("after something notable it paused %v", d)
	}
	for range 10 {
		next()
	}
	clock.advance(time.Second) // a quiet moment
	hub.Dirty("board")
	<-hub.wake
	if _, err := hub.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := next(); d != 100*time.Millisecond {
		t.Errorf("after a quiet moment it paused %v", d)
	}
}

func TestNotableDoesNotWait(t *testing.T) {
	hub := NewHub(newFakeClock(), time.Hour)
	n := 0
	hub.Provide("health", counting(&n))
	hub.Want(Topic{Name: "health"})
	if _, err := hub.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub.Notable("health")
	if b, err := hub.Next(t.Context()); err != nil || len(b) != 1 {
		t.Fatalf("got %v, %v", b, err)
	}
}

func TestRecheckWakesWithoutAnEvent(t *testing.T) {
	clock := newFakeClock()
	hub := NewHub(clock, time.Millisecond)
	builds := 0
	topic := Topic{Name: "rollout", Key: "shop/Deployment/api"}
	hub.Provide("rollout", func(_ context.Context, _ Topic, now time.Time) Snapshot {
		builds++
		return Snapshot{State: Ready, Value: builds, Recheck: now.Add(10 * time.Second)}
	})
	hub.Want(topic)
	if _, err := hub.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(chan Batch)
	go func() {
		b, _ := hub.Next(t.Context())
		got <- b
	}()
	// The signal of Want may still be there and wake the hub once for nothing,
	// so that it waits anew while the clock is moved: each wait is let pass.
	for {
		select {
		case d := <-clock.armed:
			if d != 10*time.Second {
				t.Fatalf("waits %v, want the recheck", d)
			}
			clock.advance(d)
		case b := <-got:
			if b[topic].Value != 2 {
				t.Fatalf("got %v", b)
			}
			return
		}
	}
}

func TestUnwantedTopicsAreNotBuilt(t *testing.T) {
	hub := NewHub(newFakeClock(), time.Millisecond)
	n := 0
	hub.Provide("pods", counting(&n))
	hub.Dirty("pods")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := hub.Next(ctx); !errors.Is(err, context.Canceled) || n != 0 {
		t.Fatalf("err %v, %d builds", err, n)
	}
}

func TestFlushStepsWithoutWaiting(t *testing.T) {
	hub := NewHub(newFakeClock(), time.Hour)
	n := 0
	hub.Provide("pods", counting(&n))
	hub.Want(Topic{Name: "pods"})
	for want := 1; want <= 3; want++ {
		if b, err := hub.Flush(t.Context()); err != nil || len(b) != 1 || n != want {
			t.Fatalf("flush %d: %v %v (%d builds)", want, b, err, n)
		}
		hub.DirtyTopic(Topic{Name: "pods"})
	}
	if _, err := hub.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, _ := hub.Flush(t.Context()); b != nil {
		t.Fatalf("nothing is dirty, got %v", b)
	}
}

func TestRingCountsWhatFellOut(t *testing.T) {
	r := NewRing[int](3)
	r.Add(1, 2, 3, 4, 5)
	facts, added, lost := r.Since(0)
	if len(facts) != 3 || facts[0] != 3 || facts[2] != 5 || added != 5 || lost != 2 {
		t.Fatalf("got %v added %d lost %d", facts, added, lost)
	}
	facts, _, lost = r.Since(4)
	if len(facts) != 1 || facts[0] != 5 || lost != 0 || r.Dropped() != 2 {
		t.Fatalf("got %v lost %d dropped %d", facts, lost, r.Dropped())
	}
}

func TestSeverityNamesRoundTrip(t *testing.T) {
	for s := Unknown; s <= Fail; s++ {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Severity
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%s: %v %v", b, back, err)
		}
	}
	if Fail.Rank() >= Warn.Rank() || Warn.Rank() >= Unknown.Rank() || Info.Rank() >= OK.Rank() {
		t.Error("rank does not put trouble first")
	}
}

// BenchmarkHubDirty is what a watch event costs its source.
func BenchmarkHubDirty(b *testing.B) {
	hub := NewHub(SystemClock{}, time.Second)
	b.ReportAllocs()
	for b.Loop() {
		hub.Dirty("board", "pods")
	}
}
