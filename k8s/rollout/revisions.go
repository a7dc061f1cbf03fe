package rollout

import (
	"cmp"
	"slices"
	"time"

	"midwatch/k8s"
)

// newSet is the ReplicaSet of the present template: the oldest that has it,
// never the one with the highest number, which jumps on a rollback
// (deployment_util.go FindNewReplicaSet). After an upgrade two may have it.
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

// counters starts the rollout status from the controller's own counts. The
// new revision's ready and available pods are then only known to be at least
// the total less all old ones: the controllers sum over revisions.
func (a *assessment) counters() {
	o := a.o
	old := max(o.Status.Replicas-o.Status.Updated, 0)
	a.status = k8s.RolloutStatus{
		Desired: o.Replicas, Total: o.Status.Replicas, TotalReady: o.Status.Ready, TotalAvailable: o.Status.Available,
		Updated: o.Status.Updated, Ready: max(o.Status.Ready-old, 0), Available: max(o.Status.Available-old, 0), OldReplicas: old,
		Strategy: o.Strategy, Partition: o.Partition, Paused: o.Paused, MinReady: o.MinReady,
	}
	a.status.Revision.Images = o.Images
}

// setRevisions fills the rollout status from ReplicaSets. Their counts are
// written by another controller than the workload's, so the two may disagree
// for moments.
func (a *assessment) setRevisions() {
	a.counters()
	if !a.SetsKnown && len(a.Sets) == 0 {
		return
	}
	s := &a.status
	for _, rs := range a.Sets {
		s.Revisions = append(s.Revisions, k8s.Revision{
			Number: rs.Revision, Name: rs.Name, UID: rs.UID, Hash: rs.Hash, Created: rs.Created, Images: rs.Images, Cause: rs.Cause,
			Desired: rs.Replicas, Current: rs.Status.Replicas, Ready: rs.Status.Ready, Available: rs.Status.Available, New: rs == a.current,
		})
	}
	a.finishRevisions()
	switch {
	case a.current != nil:
		s.Updated, s.Ready, s.Available = s.Revision.Current, s.Revision.Ready, s.Revision.Available
	case a.o.Status.Updated == 0:
		// The template has no ReplicaSet: nothing of it runs.
		s.Ready, s.Available = 0, 0
	default:
		return // the set is there, we just have not read it yet
	}
	s.OldReplicas = 0
	for _, r := range s.Revisions {
		if !r.New {
			s.OldReplicas += r.Current
		}
	}
}

// ownedRevisions fills the rollout status from ControllerRevisions. Their pods
// have to be counted, as the controllers keep no counts per revision. hash is
// what pods of a revision carry.
func (a *assessment) ownedRevisions(isNew func(*ControllerRevision) bool, hash func(*ControllerRevision) string) {
	a.counters()
	s := &a.status
	for _, cr := range a.Revisions {
		r := k8s.Revision{Number: cr.Number, Name: cr.Name, UID: cr.UID, Hash: hash(cr), Created: cr.Created, Cause: cr.Cause, New: isNew(cr)}
		if r.New {
			r.Images = a.o.Images
		}
		for _, p := range a.Pods {
			if p.Revision == r.Hash && !p.Terminating() {
				countPod(&r, p, a)
			}
		}
		r.Desired = r.Current
		s.Revisions = append(s.Revisions, r)
	}
	a.finishRevisions()
	if a.PodsKnown && s.Revision.Hash != "" {
		s.Ready, s.Available = s.Revision.Ready, s.Revision.Available
	}
}

func countPod(r *k8s.Revision, p *k8s.PodRow, a *assessment) {
	if p.Phase == "Failed" || p.Phase == "Succeeded" {
		return
	}
	r.Current++
	if p.Ready {
		r.Ready++
	}
	switch at, ok := p.AvailableAt(a.o.MinReady); {
	case ok && at.After(a.Now):
		a.soon(at)
	case ok:
		r.Available++
	}
}

// finishRevisions sorts the revisions, the new one first and the others by
// number, and finds the one before: the newest old one that has pods, else the
// newest old one.
func (a *assessment) finishRevisions() {
	s := &a.status
	slices.SortStableFunc(s.Revisions, func(x, y k8s.Revision) int {
		if x.New != y.New {
			if x.New {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(y.Number, x.Number), y.Created.Compare(x.Created), cmp.Compare(x.Name, y.Name))
	})
	for _, r := range s.Revisions {
		switch {
		case r.New:
			s.Revision = r
		case r.Current == 0 && a.isTwin(r.UID):
		case s.PreviousRevision.Name == "" || (s.PreviousRevision.Current == 0 && r.Current > 0):
			s.PreviousRevision = r
		}
	}
}

// isTwin reports whether a set has the same template as the new one: two may,
// after an upgrade, and an empty one is nothing that ran before.
func (a *assessment) isTwin(uid string) bool {
	for _, rs := range a.Sets {
		if rs.UID == uid {
			return a.current != nil && rs.Template == a.current.Template && rs.Template != Fingerprint{}
		}
	}
	return false
}

// rolloutStart is when the rollout under way began: when its revision was
// made; or, as a rollback takes an old revision up again, when the workload
// was last written; or at least the last progress.
func (a *assessment) rolloutStart() time.Time {
	r := &a.status.Revision
	reused := false
	for _, other := range a.status.Revisions {
		reused = reused || (!other.New && other.Created.After(r.Created))
	}
	switch p := a.o.condition("Progressing"); {
	case !r.Created.IsZero() && !reused:
		return r.Created
	case !a.o.Changed.IsZero():
		return a.o.Changed
	case p != nil:
		return p.Updated
	}
	return time.Time{}
}
