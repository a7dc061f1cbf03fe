package controllers

import (
	"fmt"
	"hash/fnv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/dump"
)

type groupResource = schema.GroupResource

func kindPods() groupResource         { return groupResource{Resource: "pods"} }
func kindNodes() groupResource        { return groupResource{Resource: "nodes"} }
func kindEvents() groupResource       { return groupResource{Resource: "events"} }
func kindQuotas() groupResource       { return groupResource{Resource: "resourcequotas"} }
func kindServices() groupResource     { return groupResource{Resource: "services"} }
func kindDeployments() groupResource  { return groupResource{Group: "apps", Resource: "deployments"} }
func kindReplicaSets() groupResource  { return groupResource{Group: "apps", Resource: "replicasets"} }
func kindStatefulSets() groupResource { return groupResource{Group: "apps", Resource: "statefulsets"} }
func kindDaemonSets() groupResource   { return groupResource{Group: "apps", Resource: "daemonsets"} }
func kindRevisions() groupResource {
	return groupResource{Group: "apps", Resource: "controllerrevisions"}
}
func kindAutoscalers() groupResource {
	return groupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}
}
func kindBudgets() groupResource {
	return groupResource{Group: "policy", Resource: "poddisruptionbudgets"}
}
func kindSlices() groupResource {
	return groupResource{Group: "discovery.k8s.io", Resource: "endpointslices"}
}

// watchedKinds are the kinds whose objects a manager picks up when it starts.
func watchedKinds() []groupResource {
	return []groupResource{kindDeployments(), kindReplicaSets(), kindStatefulSets(), kindDaemonSets(), kindAutoscalers(), kindBudgets(), kindServices(), kindQuotas(), kindPods(), kindEvents()}
}

// templateHash is k/k pkg/controller/controller_utils.go ComputeHash.
func templateHash(t *corev1.PodTemplateSpec, collisions *int32) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v", dump.ForHash(t))
	if collisions != nil {
		fmt.Fprintf(h, "%d", *collisions)
	}
	return utilrand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}

func hashOf(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p)) // a hash never fails
		_, _ = h.Write([]byte{0})
	}
	// FNV's low bits of similar strings are similar: fold the high ones in.
	v := h.Sum64()
	v ^= v >> 29
	v *= 0xbf58476d1ce4e5b9
	return v ^ v>>32
}

func podCondition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == t {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

func isReady(p *corev1.Pod) bool {
	c := podCondition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// isActive reports that a pod counts for its controller.
func isActive(p *corev1.Pod) bool {
	return p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed && p.DeletionTimestamp == nil
}

func withLabel(labels map[string]string, key, value string) map[string]string {
	out := map[string]string{key: value}
	for k, v := range labels {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// podFrom makes the pod a controller creates from its template.
func podFrom(t *corev1.PodTemplateSpec, namespace string, owner *metav1.OwnerReference) *corev1.Pod {
	t = t.DeepCopy()
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Labels: t.Labels, Annotations: t.Annotations, Finalizers: t.Finalizers,
			OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Spec: t.Spec,
	}
}
