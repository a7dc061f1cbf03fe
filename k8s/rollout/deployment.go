package rollout

import (
	"fmt"
	"time"

	"midwatch/k8s"
	"midwatch/live"
)

// Reasons of a Deployment's Progressing condition (deployment_util.go).
const (
	newSetAvailable  = "NewReplicaSetAvailable"
	deadlineExceeded = "ProgressDeadlineExceeded"
	createSetError   = "ReplicaSetCreateError"
	deploymentPaused = "DeploymentPaused"
)

// deployment judges a Deployment (pkg/controller/deployment/{progress,sync,
// rolling,recreate}.go).
func (a *assessment) deployment() k8s.Verdict {
	o := a.o
	a.current = newSet(o, a.Sets)
	a.setRevisions()
	s := &a.status
	if o.Strategy == recreate {
		// All old pods go first; to be Available it needs every pod
		// (deployment_util.go MaxUnavailable).
		s.Surge, s.Unavailable, a.needed = 0, o.Replicas, o.Replicas
	} else {
		s.Surge, s.Unavailable = limits(o.MaxSurge, o.MaxUnavailable, o.Replicas)
		a.needed = o.Replicas - s.Unavailable
	}
	a.sortPods(a.isOwn())
	if v, ok := a.common(); ok {
		return v
	}
	if progressing := a.estimated(); progressing != nil {
		s.Deadline = progressing.Updated.Add(o.Deadline)
	}
	lost := o.Replicas
	if a.current != nil {
		lost = a.current.Replicas
	}
	a.lookAtPods(lost - len(a.own))
	return a.deploymentPhase()
}

// isOwn tells pods of the new revision: those its ReplicaSet owns. Without
// ReplicaSets nobody can tell.
func (a *assessment) isOwn() func(*k8s.PodRow) bool {
	if !a.SetsKnown && a.current == nil {
		return nil
	}
	return func(p *k8s.PodRow) bool {
		switch {
		case a.current == nil:
			return false
		case p.OwnerUID != "" && a.current.UID != "":
			return p.OwnerUID == a.current.UID
		}
		return p.Revision != "" && p.Revision == a.current.Hash
	}
}

// estimated is the Progressing condition while the controller watches the
// deadline: not without one, while paused, once it has expired, or once the
// rollout was complete (progress.go syncRolloutStatus).
func (a *assessment) estimated() *Condition {
	c := a.o.condition("Progressing")
	if c == nil || a.o.Deadline == 0 || a.o.Paused || c.Status == "False" || c.Reason == newSetAvailable {
		return nil
	}
	return c
}

// deploymentPhase looks for the phases in the order in which they overrule
// each other.
func (a *assessment) deploymentPhase() k8s.Verdict {
	o, s := a.o, &a.status
	if o.Paused {
		return a.paused()
	}
	if o.Replicas == 0 {
		s.Deadline = time.Time{}
		return a.scaledToZero()
	}
	progressing := o.condition("Progressing")
	if progressing != nil && progressing.Status == "False" {
		switch progressing.Reason {
		case createSetError:
			return a.noNewSet(progressing)
		case deadlineExceeded:
			return a.failed(progressing.Since)
		}
	}
	if b := a.creationBlocked(); b != nil {
		return a.create(b, o.Status.Available, o.Replicas, s.Updated)
	}
	switch {
	case a.complete():
		return a.done(newSetAvailable, a.completeSince(), allUp(o.Replicas))
	case a.settled(progressing):
		return a.settledDeployment()
	}
	return a.moving()
}

// noNewSet is a Deployment whose new ReplicaSet the API server does not take.
func (a *assessment) noNewSet(c *Condition) k8s.Verdict {
	b := a.block(c, a.o.Ref, nil)
	v := verdict(live.Fail, k8s.PhaseFailed, createSetError, c.Since, "%s",
		withWords("the new ReplicaSet cannot be created", b.text)+a.clock(c.Since))
	v.Evidence = b.evidence
	return v
}

// complete is deployment_util.go DeploymentComplete.
func (a *assessment) complete() bool {
	n, c := a.o.Replicas, a.o.Status
	return c.Updated == n && c.Replicas == n && c.Available == n
}

// settled reports whether the rollout was complete once and no other began.
// From then on the controller does not estimate progress any more: lost pods,
// or a scale-up that cannot start, never exceed the deadline (progress.go
// isCompleteDeployment). Without a deadline there is no condition to tell;
// then a lone ReplicaSet that had time to start counts.
func (a *assessment) settled(progressing *Condition) bool {
	if a.o.Status.Replicas != a.o.Status.Updated || (a.SetsKnown && a.current == nil) {
		return false
	}
	if progressing != nil {
		return progressing.Reason == newSetAvailable
	}
	return a.o.Deadline == 0 && a.current != nil && a.current.Replicas == a.o.Replicas && a.status.OldReplicas == 0 &&
		!a.within(a.current.Created, a.o.ProbeBudget()+creatingGrace)
}

func (a *assessment) settledDeployment() k8s.Verdict {
	o := a.o
	if extra := o.Status.Replicas - o.Replicas; extra > 0 && o.Status.Available >= o.Replicas {
		return verdict(live.Info, k8s.PhaseProgressing, "ScalingDown", o.Changed, "scaling down to %d; %s still to go", o.Replicas, count(extra, "pod"))
	}
	lost := time.Time{}
	if c := o.condition("Available"); c != nil && c.Status == "False" {
		lost = c.Since
	}
	return a.shortage(o.Status.Available, o.Replicas, "pod", lost)
}

// completeSince is when the last rollout was complete, or when the pods it
// lost since were back.
func (a *assessment) completeSince() time.Time {
	since := a.status.Revision.Created
	if c := a.o.condition("Progressing"); c != nil && c.Reason == newSetAvailable {
		since = c.Updated
	}
	if c := a.o.condition("Available"); c != nil && c.Status == "True" {
		since = newest(since, c.Since)
	}
	return since
}

// paused keeps what is, and keeps scaling. A pause does not overwrite a
// deadline that was exceeded before it, and `kubectl rollout status` waits for
// ever if the template was changed.
func (a *assessment) paused() k8s.Verdict {
	o, s := a.o, &a.status
	s.Deadline = time.Time{}
	since, note := o.Changed, ""
	if p := o.condition("Progressing"); p != nil {
		switch p.Reason {
		case deploymentPaused:
			since = p.Updated
		case deadlineExceeded:
			note = " after its rollout failed"
		}
	}
	text := "paused" + note + ": changes do not roll out until it is resumed"
	if o.Replicas > 0 && s.Updated < o.Replicas {
		text = fmt.Sprintf("paused%s, its template change is not rolled out: %d of %d updated", note, s.Updated, o.Replicas)
	}
	v := verdict(live.Info, k8s.PhasePaused, deploymentPaused, since, "%s", text)
	switch {
	case o.Replicas > 0 && o.Status.Available < a.needed || o.Replicas > 0 && o.Status.Available == 0:
		v.Severity = live.Fail
	case note != "" || a.fatal() != nil:
		v.Severity = live.Warn
	}
	if g := a.fatal(); g != nil {
		v.Message = cleaned(a.withCause(text, g))
		v.Evidence = a.evidence()
		s.BlockedBy = a.waiting()
	} else if v.Severity == live.Fail {
		v.Message = cleaned(fmt.Sprintf("%s; %d of %d available", text, o.Status.Available, o.Replicas))
	}
	return v
}

// failed is a rollout that made no progress for progressDeadlineSeconds. It is
// not the end of it: progress made later turns the condition back.
func (a *assessment) failed(since time.Time) k8s.Verdict {
	o, s := a.o, &a.status
	head := fmt.Sprintf("rollout failed at %d of %d updated", s.Updated, o.Replicas)
	v := verdict(live.Fail, k8s.PhaseFailed, deadlineExceeded, since, "%s, %d of those available", head, s.Available)
	s.BlockedBy = a.waiting()
	if b := a.creationBlocked(); b != nil {
		v.Message, v.Evidence = cleaned(a.blockedSentence(b, head)), b.evidence
		return v
	}
	if len(a.troubles) > 0 {
		v.Message, v.Evidence = cleaned(a.withCause(head, a.troubles[0])), a.evidence()
	}
	return v
}

// moving is a rollout under way.
func (a *assessment) moving() k8s.Verdict {
	o, s := a.o, &a.status
	if o.Strategy == recreate && (a.current == nil || a.current.Replicas == 0) && (s.OldReplicas > 0 || len(a.leaving) > 0 || o.Status.Terminating > 0) {
		return a.waitForOld()
	}
	if a.stopped() {
		s.BlockedBy = a.waiting()
	}
	if g := a.fatal(); g != nil {
		v := verdict(a.severity(s.TotalAvailable), k8s.PhaseStalling, g.reason, g.since, "%s", a.withCause(fmt.Sprintf("stuck at %d of %d updated", s.Updated, o.Replicas), g))
		v.Evidence = a.evidence()
		s.BlockedBy = a.waiting()
		return v
	}
	if p := a.estimated(); p != nil && a.silent() && !a.within(p.Updated, min(o.ProbeBudget()+o.MinReady+creatingGrace, o.Deadline)) {
		return verdict(a.severity(s.TotalAvailable), k8s.PhaseStalling, "NoProgress", p.Updated, "no progress: %d of %d updated, %d of those available", s.Updated, o.Replicas, s.Available)
	}
	v := verdict(live.Info, k8s.PhaseProgressing, a.movingReason(), a.rolloutStart(), "%s", a.progress())
	if s.OldReplicas > 0 && o.Strategy != recreate && (s.TotalAvailable == 0 || s.TotalAvailable < a.needed && len(a.unavailable(a.old)) > 0) {
		// The controller never goes below that by itself: old pods were lost.
		v.Severity = live.Warn
	}
	return v
}

// silent reports whether the pods tell nothing: not known, or nothing is the
// matter with any.
func (a *assessment) silent() bool {
	return !a.PodsKnown || (len(a.troubles) == 0 && len(a.waitingForMinReady()) == 0)
}

// stopped reports whether the controller can neither create nor delete a pod
// until a new one is available.
func (a *assessment) stopped() bool {
	if a.o.Strategy == recreate {
		return true
	}
	if a.current == nil {
		return false
	}
	r := roomOf(a.o.Replicas, a.status.Surge, a.status.Unavailable, a.current, a.Sets)
	return r.create == 0 && r.remove == 0
}

func (a *assessment) movingReason() string {
	if p := a.o.condition("Progressing"); p != nil && p.Status == "True" && p.Reason != newSetAvailable {
		return p.Reason
	}
	return "ReplicaSetUpdated"
}

// progress says how far it is.
func (a *assessment) progress() string {
	o, s := a.o, &a.status
	var text string
	switch {
	case s.Updated >= o.Replicas && s.OldReplicas > 0 && s.Available >= o.Replicas:
		text = fmt.Sprintf("rolling out: all %d updated and available, %s still to go", o.Replicas, count(s.OldReplicas, "old pod"))
	case s.PreviousRevision.Name == "" && s.OldReplicas == 0:
		text = fmt.Sprintf("starting: %d of %d available", s.Available, o.Replicas)
	default:
		text = fmt.Sprintf("rolling out: %d of %d updated, %d of those available", s.Updated, o.Replicas, s.Available)
	}
	if from := a.scaledFrom(); from >= 0 {
		text += fmt.Sprintf("; being scaled from %d to %d meanwhile", from, o.Replicas)
	}
	if len(a.troubles) > 0 {
		g := a.troubles[0]
		return text + g.waitingFor()
	}
	if ready := a.waitingForMinReady(); len(ready) > 0 {
		return text + "; " + nameList(ready, 44) + " ready for less than minReadySeconds"
	}
	return text
}

// scaledFrom is the size before a scale in the middle of the rollout, which
// the controller first spreads over its ReplicaSets in proportion, estimating
// no progress meanwhile (sync.go isScalingEvent); -1 when there is none.
func (a *assessment) scaledFrom() int {
	for _, rs := range a.Sets {
		if rs.Replicas > 0 && rs.Wanted >= 0 && rs.Wanted != a.o.Replicas {
			return rs.Wanted
		}
	}
	return -1
}

// waitForOld is the first half of a Recreate: no new ReplicaSet until every
// old pod is gone (recreate.go oldPodsRunning), so one that does not
// terminate is the cause of an outage.
func (a *assessment) waitForOld() k8s.Verdict {
	var names []string
	for _, p := range a.leaving {
		if p.Terminating() && p.Phase != "Failed" && p.Phase != "Succeeded" {
			names = append(names, p.Name)
		}
	}
	names = append(names, podNames(a.old)...)
	a.status.BlockedBy = names
	if stuck := a.group(a.stuckLeaving(), "old"); len(stuck) > 0 {
		a.troubles = stuck
		v := verdict(live.Fail, k8s.PhaseStalling, reasonTerminating, stuck[0].since, "%s", a.withCause("Recreate waits until every old pod is gone", stuck[0]))
		v.Evidence = a.evidence()
		return v
	}
	if p := a.estimated(); p != nil && !a.PodsKnown && !a.within(p.Updated, terminatingGrace+creatingGrace) {
		return verdict(live.Fail, k8s.PhaseStalling, "NoProgress", p.Updated, "no progress: Recreate still waits until every old pod is gone; nothing is available")
	}
	text := "recreating: waits until every old pod is gone"
	if len(names) > 0 {
		text += ": " + nameList(names, 60)
	}
	return verdict(live.Info, k8s.PhaseProgressing, a.movingReason(), a.rolloutStart(), "%s", text)
}
