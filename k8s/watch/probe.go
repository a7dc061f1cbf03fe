package watch

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/live"
)

// Before all pods of the scope are there, the pods of the workloads that need
// an explanation are read by selector, a few at a time.
const (
	probesAtOnce = 4
	// probesPerRun bounds them: when everything is in trouble, reading all
	// pods is the shorter way.
	probesPerRun = 40
	// probeReplicas is the largest workload read this way.
	probeReplicas = 500
	probeTimeout  = 10 * time.Second
	// probeAgain is how old a reading has to be to be repeated while the
	// workload changes.
	probeAgain = 5 * time.Second
	// probesLimit is how long the reading of all pods waits for the probes.
	probesLimit = time.Second
)

// probeState tells how a workload's own pods are being read. The world's lock
// guards it.
type probeState struct {
	busy     bool
	complete bool
	at       time.Time
	object   *rollout.Object // as it was then
}

// prober reads pods of single workloads. Its workers belong to the run.
type prober struct {
	run *run

	mu     sync.Mutex
	queue  []*entry
	active int
	asked  int
	wake   chan struct{} // closed and renewed when there is work
}

func newProber(r *run) *prober { return &prober{run: r, wake: make(chan struct{})} }

// start begins work on what was asked for so far.
func (p *prober) start() {
	for range probesAtOnce {
		p.run.wg.Go(p.work)
	}
}

// consider asks for the pods of the workloads in trouble, the worst first,
// and before them of the selected one.
func (p *prober) consider() {
	r := p.run
	if !r.podsLoading() {
		return
	}
	now := r.session.opts.Clock.Now()
	known := r.known()
	selected := r.session.selection()
	r.world.mu.Lock()
	var list []*entry
	for _, e := range r.world.objects {
		if e.judged != nil && e.wantsProbe(now) && (e.object.Key() == selected || isTroubled(e.judged)) && !known.pods(e.object.Namespace) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int {
		if a.object.Key() == selected {
			return -1
		}
		if b.object.Key() == selected {
			return 1
		}
		return byRank(a.judged, b.judged)
	})
	r.world.mu.Unlock()
	for _, e := range list {
		if !p.ask(e, e.object.Key() == selected) {
			return
		}
	}
}

// isTroubled reports whether pods would tell more than the controller does:
// trouble, and rollouts under way, which may be crashing already.
func isTroubled(w *k8s.Workload) bool {
	switch w.Verdict.Severity {
	case live.Fail, live.Warn, live.Unknown:
		return true
	}
	return w.Verdict.Phase == k8s.PhaseProgressing || w.Verdict.Phase == k8s.PhaseNotObserved
}

// wantsProbe reports whether reading the workload's pods may tell something
// new; the caller holds the world's lock.
func (e *entry) wantsProbe(now time.Time) bool {
	if e.probe.busy || e.object.Selector == "" || e.object.Replicas > probeReplicas {
		return false
	}
	return e.probe.at.IsZero() || (e.probe.object != e.object && now.Sub(e.probe.at) >= probeAgain)
}

// ask queues a workload, in front when it is urgent. It reports whether more
// may be asked for.
func (p *prober) ask(e *entry, urgent bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.queue, e) {
		return true
	}
	if !urgent && p.asked >= probesPerRun {
		return false
	}
	p.asked++
	if urgent {
		p.queue = slices.Insert(p.queue, 0, e)
	} else {
		p.queue = append(p.queue, e)
	}
	close(p.wake)
	p.wake = make(chan struct{})
	return true
}

// idle reports whether nothing is asked for and nothing is being read.
func (p *prober) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) == 0 && p.active == 0
}

func (p *prober) work() {
	for {
		p.mu.Lock()
		wake := p.wake
		var next *entry
		if len(p.queue) > 0 {
			next, p.queue = p.queue[0], p.queue[1:]
			p.active++
		}
		p.mu.Unlock()
		if next == nil {
			select {
			case <-p.run.ctx.Done():
				return
			case <-wake:
			}
			continue
		}
		p.probe(next)
		p.mu.Lock()
		p.active--
		p.mu.Unlock()
		p.run.session.pulse.beat()
	}
}

// probe reads the pods of one workload. While the list of all pods is under
// way its rows are the newer ones, so a probe only adds what is missing; what
// it adds wrongly the complete list sweeps away.
func (p *prober) probe(e *entry) {
	r, w := p.run, p.run.world
	w.mu.Lock()
	o := e.object
	e.probe = probeState{busy: true, complete: e.probe.complete, at: r.session.opts.Clock.Now(), object: o}
	w.mu.Unlock()
	done := false
	defer func() {
		w.mu.Lock()
		e.probe.busy, e.probe.complete = false, e.probe.complete || done
		w.touch(e)
		w.mu.Unlock()
		r.session.dirty(TopicBoard, TopicWorkload, TopicPods)
	}()
	where := right{podsName, o.Namespace}
	if r.ctx.Err() != nil || r.complete(podsName, o.Namespace) || r.session.denied(where) {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, probeTimeout)
	defer cancel()
	underway := len(r.list(podsName)) > 0
	l := pods().open(r.session.opts.Cluster, o.Namespace)
	_, err := l.list(ctx, metav1.ListOptions{LabelSelector: o.Selector, ResourceVersion: "0"}, func(obj runtime.Object) error {
		return w.addPod(obj, !underway)
	})
	if apierrors.IsForbidden(err) {
		r.session.deny(where)
	}
	done = err == nil
}

// addPod keeps a pod read by a probe, unless there is a row that must not be
// overwritten.
func (w *world) addPod(o runtime.Object, overwrite bool) error {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil
	}
	w.mu.Lock()
	_, known := w.podTable.rows[string(m.GetUID())]
	w.mu.Unlock()
	if known && !overwrite {
		return nil
	}
	_, err := w.podTable.put(o)
	return err
}

// awaitProbes waits for the first probes, but not long.
func (r *run) awaitProbes() {
	c, stop := r.session.opts.Clock.After(probesLimit)
	defer stop()
	for {
		changed := r.session.pulse.wait()
		if r.prober.idle() {
			return
		}
		select {
		case <-r.ctx.Done():
			return
		case <-c:
			return
		case <-changed:
		}
	}
}

// byRank orders a board: see [Board.Workloads].
func byRank(a, b *k8s.Workload) int {
	return cmp.Or(
		cmp.Compare(a.Verdict.Severity.Rank(), b.Verdict.Severity.Rank()),
		b.Verdict.Since.Compare(a.Verdict.Since),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind),
	)
}
