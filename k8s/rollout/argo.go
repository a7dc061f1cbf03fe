package rollout

import (
	"fmt"
	"slices"
	"strings"

	"midwatch/k8s"
	"midwatch/live"
)

func assessArgo(in *Input) (k8s.Verdict, k8s.RolloutStatus) {
	o := in.Object
	var current *ReplicaSet
	for _, rs := range in.Sets {
		if rs.Hash == o.Argo.PodHash && rs.Hash != "" {
			current = rs
		}
	}
	s := setStatus(in, current)
	if current == nil {
		s.Updated, s.Ready, s.Available = o.Status.Updated, o.Status.Ready, o.Status.Available
	}
	s.Surge, s.Unavailable = limits(o.MaxSurge, o.MaxUnavailable, o.Replicas)
	s.Step, s.Steps, s.Weight = o.Argo.Step, o.Argo.Steps, o.Argo.Weight
	if s.Weight == 0 && o.Status.Available > 0 && o.Argo.PodHash != o.Argo.StableHash {
		// Without traffic routing the weight is the share of pods.
		s.Weight = s.Available * 100 / o.Status.Available
	}
	v := argoVerdict(in, current, &s)
	for _, c := range o.Conditions {
		v.Evidence = append(v.Evidence, c.evidence(o.Ref))
	}
	return v, s
}

func argoVerdict(in *Input, current *ReplicaSet, s *k8s.RolloutStatus) k8s.Verdict {
	a := in.Object.Argo
	if v, ok := common(in); ok {
		return v
	}
	var own []*k8s.PodRow
	if current != nil {
		own, _ = podsOf(in.Pods, current.Hash)
	}
	groups, recheck := troubles(in, own)
	for _, g := range groups {
		s.BlockedBy = append(s.BlockedBy, podNames(g.pods)...)
	}
	slices.Sort(s.BlockedBy)
	v := argoPhase(in, s, groups)
	if a.Analysis != "" {
		v.Message = cleanText(v.Message.String() + "; analysis " + a.Analysis.String())
	}
	v.Recheck = earliest(v.Recheck, recheck)
	return v
}

func argoPhase(in *Input, s *k8s.RolloutStatus, groups []*trouble) k8s.Verdict {
	o, a := in.Object, in.Object.Argo
	since := o.Created
	if c := o.condition("Progressing"); c != nil {
		since = c.Updated
	}
	for _, c := range o.Conditions {
		if c.Type == "InvalidSpec" && c.Status == "True" {
			return verdict(live.Fail, k8s.PhaseFailed, "InvalidSpec", c.Since, "the spec is invalid: %s", c.Message)
		}
		if c.Reason == "RolloutAborted" || (c.Reason == "ProgressDeadlineExceeded" && c.Status == "False") {
			sev := live.Warn
			if o.Status.Available < o.Replicas-s.Unavailable {
				sev = live.Fail
			}
			v := verdict(sev, k8s.PhaseFailed, c.Reason, c.Since, "aborted at step %d/%d: %s", a.Step, a.Steps, c.Message)
			if c.Reason == "ProgressDeadlineExceeded" {
				v = verdict(live.Fail, k8s.PhaseFailed, c.Reason, c.Since, "rollout failed at step %d/%d: %s", a.Step, a.Steps, c.Message)
			}
			return withTrouble(v, groups)
		}
	}
	step := ""
	if a.Steps > 0 {
		step = fmt.Sprintf(" at step %d/%d, weight %d%%", a.Step, a.Steps, s.Weight)
	}
	switch {
	case len(groups) > 0 && groups[0].fatal:
		g := groups[0]
		v := verdict(severityOf(o.Status.Available, o.Replicas-s.Unavailable), k8s.PhaseStalling, g.reason, g.since, "stuck%s: %s", step, g.words())
		v.Evidence = g.evidence()
		return v
	case o.Paused:
		return verdict(live.Info, k8s.PhasePaused, "Paused", since, "paused by its spec%s", step)
	case a.ControllerPause && len(a.PauseReasons) == 0:
		return verdict(live.Info, k8s.PhaseProgressing, "Unpausing", since, "waiting to unpause%s", step)
	case a.Phase == "Paused":
		sev := live.Info
		if slices.Contains(a.PauseReasons, "InconclusiveAnalysis") {
			sev = live.Warn
		}
		return verdict(sev, k8s.PhasePaused, orWord(strings.Join(a.PauseReasons, ", "), "Paused"), since, "paused%s: %s", step, orWord(a.Message.String(), strings.Join(a.PauseReasons, ", ")))
	case a.Phase == "Healthy":
		return verdict(live.OK, k8s.PhaseDone, "Healthy", since, "%s", allUp(o.Replicas))
	case o.Replicas == 0:
		return scaledToZero(in)
	case a.Phase == "Degraded":
		return withTrouble(verdict(live.Fail, k8s.PhaseDegraded, "Degraded", since, "degraded%s: %s", step, a.Message), groups)
	}
	return verdict(live.Info, k8s.PhaseProgressing, orWord(a.Phase, "Progressing"), since, "rolling out%s: %s", step,
		orWord(a.Message.String(), fmt.Sprintf("%d of %d updated", s.Updated, o.Replicas)))
}

func orWord(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
