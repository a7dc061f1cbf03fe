package rollout

import (
	"fmt"
	"slices"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// daemonSet judges a DaemonSet (pkg/controller/daemon/{update,
// daemon_controller}.go). Its counters are of nodes, and look at the oldest
// pod of each: during a surge they describe the old one. Its status names no
// revision; the ControllerRevision with the highest number is the one in
// force, as a rollback raises the old one's.
func (a *assessment) daemonSet() k8s.Verdict {
	o := a.o
	var inForce *ControllerRevision
	for _, cr := range a.Revisions {
		if inForce == nil || cr.Number > inForce.Number {
			inForce = cr
		}
	}
	a.ownedRevisions(
		func(cr *ControllerRevision) bool { return cr == inForce },
		func(cr *ControllerRevision) string { return cr.Hash },
	)
	s := &a.status
	if o.Strategy == rollingUpdate {
		s.Surge, s.Unavailable = daemonLimits(o.MaxSurge, o.MaxUnavailable, o.Replicas)
	}
	a.needed = o.Replicas - max(s.Unavailable, 1)
	if inForce == nil {
		a.sortPods(nil)
	} else {
		a.sortPods(func(p *k8s.PodRow) bool { return p.Revision == inForce.Hash })
	}
	if v, ok := a.common(); ok {
		return v
	}
	a.lookAtAllPods(o.Replicas - len(a.own) - len(a.old))
	v := a.daemonPhase()
	if n := o.Status.Misscheduled; n > 0 {
		v.Message = cleaned(fmt.Sprintf("%s; %s on nodes that should not run it", v.Message, count(n, "pod")))
		v.Evidence = append(v.Evidence, live.Evidence{Kind: "status", Ref: o.String(), Count: n, Text: "numberMisscheduled: pods on nodes that no longer match, or whose taints they do not tolerate"})
		if v.Severity == live.OK {
			v.Severity = live.Info
		}
	}
	return v
}

func (a *assessment) daemonPhase() k8s.Verdict {
	o := a.o
	if o.Replicas == 0 {
		return verdict(live.Info, k8s.PhaseScaledToZero, "NoNodes", o.Changed, "no node matches: nothing to run")
	}
	if b := a.createEvent(o.Status.Replicas < o.Replicas); b != nil {
		return a.create(b, o.Status.Available, o.Replicas, o.Status.Updated)
	}
	updated, up := o.Status.Updated >= o.Replicas, o.Status.Available >= o.Replicas
	switch {
	case updated && up:
		since := a.status.Revision.Created
		for _, p := range a.own {
			since = newest(since, p.ReadySince)
		}
		return a.done("RollingUpdateComplete", since, allUp(o.Replicas))
	case !updated && o.Strategy == onDelete && up:
		return a.manual("node")
	case !updated && o.Strategy != onDelete:
		return a.updatingNodes()
	}
	return a.shortage(o.Status.Available, o.Replicas, "node", time.Time{})
}

// updatingNodes is a rolling update under way.
func (a *assessment) updatingNodes() k8s.Verdict {
	o, s := a.o, &a.status
	s.BlockedBy = a.waitingForAny()
	since := a.rolloutStart()
	if g := a.fatal(); g != nil {
		head := fmt.Sprintf("stuck at %d of %d nodes updated", o.Status.Updated, o.Replicas)
		nodes := a.deadNodes()
		if eaten := o.Replicas-o.Status.Available >= s.Unavailable && s.Surge == 0; eaten && len(nodes) > 0 {
			head += fmt.Sprintf(", maxUnavailable %d is used up by %s", s.Unavailable, nameList(nodes, 30))
		}
		v := verdict(a.severity(o.Status.Available), k8s.PhaseStalling, g.reason, g.since, "%s", a.withCause(head, g))
		v.Evidence = append(a.evidence(), nodeEvidence(nodes)...)
		return v
	}
	waves := (o.Replicas + max(s.Unavailable, s.Surge, 1) - 1) / max(s.Unavailable, s.Surge, 1)
	slow := time.Duration(max(waves, 1)) * (o.ProbeBudget() + o.MinReady + creatingGrace)
	if a.silent() && !since.IsZero() && !a.within(since, slow) {
		return verdict(a.severity(o.Status.Available), k8s.PhaseStalling, "NoProgress", since, "no progress: %d of %d nodes updated, available on %d", o.Status.Updated, o.Replicas, o.Status.Available)
	}
	text := fmt.Sprintf("rolling out: %d of %d nodes updated, available on %d", o.Status.Updated, o.Replicas, o.Status.Available)
	if len(a.troubles) > 0 {
		text += a.troubles[0].waitingFor()
	}
	return verdict(live.Info, k8s.PhaseProgressing, rollingUpdate, since, "%s", text)
}

// deadNodes are the nodes whose pods count as unavailable for good: they eat
// the update's budget (a pod that is being deleted counts like none), and when
// they have eaten all of it, healthy nodes are not touched.
func (a *assessment) deadNodes() []string {
	var out []string
	for _, g := range a.troubles {
		if !g.fatal {
			continue
		}
		for _, p := range g.pods {
			if p.Node != "" && !slices.Contains(out, p.Node) {
				out = append(out, p.Node)
			}
		}
	}
	slices.Sort(out)
	return out
}

func nodeEvidence(nodes []string) []live.Evidence {
	var out []live.Evidence
	for _, n := range nodes[:min(len(nodes), maxPodEvidence)] {
		out = append(out, live.Evidence{Kind: "node", Ref: "Node " + n, Text: foreign.CleanN("its pod counts as unavailable: "+n, maxText)})
	}
	return out
}
