package rollout

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// HPA is an autoscaler and what it targets.
type HPA struct {
	k8s.Ref
	// Target is spec.scaleTargetRef in the autoscaler's namespace, without
	// UID; its kind may be any that can be scaled.
	Target k8s.Ref
	Status k8s.HPAStatus
	// Scaled is status.lastScaleTime.
	Scaled time.Time
}

// FromHPA reduces a HorizontalPodAutoscaler to its line on the board
// (podautoscaler/horizontal.go sets the conditions). That it cannot read or
// write the scale comes before that it cannot get its metrics; scaling that is
// off because someone scaled the target to zero is no problem of the
// autoscaler's, but is said.
func FromHPA(h *autoscalingv2.HorizontalPodAutoscaler, in Intern) *HPA {
	target := h.Spec.ScaleTargetRef
	out := &HPA{
		Ref:    ref("HorizontalPodAutoscaler", h, in),
		Target: k8s.Ref{Kind: in.clean(target.Kind, maxReason), Namespace: in.clean(h.Namespace, maxName), Name: in.clean(target.Name, maxName)},
		Status: k8s.HPAStatus{
			Name: foreign.CleanN(h.Name, maxName).String(), Min: orOne(h.Spec.MinReplicas), Max: int(h.Spec.MaxReplicas),
			Current: int(h.Status.CurrentReplicas), Desired: int(h.Status.DesiredReplicas),
		},
	}
	if t := h.Status.LastScaleTime; t != nil {
		out.Scaled = t.Time
	}
	able, active, limited := scalerCondition(h, autoscalingv2.AbleToScale), scalerCondition(h, autoscalingv2.ScalingActive), scalerCondition(h, autoscalingv2.ScalingLimited)
	s := &out.Status
	s.AtMax = limited != nil && limited.Status == corev1.ConditionTrue && limited.Reason == "TooManyReplicas"
	tell := func(c *autoscalingv2.HorizontalPodAutoscalerCondition) {
		s.Message, s.Since = foreign.CleanN(c.Message, maxMessage), c.LastTransitionTime.Time
	}
	switch {
	case able != nil && able.Status == corev1.ConditionFalse:
		s.Problem = in.clean(able.Reason, maxName)
		tell(able)
	case active != nil && active.Status == corev1.ConditionFalse && active.Reason == "ScalingDisabled":
		tell(active)
	case active != nil && active.Status == corev1.ConditionFalse:
		s.Problem = in.clean(active.Reason, maxName)
		tell(active)
	case s.AtMax:
		tell(limited)
	case able != nil && (able.Reason == "ScaleDownStabilized" || able.Reason == "ScaleUpStabilized"):
		// The condition stays True, so its transition tells nothing; the
		// status was written when the reason changed at the latest.
		s.Stabilising, s.Since = true, statusWritten(h)
	}
	return out
}

// statusWritten is when the controller wrote the status last; zero when
// managedFields do not tell.
func statusWritten(h *autoscalingv2.HorizontalPodAutoscaler) time.Time {
	var at time.Time
	for i := range h.ManagedFields {
		if e := &h.ManagedFields[i]; e.Subresource == "status" && e.Time != nil && e.Time.After(at) {
			at = e.Time.Time
		}
	}
	return at
}

func scalerCondition(h *autoscalingv2.HorizontalPodAutoscaler, kind autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range h.Status.Conditions {
		if h.Status.Conditions[i].Type == kind {
			return &h.Status.Conditions[i]
		}
	}
	return nil
}
