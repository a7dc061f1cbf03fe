package controllers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"midwatch/demo/apiserver"
)

// templatePatch is what a ControllerRevision holds: a strategic merge patch that replaces the pod template
// (k/k pkg/controller/statefulset/stateful_set_utils.go getPatch, daemon/update.go getPatch).
func templatePatch(t *corev1.PodTemplateSpec) ([]byte, error) {
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(t)
	if err != nil {
		return nil, fmt.Errorf("encode the pod template: %w", err)
	}
	raw["$patch"] = "replace"
	b, err := json.Marshal(map[string]any{"spec": map[string]any{"template": raw}})
	if err != nil {
		return nil, fmt.Errorf("encode the pod template: %w", err)
	}
	return b, nil
}

// templateOf reads the pod template back out of a revision.
func templateOf(rev *appsv1.ControllerRevision) (*corev1.PodTemplateSpec, error) {
	var doc struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(rev.Data.Raw, &doc); err != nil {
		return nil, fmt.Errorf("decode revision %s: %w", rev.Name, err)
	}
	return &doc.Spec.Template, nil
}

// revisionsOf returns the owner's revisions, oldest first.
func (m *Manager) revisionsOf(owner apiserver.Object) []*appsv1.ControllerRevision {
	revs := owned[*appsv1.ControllerRevision](m, kindRevisions(), owner)
	slices.SortStableFunc(revs, func(a, b *appsv1.ControllerRevision) int { return int(a.Revision - b.Revision) })
	return revs
}

// currentRevision returns the revision of the template: a new one, or an equal older one bumped to the end, as a rollback does.
// label says which pod label and which form of it the owner's kind uses.
func (m *Manager) currentRevision(owner apiserver.Object, kind string, t *corev1.PodTemplateSpec, selector *metav1.LabelSelector) (*appsv1.ControllerRevision, error) {
	data, err := templatePatch(t)
	if err != nil {
		return nil, err
	}
	revs := m.revisionsOf(owner)
	var last int64
	if len(revs) > 0 {
		last = revs[len(revs)-1].Revision
	}
	for _, rev := range revs {
		if !bytes.Equal(rev.Data.Raw, data) {
			continue
		}
		if rev.Revision == last {
			return rev, nil
		}
		bumped := rev.DeepCopy()
		bumped.Revision = last + 1
		m.update(bumped)
		return bumped, nil
	}
	h := fnv.New32a()
	_, _ = h.Write(data) // a hash never fails
	hash := utilrand.SafeEncodeString(fmt.Sprint(h.Sum32()))
	labels := withLabel(selector.MatchLabels, appsv1.ControllerRevisionHashLabelKey, hash)
	rev := &appsv1.ControllerRevision{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ControllerRevision"},
		ObjectMeta: metav1.ObjectMeta{
			Name: owner.GetName() + "-" + hash, Namespace: owner.GetNamespace(), Labels: labels, Annotations: owner.GetAnnotations(),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind(kind))},
		},
		Data: runtime.RawExtension{Raw: data}, Revision: last + 1,
	}
	created, err := m.create(rev)
	if err != nil {
		return nil, fmt.Errorf("create revision %s: %w", rev.Name, err)
	}
	return created.(*appsv1.ControllerRevision), nil
}

// truncateRevisions removes the oldest revisions that nothing uses beyond the limit.
func (m *Manager) truncateRevisions(revs []*appsv1.ControllerRevision, limit int, live map[string]bool) {
	var idle []*appsv1.ControllerRevision
	for _, rev := range revs {
		if !live[rev.Name] {
			idle = append(idle, rev)
		}
	}
	for i := 0; i < len(idle)-limit; i++ {
		m.remove(kindRevisions(), idle[i])
	}
}
