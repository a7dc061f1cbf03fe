package watch

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/rollout"
)

// What a verdict would like to know besides (k8s.Verdict.Clues) is read for
// workloads in trouble only: the node of a pod that does not answer, and the
// ordinary events of a pod that was killed or is not created. Neither is worth
// a watch of the whole cluster.
const (
	cluesAtOnce = 2
	// cluesHeld bounds what is kept; the oldest goes.
	cluesHeld = 64
	// clueAgain is how old a clue has to be to be looked up again while
	// somebody still wants it.
	clueAgain   = 30 * time.Second
	clueTimeout = 5 * time.Second
	// clueEvents bounds the ordinary events read of one pod.
	clueEvents = 100
	nodesName  = "nodes"
)

// clue is one thing looked up.
type clue struct {
	at     time.Time
	busy   bool
	node   *rollout.Node
	events []*k8s.Event
	// askers are the workloads to judge again when it is there.
	askers map[*entry]struct{}
}

// detective looks up clues. Its workers belong to the run; the world's lock
// guards the clues, its own the queue.
type detective struct {
	run *run

	mu     sync.Mutex
	queue  []k8s.Ref
	active int
	wake   chan struct{}
}

func newDetective(r *run) *detective { return &detective{run: r, wake: make(chan struct{})} }

func (d *detective) start() {
	for range cluesAtOnce {
		d.run.wg.Go(d.work)
	}
}

// consider queues what the workloads in trouble would like to know and what is
// not known, or was looked up too long ago.
func (d *detective) consider(now time.Time) {
	w := d.run.world
	w.mu.Lock()
	var wanted []k8s.Ref
	for _, e := range w.curious {
		for _, r := range e.judged.Verdict.Clues {
			c := w.clues[r]
			if c == nil {
				c = &clue{askers: map[*entry]struct{}{}}
				w.keepClue(r, c)
			}
			c.askers[e] = struct{}{}
			if !c.busy && (c.at.IsZero() || now.Sub(c.at) >= clueAgain) {
				c.busy = true
				wanted = append(wanted, r)
			}
		}
	}
	w.mu.Unlock()
	if len(wanted) == 0 {
		return
	}
	d.mu.Lock()
	d.queue = append(d.queue, wanted...)
	close(d.wake)
	d.wake = make(chan struct{})
	d.mu.Unlock()
}

// keepClue makes room for one more; the caller holds the lock.
func (w *world) keepClue(r k8s.Ref, c *clue) {
	if len(w.clues) >= cluesHeld {
		var oldest k8s.Ref
		for have, x := range w.clues {
			if !x.busy && (oldest.IsZero() || x.at.Before(w.clues[oldest].at)) {
				oldest = have
			}
		}
		delete(w.clues, oldest)
	}
	w.clues[r] = c
}

func (d *detective) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue) == 0 && d.active == 0
}

func (d *detective) work() {
	for {
		d.mu.Lock()
		wake := d.wake
		var next k8s.Ref
		if len(d.queue) > 0 {
			next, d.queue = d.queue[0], d.queue[1:]
			d.active++
		}
		d.mu.Unlock()
		if next.IsZero() {
			select {
			case <-d.run.ctx.Done():
				return
			case <-wake:
			}
			continue
		}
		d.look(next)
		d.mu.Lock()
		d.active--
		d.mu.Unlock()
		d.run.session.pulse.beat()
	}
}

// look reads one clue and has those who asked judged again if it tells
// something new.
func (d *detective) look(r k8s.Ref) {
	ctx, cancel := context.WithTimeout(d.run.ctx, clueTimeout)
	defer cancel()
	var node *rollout.Node
	var events []*k8s.Event
	if r.Kind == "Node" {
		node = d.node(ctx, r.Name)
	} else {
		events = d.events(ctx, r)
	}
	w := d.run.world
	w.mu.Lock()
	if c := w.clues[r]; c != nil {
		news := !sameNode(c.node, node) || !slices.EqualFunc(c.events, events, func(a, b *k8s.Event) bool { return *a == *b })
		c.at, c.busy, c.node, c.events = d.run.session.opts.Clock.Now(), false, node, events
		for e := range c.askers {
			if news && w.objects[e.object.UID] == e {
				w.touch(e)
			}
		}
		clear(c.askers)
	}
	w.mu.Unlock()
	d.run.session.dirty(TopicBoard, TopicWorkload)
}

func sameNode(a, b *rollout.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Heard, y.Heard = time.Time{}, time.Time{} // moves with every heartbeat and changes no verdict
	return x == y
}

// node reads one. That nodes may not be read is remembered: one refusal is
// enough.
func (d *detective) node(ctx context.Context, name string) *rollout.Node {
	s := d.run.session
	may := right{nodesName, ""}
	refused := func() *rollout.Node { return &rollout.Node{Name: name, Err: denial("get", nodesName, "")} }
	if s.denied(may) {
		return refused()
	}
	n, err := s.opts.Cluster.Typed().CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{ResourceVersion: "0"})
	switch {
	case apierrors.IsNotFound(err):
		return &rollout.Node{Name: name, Gone: true}
	case apierrors.IsForbidden(err):
		s.deny(may)
		return refused()
	case err != nil:
		return &rollout.Node{Name: name, Err: foreign.CleanN(err.Error(), 200)}
	}
	return rollout.FromNode(n)
}

// events reads the ordinary events of one pod; the Warnings are watched. That
// they cannot be read leaves things as they are: absence proves nothing.
func (d *detective) events(ctx context.Context, pod k8s.Ref) []*k8s.Event {
	s := d.run.session
	if s.denied(right{eventsName, pod.Namespace}) || s.denied(right{eventsName, ""}) && d.run.scope.All() {
		return nil
	}
	var out []*k8s.Event
	l := warnings().open(s.opts.Cluster, pod.Namespace)
	fields := "involvedObject.uid=" + pod.UID + ",type=" + corev1.EventTypeNormal
	_, err := l.list(ctx, metav1.ListOptions{FieldSelector: fields, ResourceVersion: "0"}, func(o runtime.Object) error {
		e, ok := o.(*corev1.Event)
		if !ok || len(out) >= clueEvents {
			return nil
		}
		switch e.Reason {
		case "Killing", "Pulling", "Pulled", "Created":
			out = append(out, rollout.FromEvent(e, d.run.world.strings.intern))
		}
		return nil
	})
	if err != nil {
		return nil
	}
	slices.SortFunc(out, newestFirst)
	return out
}

// cluesFor are what was looked up for a workload; the caller holds the lock.
func (w *world) cluesFor(e *entry) (nodes map[string]*rollout.Node, events []*k8s.Event) {
	if e.judged == nil {
		return nil, nil
	}
	for _, r := range e.judged.Verdict.Clues {
		c := w.clues[r]
		switch {
		case c == nil:
		case c.node != nil:
			if nodes == nil {
				nodes = map[string]*rollout.Node{}
			}
			nodes[r.Name] = c.node
		default:
			events = append(events, c.events...)
		}
	}
	return nodes, events
}
