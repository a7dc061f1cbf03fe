package watch

import (
	"slices"
	"strings"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/live"
)

// assessor is rollout.Assess; a test counts its calls.
type assessor func(rollout.Input) (k8s.Verdict, k8s.RolloutStatus)

// knowledge says for a namespace whether a resource was read completely.
type knowledge struct {
	sets, pods func(namespace string) bool
}

// read is what of a namespace was read completely.
type read struct{ sets, pods bool }

func (k knowledge) of(namespace string) read {
	return read{sets: k.sets(namespace), pods: k.pods(namespace)}
}

// job is one workload to judge with everything known about it.
type job struct {
	entry *entry
	input rollout.Input
	scale *rollout.HPA
	taker Taker
}

// soonest is how often one workload is judged at most by time alone.
const soonest = time.Second

// judge assesses the workloads that changed, whose time has come, or of which
// more is known than before, and returns how many that were. The world is
// locked only while their rows are gathered and their verdicts stored.
func (w *world) judge(now time.Time, skew time.Duration, known knowledge, assess assessor) int {
	jobs := w.gather(now, known)
	judged := make([]*k8s.Workload, len(jobs))
	for i, j := range jobs {
		j.input.Skew = skew
		verdict, status := assess(j.input)
		judged[i] = workload(&j, verdict, status)
		w.credentials(judged[i], &j.taker, now, skew)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, j := range jobs {
		j.entry.judged, j.entry.recheck = judged[i], judged[i].Verdict.Recheck
		w.wonder(j.entry)
		if at := j.entry.recheck; !at.IsZero() && at.Before(now.Add(soonest)) {
			j.entry.recheck = now.Add(soonest)
		}
	}
	if len(jobs) > 0 {
		w.changes++
	}
	return len(jobs)
}

// wonder notes whether a workload in trouble would like to know more; the
// caller holds the lock.
func (w *world) wonder(e *entry) {
	if v := &e.judged.Verdict; len(v.Clues) > 0 && v.Severity.Rank() <= live.Warn.Rank() && w.objects[e.object.UID] == e {
		w.curious[e.object.UID] = e
		return
	}
	delete(w.curious, e.object.UID)
}

func (w *world) gather(now time.Time, known knowledge) []job {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.objects {
		due := !e.recheck.IsZero() && !e.recheck.After(now)
		if due || e.read != known.of(e.object.Namespace) {
			w.dirty[e] = struct{}{}
		}
	}
	jobs := make([]job, 0, len(w.dirty))
	guesses := &setGuesses{world: w}
	for e := range w.dirty {
		jobs = append(jobs, w.job(e, now, known, guesses))
	}
	clear(w.dirty)
	return jobs
}

func (w *world) job(e *entry, now time.Time, known knowledge, guesses *setGuesses) job {
	o := e.object
	e.read = known.of(o.Namespace)
	in := rollout.Input{
		Object: o, Now: now, SetsKnown: e.read.sets, PodsKnown: e.read.pods || e.probe.complete,
		Pods: w.podsFor(e, guesses),
	}
	for _, s := range w.setsOf[o.UID] {
		in.Sets = append(in.Sets, s)
	}
	slices.SortFunc(in.Sets, func(a, b *rollout.ReplicaSet) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range w.revisionsOf[o.UID] {
		in.Revisions = append(in.Revisions, r)
	}
	slices.SortFunc(in.Revisions, func(a, b *rollout.ControllerRevision) int { return strings.Compare(a.Name, b.Name) })
	in.Events = w.eventsFor(e, in.Pods)
	nodes, ordinary := w.cluesFor(e)
	in.Nodes, in.Events = nodes, append(in.Events, ordinary...)
	j := job{entry: e, input: in, taker: Taker{Ref: o.Ref, Takes: o.Takes, Held: w.heldOf(o.Namespace, o.Takes)}}
	if list := w.scalersOf[o.Key()]; len(list) > 0 {
		j.scale = slices.MinFunc(list, func(a, b *rollout.HPA) int { return strings.Compare(a.Name, b.Name) })
	}
	return j
}

// podsFor are the pods a workload owns, directly or through its ReplicaSets,
// by name.
func (w *world) podsFor(e *entry, guesses *setGuesses) []*k8s.PodRow {
	o := e.object
	pods := slices.Clone(w.podsOf[o.UID])
	for uid := range w.setsOf[o.UID] {
		pods = append(pods, w.podsOf[uid]...)
	}
	if len(w.setsOf[o.UID]) == 0 && (o.Kind == k8s.Deployment || o.Kind == k8s.Rollout) {
		for _, uid := range guesses.of(o.Ref) {
			pods = append(pods, w.podsOf[uid]...)
		}
	}
	slices.SortFunc(pods, byName)
	return pods
}

// eventsFor are the Warning events about a workload, its ReplicaSets and its
// pods, the newest first.
func (w *world) eventsFor(e *entry, pods []*k8s.PodRow) []*k8s.Event {
	if len(w.events.about) == 0 {
		return nil
	}
	list := w.events.of(nil, e.object.Ref)
	for _, s := range w.setsOf[e.object.UID] {
		list = w.events.of(list, s.Ref)
	}
	for _, p := range pods {
		list = w.events.of(list, p.Ref())
	}
	slices.SortFunc(list, newestFirst)
	return list
}

func workload(j *job, v k8s.Verdict, s k8s.RolloutStatus) *k8s.Workload {
	o := j.input.Object
	row := &k8s.Workload{
		Ref: o.Ref, Verdict: v, Rollout: s, Selector: o.Selector, Created: o.Created, Changed: o.Created,
		PodsKnown: j.input.PodsKnown,
	}
	if s.Revision.Created.After(row.Changed) {
		row.Changed = s.Revision.Created
	}
	for _, p := range j.input.Pods {
		row.Restarts += p.Restarts
	}
	if j.scale != nil {
		status := j.scale.Status
		row.HPA = &status
	}
	return row
}

// setGuesses finds the ReplicaSets of a Deployment by their names, for users
// who may see its pods but not its ReplicaSets. It is made only when asked.
type setGuesses struct {
	world *world
	byKey map[string][]string // Deployment's "namespace/name" to ReplicaSets' UIDs
}

func (g *setGuesses) of(r k8s.Ref) []string {
	if g.byKey == nil {
		g.byKey = map[string][]string{}
		for uid, pods := range g.world.podsOf {
			if p := pods[0]; p.OwnerKind == "ReplicaSet" && g.world.ownerOfSet[uid] == "" {
				key := p.Namespace + "/" + setPrefix(p)
				g.byKey[key] = append(g.byKey[key], uid)
			}
		}
	}
	return g.byKey[r.Namespace+"/"+r.Name]
}
