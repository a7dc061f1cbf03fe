package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
)

// syncQuota keeps what the pods of a namespace use of a ResourceQuota: k/k pkg/controller/resourcequota and pkg/quota/v1/evaluator/core.
// Counted are pods and their requests, which is what the demo's quotas speak of.
func (m *Manager) syncQuota(it item) time.Time {
	stored, ok := get[*corev1.ResourceQuota](m, kindQuotas(), it.namespace, it.name)
	if !ok {
		return time.Time{}
	}
	used := corev1.ResourceList{}
	for name := range stored.Spec.Hard {
		used[name] = resource.Quantity{}
	}
	for _, o := range m.store.List(kindPods(), it.namespace) {
		p := o.(*corev1.Pod)
		if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		count(used, corev1.ResourcePods, resource.MustParse("1"))
		for i := range p.Spec.Containers {
			requests := p.Spec.Containers[i].Resources.Requests
			count(used, corev1.ResourceRequestsCPU, requests[corev1.ResourceCPU])
			count(used, corev1.ResourceRequestsMemory, requests[corev1.ResourceMemory])
		}
	}
	if equality.Semantic.DeepEqual(stored.Status.Used, used) && equality.Semantic.DeepEqual(stored.Status.Hard, stored.Spec.Hard) {
		return time.Time{}
	}
	q := stored.DeepCopy()
	q.Status.Hard, q.Status.Used = q.Spec.Hard, used
	m.updateStatus(q)
	return time.Time{}
}

func count(used corev1.ResourceList, name corev1.ResourceName, more resource.Quantity) {
	if sum, counted := used[name]; counted {
		sum.Add(more)
		used[name] = sum
	}
}
