package capture

import (
	"context"
	"net/http"
	"sync"
	"time"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/k8s/podconn"
	"midwatch/live"
	"midwatch/profiles/decode"
)

// Journal records what was captured; *action.Gate is one.
type Journal interface {
	Note(ctx context.Context, n action.Note) error
}

// Options say what a [Taker] works with.
type Options struct {
	Cluster podconn.Cluster
	// Context is the name of the kubeconfig context, for the journal.
	Context string
	Clock   live.Clock
	// Journal may be nil in tests only.
	Journal Journal
	// Rules are those of the settings; the first that matches holds.
	Rules  []Rule
	Limits decode.Limits
	// Gate carries out the plans that run a command in a container; without
	// one there are none. ClusterUID is the cluster's, for those plans.
	Gate       *action.Gate
	ClusterUID func() string
}

// Taker takes profiles from the pods of one cluster. It is safe for
// concurrent use. What it learns about a workload, and keys that the user
// typed, it keeps in memory and nowhere else.
type Taker struct {
	o     Options
	turns *turns

	mu    sync.Mutex
	known map[string]Endpoint // by workload: where profiles were found
	fresh map[string]fresh    // by pod: what was found a moment ago
	typed map[string]Override // by workload
	kept  []*Profile          // the newest captures, the last one last

	sessions map[*session]bool // that run
	running  sync.WaitGroup
	closed   bool
}

// New makes a taker.
func New(o Options) *Taker {
	if o.Clock == nil {
		o.Clock = live.SystemClock{}
	}
	if o.ClusterUID == nil {
		o.ClusterUID = func() string { return "" }
	}
	return &Taker{o: o, turns: newTurns(), known: map[string]Endpoint{}, fresh: map[string]fresh{}, typed: map[string]Override{}, sessions: map[*session]bool{}}
}

// Close stops what still runs in containers and waits for its end.
func (t *Taker) Close() {
	t.mu.Lock()
	t.closed = true
	var left []*session
	for s := range t.sessions {
		left = append(left, s)
	}
	t.mu.Unlock()
	for _, s := range left {
		s.stop(errClosed)
	}
	t.running.Wait()
}

// Target is a pod to take a profile from.
type Target struct {
	Pod k8s.Ref
	// Workload owns it; the pod itself when it has no owner.
	Workload k8s.Ref
	// Revision is the pod's template, see k8s.PodRow.
	Revision string
}

func (t Target) workload() string {
	if t.Workload.IsZero() {
		return t.Pod.Key()
	}
	return t.Workload.Key()
}

// Override is what a user said about a workload during this session.
type Override struct {
	Port   int
	Prefix string
	// Header is the name of the key's header, Key its value. They are never
	// written anywhere.
	Header, Key string
}

// Override sets what the user said; the zero value takes it back.
func (t *Taker) Override(target Target, o Override) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.typed[target.workload()] = o
	delete(t.known, target.workload())
	clear(t.fresh)
}

// SetKey keeps a key for the workload beside what else was said about it. An
// empty header stands for Authorization: Bearer when the key has no name.
func (t *Taker) SetKey(target Target, header, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.typed[target.workload()]
	o.Header, o.Key = header, key
	t.typed[target.workload()] = o
	clear(t.fresh)
}

// SetPort says where the workload serves profiles.
func (t *Taker) SetPort(target Target, port int, prefix string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.typed[target.workload()]
	o.Port, o.Prefix = port, prefix
	t.typed[target.workload()] = o
	delete(t.known, target.workload())
	clear(t.fresh)
}

// with puts what the user said over an endpoint.
func (o Override) with(e Endpoint) Endpoint {
	if o.Prefix != "" {
		e.Prefix = o.Prefix
	}
	if o.Key == "" {
		return e
	}
	e.Header = e.Header.Clone()
	if e.Header == nil {
		e.Header = http.Header{}
	}
	if o.Header == "" {
		e.Header.Set("Authorization", "Bearer "+o.Key)
	} else {
		e.Header.Set(o.Header, o.Key)
	}
	return e
}

// Stage is how far a capture is.
type Stage string

// The stages, in order.
const (
	Finding   Stage = "looking for the endpoint"
	Waiting   Stage = "waiting for a turn"
	Sampling  Stage = "sampling"
	BusyStage Stage = "another profiler is at it"
	Reading   Stage = "reading"
)

// Progress is what is known of a running capture.
type Progress struct {
	Stage Stage
	// Since is when the stage began; Lasts how long sampling takes.
	Since time.Time
	Lasts time.Duration
	// Bytes were received.
	Bytes int64
	// Attempt counts from 1; Note says why there was another one.
	Attempt int
	Note    string
}

// Watch is where a capture says how far it is. The zero value is ready; it is
// safe for concurrent use.
type Watch struct {
	mu sync.Mutex
	p  Progress
}

// Progress returns the latest.
func (w *Watch) Progress() Progress {
	if w == nil {
		return Progress{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.p
}

func (w *Watch) set(edit func(*Progress)) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	edit(&w.p)
}
