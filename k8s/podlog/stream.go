package podlog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"midwatch/foreign"
	"midwatch/live"
)

// Cluster is what logs are read from.
type Cluster interface {
	Typed() kubernetes.Interface
	Clock() live.Clock
}

// Stream is logs being read. It is safe for concurrent use.
type Stream struct {
	cluster Cluster
	query   Query
	since   time.Time // when it was opened, less Query.Since; zero for no limit
	ring    *live.Ring[Line]
	cancel  context.CancelFunc
	ctx     context.Context //nolint:containedctx // ends its readers, which SetPods starts later
	done    chan struct{}

	mu         sync.Mutex
	targets    []Target
	readers    map[string]*reader // by pod; those admitted, also when they came to their end
	containers []string           // as met so far
	running    sync.WaitGroup
	closed     bool
}

// reader is one pod being read.
type reader struct {
	target  Target
	cancel  context.CancelFunc
	changed *bell // the pod is another than it was
	over    bool  // it came to its end
}

// Open starts to read. It does no IO itself and returns at once; what goes
// wrong later stands in the ring as notes. The stream ends with ctx, or with
// [Stream.Close].
func Open(ctx context.Context, cluster Cluster, q Query) (*Stream, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	s := &Stream{
		cluster: cluster, query: q, ring: live.NewRing[Line](q.Keep),
		readers: map[string]*reader{}, done: make(chan struct{}),
	}
	if q.Since > 0 {
		s.since = cluster.Clock().Now().Add(-q.Since)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	context.AfterFunc(s.ctx, s.finish)
	s.SetPods(q.Pods)
	return s, nil
}

// finish waits for the readers to end, once the context has.
func (s *Stream) finish() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	close(s.done)
}

// Close ends the stream; what was read stays readable. It does not wait: see
// [Stream.Done].
func (s *Stream) Close() { s.cancel() }

// Done is closed when the stream was ended and nothing of it runs any more.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Since returns the lines added after the first n, as [live.Ring.Since] does.
func (s *Stream) Since(n uint64) (lines []Line, added, lost uint64) { return s.ring.Since(n) }

// SetPods says which pods there are now, in order of importance: with more of
// them than the limit, the first are read. A pod that is being read goes on
// being read; one that is no longer named is read to its end.
func (s *Stream) SetPods(targets []Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.targets = slices.Clone(targets)
	named := make(map[string]bool, len(targets))
	for _, t := range targets {
		named[t.Name] = true
		if r := s.readers[t.Name]; r != nil {
			s.refresh(r, t)
		}
	}
	for name, r := range s.readers {
		if !named[name] && r.over {
			delete(s.readers, name)
		}
	}
	s.admit()
	s.query.Dirty()
}

// refresh tells a reader that its pod changed. A successor of the same name is
// read by a new one. The caller holds mu.
func (s *Stream) refresh(r *reader, t Target) {
	replaced := t.UID != "" && r.target.UID != "" && t.UID != r.target.UID
	if replaced {
		r.cancel()
		delete(s.readers, t.Name)
		return
	}
	if t.Version != r.target.Version {
		r.target.Version = t.Version
		r.changed.ring()
	}
}

// admit starts readers up to the limit. The caller holds mu.
func (s *Stream) admit() {
	busy := 0
	for _, r := range s.readers {
		if !r.over {
			busy++
		}
	}
	for _, t := range s.targets {
		if busy >= s.query.Limit {
			return
		}
		if s.readers[t.Name] == nil {
			s.start(t)
			busy++
		}
	}
}

// start reads one pod. The caller holds mu.
func (s *Stream) start(t Target) {
	ctx, cancel := context.WithCancel(s.ctx)
	r := &reader{target: t, cancel: cancel, changed: newBell()}
	s.readers[t.Name] = r
	s.running.Go(func() {
		defer cancel()
		s.readPod(ctx, t.Name, r.changed)
		s.ended(r)
	})
}

// ended makes room for the next pod.
func (s *Stream) ended(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.over = true
	if s.closed || s.ctx.Err() != nil {
		return
	}
	s.admit()
	s.query.Dirty()
}

// met notes a pod's containers, for the one who chooses.
func (s *Stream) met(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		if !slices.Contains(s.containers, n) {
			s.containers = append(s.containers, n)
		}
	}
}

// add puts a line into the ring.
func (s *Stream) add(l Line) {
	s.ring.Add(l)
	s.query.Dirty()
}

// note says something between the lines.
func (s *Stream) note(pod, container, format string, args ...any) {
	s.add(Line{At: s.cluster.Clock().Now(), Pod: pod, Container: container, Note: true, Text: foreign.Clean(fmt.Sprintf(format, args...))})
}

// Status is how far a stream has come.
type Status struct {
	// Pods there are; Capped of them are not read because there are too many.
	Pods, Capped int
	// Reading is how many pods are being read now.
	Reading int
	// Containers are the names met so far, to choose from.
	Containers []string
	// Ended is true when there is nothing more to come: a log that was not
	// followed was read, or the pods are gone.
	Ended bool
}

// Status is how far the stream has come.
func (s *Stream) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Pods: len(s.targets), Containers: slices.Clone(s.containers)}
	for _, r := range s.readers {
		if !r.over {
			st.Reading++
		}
	}
	for _, t := range s.targets {
		if s.readers[t.Name] == nil {
			st.Capped++
		}
	}
	st.Ended = len(s.readers) > 0 && st.Reading == 0 && st.Capped == 0
	return st
}
