package hpawatch

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"midwatch/k8s"
	"midwatch/live"
)

// Topic, with a workload's [k8s.Ref.Key], is its autoscaler explained: a
// *View.
const Topic = "hpa"

// Every is how often a wanted autoscaler is looked at: as often as the
// controller looks.
const Every = 15 * time.Second

// maxEntries bounds the workloads whose last look is kept.
const maxEntries = 32

// Source provides [Topic]. It looks while the topic is on the screen and not
// otherwise: the hub asks for it, and asks again when the last look is Every
// old. It is safe for concurrent use.
type Source struct {
	reader *Reader
	hub    *live.Hub
	clock  live.Clock
	ctx    context.Context //nolint:containedctx // the source's own lifetime, ended by Close
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	entries map[string]*entry
}

// entry is the last look at one workload's autoscaler.
type entry struct {
	view    *View
	state   live.State
	since   time.Time
	err     error
	read    time.Time // when the last look ended; zero for never, or to look again at once
	reading bool
	asked   time.Time
}

// NewSource makes the source and provides its topic to the hub.
func NewSource(reader *Reader, hub *live.Hub, clock live.Clock) *Source {
	s := &Source{reader: reader, hub: hub, clock: clock, entries: map[string]*entry{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	hub.Provide(Topic, func(_ context.Context, t live.Topic, now time.Time) live.Snapshot { return s.build(t, now) })
	return s
}

// Close ends every look and waits for it.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
}

// Refresh looks again at once, for as long as somebody watches.
func (s *Source) Refresh(workload k8s.Ref) {
	s.mu.Lock()
	if e := s.entries[workload.Key()]; e != nil {
		e.read = time.Time{}
	}
	s.mu.Unlock()
	s.hub.DirtyTopic(live.Topic{Name: Topic, Key: workload.Key()})
}

// build hands out the last look, and begins another when that is old. The look
// itself happens elsewhere.
func (s *Source) build(t live.Topic, now time.Time) live.Snapshot {
	workload, err := k8s.ParseKey(t.Key)
	if err != nil {
		return live.Snapshot{State: live.Absent, Err: "no workload is selected"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entryOf(t.Key, now)
	if !e.reading && !s.closed && !now.Before(e.read.Add(Every)) {
		e.reading = true
		s.wg.Go(func() { s.look(t, workload) })
	}
	snap := live.Snapshot{State: e.state, Since: e.since}
	if e.view != nil {
		snap.Value = e.view
	}
	if e.err != nil {
		snap.Err = plain(e.err)
	}
	if !e.reading {
		snap.Recheck = e.read.Add(Every)
	}
	return snap
}

// entryOf finds or makes the entry of a workload; the caller holds mu.
func (s *Source) entryOf(key string, now time.Time) *entry {
	e := s.entries[key]
	if e == nil {
		if len(s.entries) >= maxEntries {
			s.forget()
		}
		e = &entry{state: live.Loading, since: now}
		s.entries[key] = e
	}
	e.asked = now
	return e
}

// forget lets the entry go that nobody asked for the longest.
func (s *Source) forget() {
	oldest := ""
	for key, e := range s.entries {
		if !e.reading && (oldest == "" || e.asked.Before(s.entries[oldest].asked)) {
			oldest = key
		}
	}
	delete(s.entries, oldest)
}

// look reads and explains, and tells the hub.
func (s *Source) look(t live.Topic, workload k8s.Ref) {
	view, err := s.reader.Read(s.ctx, workload)
	now := s.clock.Now()
	s.mu.Lock()
	if e := s.entries[t.Key]; e != nil {
		state := stateOf(err)
		if e.state != state {
			e.since = now
		}
		e.state, e.err, e.reading, e.read = state, err, false, now
		if err == nil || state == live.Absent {
			e.view = view // nil when nothing scales the workload any more
		}
	}
	s.mu.Unlock()
	s.hub.DirtyTopic(t)
}

func stateOf(err error) live.State {
	switch {
	case err == nil:
		return live.Ready
	case errors.Is(err, ErrNone):
		return live.Absent
	case apierrors.IsForbidden(err):
		return live.Forbidden
	}
	return live.Unreachable
}
