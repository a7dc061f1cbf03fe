package rollout

import (
	"fmt"
	"time"

	"midwatch/k8s"
	"midwatch/live"
)

// shortage judges a workload whose rollout is over and that has fewer pods
// available than wanted: lost pods, pods being replaced, or pods just asked
// for. up is what is available of n; lostSince is when it fell short as far as
// a condition tells, zero when none does.
func (a *assessment) shortage(up, n int, noun string, lostSince time.Time) k8s.Verdict {
	head := fmt.Sprintf("%d of %d available", up, n)
	if noun == "node" {
		head = fmt.Sprintf("available on %d of %d nodes", up, n)
	}
	switch g := a.fatal(); {
	case g != nil:
		v := verdict(a.severity(up), k8s.PhaseDegraded, g.reason, g.since, "%s", a.withCause(head, g))
		v.Evidence = a.evidence()
		a.status.BlockedBy = a.waitingForAny()
		return v
	case len(a.troubles) > 0:
		return a.starting(up, head)
	case a.PodsKnown && len(a.waitingForMinReady()) > 0:
		return verdict(live.Info, k8s.PhaseProgressing, "MinReadySeconds", lostSince, "%s; %s ready for less than minReadySeconds", head, nameList(a.waitingForMinReady(), 44))
	case a.recentlyChanged() || (!lostSince.IsZero() && a.within(lostSince, statusLag)):
		return verdict(a.startSeverity(up), k8s.PhaseProgressing, "ReplicasPending", lostSince, "%s; the others are on their way", head)
	}
	v := verdict(a.severity(up), k8s.PhaseDegraded, "MinimumReplicasUnavailable", lostSince, "%s", head)
	if up >= a.needed && up > 0 {
		v.Reason = "ReplicasUnavailable"
	}
	if !a.PodsKnown && up > 0 && !lostSince.IsZero() && a.within(lostSince, a.o.ProbeBudget()+creatingGrace) {
		// Pods may be starting; those that hit users are told apart once they
		// are known.
		v.Severity = live.Warn
	}
	return v
}

// statusLag is how far the counts of one controller may run behind another's.
const statusLag = 5 * time.Second

// startSeverity of pods on their way: worth knowing, unless nothing serves.
func (a *assessment) startSeverity(up int) live.Severity {
	if up == 0 && !a.recentlyChanged() {
		return live.Fail
	}
	return live.Info
}

// starting judges a settled workload whose missing pods are on their way:
// scaled up, moved by a drain, or restarted. Users are hit only when nothing,
// or less than the strategy allows, is available and nobody just asked for
// more.
func (a *assessment) starting(up int, head string) k8s.Verdict {
	g := a.troubles[0]
	a.status.BlockedBy = a.waitingForAny()
	v := verdict(live.Info, k8s.PhaseProgressing, g.reason, g.since, "%s", head+g.waitingFor())
	switch {
	case a.recentlyChanged():
	case up == 0:
		v.Severity, v.Phase = live.Fail, k8s.PhaseDegraded
	case up < a.needed:
		v.Severity, v.Phase = live.Warn, k8s.PhaseDegraded
	}
	v.Evidence = a.evidence()
	return v
}

// waitingForMinReady are the new pods that are ready but not for long enough.
func (a *assessment) waitingForMinReady() []string {
	var out []*k8s.PodRow
	for _, p := range a.own {
		if at, ok := p.AvailableAt(a.o.MinReady); ok && at.After(a.Now) {
			out = append(out, p)
		}
	}
	return podNames(out)
}

// done is the verdict on a rollout that is complete.
func (a *assessment) done(reason string, since time.Time, text string) k8s.Verdict {
	a.status.Deadline = time.Time{}
	return verdict(live.OK, k8s.PhaseDone, reason, since, "%s", text)
}

// create is the verdict on pods that cannot be created, during a rollout or
// after it.
func (a *assessment) create(b *blockage, up, n, updated int) k8s.Verdict {
	head := fmt.Sprintf("%d of %d available", up, n)
	if updated < n && up >= n {
		head = fmt.Sprintf("stuck at %d of %d updated", updated, n)
	}
	v := verdict(a.severity(up), k8s.PhaseDegraded, b.reason, b.since, "%s", a.blockedSentence(b, head))
	v.Evidence = b.evidence
	return v
}
