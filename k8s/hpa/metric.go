package hpa

import (
	"fmt"
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
)

const (
	maxName = 253
	// lowestFallback is what a pod without a metric counts for at least when
	// the load asks for fewer pods, in percent of its request.
	lowestFallback = 100
)

// fail marks a metric without a proposal.
func (m *Metric) fail(problem string) { m.Computed, m.Problem = false, problem }

// metric computes the i-th metric of the spec: computeReplicasForMetric of
// horizontal.go.
func (c *calculation) metric(i int) Metric {
	spec := &c.in.HPA.Spec.Metrics[i]
	m := describe(spec)
	if m.Reason == "InvalidMetricSourceType" {
		m.fail("midwatch, like the controller, does not know this kind of metric")
		return m
	}
	reading := Reading{Err: "it was not read"}
	if i < len(c.in.Readings) {
		reading = c.in.Readings[i]
	}
	m.State = reading.State
	switch {
	case m.Target <= 0:
		m.fail("its target is not above 0")
	case reading.State == Live && c.in.PodsErr != "" && m.needsPods():
		c.fromStatus(&m, i, "its pods could not be read: "+c.in.PodsErr.String())
	case reading.State == Live:
		m.Odd = odd(reading)
		c.live(&m, spec, reading)
	case reading.State.fails():
		m.fail(reading.Err.String())
	default:
		c.fromStatus(&m, i, reading.Err.String())
	}
	return m
}

// beyond is more than anything measures: a thousand million million.
const beyond = 1e18

// odd says what is wrong with values that the controller takes as they are.
func odd(r Reading) string {
	below, above := false, false
	look := func(v int64) { below, above = below || v < 0, above || v > beyond }
	for _, s := range r.Pods {
		look(s.Value)
	}
	for _, v := range r.Values {
		look(v)
	}
	switch {
	case below:
		return "the metrics API gives values below 0, which nothing uses; the controller computes with them"
	case above:
		return "the metrics API gives values beyond all measure; the controller computes with them"
	}
	return ""
}

// needsPods reports a metric whose proposal depends on which pods there are.
func (m *Metric) needsPods() bool { return m.Type != "External" && m.Type != "Object" || !m.PerPod }

// describe fills in what the spec says of a metric.
func describe(spec *autoscalingv2.MetricSpec) Metric {
	m := Metric{Type: foreign.CleanN(string(spec.Type), maxName).String()}
	switch {
	case spec.Type == autoscalingv2.ResourceMetricSourceType && spec.Resource != nil:
		m.resource(spec.Resource.Name, "", spec.Resource.Target)
	case spec.Type == autoscalingv2.ContainerResourceMetricSourceType && spec.ContainerResource != nil:
		m.resource(spec.ContainerResource.Name, spec.ContainerResource.Container, spec.ContainerResource.Target)
	case spec.Type == autoscalingv2.PodsMetricSourceType && spec.Pods != nil:
		m.Reason = "FailedGetPodsMetric"
		m.named(spec.Pods.Metric, spec.Pods.Target)
	case spec.Type == autoscalingv2.ObjectMetricSourceType && spec.Object != nil:
		m.Reason = "FailedGetObjectMetric"
		m.Object = foreign.CleanN(spec.Object.DescribedObject.Kind+"/"+spec.Object.DescribedObject.Name, maxName).String()
		m.named(spec.Object.Metric, spec.Object.Target)
	case spec.Type == autoscalingv2.ExternalMetricSourceType && spec.External != nil:
		m.Reason = "FailedGetExternalMetric"
		m.named(spec.External.Metric, spec.External.Target)
	default:
		m.Name, m.Reason = m.Type, "InvalidMetricSourceType"
	}
	return m
}

func (m *Metric) resource(name corev1.ResourceName, container string, t autoscalingv2.MetricTarget) {
	m.Name, m.Reason, m.PerPod = foreign.CleanN(string(name), maxName).String(), "FailedGetResourceMetric", true
	if container != "" {
		m.Name += " of " + foreign.CleanN(container, maxName).String()
		m.Reason = "FailedGetContainerResourceMetric"
	}
	switch name {
	case corev1.ResourceCPU:
		m.Unit = Cores
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourceStorage:
		m.Unit = Bytes
	}
	// A value goes before a utilisation (computeStatusForResourceMetricGeneric).
	switch {
	case t.AverageValue != nil:
		m.Target = t.AverageValue.MilliValue()
	case t.AverageUtilization != nil:
		m.Target, m.Unit = int64(*t.AverageUtilization), Percent
	}
}

func (m *Metric) named(id autoscalingv2.MetricIdentifier, t autoscalingv2.MetricTarget) {
	m.Name = foreign.CleanN(id.Name, maxName).String()
	averageFirst := m.Type != string(autoscalingv2.ObjectMetricSourceType) || t.Type == autoscalingv2.AverageValueMetricType
	switch {
	case averageFirst && t.AverageValue != nil:
		m.Target, m.PerPod = t.AverageValue.MilliValue(), true
	case t.Value != nil:
		m.Target = t.Value.MilliValue()
	}
}

// live computes from the metrics API's own answer.
func (c *calculation) live(m *Metric, spec *autoscalingv2.MetricSpec, r Reading) {
	switch spec.Type {
	case autoscalingv2.ResourceMetricSourceType:
		c.resourceLive(m, spec.Resource.Name, "", r)
	case autoscalingv2.ContainerResourceMetricSourceType:
		c.resourceLive(m, spec.ContainerResource.Name, spec.ContainerResource.Container, r)
	case autoscalingv2.PodsMetricSourceType:
		if !c.havePods(m) {
			return
		}
		g := c.groups(r.Pods, false)
		c.fromPods(m, g, valuesOf(r.Pods), average(m.Target), func(string) int64 { return m.Target })
	case autoscalingv2.ObjectMetricSourceType, autoscalingv2.ExternalMetricSourceType:
		if len(r.Values) == 0 {
			m.fail("the API gave no value")
			return
		}
		c.fromTotal(m, total(r.Values))
	}
}

func (c *calculation) resourceLive(m *Metric, name corev1.ResourceName, container string, r Reading) {
	if !c.havePods(m) {
		return
	}
	g := c.groups(r.Pods, name == corev1.ResourceCPU)
	if m.Unit != Percent {
		c.fromPods(m, g, valuesOf(r.Pods), average(m.Target), func(string) int64 { return m.Target })
		return
	}
	requests, problem := c.requests(container, name)
	if problem != "" {
		// That no pod gives a value would be said first.
		c.fromPods(m, g, valuesOf(r.Pods), func(map[string]int64) (float64, int64, string) { return 0, 0, problem }, nil)
		return
	}
	c.fromPods(m, g, valuesOf(r.Pods), utilisation(requests, m.Target), func(pod string) int64 {
		return requests[pod] * max(lowestFallback, m.Target) / 100
	})
}

func (c *calculation) havePods(m *Metric) bool {
	if len(c.in.Pods) == 0 {
		m.fail("its target's selector matches no pod")
	}
	return len(c.in.Pods) > 0
}

func valuesOf(samples map[string]Sample) map[string]int64 {
	out := make(map[string]int64, len(samples))
	for pod, s := range samples {
		out[pod] = s.Value
	}
	return out
}

// total sums the series of an External metric without wrapping around.
func total(values []int64) int64 {
	var sum int64
	for _, v := range values {
		if v > 0 && sum > math.MaxInt64-v {
			return math.MaxInt64
		}
		sum += v
	}
	return sum
}

// fromTotal is for one value that is not the pods' own: GetObjectMetricReplicas,
// GetExternalMetricReplicas and their PerPod twins. A target per pod divides by
// the replicas there are; a plain one multiplies the ready pods, so with none
// of them ready nothing is asked for (kubernetes issue 130130).
func (c *calculation) fromTotal(m *Metric, value int64) {
	m.Computed = true
	if m.PerPod {
		m.Ratio = float64(value) / (float64(m.Target) * float64(c.actual))
		m.CorrectedRatio = m.Ratio
		m.Current = value
		if c.actual > 0 && value < math.MaxInt64 {
			m.Current = value / int64(c.actual)
			if value%int64(c.actual) > 0 {
				m.Current++
			}
		}
		m.Raw = whole(float64(value) / float64(m.Target))
		m.Filled, m.Proposal = m.Raw, m.Raw
		if c.within(m.Ratio) {
			m.Note = "within the tolerance of " + c.tolerance(m.Ratio)
			m.Proposal = c.actual
		}
		return
	}
	m.Current = value
	m.Ratio = float64(value) / float64(m.Target)
	m.CorrectedRatio = m.Ratio
	if c.current == 0 {
		m.Raw = whole(m.Ratio)
		m.Filled, m.Proposal = m.Raw, m.Raw
		return
	}
	if len(c.in.Pods) == 0 && !c.within(m.Ratio) {
		m.fail("its target's selector matches no pod")
		return
	}
	ready := c.runningAndReady()
	m.Raw = times(m.Ratio, max(c.current, ready))
	m.Filled = times(m.Ratio, ready)
	m.Proposal = m.Filled
	if ready < c.current && m.Filled != m.Raw {
		m.Note = fmt.Sprintf("only its %s multiply the ratio", counting(ready, "ready pod"))
	}
	c.tolerate(m, m.Ratio)
}
