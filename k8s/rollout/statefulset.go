package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s"
	"midwatch/live"
)

// revisionStatus fills the rollout status from ControllerRevisions; pods are
// counted, as the controllers keep no counters per revision. isNew tells the
// new revision, hashOf what its pods carry.
func revisionStatus(in *Input, isNew func(*ControllerRevision) bool, hashOf func(*ControllerRevision) string) k8s.RolloutStatus {
	o := in.Object
	s := k8s.RolloutStatus{
		Desired: o.Replicas, Total: o.Status.Replicas, TotalReady: o.Status.Ready, TotalAvailable: o.Status.Available,
		Updated: o.Status.Updated, Ready: o.Status.Ready, Available: o.Status.Available,
		Strategy: o.Strategy, Partition: o.Partition, MinReady: o.MinReady,
	}
	s.Revision.Images = o.Images
	revisions := slices.Clone(in.Revisions)
	slices.SortFunc(revisions, func(a, b *ControllerRevision) int { return cmp.Compare(b.Number, a.Number) })
	for _, cr := range revisions {
		r := k8s.Revision{Number: cr.Number, Name: cr.Name, UID: cr.UID, Hash: hashOf(cr), Created: cr.Created, Cause: cr.Cause, New: isNew(cr)}
		for _, p := range in.Pods {
			if p.Revision != r.Hash || p.Terminating() {
				continue
			}
			r.Current++
			if p.Ready {
				r.Ready++
			}
			if p.State(o.MinReady, in.Now) == k8s.PodAvailable {
				r.Available++
			}
		}
		r.Desired = r.Current
		switch {
		case r.New:
			r.Images = o.Images
			s.Revision = r
			if in.PodsKnown {
				s.Updated, s.Ready, s.Available = r.Current, r.Ready, r.Available
			}
		case s.PreviousRevision.Name == "" || (s.PreviousRevision.Current == 0 && r.Current > 0):
			s.PreviousRevision = r
		}
		if !r.New {
			s.OldReplicas += r.Current
		}
		s.Revisions = append(s.Revisions, r)
	}
	return s
}

func assessStatefulSet(in *Input) (k8s.Verdict, k8s.RolloutStatus) {
	o := in.Object
	name := func(cr *ControllerRevision) string { return cr.Name }
	s := revisionStatus(in, func(cr *ControllerRevision) bool { return cr.Name == o.UpdateRevision }, name)
	if s.Revision.Name == "" {
		s.Revision.Name, s.Revision.Hash = o.UpdateRevision, o.UpdateRevision
	}
	// maxUnavailable rounds down and is at least one (stateful_set_utils.go).
	s.Unavailable = max(scaled(o.MaxUnavailable, intstr.FromInt32(1), o.Replicas, false), 1)
	return statefulSetVerdict(in, &s), s
}

// setComplete is the controller's completeUpdate: without a partition every
// pod is of the new revision and ready; with one, the pods at and above it.
func setComplete(o *Object) bool {
	if o.Partition > 0 {
		return o.Status.Updated >= o.Replicas-o.Partition && o.Status.Ready >= o.Replicas
	}
	return o.CurrentRevision == o.UpdateRevision && o.Status.Updated == o.Replicas &&
		o.Status.Ready == o.Replicas && o.Status.Replicas == o.Replicas
}

func statefulSetVerdict(in *Input, s *k8s.RolloutStatus) k8s.Verdict {
	o := in.Object
	if v, ok := common(in); ok {
		return v
	}
	if o.Replicas == 0 {
		return scaledToZero(in)
	}
	groups, recheck := troubles(in, standing(in.Pods))
	for _, g := range groups {
		s.BlockedBy = append(s.BlockedBy, podNames(g.pods)...)
	}
	slices.Sort(s.BlockedBy)
	v := statefulSetPhase(in, s, groups)
	v.Recheck = earliest(v.Recheck, recheck, minReadyEnd(in, in.Pods))
	return v
}

// standing are the pods that are not being deleted.
func standing(pods []*k8s.PodRow) []*k8s.PodRow {
	own, others := podsOf(pods, "")
	return append(own, others...)
}

func statefulSetPhase(in *Input, s *k8s.RolloutStatus, groups []*trouble) k8s.Verdict {
	o := in.Object
	updating := o.CurrentRevision != o.UpdateRevision && o.UpdateRevision != ""
	since := o.Created
	if updating && !s.Revision.Created.IsZero() {
		since = s.Revision.Created
	}
	if p := trapped(in); p != nil {
		since := p.ReadySince
		if since.IsZero() {
			since = p.Created
		}
		v := verdict(live.Fail, k8s.PhaseBlocked, "OrderedReady", since,
			"blocked: %s is not ready on an older revision and OrderedReady will not replace it; delete the pod", p.Name)
		s.BlockedBy = []string{p.Name}
		return withTrouble(v, groups)
	}
	if e := newestEvent(in.Events, o.UID, "FailedCreate"); e != nil && o.Status.Replicas < o.Replicas {
		v := verdict(severityOf(o.Status.Ready, o.Replicas-s.Unavailable), k8s.PhaseDegraded, "FailedCreate", e.First,
			"%d of %d pods exist; cannot create the next: %s", o.Status.Replicas, o.Replicas, short(e.Message.String(), 160))
		v.Evidence = append(v.Evidence, eventEvidence(e))
		return v
	}
	if setComplete(o) {
		text := allUp(o.Replicas)
		if o.Partition > 0 && updating {
			text = fmt.Sprintf("%d of %d updated as far as partition %d allows; all are ready", o.Status.Updated, o.Replicas, o.Partition)
		}
		return verdict(live.OK, k8s.PhaseDone, "Done", doneSince(s, since), "%s", text)
	}
	if o.Strategy == "OnDelete" && updating && o.Status.Ready >= o.Replicas {
		_, old := podsOf(in.Pods, s.Revision.Hash)
		v := verdict(live.Info, k8s.PhaseManualUpdate, "OnDelete", since, "%d of %d updated: OnDelete waits for the old pods to be deleted by hand", s.Updated, o.Replicas)
		s.BlockedBy = podNames(old)
		return v
	}
	if len(groups) > 0 && groups[0].fatal {
		g := groups[0]
		if updating {
			v := verdict(severityOf(o.Status.Ready, o.Replicas-s.Unavailable), k8s.PhaseStalling, g.reason, g.since, "stuck at %d of %d updated: %s", s.Updated, o.Replicas, g.words())
			v.Evidence = g.evidence()
			return v
		}
		v := verdict(severityOf(o.Status.Ready, o.Replicas), k8s.PhaseDegraded, g.reason, g.since, "%d of %d ready: %s", o.Status.Ready, o.Replicas, g.words())
		v.Evidence = g.evidence()
		return v
	}
	if !updating && o.Status.Ready < o.Replicas {
		text := fmt.Sprintf("%d of %d ready", o.Status.Ready, o.Replicas)
		if len(groups) > 0 {
			since, text = groups[0].since, text+"; waiting for "+names(groups[0].pods)
		}
		sev := live.Info
		if !in.PodsKnown {
			sev = live.Warn
		}
		return verdict(sev, k8s.PhaseProgressing, "NotReady", since, "%s", text)
	}
	text := fmt.Sprintf("rolling out: %d of %d updated, %d ready", s.Updated, o.Replicas, o.Status.Ready)
	if len(groups) > 0 {
		text += "; waiting for " + names(groups[0].pods)
	}
	return verdict(live.Info, k8s.PhaseProgressing, "RollingUpdate", since, "%s", text)
}

func doneSince(s *k8s.RolloutStatus, fallback time.Time) time.Time {
	if s.Revision.Created.IsZero() {
		return fallback
	}
	return s.Revision.Created
}

// severityOf is Fail when fewer than needed are up, Warn otherwise.
func severityOf(up, needed int) live.Severity {
	if up < needed || up == 0 {
		return live.Fail
	}
	return live.Warn
}

// trapped finds the pod that an OrderedReady StatefulSet will never replace:
// not ready, at or above the partition, of another revision than the new one.
// The controller stops at the first pod that is not ready, so neither rolling
// forward nor back helps (k/k#67250).
func trapped(in *Input) *k8s.PodRow {
	o := in.Object
	if !o.OrderedReady || o.Strategy != "RollingUpdate" {
		return nil
	}
	for _, p := range in.Pods {
		if p.Terminating() || p.Ready || p.Ordinal < o.OrdinalStart+o.Partition || p.Revision == o.UpdateRevision || p.Revision == "" {
			continue
		}
		if t, until := troubleOf(in, p, p.State(o.MinReady, in.Now)); t.fatal && until.IsZero() {
			return p
		}
	}
	return nil
}
