package live

import (
	"context"
	"sync"
	"time"

	"midwatch/foreign"
)

// Topic names something a pane can show. Name chooses the builder; Key says
// which one, empty for a topic there is only one of: {"board", ""},
// {"rollout", "shop/Deployment/checkout"}.
type Topic struct{ Name, Key string }

// Snapshot is what a topic looked like at one moment. It is immutable: the
// builder keeps no reference into Value that it will ever write through.
type Snapshot struct {
	Topic Topic
	// At is when it was built.
	At time.Time
	// State tells loading, stale, forbidden and unreachable apart from
	// complete. A snapshot that is not Ready may still carry a Value: what
	// was known last.
	State State
	// Since is when State was entered.
	Since time.Time
	// Err explains a State that is neither Loading nor Ready.
	Err foreign.Text
	// Value is the topic's own type; nil when nothing is known.
	Value any
	// Recheck is when Value changes by itself even if no event comes (a
	// deadline passes, a pod becomes available); zero for never.
	Recheck time.Time
}

// Batch is the newest snapshot of every topic that changed.
type Batch map[Topic]Snapshot

// Builder makes the snapshot of a topic. It runs off the UI goroutine, reads
// its stores under their own locks, and does no IO.
type Builder func(ctx context.Context, t Topic, now time.Time) Snapshot

// Hub stands between sources and screen. See the package comment.
type Hub struct {
	clock Clock

	mu       sync.Mutex
	builders map[string]Builder
	wanted   map[Topic]bool
	dirty    map[Topic]bool
	names    map[string]bool // every wanted topic of this name is dirty
	recheck  map[Topic]time.Time
	interval time.Duration
	last     time.Time     // when the last batch was handed out
	row      int           // batches handed out with no quiet moment between them
	notable  bool          // something dirty must not wait for the interval
	wake     chan struct{} // buffered by one: "look again"
}

// NewHub makes a hub that hands out at most one batch an interval (100 ms
// when interval is 0), and fewer, down to two a second, while changes go on
// without a pause, as in a rollout of many pods.
func NewHub(clock Clock, interval time.Duration) *Hub {
	if interval <= 0 {
		interval = 100 * time.Millisecond
	}
	return &Hub{
		clock:    clock,
		builders: map[string]Builder{},
		wanted:   map[Topic]bool{},
		dirty:    map[Topic]bool{},
		names:    map[string]bool{},
		recheck:  map[Topic]time.Time{},
		interval: interval,
		wake:     make(chan struct{}, 1),
	}
}

// Provide says who builds the topics of a name. Call it before the first Next.
func (h *Hub) Provide(name string, b Builder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.builders[name] = b
}

// Want says which topics the screen shows now. A topic that was not wanted
// before is built in the next batch, at once.
func (h *Hub) Want(topics ...Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wanted := make(map[Topic]bool, len(topics))
	for _, t := range topics {
		wanted[t] = true
		if !h.wanted[t] {
			h.dirty[t], h.notable = true, true
		}
	}
	h.wanted = wanted
	for t := range h.recheck {
		if !wanted[t] {
			delete(h.recheck, t)
		}
	}
	h.signal()
}

// Dirty says that every topic of these names may look different now. It is
// cheap, never blocks, and may be called from any goroutine, also for names
// that nobody wants.
func (h *Hub) Dirty(names ...string) { h.mark(false, names) }

// Notable is [Hub.Dirty] for what must not wait for the interval: a
// connection lost or back, a login refused, the reply to the user's own
// action.
func (h *Hub) Notable(names ...string) { h.mark(true, names) }

func (h *Hub) mark(notable bool, names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range names {
		h.names[n] = true
	}
	h.notable = h.notable || notable
	h.signal()
}

// DirtyTopic says that one topic may look different now.
func (h *Hub) DirtyTopic(t Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dirty[t] = true
	h.signal()
}

// SetInterval changes how long events are gathered: 100 ms by default, 250 ms
// on a slow link, 1 s while the terminal is not looked at.
func (h *Hub) SetInterval(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.interval = d
	h.signal()
}

// signal wakes Next; the caller holds mu.
func (h *Hub) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Next waits until a wanted topic is dirty and the interval is over, and
// returns its snapshot with those of all others that are dirty by then. It
// returns the context's error when that ends first. One caller at a time.
func (h *Hub) Next(ctx context.Context) (Batch, error) {
	for {
		due, wait := h.due()
		if len(due) > 0 {
			return h.build(ctx, due)
		}
		if err := h.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// Flush builds what is dirty now without waiting for the interval, and
// returns nil when nothing is. Tests step the console with it.
func (h *Hub) Flush(ctx context.Context) (Batch, error) {
	h.mu.Lock()
	h.expire(h.clock.Now())
	due := h.take()
	h.mu.Unlock()
	if len(due) == 0 {
		return nil, ctx.Err()
	}
	return h.build(ctx, due)
}

// sleep waits for a signal, for d to pass (0: no limit), or for ctx to end.
func (h *Hub) sleep(ctx context.Context, d time.Duration) error {
	var timer <-chan time.Time
	if d > 0 {
		c, stop := h.clock.After(d)
		defer stop()
		timer = c
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-h.wake:
	case <-timer:
	}
	return nil
}

// due takes the topics to build now, or says how long to wait until some may
// be (0: until signalled).
func (h *Hub) due() (topics []Topic, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock.Now()
	next := h.expire(now)
	if !h.anyDirty() {
		h.notable = false
		if next.IsZero() {
			return nil, 0
		}
		return nil, max(next.Sub(now), time.Millisecond)
	}
	pause := h.pause()
	if left := h.last.Add(pause).Sub(now); !h.notable && left > 0 {
		return nil, left
	}
	if h.notable || now.Sub(h.last) > pause+h.interval {
		h.row = 0
	}
	h.row++
	return h.take(), 0
}

const (
	// promptly is how many batches in a row keep the interval.
	promptly = 3
	// sustained is the longest pause between batches while changes go on and
	// on: an eye follows two a second, and each is bytes on somebody's link.
	sustained = 500 * time.Millisecond
)

// pause is how long after the last batch the next one may come: the interval,
// and more the longer there has always been something waiting.
func (h *Hub) pause() time.Duration {
	grown := h.interval * time.Duration(max(1, h.row-promptly+1))
	return max(h.interval, min(grown, sustained))
}

// expire marks the topics whose time has come and returns the next such time.
func (h *Hub) expire(now time.Time) (next time.Time) {
	for t, at := range h.recheck {
		switch {
		case !at.After(now):
			h.dirty[t] = true
			delete(h.recheck, t)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return next
}

func (h *Hub) anyDirty() bool {
	for t := range h.wanted {
		if h.dirty[t] || h.names[t.Name] {
			return true
		}
	}
	return false
}

// take returns the wanted dirty topics and marks everything clean.
func (h *Hub) take() []Topic {
	var topics []Topic
	for t := range h.wanted {
		if h.dirty[t] || h.names[t.Name] {
			topics = append(topics, t)
		}
	}
	clear(h.dirty)
	clear(h.names)
	h.notable = false
	return topics
}

func (h *Hub) build(ctx context.Context, topics []Topic) (Batch, error) {
	batch := make(Batch, len(topics))
	for _, t := range topics {
		h.mu.Lock()
		b := h.builders[t.Name]
		h.mu.Unlock()
		now := h.clock.Now()
		s := Snapshot{State: Absent, Err: "nothing provides this"}
		if b != nil {
			s = b(ctx, t, now)
		}
		s.Topic, s.At = t, now
		batch[t] = s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = h.clock.Now()
	for t, s := range batch {
		if h.wanted[t] && !s.Recheck.IsZero() {
			h.recheck[t] = s.Recheck
		} else {
			delete(h.recheck, t)
		}
	}
	return batch, ctx.Err()
}
