package rollout

import (
	"fmt"

	"midwatch/foreign"
	"midwatch/k8s"
)

// maxCausePods is how many pods a cause names.
const maxCausePods = 20

// tally is "4/5 new pods".
func (t *trouble) tally() string {
	noun := "pods"
	if t.of == 1 {
		noun = "pod"
	}
	if t.which != "" {
		noun = t.which + " " + noun
	}
	if t.of == 1 && t.which == "" {
		return "its pod"
	}
	return fmt.Sprintf("%d/%d %s", len(t.pods), t.of, noun)
}

// cause is the trouble as others get it.
func (t *trouble) cause() k8s.Cause {
	c := k8s.Cause{
		Kind: t.kind, Step: stepOf(t.kind), Text: cleaned(t.text), Fatal: t.fatal, Reason: t.reason, Detail: cleaned(t.detail),
		Count: len(t.pods), Of: t.of, Which: t.which, OldToo: t.oldToo,
		Container: t.container, Probe: t.probe, Endpoint: t.endpoint, Object: t.object,
		Since: t.since, NextStart: t.next, Exit: t.exit, Next: adviceFor(t.kind),
	}
	if t.oldToo > 0 {
		c.Next = "Pods of the old revision fail the same way, so undoing will not help: look at what they share (a dependency, a node, a Secret). " + c.Next
	}
	for _, p := range t.pods {
		c.Restarts += p.Restarts
	}
	c.Pods = podNames(t.pods)
	if len(c.Pods) > maxCausePods {
		c.Pods = c.Pods[:maxCausePods]
	}
	if t.event != nil {
		c.Times = t.event.Count
	}
	return c
}

// explain puts the causes into the verdict, typed: what blocks pods from being
// created first, as nothing else can get better before that.
func (a *assessment) explain(v *k8s.Verdict) {
	if b := a.blocked; b != nil {
		v.Causes = append(v.Causes, b.cause(a))
	}
	if v.Phase == k8s.PhaseBlocked {
		v.Causes = append(v.Causes, a.orderCause(v))
	}
	for _, t := range a.troubles {
		v.Causes = append(v.Causes, t.cause())
	}
	if a.looked && v.Phase != k8s.PhaseDone {
		if waiting := a.waitingForMinReady(); len(waiting) > 0 {
			v.Causes = append(v.Causes, a.minReadyCause(waiting))
		}
	}
	v.Clues = a.clues
}

// minReadyCause are pods that are ready, but not for minReadySeconds yet.
func (a *assessment) minReadyCause(names []string) k8s.Cause {
	c := k8s.Cause{
		Kind: k8s.CauseMinReady, Step: stepOf(k8s.CauseMinReady), Text: "ready, not yet for minReadySeconds", Reason: "MinReadySeconds",
		Count: len(names), Of: len(a.own), Pods: names[:min(len(names), maxCausePods)], Next: adviceFor(k8s.CauseMinReady),
	}
	if len(a.old) > 0 {
		c.Which = "new"
	}
	for _, p := range a.own {
		if at, ok := p.AvailableAt(a.o.MinReady); ok && at.After(a.Now) {
			c.Since, c.NextStart = earliest(c.Since, p.ReadySince), earliest(c.NextStart, at)
		}
	}
	return c
}

// orderCause is the OrderedReady trap: the pods that must be deleted.
func (a *assessment) orderCause(v *k8s.Verdict) k8s.Cause {
	c := k8s.Cause{
		Kind: k8s.CauseOrdered, Text: "OrderedReady never replaces a pod that is not ready on an older revision", Fatal: true, Reason: v.Reason,
		Count: len(v.Delete), Of: len(a.own) + len(a.old), Since: v.Since, Next: adviceFor(k8s.CauseOrdered),
	}
	for _, r := range v.Delete {
		c.Pods = append(c.Pods, r.Name)
	}
	return c
}

// cause is why pods cannot be created or deleted.
func (b *blockage) cause(a *assessment) k8s.Cause {
	lacking := max(a.o.Replicas-a.status.Updated, 0)
	c := k8s.Cause{
		Kind: b.kind, Step: stepOf(b.kind), Text: cleaned(b.text), Fatal: true, Reason: b.reason, Detail: foreign.CleanN(b.said, maxText),
		Count: lacking, Of: a.o.Replicas, Which: "new", Object: b.object, Times: b.times, Since: b.since, Next: adviceFor(b.kind),
	}
	if lacking == 0 { // the rollout is over: what is lost is not made again
		c.Count, c.Which = max(a.o.Replicas-a.o.Status.Replicas, 0), ""
	}
	if b.kind == k8s.CauseNotDeleted {
		c.Count, c.Of, c.Which = a.status.OldReplicas, a.status.OldReplicas, "old"
	}
	return c
}
