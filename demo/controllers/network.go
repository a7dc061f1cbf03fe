package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/demo/apiserver"
)

// syncBudget keeps a PodDisruptionBudget's status: k/k pkg/controller/disruption/disruption.go.
func (m *Manager) syncBudget(it item) time.Time {
	stored, ok := get[*policyv1.PodDisruptionBudget](m, kindBudgets(), it.namespace, it.name)
	if !ok {
		return time.Time{}
	}
	sel, err := metav1.LabelSelectorAsSelector(stored.Spec.Selector)
	if err != nil {
		return time.Time{}
	}
	var total, healthy int32
	for _, o := range m.store.List(kindPods(), it.namespace) {
		p := o.(*corev1.Pod)
		if !isActive(p) || !sel.Matches(labels.Set(p.Labels)) {
			continue
		}
		total++
		if isReady(p) {
			healthy++
		}
	}
	pdb := stored.DeepCopy()
	s := &pdb.Status
	s.ObservedGeneration, s.ExpectedPods, s.CurrentHealthy = pdb.Generation, total, healthy
	s.DesiredHealthy = desiredHealthy(&pdb.Spec, total)
	s.DisruptionsAllowed = max(healthy-s.DesiredHealthy, 0)
	m.setDisruptionAllowed(s)
	if !equality.Semantic.DeepEqual(&stored.Status, s) {
		m.updateStatus(pdb)
	}
	return time.Time{}
}

func desiredHealthy(spec *policyv1.PodDisruptionBudgetSpec, total int32) int32 {
	if spec.MaxUnavailable != nil {
		n, _ := intstr.GetScaledValueFromIntOrPercent(spec.MaxUnavailable, int(total), true)
		return max(total-int32(n), 0)
	}
	if spec.MinAvailable != nil {
		n, _ := intstr.GetScaledValueFromIntOrPercent(spec.MinAvailable, int(total), true)
		return int32(n)
	}
	return 0
}

func (m *Manager) setDisruptionAllowed(s *policyv1.PodDisruptionBudgetStatus) {
	c := metav1.Condition{Type: policyv1.DisruptionAllowedCondition, Status: metav1.ConditionFalse, Reason: policyv1.InsufficientPodsReason,
		ObservedGeneration: s.ObservedGeneration, LastTransitionTime: m.stamp()}
	if s.DisruptionsAllowed > 0 {
		c.Status, c.Reason = metav1.ConditionTrue, policyv1.SufficientPodsReason
	}
	if len(s.Conditions) == 1 && s.Conditions[0].Status == c.Status {
		c.LastTransitionTime = s.Conditions[0].LastTransitionTime
	}
	s.Conditions = []metav1.Condition{c}
}

// syncEndpoints keeps one EndpointSlice a Service: k/k pkg/controller/endpointslice.
func (m *Manager) syncEndpoints(it item) time.Time {
	svc, ok := get[*corev1.Service](m, kindServices(), it.namespace, it.name)
	if !ok || len(svc.Spec.Selector) == 0 {
		return time.Time{}
	}
	want := &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Name: svc.Name + "-" + shortHash(string(svc.UID)), Namespace: svc.Namespace,
			Labels:          map[string]string{discoveryv1.LabelServiceName: svc.Name, discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(svc, corev1.SchemeGroupVersion.WithKind("Service"))},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, p := range svc.Spec.Ports {
		port := p.TargetPort.IntVal
		want.Ports = append(want.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &port, Protocol: &p.Protocol})
	}
	for _, o := range m.store.List(kindPods(), it.namespace) {
		p := o.(*corev1.Pod)
		if p.Status.PodIP != "" && labels.SelectorFromSet(svc.Spec.Selector).Matches(labels.Set(p.Labels)) {
			want.Endpoints = append(want.Endpoints, endpointOf(p))
		}
	}
	m.putSlice(want)
	return time.Time{}
}

func endpointOf(p *corev1.Pod) discoveryv1.Endpoint {
	ready, terminating := isReady(p) && p.DeletionTimestamp == nil, p.DeletionTimestamp != nil
	serving := isReady(p)
	return discoveryv1.Endpoint{
		Addresses: []string{p.Status.PodIP}, NodeName: &p.Spec.NodeName,
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
	}
}

func (m *Manager) putSlice(want *discoveryv1.EndpointSlice) {
	have, ok := get[*discoveryv1.EndpointSlice](m, kindSlices(), want.Namespace, want.Name)
	if !ok {
		_, _ = m.create(want) // the namespace may be going away
		return
	}
	next := have.DeepCopy()
	next.Endpoints, next.Ports = want.Endpoints, want.Ports
	_, _ = m.store.Update(next, apiserver.WriteOptions{}) // deleted with its service meanwhile
}

func shortHash(s string) string { return fakeDigest(s)[:5] }
