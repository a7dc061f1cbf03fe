package controllers

import (
	"fmt"
	"math"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"
)

// Reasons of the Progressing condition the rules below look at (deployment_util.go).
const (
	reasonAvailable = "NewReplicaSetAvailable"
	reasonTimedOut  = "ProgressDeadlineExceeded"
	reasonPaused    = "DeploymentPaused"
	reasonResumed   = "DeploymentResumed"
)

func deploymentCondition(s *appsv1.DeploymentStatus, t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			return &s.Conditions[i]
		}
	}
	return nil
}

func progressing(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	return deploymentCondition(&d.Status, appsv1.DeploymentProgressing)
}

// setCondition replaces a condition unless status and reason are the same, and keeps the transition time while the status is
// (deployment_util.go SetDeploymentCondition).
func setCondition(s *appsv1.DeploymentStatus, c appsv1.DeploymentCondition) {
	cur := deploymentCondition(s, c.Type)
	if cur != nil && cur.Status == c.Status && cur.Reason == c.Reason {
		return
	}
	if cur != nil && cur.Status == c.Status {
		c.LastTransitionTime = cur.LastTransitionTime
	}
	dropCondition(s, c.Type)
	s.Conditions = append(s.Conditions, c)
}

func dropCondition(s *appsv1.DeploymentStatus, t appsv1.DeploymentConditionType) {
	s.Conditions = slices.DeleteFunc(slices.Clone(s.Conditions), func(c appsv1.DeploymentCondition) bool { return c.Type == t })
}

func (m *Manager) condition(t appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string) appsv1.DeploymentCondition {
	return appsv1.DeploymentCondition{Type: t, Status: status, Reason: reason, Message: message, LastUpdateTime: m.stamp(), LastTransitionTime: m.stamp()}
}

func (m *Manager) setProgress(d *appsv1.Deployment, status corev1.ConditionStatus, reason, message string) {
	if hasDeadline(d) {
		setCondition(&d.Status, m.condition(appsv1.DeploymentProgressing, status, reason, message))
	}
}

func hasDeadline(d *appsv1.Deployment) bool {
	return d.Spec.ProgressDeadlineSeconds != nil && *d.Spec.ProgressDeadlineSeconds != math.MaxInt32
}

// checkPaused is sync.go checkPausedConditions: a pause is noted, except over an exceeded deadline.
func (m *Manager) checkPaused(r *rollout) {
	cond := progressing(r.d)
	if !hasDeadline(r.d) || (cond != nil && cond.Reason == reasonTimedOut) {
		return
	}
	noted := cond != nil && cond.Reason == reasonPaused
	switch {
	case r.d.Spec.Paused && !noted:
		m.setProgress(r.d, corev1.ConditionUnknown, reasonPaused, "Deployment is paused")
	case !r.d.Spec.Paused && noted:
		m.setProgress(r.d, corev1.ConditionUnknown, reasonResumed, "Deployment is resumed")
	}
}

// deploymentStatus is sync.go calculateStatus: the counts, and whether enough is available.
func (m *Manager) deploymentStatus(r *rollout) *appsv1.DeploymentStatus {
	s := r.d.Status.DeepCopy()
	s.ObservedGeneration = r.d.Generation
	s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.UpdatedReplicas = 0, 0, 0, 0
	var terminating int32
	for _, rs := range r.all() {
		s.Replicas += rs.Status.Replicas
		s.ReadyReplicas += rs.Status.ReadyReplicas
		s.AvailableReplicas += rs.Status.AvailableReplicas
		terminating += ptr.Deref(rs.Status.TerminatingReplicas, 0)
	}
	s.TerminatingReplicas = &terminating
	if r.newRS != nil {
		s.UpdatedReplicas = r.newRS.Status.Replicas
	}
	s.UnavailableReplicas = max(specSum(r.all())-s.AvailableReplicas, 0)
	if s.AvailableReplicas >= *r.d.Spec.Replicas-maxUnavailable(r.d) {
		setCondition(s, m.condition(appsv1.DeploymentAvailable, corev1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability."))
	} else {
		setCondition(s, m.condition(appsv1.DeploymentAvailable, corev1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability."))
	}
	return s
}

// deploymentComplete is deployment_util.go DeploymentComplete.
func deploymentComplete(d *appsv1.Deployment, s *appsv1.DeploymentStatus) bool {
	n := *d.Spec.Replicas
	return s.UpdatedReplicas == n && s.Replicas == n && s.AvailableReplicas == n && s.ObservedGeneration >= d.Generation
}

// hasProgressed is deployment_util.go DeploymentProgressing: any of these resets the deadline.
func hasProgressed(before, after *appsv1.DeploymentStatus) bool {
	return after.UpdatedReplicas > before.UpdatedReplicas ||
		after.Replicas-after.UpdatedReplicas < before.Replicas-before.UpdatedReplicas ||
		after.ReadyReplicas > before.ReadyReplicas || after.AvailableReplicas > before.AvailableReplicas
}

// deadlineOf is when the rollout will have timed out; the zero time when it cannot.
func deadlineOf(d *appsv1.Deployment, s *appsv1.DeploymentStatus) time.Time {
	cond := deploymentCondition(s, appsv1.DeploymentProgressing)
	if cond == nil || !hasDeadline(d) || cond.Reason == reasonAvailable || cond.Reason == reasonPaused || cond.Reason == reasonTimedOut {
		return time.Time{}
	}
	return cond.LastUpdateTime.Add(time.Duration(*d.Spec.ProgressDeadlineSeconds) * time.Second)
}

// syncDeploymentStatus is progress.go syncRolloutStatus; it returns when the deadline must be looked at.
func (m *Manager) syncDeploymentStatus(r *rollout) time.Time {
	s := m.deploymentStatus(r)
	m.estimateProgress(r, s)
	copyReplicaFailure(r, s)
	stored, ok := get[*appsv1.Deployment](m, kindDeployments(), r.d.Namespace, r.d.Name)
	if !ok {
		return time.Time{}
	}
	if !equality.Semantic.DeepEqual(&stored.Status, s) {
		d := *stored
		d.Status = *s
		m.updateStatus(&d)
	}
	if at := deadlineOf(r.d, s); !at.IsZero() {
		return at.Add(time.Second)
	}
	return time.Time{}
}

func (m *Manager) estimateProgress(r *rollout, s *appsv1.DeploymentStatus) {
	if !hasDeadline(r.d) {
		dropCondition(s, appsv1.DeploymentProgressing)
		return
	}
	if r.d.Spec.Paused {
		return
	}
	cond := deploymentCondition(s, appsv1.DeploymentProgressing)
	// Once complete, progress is never estimated again, whatever happens to the pods.
	if s.Replicas == s.UpdatedReplicas && cond != nil && cond.Reason == reasonAvailable {
		return
	}
	what := fmt.Sprintf("Deployment %q", r.d.Name)
	if r.newRS != nil {
		what = fmt.Sprintf("ReplicaSet %q", r.newRS.Name)
	}
	switch {
	case deploymentComplete(r.d, s):
		setCondition(s, m.condition(appsv1.DeploymentProgressing, corev1.ConditionTrue, reasonAvailable, what+" has successfully progressed."))
	case hasProgressed(&r.d.Status, s):
		c := m.condition(appsv1.DeploymentProgressing, corev1.ConditionTrue, "ReplicaSetUpdated", what+" is progressing.")
		if cond != nil && cond.Status == corev1.ConditionTrue {
			c.LastTransitionTime = cond.LastTransitionTime
		}
		dropCondition(s, appsv1.DeploymentProgressing)
		s.Conditions = append(s.Conditions, c)
	default:
		if at := deadlineOf(r.d, s); !at.IsZero() && at.Before(m.now) {
			setCondition(s, m.condition(appsv1.DeploymentProgressing, corev1.ConditionFalse, reasonTimedOut, what+" has timed out progressing."))
		}
	}
}

// copyReplicaFailure shows the ReplicaSets' trouble on the Deployment (progress.go getReplicaFailures).
func copyReplicaFailure(r *rollout, s *appsv1.DeploymentStatus) {
	sets := r.all()
	slices.Reverse(sets) // the new one first
	for _, rs := range sets {
		for _, c := range rs.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure {
				setCondition(s, appsv1.DeploymentCondition{
					Type: appsv1.DeploymentReplicaFailure, Status: c.Status, Reason: c.Reason, Message: c.Message,
					LastUpdateTime: c.LastTransitionTime, LastTransitionTime: c.LastTransitionTime,
				})
				return
			}
		}
	}
	dropCondition(s, appsv1.DeploymentReplicaFailure)
}
