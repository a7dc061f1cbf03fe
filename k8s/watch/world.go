package watch

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/secrets"
)

// world holds the rows of one scope and knows which workload each belongs to.
// A changed row marks that workload dirty; judging (judge.go) looks at dirty
// ones only.
type world struct {
	strings *interner
	endings Judge // nil judges none

	mu          sync.Mutex
	objects     map[string]*entry // workloads by UID
	byKey       map[string]*entry // and by Ref.Key()
	dirty       map[*entry]struct{}
	setsOf      map[string]map[string]*rollout.ReplicaSet         // by owner's UID, then own
	ownerOfSet  map[string]string                                 // UID to UID
	revisionsOf map[string]map[string]*rollout.ControllerRevision // by owner's UID, then own
	scalersOf   map[string][]*rollout.HPA                         // by target's Ref.Key()
	heldSince   map[string]time.Time                              // since when an autoscaler being replaced is stabilising
	podsOf      map[string][]*k8s.PodRow                          // by controlling owner's UID
	heldFor     map[string][]*secrets.Held                        // by "namespace/Secret"
	podsReady   int
	flips       flipIndex
	events      eventIndex
	pods        podOrder
	// clues are what was looked up besides, curious the workloads that would
	// like to know more; see clues.go.
	clues   map[k8s.Ref]*clue
	curious map[string]*entry // by UID
	// changes counts what could make a board look different.
	changes uint64

	deployments, statefulSets, daemonSets, rollouts *table[*rollout.Object]
	sets                                            *table[*rollout.ReplicaSet]
	revisions                                       *table[*rollout.ControllerRevision]
	scalers                                         *table[*rollout.HPA]
	dynamic, certificates                           *table[*secrets.Held]
	podTable                                        *table[*k8s.PodRow]
	eventTable                                      *table[*k8s.Event]
}

// entry is one workload and its last verdict.
type entry struct {
	object *rollout.Object
	judged *k8s.Workload
	// read is what was known when it was judged.
	read read
	// recheck is when the verdict changes by itself; zero for never.
	recheck time.Time
	// ranked is true once it is among the board's.
	ranked bool
	// probe tells how its own pods are being read; see probe.go.
	probe probeState
}

func newWorld() *world {
	w := &world{
		strings: newInterner(),
		objects: map[string]*entry{}, byKey: map[string]*entry{}, dirty: map[*entry]struct{}{},
		setsOf: map[string]map[string]*rollout.ReplicaSet{}, ownerOfSet: map[string]string{},
		revisionsOf: map[string]map[string]*rollout.ControllerRevision{}, scalersOf: map[string][]*rollout.HPA{}, heldSince: map[string]time.Time{},
		podsOf: map[string][]*k8s.PodRow{}, heldFor: map[string][]*secrets.Held{},
		events: newEventIndex(),
		clues:  map[k8s.Ref]*clue{}, curious: map[string]*entry{},
	}
	in := rollout.Intern(w.strings.intern)
	object := func(reduce func(runtime.Object) (*rollout.Object, error)) *table[*rollout.Object] {
		return newTable(w, reduce, w.objectArrived, w.objectLeft)
	}
	w.deployments = object(of(with(in, rollout.FromDeployment)))
	w.statefulSets = object(of(with(in, rollout.FromStatefulSet)))
	w.daemonSets = object(of(with(in, rollout.FromDaemonSet)))
	w.rollouts = object(func(o runtime.Object) (*rollout.Object, error) {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			return nil, fmt.Errorf("read %T where an Argo Rollout was asked for", o)
		}
		return rollout.FromArgoRollout(u, in)
	})
	w.sets = newTable(w, of(with(in, rollout.FromReplicaSet)), w.setArrived, w.setLeft)
	w.revisions = newTable(w, of(with(in, rollout.FromControllerRevision)), w.revisionArrived, w.revisionLeft)
	w.scalers = newTable(w, of(with(in, rollout.FromHPA)), w.scalerArrived, w.scalerLeft)
	w.dynamic, w.certificates = newTable(w, heldBy, w.heldArrived, w.heldLeft), newTable(w, heldBy, w.heldArrived, w.heldLeft)
	w.podTable = newTable(w, of(with(in, rollout.FromPod)), w.podArrived, w.podLeft)
	w.eventTable = newTable(w, of(with(in, rollout.FromEvent)), w.eventArrived, w.eventLeft)
	w.eventTable.swept = w.eventsSwept
	return w
}

// with binds the intern function of a reduction.
func with[O, T any](in rollout.Intern, reduce func(O, rollout.Intern) T) func(O) T {
	return func(o O) T { return reduce(o, in) }
}

// The methods below keep the indexes. They run under the world's lock.

func (w *world) touch(e *entry) {
	if e != nil {
		w.dirty[e] = struct{}{}
		w.changes++
	}
}

// touchOwner marks the workload that owns, directly or through a ReplicaSet,
// what has this owner. An owner not yet known marks nothing: it will be
// judged when it arrives.
func (w *world) touchOwner(uid string) {
	if owner, ok := w.ownerOfSet[uid]; ok {
		uid = owner
	}
	w.touch(w.objects[uid])
}

func (w *world) objectArrived(o *rollout.Object) {
	e := w.byKey[o.Key()]
	if e == nil || e.object.UID != o.UID {
		e = &entry{}
	}
	e.object = o
	w.objects[o.UID], w.byKey[o.Key()] = e, e
	w.touch(e)
}

// objectLeft forgets a workload unless it is about to be replaced by a newer
// version of itself: arrived finds the entry by key then.
func (w *world) objectLeft(o *rollout.Object) {
	e := w.objects[o.UID]
	if e == nil {
		return
	}
	w.changes++
	if _, kept := w.objectTable(o.Kind).rows[o.UID]; kept {
		return
	}
	delete(w.objects, o.UID)
	delete(w.curious, o.UID)
	delete(w.dirty, e)
	if w.byKey[o.Key()] == e {
		delete(w.byKey, o.Key())
	}
}

func (w *world) objectTable(kind string) *table[*rollout.Object] {
	switch kind {
	case k8s.Deployment:
		return w.deployments
	case k8s.StatefulSet:
		return w.statefulSets
	case k8s.DaemonSet:
		return w.daemonSets
	}
	return w.rollouts
}

func (w *world) setArrived(s *rollout.ReplicaSet) {
	addTo(w.setsOf, s.OwnerUID, s.UID, s)
	w.ownerOfSet[s.UID] = s.OwnerUID
	w.touch(w.objects[s.OwnerUID])
}

func (w *world) setLeft(s *rollout.ReplicaSet) {
	removeFrom(w.setsOf, s.OwnerUID, s.UID)
	delete(w.ownerOfSet, s.UID)
	w.touch(w.objects[s.OwnerUID])
}

func (w *world) revisionArrived(r *rollout.ControllerRevision) {
	addTo(w.revisionsOf, r.OwnerUID, r.UID, r)
	w.touch(w.objects[r.OwnerUID])
}

func (w *world) revisionLeft(r *rollout.ControllerRevision) {
	removeFrom(w.revisionsOf, r.OwnerUID, r.UID)
	w.touch(w.objects[r.OwnerUID])
}

func (w *world) scalerArrived(h *rollout.HPA) {
	if since, ok := w.heldSince[h.UID]; ok {
		delete(w.heldSince, h.UID)
		if h.Status.Stabilising {
			h.Status.Since = since
		}
	}
	key := h.Target.Key()
	w.scalersOf[key] = append(w.scalersOf[key], h)
	w.touch(w.byKey[key])
}

func (w *world) scalerLeft(h *rollout.HPA) {
	if _, replaced := w.scalers.rows[h.UID]; replaced && h.Status.Stabilising {
		w.heldSince[h.UID] = h.Status.Since // a newer version of it arrives next
	}
	key := h.Target.Key()
	takeOut(w.scalersOf, key, h)
	w.touch(w.byKey[key])
}

func (w *world) podArrived(p *k8s.PodRow) {
	w.podsOf[p.OwnerUID] = append(w.podsOf[p.OwnerUID], p)
	if p.Ready {
		w.podsReady++
	}
	w.pods.arrived(p)
	w.flips.arrived(p)
	w.touchPod(p)
}

func (w *world) podLeft(p *k8s.PodRow) {
	takeOut(w.podsOf, p.OwnerUID, p)
	if p.Ready {
		w.podsReady--
	}
	w.pods.left(p)
	_, replaced := w.podTable.rows[p.UID]
	w.flips.left(p, replaced)
	w.touchPod(p)
}

func (w *world) touchPod(p *k8s.PodRow) {
	w.changes++
	w.touchOwner(p.OwnerUID)
	if _, known := w.ownerOfSet[p.OwnerUID]; !known && p.OwnerKind == "ReplicaSet" {
		w.touch(w.byKey[p.Namespace+"/"+k8s.Deployment+"/"+setPrefix(p)])
	}
}

// setPrefix is the name of the Deployment whose ReplicaSet owns the pod, read
// from the names: for users who may not list ReplicaSets (a ReplicaSet is
// called <deployment>-<pod-template-hash>, deployment/sync.go).
func setPrefix(p *k8s.PodRow) string {
	return strings.TrimSuffix(p.OwnerName, "-"+p.Revision)
}

func (w *world) eventArrived(e *k8s.Event) {
	w.events.add(e)
	w.touchInvolved(e)
	w.trimEvents()
}

func (w *world) eventLeft(e *k8s.Event) {
	w.events.remove(e)
	w.touchInvolved(e)
}

func (w *world) touchInvolved(e *k8s.Event) {
	if e.Involved.Kind == "Pod" {
		if h, ok := w.podTable.rows[e.Involved.UID]; ok {
			w.touchOwner(h.row.OwnerUID)
		}
		return
	}
	if _, ok := w.objects[e.Involved.UID]; !ok && e.Involved.Kind != "ReplicaSet" {
		w.touch(w.byKey[e.Involved.Key()])
		return
	}
	w.touchOwner(e.Involved.UID)
}

// addTo and removeFrom keep a map of maps without empty leaves.
func addTo[V any](m map[string]map[string]V, outer, inner string, v V) {
	if m[outer] == nil {
		m[outer] = map[string]V{}
	}
	m[outer][inner] = v
}

func removeFrom[V any](m map[string]map[string]V, outer, inner string) {
	delete(m[outer], inner)
	if len(m[outer]) == 0 {
		delete(m, outer)
	}
}

// takeOut removes one value from a slice in a map, without keeping its order.
func takeOut[V comparable](m map[string][]V, key string, v V) {
	list := m[key]
	for i := range list {
		if list[i] != v {
			continue
		}
		var none V
		last := len(list) - 1
		list[i], list[last] = list[last], none
		if last == 0 {
			delete(m, key)
		} else {
			m[key] = list[:last]
		}
		return
	}
}
