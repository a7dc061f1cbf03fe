package hpa

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// fromStatus computes from the value the controller wrote into the status.
// That is the value before pods without a metric and unready ones were put in,
// so what comes of it may differ from what the controller decided; and a
// server before 1.37 leaves it standing when the autoscaler fails as a whole.
func (c *calculation) fromStatus(m *Metric, i int, why string) {
	value, ok := c.reported(m, i)
	if !ok {
		m.fail(why)
		return
	}
	m.FromStatus, m.Computed, m.Current = true, true, value
	m.Ratio = float64(value) / float64(m.Target)
	m.CorrectedRatio = m.Ratio
	n := c.current
	if m.Type == string(autoscalingv2.ObjectMetricSourceType) || m.Type == string(autoscalingv2.ExternalMetricSourceType) {
		if m.PerPod {
			n = c.actual
		} else if c.in.PodsErr == "" {
			n = c.runningAndReady()
		}
	}
	m.Raw = times(m.Ratio, n)
	m.Filled, m.Proposal = m.Raw, m.Raw
	m.Note = "from the autoscaler's status: " + why
	if c.within(m.Ratio) {
		m.Proposal = c.current
	}
}

// reported is the value in status.currentMetrics, which stands in the place the
// metric has in the spec; a metric that failed has an empty entry there.
func (c *calculation) reported(m *Metric, i int) (int64, bool) {
	if i >= len(c.in.HPA.Status.CurrentMetrics) {
		return 0, false
	}
	s := &c.in.HPA.Status.CurrentMetrics[i]
	if string(s.Type) != m.Type {
		return 0, false
	}
	var v autoscalingv2.MetricValueStatus
	switch {
	case s.Resource != nil:
		v = s.Resource.Current
	case s.ContainerResource != nil:
		v = s.ContainerResource.Current
	case s.Pods != nil:
		v = s.Pods.Current
	case s.Object != nil:
		v = s.Object.Current
	case s.External != nil:
		v = s.External.Current
	}
	pick := func(q *resource.Quantity) (int64, bool) {
		if q == nil {
			return 0, false
		}
		return q.MilliValue(), true
	}
	switch {
	case m.Unit == Percent && v.AverageUtilization != nil:
		return int64(*v.AverageUtilization), true
	case m.Unit == Percent:
		return 0, false
	case m.PerPod:
		return pick(v.AverageValue)
	}
	return pick(v.Value)
}
