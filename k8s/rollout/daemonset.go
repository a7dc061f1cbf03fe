package rollout

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s"
	"midwatch/live"
)

func assessDaemonSet(in *Input) (k8s.Verdict, k8s.RolloutStatus) {
	o := in.Object
	var newest *ControllerRevision
	for _, cr := range in.Revisions {
		// A rollback bumps the number of the old revision, so the highest is
		// the one in force (daemon/update.go).
		if newest == nil || cr.Number > newest.Number {
			newest = cr
		}
	}
	hash := func(cr *ControllerRevision) string { return cr.Hash }
	s := revisionStatus(in, func(cr *ControllerRevision) bool { return cr == newest }, hash)
	s.Updated, s.Ready, s.Available = o.Status.Updated, o.Status.Ready, o.Status.Available
	// Both round up, unlike a Deployment's (daemonset_util.go).
	s.Unavailable = scaled(o.MaxUnavailable, intstr.FromInt32(1), o.Replicas, true)
	s.Surge = scaled(o.MaxSurge, intstr.FromInt32(0), o.Replicas, true)
	if s.Surge == 0 && s.Unavailable == 0 {
		s.Unavailable = 1
	}
	return daemonSetVerdict(in, &s), s
}

func daemonSetVerdict(in *Input, s *k8s.RolloutStatus) k8s.Verdict {
	o := in.Object
	if v, ok := common(in); ok {
		return v
	}
	if o.Replicas == 0 {
		return verdict(live.Info, k8s.PhaseScaledToZero, "NoNodes", o.Created, "no node matches: nothing to run")
	}
	groups, recheck := troubles(in, standing(in.Pods))
	for _, g := range groups {
		s.BlockedBy = append(s.BlockedBy, podNames(g.pods)...)
	}
	slices.Sort(s.BlockedBy)
	v := daemonSetPhase(in, s, groups)
	if o.Status.Misscheduled > 0 {
		v.Message = cleanText(fmt.Sprintf("%s; %d on nodes that should not run it", v.Message, o.Status.Misscheduled))
	}
	v.Recheck = earliest(v.Recheck, recheck, minReadyEnd(in, in.Pods))
	return v
}

func daemonSetPhase(in *Input, s *k8s.RolloutStatus, groups []*trouble) k8s.Verdict {
	o := in.Object
	since := doneSince(s, o.Created)
	updating := o.Status.Updated < o.Replicas
	fatal := len(groups) > 0 && groups[0].fatal
	short := o.Replicas - o.Status.Available
	switch {
	case !updating && short <= 0:
		return verdict(live.OK, k8s.PhaseDone, "Done", since, "%s", allUp(o.Replicas))
	case updating && o.Strategy == "OnDelete" && short <= 0:
		_, old := podsOf(in.Pods, s.Revision.Hash)
		s.BlockedBy = podNames(old)
		return verdict(live.Info, k8s.PhaseManualUpdate, "OnDelete", since, "%d of %d updated: OnDelete waits for the old pods to be deleted by hand", o.Status.Updated, o.Replicas)
	case updating && fatal:
		g := groups[0]
		text := fmt.Sprintf("stuck at %d of %d nodes updated: %s", o.Status.Updated, o.Replicas, g.words())
		if short >= s.Unavailable && s.Surge == 0 {
			text += "; healthy nodes wait for " + nodes(groups)
		}
		v := verdict(live.Warn, k8s.PhaseStalling, g.reason, g.since, "%s", text)
		if short > s.Unavailable {
			v.Severity = live.Fail
		}
		v.Evidence = g.evidence()
		return v
	case updating:
		return verdict(live.Info, k8s.PhaseProgressing, "RollingUpdate", since, "rolling out: %d of %d nodes updated, %d available", o.Status.Updated, o.Replicas, o.Status.Available)
	case fatal || !in.PodsKnown:
		v := verdict(live.Warn, k8s.PhaseDegraded, "Unavailable", since, "%d of %d nodes have it available", o.Status.Available, o.Replicas)
		if o.Status.Available == 0 {
			v.Severity = live.Fail
		}
		if len(groups) > 0 {
			v.Since = groups[0].since
		}
		return withTrouble(v, groups)
	}
	v := verdict(live.Info, k8s.PhaseProgressing, "NotReady", since, "%d of %d nodes have it available", o.Status.Available, o.Replicas)
	if len(groups) > 0 {
		v.Since = groups[0].since
	}
	return withTrouble(v, groups)
}

// nodes names the nodes whose pods eat the budget, at most three.
func nodes(groups []*trouble) string {
	var out []string
	for _, g := range groups {
		for _, p := range g.pods {
			if p.Node != "" && !slices.Contains(out, p.Node) {
				out = append(out, p.Node)
			}
		}
	}
	if len(out) > 3 {
		out = append(out[:3], fmt.Sprintf("%d more", len(out)-3))
	}
	return strings.Join(out, ", ")
}
