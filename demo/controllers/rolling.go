package controllers

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// fenceposts resolves surge (rounded up) and unavailable (rounded down); both 0 means one may be unavailable
// (deployment_util.go ResolveFenceposts).
func fenceposts(d *appsv1.Deployment) (surge, unavailable int32) {
	ru := d.Spec.Strategy.RollingUpdate
	if d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || ru == nil {
		return 0, 0
	}
	n := int(*d.Spec.Replicas)
	s, _ := intstr.GetScaledValueFromIntOrPercent(ptr.To(ptr.Deref(ru.MaxSurge, intstr.FromInt32(0))), n, true)
	u, _ := intstr.GetScaledValueFromIntOrPercent(ptr.To(ptr.Deref(ru.MaxUnavailable, intstr.FromInt32(0))), n, false)
	if s == 0 && u == 0 {
		u = 1
	}
	return int32(s), int32(min(u, n))
}

func maxSurge(d *appsv1.Deployment) int32 {
	s, _ := fenceposts(d)
	return s
}

func maxUnavailable(d *appsv1.Deployment) int32 {
	_, u := fenceposts(d)
	return u
}

func specSum(sets []*appsv1.ReplicaSet) int32 {
	var n int32
	for _, rs := range sets {
		n += *rs.Spec.Replicas
	}
	return n
}

// newReplicas is how many replicas the new ReplicaSet should have now (deployment_util.go NewRSNewReplicas).
func newReplicas(r *rollout) int32 {
	n, have := *r.d.Spec.Replicas, *r.newRS.Spec.Replicas
	if r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return n
	}
	room := n + maxSurge(r.d) - specSum(r.all())
	if room <= 0 {
		return have
	}
	return have + min(room, n-have)
}

// scaleSet sets a ReplicaSet's replicas and keeps its annotations (sync.go scaleReplicaSet).
func (m *Manager) scaleSet(r *rollout, rs *appsv1.ReplicaSet, n int32) {
	before := *rs.Spec.Replicas
	changed := setReplicasAnnotations(rs, r.d)
	if before == n && !changed {
		return
	}
	*rs.Spec.Replicas = n
	m.update(rs.DeepCopy())
	if fresh, ok := get[*appsv1.ReplicaSet](m, kindReplicaSets(), rs.Namespace, rs.Name); ok {
		*rs = *editable(fresh)
	}
	if before == n {
		return
	}
	direction := "up"
	if n < before {
		direction = "down"
	}
	m.normal(r.d, deploymentController, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", direction, rs.Name, before, n)
}

// rolloutRolling is one step of a rolling update: rolling.go rolloutRolling. It grows the new ReplicaSet or else shrinks old ones.
func (m *Manager) rolloutRolling(r *rollout) {
	if r.newRS == nil {
		return
	}
	want := newReplicas(r)
	if have := *r.newRS.Spec.Replicas; have > *r.d.Spec.Replicas {
		want = *r.d.Spec.Replicas
	}
	if want != *r.newRS.Spec.Replicas {
		m.scaleSet(r, r.newRS, want)
		return
	}
	m.shrinkOld(r)
	if deploymentComplete(r.d, m.deploymentStatus(r)) {
		m.cleanupHistory(r)
	}
}

func (m *Manager) shrinkOld(r *rollout) {
	if specSum(r.old) == 0 {
		return
	}
	n := *r.d.Spec.Replicas
	floor := n - maxUnavailable(r.d)
	newUnavailable := *r.newRS.Spec.Replicas - r.newRS.Status.AvailableReplicas
	budget := specSum(r.all()) - floor - newUnavailable
	if budget <= 0 {
		return
	}
	budget -= m.cleanupUnhealthy(r, budget)
	// Healthy old pods go only as far as enough are available overall.
	var available int32
	for _, rs := range r.all() {
		available += rs.Status.AvailableReplicas
	}
	spare := min(available-floor, budget)
	for _, rs := range oldestFirst(r.old) {
		if spare <= 0 {
			return
		}
		if have := *rs.Spec.Replicas; have > 0 {
			down := min(have, spare)
			m.scaleSet(r, rs, have-down)
			spare -= down
		}
	}
}

// cleanupUnhealthy removes old pods that are not available anyway first (rolling.go cleanupUnhealthyReplicas).
func (m *Manager) cleanupUnhealthy(r *rollout, budget int32) int32 {
	var done int32
	for _, rs := range oldestFirst(r.old) {
		have := *rs.Spec.Replicas
		unhealthy := have - rs.Status.AvailableReplicas
		if have == 0 || unhealthy <= 0 || done >= budget {
			continue
		}
		down := min(budget-done, unhealthy)
		m.scaleSet(r, rs, have-down)
		done += down
	}
	return done
}

func oldestFirst(sets []*appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	out := slices.Clone(sets)
	slices.SortStableFunc(out, func(a, b *appsv1.ReplicaSet) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// rolloutRecreate is recreate.go rolloutRecreate: old pods first go entirely, then the new ReplicaSet appears.
func (m *Manager) rolloutRecreate(r *rollout) {
	if specSum(r.old) > 0 {
		m.reviseDeployment(r, false)
		for _, rs := range r.old {
			if *rs.Spec.Replicas > 0 {
				m.scaleSet(r, rs, 0)
			}
		}
		return
	}
	for _, rs := range r.old {
		for _, p := range owned[*corev1.Pod](m, kindPods(), rs) {
			if p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
				m.reviseDeployment(r, false)
				return
			}
		}
	}
	m.reviseDeployment(r, true)
	if r.newRS != nil {
		m.scaleSet(r, r.newRS, *r.d.Spec.Replicas)
	}
	if deploymentComplete(r.d, m.deploymentStatus(r)) {
		m.cleanupHistory(r)
	}
}

// scaleProportionally follows sync.go scale: with one active ReplicaSet that one takes the change; in the middle of a rollout the
// change is spread over all in proportion to their size, the largest taking what rounding leaves.
func (m *Manager) scaleProportionally(r *rollout) {
	n := *r.d.Spec.Replicas
	var active []*appsv1.ReplicaSet
	for _, rs := range r.all() {
		if *rs.Spec.Replicas > 0 {
			active = append(active, rs)
		}
	}
	if len(active) <= 1 {
		target := r.newRS
		if len(active) == 1 {
			target = active[0]
		} else if target == nil && len(r.old) > 0 {
			target = r.old[len(r.old)-1]
		}
		if target != nil {
			m.scaleSet(r, target, n)
		}
		return
	}
	allowed := int32(0)
	if n > 0 {
		allowed = n + maxSurge(r.d)
	}
	add := allowed - specSum(active)
	slices.SortStableFunc(active, func(a, b *appsv1.ReplicaSet) int { return int(*b.Spec.Replicas - *a.Spec.Replicas) })
	total, left := specSum(active), add
	sizes := make([]int32, len(active))
	for i, rs := range active {
		share := *rs.Spec.Replicas * add / max(total, 1)
		sizes[i] = *rs.Spec.Replicas + share
		left -= share
	}
	sizes[0] += left
	for i, rs := range active {
		m.scaleSet(r, rs, max(sizes[i], 0))
	}
}
