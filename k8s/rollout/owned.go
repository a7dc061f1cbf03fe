package rollout

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// Annotations and labels the controllers keep their books in.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	argoRevision       = "rollout.argoproj.io/revision"
	causeAnnotation    = "kubernetes.io/change-cause"
	argoHashLabel      = "rollouts-pod-template-hash"
	podIndexLabel      = appsv1.PodIndexLabel
)

// ReplicaSet is a ReplicaSet, reduced.
type ReplicaSet struct {
	k8s.Ref
	OwnerUID, OwnerKind string
	// Hash is what its pods carry: label pod-template-hash, or Argo's.
	Hash string
	// Revision is the number kubectl rollout history shows; 0: none yet.
	Revision int64
	Created  time.Time
	Template Fingerprint
	Images   []k8s.Image
	// Cause is annotation kubernetes.io/change-cause.
	Cause foreign.Text
	// Replicas is spec.replicas.
	Replicas int
	// Wanted is the Deployment's spec.replicas when the set was last scaled
	// (annotation desired-replicas); -1 when it does not say.
	Wanted int
	Status Counters
	// Failure is the ReplicaFailure condition while it is True.
	Failure *Condition
}

// owner returns the controlling owner, cleaned: the API server checks that an
// owner is named, not what it is named.
func owner(refs []metav1.OwnerReference, in Intern) (kind, name, uid string) {
	for i := range refs {
		if o := &refs[i]; o.Controller != nil && *o.Controller {
			return in.clean(o.Kind, maxReason), in.clean(o.Name, maxName), in.clean(string(o.UID), maxName)
		}
	}
	return "", "", ""
}

// FromReplicaSet reduces a ReplicaSet of a Deployment or an Argo Rollout.
func FromReplicaSet(rs *appsv1.ReplicaSet, in Intern) *ReplicaSet {
	out := &ReplicaSet{
		Ref: ref("ReplicaSet", rs, in), Created: rs.CreationTimestamp.Time,
		Hash:     in.clean(rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey], maxReason),
		Template: fingerprint(&rs.Spec.Template), Images: images(&rs.Spec.Template.Spec, in),
		Cause: foreign.CleanN(rs.Annotations[causeAnnotation], 256), Replicas: orOne(rs.Spec.Replicas), Wanted: -1,
		Status: Counters{
			Replicas: int(rs.Status.Replicas), Ready: int(rs.Status.ReadyReplicas), Available: int(rs.Status.AvailableReplicas),
			Terminating: orDefault(rs.Status.TerminatingReplicas, 0),
		},
	}
	out.OwnerKind, _, out.OwnerUID = owner(rs.OwnerReferences, in)
	revision := revisionAnnotation
	if hash := rs.Labels[argoHashLabel]; hash != "" && (out.Hash == "" || out.OwnerKind == k8s.Rollout) {
		out.Hash, revision = in.clean(hash, maxReason), argoRevision
	}
	if n, err := strconv.ParseInt(rs.Annotations[revision], 10, 64); err == nil {
		out.Revision = n
	}
	if n, err := strconv.Atoi(rs.Annotations[desiredAnnotation]); err == nil {
		out.Wanted = n
	}
	for _, c := range rs.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			failure := condition(in, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, metav1.Time{})
			out.Failure = &failure
		}
	}
	return out
}

// ControllerRevision is one recorded template of a StatefulSet or DaemonSet.
type ControllerRevision struct {
	k8s.Ref
	OwnerUID, OwnerKind string
	// Number is .revision; a rollback raises the old revision's.
	Number int64
	// Hash is label controller-revision-hash; StatefulSet pods carry the
	// name of the ControllerRevision instead.
	Hash    string
	Created time.Time
	Cause   foreign.Text
}

// FromControllerRevision reduces a ControllerRevision; its data is dropped.
func FromControllerRevision(r *appsv1.ControllerRevision, in Intern) *ControllerRevision {
	out := &ControllerRevision{
		Ref: ref("ControllerRevision", r, in), Number: r.Revision, Created: r.CreationTimestamp.Time,
		Hash:  in.clean(r.Labels[appsv1.ControllerRevisionHashLabelKey], maxName),
		Cause: foreign.CleanN(r.Annotations[causeAnnotation], 256),
	}
	out.OwnerKind, _, out.OwnerUID = owner(r.OwnerReferences, in)
	return out
}
