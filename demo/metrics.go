package demo

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/demo/apiserver"
	"midwatch/demo/controllers"
)

const (
	metricsVersion = "v1beta1"
	// measuredOver is the window the metrics APIs name.
	measuredOver = 15 * time.Second
)

// serveMetrics serves metrics.k8s.io and custom.metrics.k8s.io: the load that the autoscalers' controller is told, pod by pod.
// There is no external.metrics.k8s.io, as in most clusters.
func (c *cluster) serveMetrics() {
	c.server.Aggregate("metrics.k8s.io", metricsVersion, http.HandlerFunc(c.podMetrics))
	c.server.Aggregate("custom.metrics.k8s.io", metricsVersion, http.HandlerFunc(c.customMetrics))
}

// measured are the running pods of a namespace that a selector matches.
func (c *cluster) measured(namespace, selector string) ([]*corev1.Pod, error) {
	match, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("read the label selector: %w", err)
	}
	var out []*corev1.Pod
	for _, o := range c.store.List(schema.GroupResource{Resource: "pods"}, namespace) {
		if p, ok := o.(*corev1.Pod); ok && p.Status.Phase == corev1.PodRunning && match.Matches(labels.Set(p.Labels)) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// value is what one pod uses, in thousandths. Pods of the same app that are ready share its load.
func (c *cluster) value(pod *corev1.Pod, metric string) (int64, bool) {
	app := pod.Labels["app"]
	ready := 0
	for _, o := range c.store.List(schema.GroupResource{Resource: "pods"}, pod.Namespace) {
		if p, ok := o.(*corev1.Pod); ok && p.Labels["app"] == app && podReady(p) && p.DeletionTimestamp == nil {
			ready++
		}
	}
	if ready == 0 {
		return 0, false
	}
	return measure(controllers.Query{Namespace: pod.Namespace, Target: app, Metric: metric, Ready: ready, At: c.clock.Now()})
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// podMetrics answers GET …/namespaces/NS/pods.
func (c *cluster) podMetrics(w http.ResponseWriter, r *http.Request) {
	namespace, rest := inNamespace(r.URL.Path)
	if rest != "pods" {
		noMetric(w, "the server could not find the requested resource")
		return
	}
	pods, err := c.measured(namespace, r.FormValue("labelSelector"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	items := []any{}
	for _, p := range pods {
		cpu, hasCPU := c.value(p, "cpu")
		if !hasCPU || !podReady(p) {
			continue
		}
		memory, hasMemory := c.value(p, "memory")
		if !hasMemory {
			q := p.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory]
			memory = q.MilliValue() / 2
		}
		items = append(items, map[string]any{
			"metadata":  map[string]any{"name": p.Name, "namespace": p.Namespace, "labels": p.Labels},
			"timestamp": c.clock.Now().UTC().Format(time.RFC3339), "window": measuredOver.String(),
			"containers": []any{map[string]any{"name": p.Spec.Containers[0].Name, "usage": map[string]string{
				"cpu":    resource.NewMilliQuantity(cpu, resource.DecimalSI).String(),
				"memory": resource.NewQuantity(memory/1000, resource.BinarySI).String(),
			}}},
		})
	}
	apiserver.WriteJSON(w, http.StatusOK, map[string]any{"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/" + metricsVersion, "metadata": map[string]any{}, "items": items})
}

// customMetrics answers GET …/namespaces/NS/pods/*/METRIC.
func (c *cluster) customMetrics(w http.ResponseWriter, r *http.Request) {
	namespace, rest := inNamespace(r.URL.Path)
	metric, ofPods := strings.CutPrefix(rest, "pods/*/")
	pods, err := c.measured(namespace, r.FormValue("labelSelector"))
	if err != nil || !ofPods {
		noMetric(w, "the server could not find the requested resource")
		return
	}
	items := []any{}
	for _, p := range pods {
		if v, ok := c.value(p, metric); ok && podReady(p) {
			items = append(items, map[string]any{
				"describedObject": map[string]string{"kind": "Pod", "namespace": p.Namespace, "name": p.Name, "apiVersion": "v1"},
				"metricName":      metric, "timestamp": c.clock.Now().UTC().Format(time.RFC3339),
				"value": resource.NewMilliQuantity(v, resource.DecimalSI).String(),
			})
		}
	}
	if len(items) == 0 {
		noMetric(w, "the server could not find the metric "+metric+" for pods")
		return
	}
	apiserver.WriteJSON(w, http.StatusOK, map[string]any{"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/" + metricsVersion, "metadata": map[string]any{}, "items": items})
}

// inNamespace takes "/apis/GROUP/VERSION/namespaces/NS/REST" apart.
func inNamespace(path string) (namespace, rest string) {
	_, after, _ := strings.Cut(path, "/namespaces/")
	namespace, rest, _ = strings.Cut(strings.TrimSuffix(after, "/"), "/")
	return namespace, rest
}

func noMetric(w http.ResponseWriter, text string) {
	apiserver.WriteJSON(w, http.StatusNotFound, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: text,
	})
}
