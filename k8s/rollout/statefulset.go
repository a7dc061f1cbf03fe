package rollout

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// statefulSet judges a StatefulSet (pkg/controller/statefulset/
// stateful_set_control.go). It has no conditions and no deadline: what is
// wrong is only to be seen in its pods and events.
func (a *assessment) statefulSet() k8s.Verdict {
	o := a.o
	a.ownedRevisions(
		func(cr *ControllerRevision) bool { return cr.Name == o.UpdateRevision },
		func(cr *ControllerRevision) string { return cr.Name },
	)
	s := &a.status
	if s.Revision.Name == "" {
		s.Revision.Name, s.Revision.Hash = o.UpdateRevision, o.UpdateRevision
	}
	if o.Strategy == rollingUpdate {
		s.Unavailable = statefulLimit(o.MaxUnavailable, o.Replicas)
	}
	a.needed = o.Replicas - max(s.Unavailable, 1)
	if o.UpdateRevision == "" {
		a.sortPods(nil)
	} else {
		a.sortPods(func(p *k8s.PodRow) bool { return p.Revision == o.UpdateRevision })
	}
	if v, ok := a.common(); ok {
		return v
	}
	a.lookAtAllPods(o.Replicas - len(a.own) - len(a.old))
	return a.statefulPhase()
}

// up is what serves: availableReplicas, which servers before 1.22 do not
// report, differs from readyReplicas only by minReadySeconds.
func (a *assessment) up() int {
	if a.o.MinReady == 0 {
		return a.o.Status.Ready
	}
	return a.o.Status.Available
}

func (a *assessment) statefulPhase() k8s.Verdict {
	o, s := a.o, &a.status
	if o.Replicas == 0 {
		return a.scaledToZero()
	}
	if trapped := a.trapped(); len(trapped) > 0 {
		return a.blockedByOrder(trapped)
	}
	if b := a.createEvent(o.Status.Replicas < o.Replicas); b != nil {
		return a.create(b, a.up(), o.Replicas, o.Status.Updated)
	}
	switch {
	case a.statefulComplete():
		return a.statefulDone()
	case o.Strategy == onDelete && o.Status.Updated < o.Replicas && o.Status.Ready >= o.Replicas:
		return a.manual("pod")
	case o.Strategy == onDelete:
		return a.statefulShortage()
	case a.updating():
		return a.updatingByOrdinal()
	case o.Status.Replicas > o.Replicas && o.Status.Ready >= o.Replicas:
		s.BlockedBy = a.waitingForAny()
		return verdict(live.Info, k8s.PhaseProgressing, "ScalingDown", o.Changed, "scaling down to %d; %s still to go", o.Replicas, count(o.Status.Replicas-o.Replicas, "pod"))
	}
	return a.statefulShortage()
}

// statefulComplete follows completeUpdate (ready counts, not available) and,
// as kubectl does, takes a partition for done when the pods from it upwards
// are of the new revision: currentRevision never gets there then. OnDelete did
// not advance currentRevision before 1.37 (k/k#136833), so it is not asked.
func (a *assessment) statefulComplete() bool {
	o, c := a.o, a.o.Status
	if c.Ready < o.Replicas || c.Replicas != o.Replicas {
		return false
	}
	switch {
	case o.Strategy == onDelete:
		return c.Updated >= o.Replicas
	case o.Partition > 0:
		return c.Updated >= o.Replicas-o.Partition
	}
	return c.Updated == o.Replicas && o.CurrentRevision == o.UpdateRevision
}

func (a *assessment) statefulDone() k8s.Verdict {
	o, s := a.o, &a.status
	text := allUp(o.Replicas)
	if o.Partition > 0 && o.CurrentRevision != o.UpdateRevision {
		text = fmt.Sprintf("%d of %d updated, as far as partition %d lets it; all are ready", o.Status.Updated, o.Replicas, o.Partition)
	}
	since := s.Revision.Created
	for _, p := range a.Pods {
		since = newest(since, p.ReadySince)
	}
	return a.done("RollingUpdateComplete", since, text)
}

// updating reports whether pods are still to be replaced.
func (a *assessment) updating() bool {
	o := a.o
	if o.UpdateRevision == "" || o.CurrentRevision == o.UpdateRevision {
		return false
	}
	return o.Partition == 0 || o.Status.Updated < o.Replicas-o.Partition
}

// trapped are the pods that an OrderedReady set will never replace: not ready
// and not about to be, at or above the partition, of a revision that is not
// the newest. The controller stops at the first pod that is not running, ready
// and available (processReplica with monotonic), before it comes to updating,
// so rolling forward does not help, nor does rolling back (k/k#67250).
func (a *assessment) trapped() []*k8s.PodRow {
	o := a.o
	if !o.OrderedReady || o.Strategy != rollingUpdate || o.UpdateRevision == "" {
		return nil
	}
	var out []*k8s.PodRow
	for _, p := range a.old {
		if _, ready := p.AvailableAt(0); ready || p.Revision == "" || p.Ordinal-o.OrdinalStart < o.Partition {
			continue
		}
		if f := a.examine(p); f.fatal {
			out = append(out, p)
		}
	}
	return out
}

func (a *assessment) blockedByOrder(pods []*k8s.PodRow) k8s.Verdict {
	names, since := podNames(pods), time.Time{}
	for _, p := range pods {
		since = earliest(since, notReadySince(p))
	}
	a.status.BlockedBy = names
	them, pod := "it is", "it"
	if len(names) > 1 {
		them, pod = "they are", "them"
	}
	text := fmt.Sprintf("OrderedReady never replaces %s while %s not ready on an older revision: delete %s", nameList(names, 44), them, pod)
	for _, t := range a.troubles {
		if room := sentence + slack - utf8.RuneCountInString(text) - 3; t.pods[0] == pods[0] && room > 2*slack {
			text += " (" + shorten(t.text, room) + ")"
		}
	}
	v := verdict(live.Fail, k8s.PhaseBlocked, "OrderedReady", since, "%s", text)
	for _, p := range pods {
		v.Delete = append(v.Delete, p.Ref())
	}
	v.Evidence = a.evidence()
	return v
}

// updatingByOrdinal is a rolling update under way, from the highest ordinal
// down.
func (a *assessment) updatingByOrdinal() k8s.Verdict {
	o, s := a.o, &a.status
	want := o.Replicas - o.Partition
	s.BlockedBy = a.waitingForAny()
	since := a.rolloutStart()
	if g := a.fatal(); g != nil && !a.aboutToBeReplaced(g, since) {
		v := verdict(a.severity(a.up()), k8s.PhaseStalling, g.reason, g.since, "%s", a.withCause(fmt.Sprintf("stuck at %d of %d updated", o.Status.Updated, want), g))
		v.Evidence = a.evidence()
		if o.OrderedReady && g.reason != reasonTerminating && strings.Contains(strings.Join(a.waiting(), " "), g.pods[0].Name) {
			v.Evidence = append(v.Evidence, live.Evidence{
				Kind: "spec", Ref: o.String(),
				Text: foreign.CleanN("podManagementPolicy is OrderedReady: a better template alone will not replace "+g.pods[0].Name+"; it must be deleted as well", maxText),
			})
		}
		return v
	}
	slow := time.Duration(max(want, 1)) * (o.ProbeBudget() + o.MinReady + creatingGrace)
	if a.silent() && !since.IsZero() && !a.within(since, slow) {
		return verdict(a.severity(a.up()), k8s.PhaseStalling, "NoProgress", since, "no progress: %d of %d updated, %d of %d ready", o.Status.Updated, want, o.Status.Ready, o.Replicas)
	}
	text := fmt.Sprintf("rolling out: %d of %d updated, %d of %d ready", o.Status.Updated, want, o.Status.Ready, o.Replicas)
	if len(a.troubles) > 0 {
		text += a.troubles[0].waitingFor()
	}
	v := verdict(live.Info, k8s.PhaseProgressing, "RollingUpdate", since, "%s", text)
	if o.Strategy == rollingUpdate && a.up() < a.needed && o.Replicas > 1 {
		v.Severity = live.Warn
	}
	return v
}

// aboutToBeReplaced reports whether the pods in trouble are old ones that a
// set without order (Parallel) deletes by itself when an update begins.
func (a *assessment) aboutToBeReplaced(g *trouble, since time.Time) bool {
	for _, p := range g.pods {
		if a.o.OrderedReady || p.Terminating() || p.Revision == a.o.UpdateRevision || p.Ordinal-a.o.OrdinalStart < a.o.Partition {
			return false
		}
	}
	return a.within(since, creatingGrace)
}

// statefulShortage is a set that is not updating and lacks pods. An ordered
// set makes its pods one after the other, so one whose highest pod is starting
// is only growing.
func (a *assessment) statefulShortage() k8s.Verdict {
	o := a.o
	highest := -1
	for _, p := range a.Pods {
		highest = max(highest, p.Ordinal-o.OrdinalStart)
	}
	if o.OrderedReady && o.Status.Replicas < o.Replicas && highest == o.Status.Replicas-1 && a.fatal() == nil && len(a.troubles) > 0 {
		a.status.BlockedBy = a.waitingForAny()
		g := a.troubles[0]
		return verdict(live.Info, k8s.PhaseProgressing, g.reason, g.since, "growing: %d of %d ready%s", o.Status.Ready, o.Replicas, g.waitingFor())
	}
	return a.shortage(a.up(), o.Replicas, "pod", time.Time{})
}

// manual is an OnDelete strategy with pods of old revisions: nothing happens
// until someone deletes them. They are what it waits for.
func (a *assessment) manual(noun string) k8s.Verdict {
	o, s := a.o, &a.status
	s.BlockedBy = podNames(a.old)
	text := fmt.Sprintf("%d of %d %ss updated: OnDelete waits until the old pods are deleted by hand", o.Status.Updated, o.Replicas, noun)
	return verdict(live.Info, k8s.PhaseManualUpdate, onDelete, a.rolloutStart(), "%s", text)
}
