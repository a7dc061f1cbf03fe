package rollout

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s"
	"midwatch/live"
)

// limits are the strategy's surge and unavailable in pods: surge rounds up,
// unavailable down, both zero means one unavailable (deployment_util.go
// ResolveFenceposts), and never more unavailable than there are pods.
func limits(maxSurge, maxUnavailable *intstr.IntOrString, n int) (surge, unavailable int) {
	surge = scaled(maxSurge, intstr.FromString("25%"), n, true)
	unavailable = scaled(maxUnavailable, intstr.FromString("25%"), n, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, n)
}

func scaled(v *intstr.IntOrString, fallback intstr.IntOrString, n int, up bool) int {
	if v == nil {
		v = &fallback
	}
	got, err := intstr.GetScaledValueFromIntOrPercent(v, n, up)
	if err != nil {
		return 0
	}
	return got
}

// newSet is the ReplicaSet of the present template: the oldest that has it,
// never the one with the highest number (deployment_util.go FindNewReplicaSet).
func newSet(o *Object, sets []*ReplicaSet) *ReplicaSet {
	var found *ReplicaSet
	for _, rs := range sets {
		if rs.Template == o.Template && (found == nil || older(rs, found)) {
			found = rs
		}
	}
	return found
}

func older(a, b *ReplicaSet) bool {
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return a.Name < b.Name
}

// setStatus fills the rollout status from ReplicaSets; current is the new one
// and may be nil.
func setStatus(in *Input, current *ReplicaSet) k8s.RolloutStatus {
	o := in.Object
	s := k8s.RolloutStatus{
		Desired: o.Replicas, Total: o.Status.Replicas, TotalReady: o.Status.Ready, TotalAvailable: o.Status.Available,
		Updated: o.Status.Updated, Strategy: o.Strategy, Paused: o.Paused, MinReady: o.MinReady,
		Ready: o.Status.Ready, Available: o.Status.Available,
	}
	s.Revision.Images = o.Images
	sets := slices.Clone(in.Sets)
	slices.SortFunc(sets, func(a, b *ReplicaSet) int {
		if a.Revision != b.Revision {
			return int(b.Revision - a.Revision)
		}
		return b.Created.Compare(a.Created)
	})
	for _, rs := range sets {
		r := k8s.Revision{
			Number: rs.Revision, Name: rs.Name, UID: rs.UID, Hash: rs.Hash, Created: rs.Created, Images: rs.Images, Cause: rs.Cause,
			Desired: rs.Replicas, Current: rs.Status.Replicas, Ready: rs.Status.Ready, Available: rs.Status.Available, New: rs == current,
		}
		switch {
		case r.New:
			s.Revision, s.Updated, s.Ready, s.Available = r, r.Current, r.Ready, r.Available
		case s.PreviousRevision.Name == "" || (s.PreviousRevision.Current == 0 && r.Current > 0):
			s.PreviousRevision = r
		}
		if !r.New {
			s.OldReplicas += r.Current
		}
		s.Revisions = append(s.Revisions, r)
	}
	if in.SetsKnown && current == nil {
		s.Updated, s.Ready, s.Available = 0, 0, 0
	}
	return s
}

// podsOf are the pods of a revision; nil hash gives none.
func podsOf(pods []*k8s.PodRow, hash string) (own, others []*k8s.PodRow) {
	for _, p := range pods {
		if p.Terminating() {
			continue
		}
		if hash != "" && p.Revision == hash {
			own = append(own, p)
		} else {
			others = append(others, p)
		}
	}
	return own, others
}

func assessDeployment(in *Input) (k8s.Verdict, k8s.RolloutStatus) {
	o := in.Object
	current := newSet(o, in.Sets)
	s := setStatus(in, current)
	if o.Strategy == "Recreate" {
		s.Surge, s.Unavailable = 0, o.Replicas
	} else {
		s.Surge, s.Unavailable = limits(o.MaxSurge, o.MaxUnavailable, o.Replicas)
	}
	v := deploymentVerdict(in, current, &s)
	for _, c := range o.Conditions {
		if c.Type == "Progressing" || c.Type == "Available" || c.Type == "ReplicaFailure" {
			v.Evidence = append(v.Evidence, c.evidence(o.Ref))
		}
	}
	return v, s
}

// deploymentVerdict looks for the phases in the controller's own order.
func deploymentVerdict(in *Input, current *ReplicaSet, s *k8s.RolloutStatus) k8s.Verdict {
	o := in.Object
	progressing := o.condition("Progressing")
	if v, ok := common(in); ok {
		return v
	}
	complete := o.Status.Updated == o.Replicas && o.Status.Replicas == o.Replicas && o.Status.Available == o.Replicas
	if o.Paused {
		return paused(in, current, s)
	}
	if o.Replicas == 0 {
		return scaledToZero(in)
	}
	if progressing != nil && progressing.Status == "False" && progressing.Reason == "ReplicaSetCreateError" {
		return verdict(live.Fail, k8s.PhaseFailed, progressing.Reason, progressing.Since, "cannot create the new ReplicaSet: %s", progressing.Message)
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
	v, ok := createFailure(in, s)
	switch {
	case progressing != nil && progressing.Reason == "ProgressDeadlineExceeded" && progressing.Status == "False":
		v = stalled(in, s, groups, progressing.Since)
	case ok:
	case complete:
		v = done(in, s)
	case progressing != nil && progressing.Reason == "NewReplicaSetAvailable" && o.Status.Updated == o.Replicas && o.Status.Replicas == o.Replicas:
		v = degraded(in, s, groups)
	default:
		if progressing != nil && o.Deadline > 0 {
			s.Deadline = progressing.Updated.Add(o.Deadline)
		}
		v = moving(in, s, groups, rolloutStart(o, current))
	}
	v.Recheck = earliest(v.Recheck, recheck, minReadyEnd(in, own))
	return v
}

func earliest(times ...time.Time) (t time.Time) {
	for _, x := range times {
		if !x.IsZero() && (t.IsZero() || x.Before(t)) {
			t = x
		}
	}
	return t
}

// minReadyEnd is when the next ready pod becomes available.
func minReadyEnd(in *Input, pods []*k8s.PodRow) (t time.Time) {
	for _, p := range pods {
		if at, ok := p.AvailableAt(in.Object.MinReady); ok && at.After(in.Now) {
			t = earliest(t, at)
		}
	}
	return t
}

func rolloutStart(o *Object, current *ReplicaSet) time.Time {
	if p := o.condition("Progressing"); p != nil {
		// The condition turns True once for a rollout; its last transition is
		// its start unless it never was anything else.
		if current != nil && current.Created.After(p.Since) {
			return current.Created
		}
		return p.Since
	}
	if current != nil {
		return current.Created
	}
	return o.Created
}

func paused(in *Input, current *ReplicaSet, s *k8s.RolloutStatus) k8s.Verdict {
	o := in.Object
	since := o.changedAt
	if p := o.condition("Progressing"); p != nil && p.Reason == "DeploymentPaused" {
		since = p.Updated
	}
	if in.SetsKnown && (current == nil || s.Updated < o.Replicas) && o.Replicas > 0 {
		return verdict(live.Info, k8s.PhasePaused, "DeploymentPaused", since, "paused with a template change that is not rolled out: %d of %d updated", s.Updated, o.Replicas)
	}
	if o.Replicas > 0 && o.Status.Available < o.Replicas-s.Unavailable {
		return verdict(live.Warn, k8s.PhasePaused, "DeploymentPaused", since, "paused, and only %d of %d are available", o.Status.Available, o.Replicas)
	}
	return verdict(live.Info, k8s.PhasePaused, "DeploymentPaused", since, "paused: changes will not roll out until it is resumed")
}

func scaledToZero(in *Input) k8s.Verdict {
	o := in.Object
	since := o.changedAt
	if o.Status.Replicas > 0 {
		return verdict(live.Info, k8s.PhaseScaledToZero, "ScaledToZero", since, "scaled to zero; %d pods are still going away", o.Status.Replicas)
	}
	return verdict(live.Info, k8s.PhaseScaledToZero, "ScaledToZero", since, "scaled to zero")
}

// createFailure is a ReplicaSet that cannot create or delete pods. The
// condition's message is frozen at the first error (replica_set_utils.go), so
// the newest FailedCreate event speaks first.
func createFailure(in *Input, s *k8s.RolloutStatus) (k8s.Verdict, bool) {
	o := in.Object
	c := o.condition("ReplicaFailure")
	if c == nil || c.Status != "True" {
		return k8s.Verdict{}, false
	}
	text := c.Message.String()
	sev := live.Warn
	if o.Status.Available < o.Replicas-s.Unavailable {
		sev = live.Fail
	}
	e := newestEvent(in.Events, "", "FailedCreate", "FailedDelete")
	if e != nil && e.Last.After(c.Since) {
		text = e.Message.String()
	}
	v := verdict(sev, k8s.PhaseDegraded, c.Reason, c.Since, "%d of %d available; pods cannot be created: %s", o.Status.Available, o.Replicas, short(text, 160))
	if e != nil {
		v.Evidence = append(v.Evidence, eventEvidence(e))
	}
	return v, true
}

func done(in *Input, s *k8s.RolloutStatus) k8s.Verdict {
	o := in.Object
	since := o.Created
	for _, c := range o.Conditions {
		if (c.Type == "Progressing" || c.Type == "Available") && c.Updated.After(since) && c.Type == "Progressing" {
			since = c.Updated
		}
	}
	return verdict(live.OK, k8s.PhaseDone, "NewReplicaSetAvailable", since, "%s", allUp(o.Replicas))
}

func allUp(n int) string {
	if n == 1 {
		return "its pod is up to date and available"
	}
	return fmt.Sprintf("all %d pods are up to date and available", n)
}

// degraded is a rollout that was complete once and has lost pods since: the
// controller does not estimate progress any more, so no deadline will tell.
func degraded(in *Input, s *k8s.RolloutStatus, groups []*trouble) k8s.Verdict {
	o := in.Object
	since := o.Created
	if c := o.condition("Available"); c != nil && c.Status == "False" {
		since = c.Since
	} else if len(groups) > 0 {
		since = groups[0].since
	}
	sev := live.Warn
	if o.Status.Available < o.Replicas-s.Unavailable {
		sev = live.Fail
	}
	v := verdict(sev, k8s.PhaseDegraded, "MinimumReplicasUnavailable", since, "%d of %d available since the rollout was done", o.Status.Available, o.Replicas)
	return withTrouble(v, groups)
}

func stalled(in *Input, s *k8s.RolloutStatus, groups []*trouble, since time.Time) k8s.Verdict {
	o := in.Object
	v := verdict(live.Fail, k8s.PhaseFailed, "ProgressDeadlineExceeded", since,
		"rollout failed: %d of %d updated pods available within the deadline", s.Available, o.Replicas)
	return withTrouble(v, groups)
}

// moving is a rollout under way: stalling when new pods are in trouble that
// waiting will not mend, progressing otherwise.
func moving(in *Input, s *k8s.RolloutStatus, groups []*trouble, since time.Time) k8s.Verdict {
	o := in.Object
	if len(groups) > 0 && groups[0].fatal {
		g := groups[0]
		sev := live.Warn
		if s.TotalAvailable < o.Replicas-s.Unavailable {
			sev = live.Fail
		}
		v := verdict(sev, k8s.PhaseStalling, g.reason, g.since, "stuck at %d of %d updated: %s", s.Updated, o.Replicas, g.words())
		v.Evidence = g.evidence()
		return v
	}
	text := fmt.Sprintf("rolling out: %d of %d updated, %d of those available", s.Updated, o.Replicas, s.Available)
	switch {
	case s.Updated == o.Replicas && s.OldReplicas > 0:
		text = fmt.Sprintf("rolling out: all updated, %d old pods still to go", s.OldReplicas)
	case s.Updated == o.Replicas && o.Status.Updated == o.Replicas && s.OldReplicas == 0:
		text = fmt.Sprintf("%d of %d available", s.Available, o.Replicas)
	}
	if len(groups) > 0 {
		text += "; waiting for " + names(groups[0].pods)
	}
	sev := live.Info
	if s.TotalAvailable == 0 && o.Replicas > 0 && o.Strategy != "Recreate" && in.Now.Sub(since) > o.ProbeBudget {
		sev = live.Warn
	}
	return verdict(sev, k8s.PhaseProgressing, "ReplicaSetUpdated", since, "%s", text)
}

func withTrouble(v k8s.Verdict, groups []*trouble) k8s.Verdict {
	if len(groups) == 0 {
		return v
	}
	v.Message = cleanText(v.Message.String() + "; " + groups[0].words())
	for _, g := range groups {
		v.Evidence = append(v.Evidence, g.evidence()...)
	}
	return v
}
