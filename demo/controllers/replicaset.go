package controllers

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const replicaSetController = "replicaset-controller"

// syncReplicaSet is k/k pkg/controller/replicaset/replica_set.go syncReplicaSet.
func (m *Manager) syncReplicaSet(it item) time.Time {
	rs, ok := get[*appsv1.ReplicaSet](m, kindReplicaSets(), it.namespace, it.name)
	if !ok || rs.DeletionTimestamp != nil {
		return time.Time{}
	}
	var active, leaving []*corev1.Pod
	for _, p := range owned[*corev1.Pod](m, kindPods(), rs) {
		switch {
		case isActive(p):
			active = append(active, p)
		case p.DeletionTimestamp != nil:
			leaving = append(leaving, p)
		}
	}
	failure := m.managePods(rs, active)
	return m.syncReplicaSetStatus(rs, active, leaving, failure)
}

// managePods creates or deletes pods until there are spec.replicas. It returns why it could not.
func (m *Manager) managePods(rs *appsv1.ReplicaSet, active []*corev1.Pod) error {
	missing := int(*rs.Spec.Replicas) - len(active)
	for range missing {
		p := podFrom(&rs.Spec.Template, rs.Namespace, metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")))
		p.GenerateName = rs.Name + "-"
		created, err := m.create(p)
		if err != nil {
			// Slow start: the first failure ends the batch.
			m.warn(rs, replicaSetController, "FailedCreate", "Error creating: %v", err)
			return err
		}
		m.normal(rs, replicaSetController, "SuccessfulCreate", "Created pod: %s", created.GetName())
	}
	if missing >= 0 {
		return nil
	}
	for _, p := range deletionOrder(active)[:-missing] {
		m.remove(kindPods(), p)
		m.normal(rs, replicaSetController, "SuccessfulDelete", "Deleted pod: %s", p.Name)
	}
	return nil
}

// deletionOrder ranks pods as k/k pkg/controller/controller_utils.go ActivePodsWithRanks: unscheduled, pending, not ready, with
// more restarts and younger ones go first.
func deletionOrder(pods []*corev1.Pod) []*corev1.Pod {
	out := slices.Clone(pods)
	rank := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	restarts := func(p *corev1.Pod) int32 {
		var n int32
		for _, c := range p.Status.ContainerStatuses {
			n += c.RestartCount
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b *corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(rank(a.Spec.NodeName != ""), rank(b.Spec.NodeName != "")),
			cmp.Compare(rank(a.Status.Phase == corev1.PodRunning), rank(b.Status.Phase == corev1.PodRunning)),
			cmp.Compare(rank(isReady(a)), rank(isReady(b))),
			cmp.Compare(restarts(b), restarts(a)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(a.Name, b.Name))
	})
	return out
}

// availableAt returns when a ready pod has been ready for minReadySeconds; ok is false when it is not ready.
func availableAt(p *corev1.Pod, minReadySeconds int32) (at time.Time, ok bool) {
	c := podCondition(p, corev1.PodReady)
	if c == nil || c.Status != corev1.ConditionTrue {
		return time.Time{}, false
	}
	return c.LastTransitionTime.Add(time.Duration(minReadySeconds) * time.Second), true
}

// tally counts the ready and available pods; next is when another one will have become available.
func (m *Manager) tally(pods []*corev1.Pod, minReadySeconds int32) (ready, available int32, next time.Time) {
	for _, p := range pods {
		at, ok := availableAt(p, minReadySeconds)
		if !ok {
			continue
		}
		ready++
		if !at.After(m.now) {
			available++
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return ready, available, next
}

func (m *Manager) syncReplicaSetStatus(rs *appsv1.ReplicaSet, active, leaving []*corev1.Pod, failure error) time.Time {
	s := rs.Status.DeepCopy()
	var next time.Time
	s.ObservedGeneration = rs.Generation
	s.Replicas, s.FullyLabeledReplicas = int32(len(active)), int32(len(active))
	s.ReadyReplicas, s.AvailableReplicas, next = m.tally(active, rs.Spec.MinReadySeconds)
	s.TerminatingReplicas = ptr.To(int32(len(leaving)))
	m.setReplicaFailure(s, failure)
	if !equality.Semantic.DeepEqual(&rs.Status, s) {
		changed := *rs
		changed.Status = *s
		m.updateStatus(&changed)
	}
	if failure != nil {
		return m.now.Add(10 * time.Second)
	}
	return next
}

// setReplicaFailure keeps the first error while there is one (replica_set_utils.go calculateStatus).
func (m *Manager) setReplicaFailure(s *appsv1.ReplicaSetStatus, failure error) {
	has := slices.ContainsFunc(s.Conditions, func(c appsv1.ReplicaSetCondition) bool { return c.Type == appsv1.ReplicaSetReplicaFailure })
	switch {
	case failure != nil && !has:
		s.Conditions = append(s.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: failure.Error(), LastTransitionTime: m.stamp(),
		})
	case failure == nil && has:
		s.Conditions = slices.DeleteFunc(s.Conditions, func(c appsv1.ReplicaSetCondition) bool { return c.Type == appsv1.ReplicaSetReplicaFailure })
	}
}
