package hpawatch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"midwatch/foreign"
	"midwatch/k8s/hpa"
)

const (
	resourceGroup = "metrics.k8s.io"
	customGroup   = "custom.metrics.k8s.io"
	externalGroup = "external.metrics.k8s.io"
	// resourceVersion is the one the controller asks for.
	resourceVersion = "v1beta1"
	// maxAnswer bounds one answer of a metrics API: some 400 bytes a container.
	maxAnswer = 32 << 20
	// customWindow is what the controller takes where an answer names no
	// window (metrics/client.go metricServerDefaultMetricWindow).
	customWindow = time.Minute
	// groupsKept is for how long the preferred version of a group is believed.
	groupsKept = 10 * time.Minute
)

// metricsAPI asks the three APIs.
type metricsAPI struct {
	client rest.Interface
	now    func() time.Time

	mu       sync.Mutex
	versions map[string]preferred
}

// preferred is the version a group is served in.
type preferred struct {
	version string
	at      time.Time
}

// read gets the values of one metric for the pods a selector matches.
func (a *metricsAPI) read(ctx context.Context, namespace, selector string, spec *autoscalingv2.MetricSpec, pods *podMetrics) hpa.Reading {
	switch {
	case spec.Type == autoscalingv2.ResourceMetricSourceType && spec.Resource != nil:
		return pods.reading(spec.Resource.Name, "")
	case spec.Type == autoscalingv2.ContainerResourceMetricSourceType && spec.ContainerResource != nil:
		return pods.reading(spec.ContainerResource.Name, spec.ContainerResource.Container)
	case spec.Type == autoscalingv2.PodsMetricSourceType && spec.Pods != nil:
		return a.custom(ctx, namespace, "pods/*", spec.Pods.Metric, selector)
	case spec.Type == autoscalingv2.ObjectMetricSourceType && spec.Object != nil:
		return a.custom(ctx, namespace, described(&spec.Object.DescribedObject), spec.Object.Metric, "")
	case spec.Type == autoscalingv2.ExternalMetricSourceType && spec.External != nil:
		return a.external(ctx, namespace, spec.External.Metric)
	}
	return hpa.Reading{State: hpa.NotAsked, Err: "midwatch does not know this kind of metric"}
}

// described is the path of an object that has a metric; a namespace has a
// place of its own.
func described(o *autoscalingv2.CrossVersionObjectReference) string {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	if gvk.Kind == "Namespace" && gvk.Group == "" {
		return "metrics"
	}
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural.GroupResource().String() + "/" + url.PathEscape(o.Name)
}

// get reads one JSON document, at most maxAnswer of it.
func (a *metricsAPI) get(ctx context.Context, path string, params map[string]string, into any) error {
	req := a.client.Get().AbsPath(path).SetHeader("Accept", "application/json")
	for k, v := range params {
		if v != "" {
			req = req.Param(k, v)
		}
	}
	body, err := req.Stream(ctx)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer body.Close() //nolint:errcheck // it was read
	raw, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(raw) > maxAnswer {
		return &nonsenseError{fmt.Sprintf("more than %d MiB", maxAnswer>>20)}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return &nonsenseError{foreign.CleanN(err.Error(), maxText).String()}
	}
	return nil
}

// version finds the version a group is preferred in; "" when the cluster has
// no such group.
func (a *metricsAPI) version(ctx context.Context, group string) (string, error) {
	now := a.now()
	a.mu.Lock()
	known, ok := a.versions[group]
	a.mu.Unlock()
	if ok && now.Sub(known.at) < groupsKept {
		return known.version, nil
	}
	var doc metav1.APIGroup
	if err := a.get(ctx, "/apis/"+group, nil, &doc); err != nil {
		if notFound(err) {
			return "", nil
		}
		return "", err
	}
	version := doc.PreferredVersion.Version
	if version == "" || strings.ContainsAny(version, "/?#") {
		return "", &nonsenseError{fmt.Sprintf("its version is called %q", foreign.CleanN(version, maxText))}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.versions == nil {
		a.versions = map[string]preferred{}
	}
	a.versions[group] = preferred{version, now}
	return version, nil
}

// number is a Kubernetes quantity as the APIs write it; what is none, "NaN"
// for one, makes the whole answer unreadable for the controller as well.
type number struct{ milli int64 }

// UnmarshalJSON reads a quantity.
func (n *number) UnmarshalJSON(raw []byte) error {
	var q resource.Quantity
	if err := q.UnmarshalJSON(raw); err != nil {
		return fmt.Errorf("%s is no quantity: %w", foreign.CleanN(string(raw), 64), err)
	}
	n.milli = q.MilliValue()
	return nil
}

// podMetrics is one answer of metrics.k8s.io, which serves all resource
// metrics of an autoscaler.
type podMetrics struct {
	items   []podMetric
	failure *hpa.Reading
}

type podMetric struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Timestamp  metav1.Time     `json:"timestamp"`
	Window     metav1.Duration `json:"window"`
	Containers []struct {
		Name  string                         `json:"name"`
		Usage map[corev1.ResourceName]number `json:"usage"`
	} `json:"containers"`
}

// podMetrics asks metrics.k8s.io for the pods of a selector.
func (a *metricsAPI) podMetrics(ctx context.Context, namespace, selector string) *podMetrics {
	var list struct {
		Items []podMetric `json:"items"`
	}
	path := "/apis/" + resourceGroup + "/" + resourceVersion + "/namespaces/" + url.PathEscape(namespace) + "/pods"
	err := a.get(ctx, path, map[string]string{"labelSelector": selector}, &list)
	switch {
	case notFound(err):
		r := absent(resourceGroup)
		return &podMetrics{failure: &r}
	case err != nil:
		r := refused(resourceGroup, "pod metrics", err)
		return &podMetrics{failure: &r}
	case len(list.Items) == 0:
		return &podMetrics{failure: &hpa.Reading{State: hpa.NoData, Err: resourceGroup + " has no metrics for any of its pods"}}
	}
	return &podMetrics{items: list.Items}
}

// reading is a pod's usage of a resource: the sum over its containers, nothing
// when one of them lacks it, or one container's alone (getPodMetrics and
// getContainerMetrics of metrics/client.go).
func (p *podMetrics) reading(name corev1.ResourceName, container string) hpa.Reading {
	if p.failure != nil {
		return *p.failure
	}
	r := hpa.Reading{State: hpa.Live, Pods: make(map[string]hpa.Sample, len(p.items))}
	for i := range p.items {
		item := &p.items[i]
		var sum int64
		found := container == "" && len(item.Containers) > 0
		for _, c := range item.Containers {
			usage, ok := c.Usage[name]
			if container == "" && !ok {
				found = false
				break
			}
			if container == "" || c.Name == container && ok {
				sum, found = sum+usage.milli, true
			}
		}
		if found {
			r.Pods[item.Metadata.Name] = hpa.Sample{Value: sum, At: item.Timestamp.Time, Window: item.Window.Duration}
		}
	}
	return r
}

// metricValue is one value of custom.metrics.k8s.io or external.metrics.k8s.io.
type metricValue struct {
	DescribedObject struct {
		Name string `json:"name"`
	} `json:"describedObject"`
	Timestamp     metav1.Time `json:"timestamp"`
	WindowSeconds *int64      `json:"windowSeconds"`
	Value         number      `json:"value"`
}

// custom asks custom.metrics.k8s.io for a metric of pods or of one object.
func (a *metricsAPI) custom(ctx context.Context, namespace, object string, id autoscalingv2.MetricIdentifier, pods string) hpa.Reading {
	items, failure := a.values(ctx, customGroup, namespace, object+"/"+url.PathEscape(id.Name), id, map[string]string{"labelSelector": pods}, "metricLabelSelector")
	if failure != nil {
		return *failure
	}
	r := hpa.Reading{State: hpa.Live}
	if !strings.HasPrefix(object, "pods/*") {
		// The controller's client takes exactly one (GetForObject).
		if len(items) != 1 {
			return hpa.Reading{State: hpa.Nonsense, Err: foreign.Text(fmt.Sprintf("%s gave %d values where one is asked for", customGroup, len(items)))}
		}
		r.Values = []int64{items[0].Value.milli}
		return r
	}
	r.Pods = make(map[string]hpa.Sample, len(items))
	for _, v := range items {
		window := customWindow
		if v.WindowSeconds != nil {
			window = time.Duration(*v.WindowSeconds) * time.Second
		}
		r.Pods[v.DescribedObject.Name] = hpa.Sample{Value: v.Value.milli, At: v.Timestamp.Time, Window: window}
	}
	return r
}

// external asks external.metrics.k8s.io for the series of a metric.
func (a *metricsAPI) external(ctx context.Context, namespace string, id autoscalingv2.MetricIdentifier) hpa.Reading {
	items, failure := a.values(ctx, externalGroup, namespace, url.PathEscape(id.Name), id, nil, "labelSelector")
	if failure != nil {
		return *failure
	}
	r := hpa.Reading{State: hpa.Live}
	for _, v := range items {
		r.Values = append(r.Values, v.Value.milli)
	}
	return r
}

// values asks one of the two for a list of values.
func (a *metricsAPI) values(ctx context.Context, group, namespace, path string, id autoscalingv2.MetricIdentifier, params map[string]string, selectorName string) ([]metricValue, *hpa.Reading) {
	what := "metric " + foreign.CleanN(id.Name, maxText).String()
	fail := func(r hpa.Reading) ([]metricValue, *hpa.Reading) { return nil, &r }
	selector, err := metav1.LabelSelectorAsSelector(id.Selector)
	if err != nil {
		return fail(hpa.Reading{State: hpa.Nonsense, Err: foreign.CleanN(fmt.Sprintf("the selector of %s is none: %v", what, err), maxText)})
	}
	version, err := a.version(ctx, group)
	if err != nil {
		return fail(refused(group, what, err))
	}
	if version == "" {
		return fail(absent(group))
	}
	if params == nil {
		params = map[string]string{}
	}
	params[selectorName] = selector.String()
	var list struct {
		Items []metricValue `json:"items"`
	}
	err = a.get(ctx, "/apis/"+group+"/"+version+"/namespaces/"+url.PathEscape(namespace)+"/"+path, params, &list)
	switch {
	case err != nil:
		return fail(refused(group, what, err))
	case len(list.Items) == 0:
		return fail(hpa.Reading{State: hpa.NoData, Err: foreign.Text(group + " has no values of " + what)})
	}
	return list.Items, nil
}
