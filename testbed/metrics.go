package testbed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
)

// Metrics is what the cluster's metrics APIs (metrics.k8s.io,
// custom.metrics.k8s.io and external.metrics.k8s.io) answer. Until a test sets
// something there are no metrics at all. Usage is per pod; its first container
// is shown to use all of it.
type Metrics struct {
	client kubernetes.Interface
	server *http.Server

	mu     sync.Mutex
	rules  []metricRule // the last one that matches a pod counts
	totals map[string][]resource.Quantity
}

// metricRule gives a value to the pods of a namespace that match.
type metricRule struct {
	namespace string
	match     func(*corev1.Pod) bool
	metric    string // "cpu", "memory" or the name of a custom metric
	value     resource.Quantity
	none      bool // no metrics for these pods, as for a pod just started
}

// Set gives the running pods of the namespace that the label selector matches
// this usage, e.g. Set("shop", "app=fastapi-service", "295m", "180Mi").
func (m *Metrics) Set(namespace, selector, cpu, memory string) error {
	match, err := labels.Parse(selector)
	if err != nil {
		return fmt.Errorf("set metrics: selector %q: %w", selector, err)
	}
	return m.SetFunc(namespace, func(p *corev1.Pod) bool { return match.Matches(labels.Set(p.Labels)) }, cpu, memory)
}

// SetFunc is Set for the pods that match returns true for.
func (m *Metrics) SetFunc(namespace string, match func(*corev1.Pod) bool, cpu, memory string) error {
	for name, text := range map[string]string{"cpu": cpu, "memory": memory} {
		value, err := resource.ParseQuantity(text)
		if err != nil {
			return fmt.Errorf("set metrics: %s %q: %w", name, text, err)
		}
		m.add(metricRule{namespace: namespace, match: match, metric: name, value: value})
	}
	return nil
}

// SetCustom gives the matching pods a custom metric, e.g.
// http_requests_per_second.
func (m *Metrics) SetCustom(namespace, selector, metric, value string) error {
	match, err := labels.Parse(selector)
	if err != nil {
		return fmt.Errorf("set metric %s: selector %q: %w", metric, selector, err)
	}
	quantity, err := resource.ParseQuantity(value)
	if err != nil {
		return fmt.Errorf("set metric %s: %q: %w", metric, value, err)
	}
	m.add(metricRule{namespace: namespace, metric: metric, value: quantity,
		match: func(p *corev1.Pod) bool { return match.Matches(labels.Set(p.Labels)) }})
	return nil
}

// SetCustomFunc is SetCustom for the pods that match returns true for.
func (m *Metrics) SetCustomFunc(namespace string, match func(*corev1.Pod) bool, metric, value string) error {
	quantity, err := resource.ParseQuantity(value)
	if err != nil {
		return fmt.Errorf("set metric %s: %q: %w", metric, value, err)
	}
	m.add(metricRule{namespace: namespace, metric: metric, value: quantity, match: match})
	return nil
}

// DropCustom takes a custom metric of the matching pods away.
func (m *Metrics) DropCustom(namespace string, match func(*corev1.Pod) bool, metric string) {
	m.add(metricRule{namespace: namespace, match: match, metric: metric, none: true})
}

// SetObject gives one object, named as the API's paths do
// ("ingresses.networking.k8s.io/web", "services/api"), a custom metric.
func (m *Metrics) SetObject(namespace, object, metric, value string) error {
	return m.setTotals(namespace+"/"+object+"/"+metric, value)
}

// SetExternal gives an external metric of a namespace its series.
func (m *Metrics) SetExternal(namespace, metric string, values ...string) error {
	return m.setTotals(namespace+"/"+metric, values...)
}

func (m *Metrics) setTotals(key string, values ...string) error {
	list := make([]resource.Quantity, len(values))
	for i, v := range values {
		var err error
		if list[i], err = resource.ParseQuantity(v); err != nil {
			return fmt.Errorf("set metric %s: %q: %w", key, v, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.totals == nil {
		m.totals = map[string][]resource.Quantity{}
	}
	m.totals[key] = list
	return nil
}

func (m *Metrics) total(key string) []resource.Quantity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.totals[key]
}

// Drop takes the CPU and memory metrics of the matching pods away.
func (m *Metrics) Drop(namespace string, match func(*corev1.Pod) bool) {
	for _, name := range []string{"cpu", "memory"} {
		m.add(metricRule{namespace: namespace, match: match, metric: name, none: true})
	}
}

func (m *Metrics) add(rule metricRule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rules = append(m.rules, rule)
}

// value returns the metric of a pod, if it has one.
func (m *Metrics) value(pod *corev1.Pod, metric string) (resource.Quantity, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.rules) - 1; i >= 0; i-- {
		r := m.rules[i]
		if r.metric == metric && r.namespace == pod.Namespace && r.match(pod) {
			return r.value, !r.none
		}
	}
	return resource.Quantity{}, false
}

// startMetrics serves the metrics APIs on loopback and registers them.
func (b *Bed) startMetrics(ctx context.Context) error {
	// The aggregator asks for the Service's name, whatever it resolves to.
	const host = "testbed-metrics.kube-system.svc"
	certFile, keyFile, err := b.ca.issue("metrics", host)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the metrics APIs: %w", err)
	}
	m := &Metrics{client: b.client}
	m.server = &http.Server{Handler: m.handler(), ReadHeaderTimeout: 10 * time.Second}
	go m.server.ServeTLS(listener, certFile, keyFile) // ends with stop
	b.Metrics = m

	port := listener.Addr().(*net.TCPAddr).Port
	docs := []string{fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: testbed-metrics, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost, ports: [{port: %d}]}
`, port)}
	for _, group := range []string{"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"} {
		docs = append(docs, fmt.Sprintf(`
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.%[1]s}
spec:
  group: %[1]s
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: %[2]s
  service: {name: testbed-metrics, namespace: kube-system, port: %[3]d}
`, group, base64.StdEncoding.EncodeToString(b.ca.pem), port))
	}
	return b.Apply(ctx, docs...)
}

func (m *Metrics) stop() { m.server.Close() }

// handler answers discovery and the questions that autoscalers and "top" ask.
func (m *Metrics) handler() http.Handler {
	const metrics, custom, external = "/apis/metrics.k8s.io/v1beta1", "/apis/custom.metrics.k8s.io/v1beta1", "/apis/external.metrics.k8s.io/v1beta1"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metrics, discovers("metrics.k8s.io/v1beta1",
		metav1.APIResource{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: []string{"get", "list"}}))
	mux.HandleFunc("GET "+metrics+"/pods", m.podMetrics)
	mux.HandleFunc("GET "+metrics+"/namespaces/{namespace}/pods", m.podMetrics)
	mux.HandleFunc("GET "+metrics+"/namespaces/{namespace}/pods/{pod}", m.podMetrics)
	mux.HandleFunc("GET "+custom, discovers("custom.metrics.k8s.io/v1beta1",
		metav1.APIResource{Name: "pods/http_requests_per_second", Kind: "MetricValueList", Namespaced: true, Verbs: []string{"get"}}))
	mux.HandleFunc("GET "+custom+"/namespaces/{namespace}/{resource}/{name}/{metric}", m.customMetrics)
	mux.HandleFunc("GET "+external, discovers("external.metrics.k8s.io/v1beta1",
		metav1.APIResource{Name: "queue_length", Kind: "ExternalMetricValueList", Namespaced: true, Verbs: []string{"get"}}))
	mux.HandleFunc("GET "+external+"/namespaces/{namespace}/{metric}", m.externalMetrics)
	return mux
}

func discovers(groupVersion string, resources ...metav1.APIResource) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		reply(w, metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: groupVersion, APIResources: resources,
		})
	}
}

// podMetrics answers metrics.k8s.io for a pod, a namespace or all of them.
func (m *Metrics) podMetrics(w http.ResponseWriter, r *http.Request) {
	pods, err := m.running(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	items := []any{}
	for i := range pods {
		pod := &pods[i]
		cpu, hasCPU := m.value(pod, "cpu")
		memory, hasMemory := m.value(pod, "memory")
		if !hasCPU || !hasMemory {
			continue
		}
		containers := []any{}
		for i, c := range pod.Spec.Containers {
			usage := map[string]string{"cpu": "0", "memory": "0"}
			if i == 0 {
				usage = map[string]string{"cpu": cpu.String(), "memory": memory.String()}
			}
			containers = append(containers, map[string]any{"name": c.Name, "usage": usage})
		}
		items = append(items, map[string]any{
			"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
			"metadata":   map[string]any{"name": pod.Name, "namespace": pod.Namespace, "labels": pod.Labels},
			"timestamp":  time.Now().UTC().Format(time.RFC3339),
			"window":     "1s",
			"containers": containers,
		})
	}
	switch {
	case r.PathValue("pod") == "":
		reply(w, map[string]any{"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": items})
	case len(items) == 1:
		reply(w, items[0])
	default:
		notFound(w, "podmetrics.metrics.k8s.io %q not found", r.PathValue("namespace")+"/"+r.PathValue("pod"))
	}
}

// customMetrics answers one custom metric of a namespace's pods, or of one
// object.
func (m *Metrics) customMetrics(w http.ResponseWriter, r *http.Request) {
	if kind := r.PathValue("resource"); kind != "pods" || r.PathValue("name") != "*" {
		m.objectMetric(w, r)
		return
	}
	pods, err := m.running(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	metric := r.PathValue("metric")
	items := []any{}
	for i := range pods {
		if value, ok := m.value(&pods[i], metric); ok {
			items = append(items, map[string]any{
				"describedObject": map[string]string{"kind": "Pod", "namespace": pods[i].Namespace, "name": pods[i].Name, "apiVersion": "v1"},
				"metricName":      metric, "timestamp": time.Now().UTC().Format(time.RFC3339), "value": value.String(),
			})
		}
	}
	if len(items) == 0 {
		notFound(w, "the server could not find the metric %s for pods", metric)
		return
	}
	reply(w, map[string]any{"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": items})
}

// objectMetric answers a custom metric of one object.
func (m *Metrics) objectMetric(w http.ResponseWriter, r *http.Request) {
	object, metric := r.PathValue("resource")+"/"+r.PathValue("name"), r.PathValue("metric")
	values := m.total(r.PathValue("namespace") + "/" + object + "/" + metric)
	if len(values) == 0 {
		notFound(w, "the server could not find the metric %s for %s", metric, object)
		return
	}
	reply(w, map[string]any{"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": []any{map[string]any{
		"describedObject": map[string]string{"kind": "Object", "namespace": r.PathValue("namespace"), "name": r.PathValue("name")},
		"metricName":      metric, "timestamp": time.Now().UTC().Format(time.RFC3339), "value": values[0].String(),
	}}})
}

// externalMetrics answers the series of an external metric.
func (m *Metrics) externalMetrics(w http.ResponseWriter, r *http.Request) {
	metric := r.PathValue("metric")
	items := []any{}
	for _, v := range m.total(r.PathValue("namespace") + "/" + metric) {
		items = append(items, map[string]any{
			"metricName": metric, "metricLabels": map[string]string{}, "timestamp": time.Now().UTC().Format(time.RFC3339), "value": v.String(),
		})
	}
	reply(w, map[string]any{"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": items})
}

// running returns the running pods that the request is about.
func (m *Metrics) running(r *http.Request) ([]corev1.Pod, error) {
	options := metav1.ListOptions{LabelSelector: r.FormValue("labelSelector"), FieldSelector: "status.phase=Running"}
	if name := r.PathValue("pod"); name != "" {
		options.FieldSelector += ",metadata.name=" + name
	}
	list, err := m.client.CoreV1().Pods(r.PathValue("namespace")).List(r.Context(), options)
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the other side has gone: nobody to tell
}

func notFound(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound,
		Message: strings.TrimSpace(fmt.Sprintf(format, args...)),
	})
}
