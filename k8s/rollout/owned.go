package rollout

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// ReplicaSet is a ReplicaSet, reduced.
type ReplicaSet struct {
	k8s.Ref
	OwnerUID, OwnerKind string
	Hash                string
	Revision            int64
	Created             time.Time
	Template            Fingerprint
	Images              []k8s.Image
	Cause               foreign.Text
	Replicas            int // spec.replicas
	Status              Counters
	Failure             *Condition // ReplicaFailure while True
}

func owner(m metav1.Object, in Intern) (kind, uid string) {
	if o := metav1.GetControllerOf(m); o != nil {
		return in.of(o.Kind), in.of(string(o.UID))
	}
	return "", ""
}

// FromReplicaSet reduces a ReplicaSet.
func FromReplicaSet(rs *appsv1.ReplicaSet, in Intern) *ReplicaSet {
	out := &ReplicaSet{
		Ref: ref("ReplicaSet", rs, in), Created: rs.CreationTimestamp.Time,
		Hash: in.of(rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey]), Template: fingerprint(&rs.Spec.Template),
		Images: images(&rs.Spec.Template.Spec, in), Cause: foreign.CleanN(rs.Annotations[causeAnnotation], 256),
		Replicas: orOne(rs.Spec.Replicas),
		Status: Counters{
			Replicas: int(rs.Status.Replicas), Ready: int(rs.Status.ReadyReplicas), Available: int(rs.Status.AvailableReplicas),
		},
	}
	out.OwnerKind, out.OwnerUID = owner(rs, in)
	if out.Hash == "" {
		out.Hash = in.of(rs.Labels[argoHashLabel])
	}
	for _, key := range []string{revisionAnnotation, argoRevision} {
		if n, err := strconv.ParseInt(rs.Annotations[key], 10, 64); err == nil {
			out.Revision = n
		}
	}
	for _, c := range rs.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			out.Failure = &Condition{Type: string(c.Type), Status: "True", Reason: c.Reason, Message: foreign.Clean(c.Message), Since: c.LastTransitionTime.Time}
		}
	}
	return out
}

// ControllerRevision is one recorded template of a StatefulSet or DaemonSet.
type ControllerRevision struct {
	k8s.Ref
	OwnerUID, OwnerKind string
	Number              int64
	Hash                string // label controller-revision-hash
	Created             time.Time
	Cause               foreign.Text
}

// FromControllerRevision reduces a ControllerRevision; its data is dropped.
func FromControllerRevision(r *appsv1.ControllerRevision, in Intern) *ControllerRevision {
	out := &ControllerRevision{
		Ref: ref("ControllerRevision", r, in), Number: r.Revision, Created: r.CreationTimestamp.Time,
		Hash: in.of(r.Labels[appsv1.ControllerRevisionHashLabelKey]), Cause: foreign.CleanN(r.Annotations[causeAnnotation], 256),
	}
	out.OwnerKind, out.OwnerUID = owner(r, in)
	return out
}

// HPA is an autoscaler and what it targets.
type HPA struct {
	k8s.Ref
	Target k8s.Ref
	Status k8s.HPAStatus
}

// FromHPA reduces a HorizontalPodAutoscaler to its line on the board.
func FromHPA(h *autoscalingv2.HorizontalPodAutoscaler, in Intern) *HPA {
	out := &HPA{
		Ref:    ref("HorizontalPodAutoscaler", h, in),
		Target: k8s.Ref{Kind: in.of(h.Spec.ScaleTargetRef.Kind), Namespace: in.of(h.Namespace), Name: h.Spec.ScaleTargetRef.Name},
		Status: k8s.HPAStatus{
			Name: h.Name, Min: orOne(h.Spec.MinReplicas), Max: int(h.Spec.MaxReplicas),
			Current: int(h.Status.CurrentReplicas), Desired: int(h.Status.DesiredReplicas),
		},
	}
	for _, c := range h.Status.Conditions {
		s := &out.Status
		switch {
		case c.Status == corev1.ConditionFalse && c.Type != autoscalingv2.ScalingLimited && c.Reason != "ScalingDisabled":
			s.Problem, s.Message, s.Since = c.Reason, foreign.Clean(c.Message), c.LastTransitionTime.Time
		case c.Type == autoscalingv2.ScalingLimited && c.Status == corev1.ConditionTrue && c.Reason == "TooManyReplicas":
			s.AtMax = true
			if s.Problem == "" {
				s.Message, s.Since = foreign.Clean(c.Message), c.LastTransitionTime.Time
			}
		}
	}
	return out
}
