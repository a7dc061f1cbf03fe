package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

const (
	revisionAnnotation        = "deployment.kubernetes.io/revision"
	revisionHistoryAnnotation = "deployment.kubernetes.io/revision-history"
	desiredAnnotation         = "deployment.kubernetes.io/desired-replicas"
	maxReplicasAnnotation     = "deployment.kubernetes.io/max-replicas"
	deploymentController      = "deployment-controller"
)

// rollout is a Deployment with its ReplicaSets during one sync.
type rollout struct {
	d     *appsv1.Deployment
	newRS *appsv1.ReplicaSet // nil until it exists
	old   []*appsv1.ReplicaSet
}

func (r *rollout) all() []*appsv1.ReplicaSet {
	all := slices.Clone(r.old)
	if r.newRS != nil {
		all = append(all, r.newRS)
	}
	return all
}

// syncDeployment is k/k pkg/controller/deployment/deployment_controller.go syncDeployment.
func (m *Manager) syncDeployment(it item) time.Time {
	stored, ok := get[*appsv1.Deployment](m, kindDeployments(), it.namespace, it.name)
	if !ok || stored.DeletionTimestamp != nil {
		return time.Time{}
	}
	r := m.rolloutOf(editableDeployment(stored))
	m.checkPaused(r)
	switch {
	case r.d.Spec.Paused:
		m.reviseDeployment(r, false)
		m.scaleProportionally(r)
		m.cleanupHistory(r)
	case scalingEvent(r):
		m.reviseDeployment(r, false)
		m.scaleProportionally(r)
	case r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		m.rolloutRecreate(r)
	default:
		m.reviseDeployment(r, true)
		m.rolloutRolling(r)
	}
	return m.syncDeploymentStatus(r)
}

// rolloutOf finds the ReplicaSets; the new one is the oldest whose template is the Deployment's (deployment_util.go
// FindNewReplicaSet).
func (m *Manager) rolloutOf(d *appsv1.Deployment) *rollout {
	sets := owned[*appsv1.ReplicaSet](m, kindReplicaSets(), d)
	slices.SortStableFunc(sets, func(a, b *appsv1.ReplicaSet) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	r := &rollout{d: d}
	for _, rs := range sets {
		rs = editable(rs)
		if r.newRS == nil && m.sameTemplate(rs, d) {
			r.newRS = rs
		} else {
			r.old = append(r.old, rs)
		}
	}
	return r
}

// editable copies what this controller changes of a ReplicaSet (annotations, replicas, minReadySeconds); the rest stays shared with
// the stored object and must not be touched.
func editable(rs *appsv1.ReplicaSet) *appsv1.ReplicaSet {
	c := *rs
	c.Annotations = maps.Clone(rs.Annotations)
	c.Spec.Replicas = ptr.To(*rs.Spec.Replicas)
	return &c
}

// editableDeployment copies annotations and status; the rest stays shared.
func editableDeployment(d *appsv1.Deployment) *appsv1.Deployment {
	c := *d
	c.Annotations = maps.Clone(d.Annotations)
	d.Status.DeepCopyInto(&c.Status)
	return &c
}

// templatePair names a comparison whose outcome never changes: a ReplicaSet's template is fixed, a Deployment's is by generation.
type templatePair struct {
	set, deployment types.UID
	generation      int64
}

func (m *Manager) sameTemplate(rs *appsv1.ReplicaSet, d *appsv1.Deployment) bool {
	pair := templatePair{rs.UID, d.UID, d.Generation}
	same, known := m.templates[pair]
	if !known {
		same = equality.Semantic.DeepEqual(withoutHash(&rs.Spec.Template), withoutHash(&d.Spec.Template))
		m.templates[pair] = same
		delete(m.templates, templatePair{rs.UID, d.UID, d.Generation - 1})
	}
	return same
}

func withoutHash(t *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	c := *t
	c.Labels = maps.Clone(t.Labels)
	delete(c.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return &c
}

// reviseDeployment is sync.go getNewReplicaSet: it finds or creates the new ReplicaSet and keeps the revision numbers.
func (m *Manager) reviseDeployment(r *rollout, createIfMissing bool) {
	next := strconv.FormatInt(maxRevision(r.old)+1, 10)
	if r.newRS != nil {
		if m.annotateNew(r, next) {
			m.update(r.newRS.DeepCopy())
			if fresh, ok := get[*appsv1.ReplicaSet](m, kindReplicaSets(), r.newRS.Namespace, r.newRS.Name); ok {
				r.newRS = editable(fresh)
			}
		}
		m.setDeploymentRevision(r, r.newRS.Annotations[revisionAnnotation])
		if progressing(r.d) == nil {
			m.setProgress(r.d, corev1.ConditionTrue, "FoundNewReplicaSet", fmt.Sprintf("Found new replica set %q", r.newRS.Name))
		}
		return
	}
	if createIfMissing {
		m.createNew(r, next)
	}
}

// annotateNew brings the annotations of an existing new ReplicaSet up to date. When an old one becomes new again (a rollback) it
// gets the next revision, and the one it had goes to its history. (SetNewReplicaSetAnnotations)
func (m *Manager) annotateNew(r *rollout, next string) bool {
	before, minReady := maps.Clone(r.newRS.Annotations), r.newRS.Spec.MinReadySeconds
	if r.newRS.Annotations == nil {
		r.newRS.Annotations = map[string]string{}
	}
	for k, v := range r.d.Annotations {
		if !skippedAnnotation(k) {
			r.newRS.Annotations[k] = v
		}
	}
	have, _ := strconv.ParseInt(r.newRS.Annotations[revisionAnnotation], 10, 64)
	want, _ := strconv.ParseInt(next, 10, 64)
	if have < want {
		if have > 0 {
			history := r.newRS.Annotations[revisionHistoryAnnotation]
			r.newRS.Annotations[revisionHistoryAnnotation] = strings.TrimPrefix(history+","+strconv.FormatInt(have, 10), ",")
		}
		r.newRS.Annotations[revisionAnnotation] = next
	}
	r.newRS.Spec.MinReadySeconds = r.d.Spec.MinReadySeconds
	setReplicasAnnotations(r.newRS, r.d)
	return !maps.Equal(before, r.newRS.Annotations) || minReady != r.newRS.Spec.MinReadySeconds
}

// skippedAnnotation lists what is never copied from a Deployment to its ReplicaSets (deployment_util.go annotationsToSkip).
func skippedAnnotation(key string) bool {
	switch key {
	case corev1.LastAppliedConfigAnnotation, revisionAnnotation, revisionHistoryAnnotation, desiredAnnotation, maxReplicasAnnotation, appsv1.DeprecatedRollbackTo:
		return true
	}
	return false
}

func setReplicasAnnotations(rs *appsv1.ReplicaSet, d *appsv1.Deployment) bool {
	desired := strconv.Itoa(int(*d.Spec.Replicas))
	most := strconv.Itoa(int(*d.Spec.Replicas + maxSurge(d)))
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	if rs.Annotations[desiredAnnotation] == desired && rs.Annotations[maxReplicasAnnotation] == most {
		return false
	}
	rs.Annotations[desiredAnnotation], rs.Annotations[maxReplicasAnnotation] = desired, most
	return true
}

func (m *Manager) setDeploymentRevision(r *rollout, revision string) {
	if r.d.Annotations[revisionAnnotation] == revision {
		return
	}
	if r.d.Annotations == nil {
		r.d.Annotations = map[string]string{}
	}
	r.d.Annotations[revisionAnnotation] = revision
	kept := r.d.Status
	m.update(r.d.DeepCopy())
	if fresh, ok := get[*appsv1.Deployment](m, kindDeployments(), r.d.Namespace, r.d.Name); ok {
		r.d = editableDeployment(fresh)
		r.d.Status = kept
	}
}

func (m *Manager) createNew(r *rollout, revision string) {
	d := r.d
	hash := templateHash(&d.Spec.Template, d.Status.CollisionCount)
	template := d.Spec.Template.DeepCopy()
	template.Labels = withLabel(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	selector := d.Spec.Selector.DeepCopy()
	selector.MatchLabels = withLabel(selector.MatchLabels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	rs := &appsv1.ReplicaSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
		ObjectMeta: metav1.ObjectMeta{
			Name: d.Name + "-" + hash, Namespace: d.Namespace, Labels: maps.Clone(template.Labels),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To[int32](0), MinReadySeconds: d.Spec.MinReadySeconds, Selector: selector, Template: *template},
	}
	r.newRS = rs
	m.annotateNew(r, revision)
	*rs.Spec.Replicas = newReplicas(r)
	created, err := m.create(rs)
	if err != nil {
		r.newRS = nil
		m.setProgress(d, corev1.ConditionFalse, "ReplicaSetCreateError", fmt.Sprintf("Failed to create new replica set %q: %v", rs.Name, err))
		return
	}
	r.newRS = editable(created.(*appsv1.ReplicaSet))
	if n := *r.newRS.Spec.Replicas; n > 0 {
		m.normal(d, deploymentController, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", r.newRS.Name, n)
	}
	m.setDeploymentRevision(r, revision)
	m.setProgress(r.d, corev1.ConditionTrue, "NewReplicaSetCreated", fmt.Sprintf("Created new replica set %q", r.newRS.Name))
}

func maxRevision(sets []*appsv1.ReplicaSet) int64 {
	var most int64
	for _, rs := range sets {
		if n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64); err == nil {
			most = max(most, n)
		}
	}
	return most
}

// cleanupHistory removes the oldest empty ReplicaSets beyond revisionHistoryLimit (sync.go cleanupDeployment).
func (m *Manager) cleanupHistory(r *rollout) {
	limit := ptr.Deref(r.d.Spec.RevisionHistoryLimit, 10)
	var idle []*appsv1.ReplicaSet
	for _, rs := range r.old {
		if rs.DeletionTimestamp == nil && *rs.Spec.Replicas == 0 && rs.Status.Replicas == 0 && rs.Generation <= rs.Status.ObservedGeneration {
			idle = append(idle, rs)
		}
	}
	slices.SortStableFunc(idle, func(a, b *appsv1.ReplicaSet) int {
		return int(maxRevision([]*appsv1.ReplicaSet{a}) - maxRevision([]*appsv1.ReplicaSet{b}))
	})
	for i := 0; i < len(idle)-int(limit); i++ {
		m.remove(kindReplicaSets(), idle[i])
	}
}

// scalingEvent reports that spec.replicas changed since the ReplicaSets were last scaled (sync.go isScalingEvent).
func scalingEvent(r *rollout) bool {
	for _, rs := range r.all() {
		if *rs.Spec.Replicas == 0 {
			continue
		}
		desired, err := strconv.Atoi(rs.Annotations[desiredAnnotation])
		if err == nil && desired != int(*r.d.Spec.Replicas) {
			return true
		}
	}
	return false
}
