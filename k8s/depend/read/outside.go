package read

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/foreign"
	"midwatch/k8s/depend"
)

var (
	routes  = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
	metrics = schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods"}
)

// outside reads what leads to the Services from outside.
func (r *reader) outside(ctx context.Context) {
	list(r, &r.in.Ingresses, "ingresses", func() ([]*networkingv1.Ingress, error) {
		l, err := r.cluster.Typed().NetworkingV1().Ingresses(r.ns).List(ctx, metav1.ListOptions{Limit: most})
		if err != nil {
			return nil, err
		}
		return pointers(l.Items), nil
	})
	list(r, &r.in.Routes, "httproutes", func() ([]depend.Route, error) {
		l, err := r.cluster.Dynamic().Resource(routes).Namespace(r.ns).List(ctx, metav1.ListOptions{Limit: most})
		if err != nil {
			return nil, err
		}
		out := make([]depend.Route, 0, len(l.Items))
		for i := range l.Items {
			out = append(out, route(&l.Items[i]))
		}
		return out, nil
	})
}

// route reduces an HTTPRoute (gateway.networking.k8s.io/v1).
func route(u *unstructured.Unstructured) depend.Route {
	out := depend.Route{Name: u.GetName()}
	hosts, _, _ := unstructured.NestedStringSlice(u.Object, "spec", "hostnames")
	for _, h := range hosts {
		out.Hosts = append(out.Hosts, foreign.CleanN(h, 253).String())
	}
	rules, _, _ := unstructured.NestedSlice(u.Object, "spec", "rules")
	for _, rule := range rules {
		m, _ := rule.(map[string]any)
		backends, _, _ := unstructured.NestedSlice(m, "backendRefs")
		for _, b := range backends {
			ref, _ := b.(map[string]any)
			kind, _, _ := unstructured.NestedString(ref, "kind")
			ns, _, _ := unstructured.NestedString(ref, "namespace")
			name, _, _ := unstructured.NestedString(ref, "name")
			if (kind == "" || kind == "Service") && (ns == "" || ns == u.GetNamespace()) {
				out.Services = append(out.Services, name)
			}
		}
	}
	parents, _, _ := unstructured.NestedSlice(u.Object, "status", "parents")
	for _, p := range parents {
		m, _ := p.(map[string]any)
		conditions, _, _ := unstructured.NestedSlice(m, "conditions")
		for _, c := range conditions {
			cond, _ := c.(map[string]any)
			if cond["type"] == "Accepted" && cond["status"] == "False" {
				out.Refused = foreign.CleanN(strings.TrimSpace(fmt.Sprint(cond["reason"], " ", cond["message"])), 300)
			}
		}
	}
	return out
}

// limits reads what bounds the workload.
func (r *reader) limits(ctx context.Context) {
	c, limited := r.cluster.Typed(), metav1.ListOptions{Limit: most}
	list(r, &r.in.Budgets, "poddisruptionbudgets", func() ([]*policyv1.PodDisruptionBudget, error) {
		l, err := c.PolicyV1().PodDisruptionBudgets(r.ns).List(ctx, limited)
		if err != nil {
			return nil, err
		}
		return pointers(l.Items), nil
	})
	list(r, &r.in.Quotas, "resourcequotas", func() ([]*corev1.ResourceQuota, error) {
		l, err := c.CoreV1().ResourceQuotas(r.ns).List(ctx, limited)
		if err != nil {
			return nil, err
		}
		return pointers(l.Items), nil
	})
	list(r, &r.in.Usage, "pods.metrics.k8s.io", func() ([]depend.PodUsage, error) { return r.usage(ctx) })
}

// usage reads what the pods use (metrics.k8s.io/v1beta1 PodMetrics).
func (r *reader) usage(ctx context.Context) ([]depend.PodUsage, error) {
	if r.query.Selector == "" {
		return nil, nil
	}
	l, err := r.cluster.Dynamic().Resource(metrics).Namespace(r.ns).List(ctx, metav1.ListOptions{LabelSelector: r.query.Selector})
	if err != nil {
		return nil, err
	}
	var out []depend.PodUsage
	for i := range l.Items {
		u := depend.PodUsage{Pod: l.Items[i].GetName()}
		containers, _, _ := unstructured.NestedSlice(l.Items[i].Object, "containers")
		for _, c := range containers {
			m, _ := c.(map[string]any)
			u.MilliCPU += milli(m, "cpu")
			u.Memory += milli(m, "memory") / 1000
		}
		out = append(out, u)
	}
	return out, nil
}

// milli reads a quantity in thousandths; what is no quantity, or below
// nothing, counts as nothing.
func milli(container map[string]any, name string) int64 {
	text, _, _ := unstructured.NestedString(container, "usage", name)
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() < 0 {
		return 0
	}
	return q.MilliValue()
}
