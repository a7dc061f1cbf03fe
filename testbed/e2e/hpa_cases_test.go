//go:build !scale

package e2e

import (
	"fmt"
	"math/rand/v2"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

// hpaCase is one autoscaler with its workload and its load.
type hpaCase struct {
	name, namespace   string
	current, min, max int32
	// silent pods give no resource and no pods metrics; unready ones run and
	// are not ready; extra is a phase in which one more pod matches the
	// selector ("" for none).
	silent, unready int
	extra           corev1.PodPhase
	// sidecar adds a second container; bare leaves its requests out.
	sidecar, bare bool
	loads         []hpaLoad
	behaviour     *autoscalingv2.HorizontalPodAutoscalerBehavior
}

// hpaLoad is a metric at a multiple of its target; absent has no value.
type hpaLoad struct {
	kind   string
	ratio  float64
	absent bool
}

// The kinds of metric. The numbers in their specs are in metricSpec.
const (
	cpuPercent      = "cpu %"
	cpuValue        = "cpu"
	memoryPercent   = "memory %"
	containerCPU    = "container cpu %"
	podsMetric      = "pods"
	objectValue     = "object"
	objectAverage   = "object per pod"
	externalValue   = "external"
	externalAverage = "external per pod"
)

func allKinds() []string {
	return []string{cpuPercent, cpuValue, memoryPercent, containerCPU, podsMetric, objectValue, objectAverage, externalValue, externalAverage}
}

// Requests and targets.
const (
	requestCPU     = 40       // thousandths of a core, of the first container
	requestMemory  = 32 << 20 // bytes
	sidecarCPU     = 10
	sidecarMemory  = 8 << 20
	targetCPU      = 70 // percent
	targetMemory   = 80
	targetValueCPU = 30  // thousandths
	targetRPS      = 100 // per pod
	targetObject   = 500
	targetQueue    = 300
	perPodObject   = 50
	perPodQueue    = 40
	rpsMetric      = "http_requests_per_second"
)

func (c *hpaCase) metricSpec(l hpaLoad) autoscalingv2.MetricSpec {
	percent := func(n int32) autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &n}
	}
	value := func(n string) autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: ptr.To(resource.MustParse(n))}
	}
	average := func(n string) autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse(n))}
	}
	ofResource := func(name corev1.ResourceName, t autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: t}}
	}
	ofObject := func(t autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Service", Name: c.name, APIVersion: "v1"},
			Metric:          autoscalingv2.MetricIdentifier{Name: metricName(l.kind)}, Target: t}}
	}
	ofQueue := func(t autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: c.name + "-" + metricName(l.kind)}, Target: t}}
	}
	switch l.kind {
	case cpuPercent:
		return ofResource(corev1.ResourceCPU, percent(targetCPU))
	case cpuValue:
		return ofResource(corev1.ResourceCPU, average(fmt.Sprintf("%dm", targetValueCPU)))
	case memoryPercent:
		return ofResource(corev1.ResourceMemory, percent(targetMemory))
	case containerCPU:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: "api", Target: percent(targetCPU)}}
	case podsMetric:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: rpsMetric}, Target: average(fmt.Sprint(targetRPS))}}
	case objectValue:
		return ofObject(value(fmt.Sprint(targetObject)))
	case objectAverage:
		return ofObject(average(fmt.Sprint(perPodObject)))
	case externalValue:
		return ofQueue(value(fmt.Sprint(targetQueue)))
	}
	return ofQueue(average(fmt.Sprint(perPodQueue)))
}

// metricName is a kind's metric, where it is not the pods' own.
func metricName(kind string) string {
	switch kind {
	case objectValue, externalValue:
		return "queue_length"
	}
	return "queue_share"
}

// requests of a pod, in thousandths of a core and in bytes.
func (c *hpaCase) requests() (cpu, memory float64) {
	if c.sidecar {
		return requestCPU + sidecarCPU, requestMemory + sidecarMemory
	}
	return requestCPU, requestMemory
}

// production is the autoscaler of a web service as it is usually written.
func production() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](300),
			Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 25, PeriodSeconds: 60}}},
		ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](0), SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
			Policies: []autoscalingv2.HPAScalingPolicy{
				{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 60}, {Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 60}}},
	}
}

// fixedCases are those with a story: the usual autoscaler, with up to three of
// seven pods silent, and every way to decide without metrics.
func fixedCases() []hpaCase {
	usual := func(cpu float64) []hpaLoad {
		return []hpaLoad{{kind: cpuPercent, ratio: cpu}, {kind: memoryPercent, ratio: 0.5}, {kind: podsMetric, ratio: 0.6}}
	}
	cases := []hpaCase{
		{name: "usual-up", current: 7, min: 3, max: 20, loads: usual(1.7), behaviour: production()},
		{name: "usual-1-silent", current: 7, min: 3, max: 20, silent: 1, loads: usual(1.7), behaviour: production()},
		{name: "usual-2-silent", current: 7, min: 3, max: 20, silent: 2, loads: usual(1.7), behaviour: production()},
		{name: "usual-3-silent", current: 7, min: 3, max: 20, silent: 3, loads: usual(1.7), behaviour: production()},
		{name: "usual-down", current: 7, min: 3, max: 20, loads: usual(0.3), behaviour: production()},
		{name: "above-max", current: 6, min: 1, max: 4, loads: usual(3)},
		{name: "below-min", current: 2, min: 5, max: 9, loads: usual(0.1)},
		{name: "at-zero", current: 0, min: 1, max: 9, loads: usual(1)},
		{name: "no-requests", current: 3, min: 1, max: 9, sidecar: true, bare: true, loads: []hpaLoad{{kind: cpuPercent, ratio: 2}}},
		{name: "bare-container", current: 3, min: 1, max: 9, sidecar: true, bare: true, loads: []hpaLoad{{kind: containerCPU, ratio: 2}}},
		{name: "all-absent", current: 3, min: 1, max: 9, loads: []hpaLoad{{kind: podsMetric, absent: true}, {kind: externalValue, absent: true}}},
		{name: "one-absent-up", current: 3, min: 1, max: 9, loads: []hpaLoad{{kind: cpuPercent, ratio: 2}, {kind: externalValue, absent: true}}},
		{name: "one-absent-down", current: 4, min: 1, max: 9, loads: []hpaLoad{{kind: cpuPercent, ratio: 0.2}, {kind: objectValue, absent: true}}},
		{name: "none-ready", current: 3, min: 1, max: 9, unready: 3, loads: []hpaLoad{{kind: externalValue, ratio: 2}}},
		{name: "all-silent", current: 3, min: 1, max: 9, silent: 3, loads: []hpaLoad{{kind: cpuPercent, ratio: 2}}},
	}
	for _, kind := range allKinds() { // every kind up, alone and at once
		cases = append(cases, hpaCase{name: fmt.Sprintf("kind-%d", len(cases)), current: 3, min: 1, max: 30, loads: []hpaLoad{{kind: kind, ratio: 1.6}}})
	}
	return cases
}

// generatedCases are n more, the same for the same seed.
func generatedCases(n int) []hpaCase {
	r := rand.New(rand.NewPCG(37, 2))
	pick := func(list ...float64) float64 { return list[r.IntN(len(list))] }
	var out []hpaCase
	for i := range n {
		c := hpaCase{name: fmt.Sprintf("gen-%02d", i), current: 2 + r.Int32N(6), sidecar: r.IntN(4) == 0}
		c.min = 1 + r.Int32N(c.current)
		c.max = c.current + r.Int32N(14)
		kinds := allKinds()
		r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		seen := map[string]bool{}
		for _, kind := range kinds[:1+r.IntN(3)] {
			if seen[metricName(kind)+kind[:3]] { // one value for one metric
				continue
			}
			seen[metricName(kind)+kind[:3]] = true
			c.loads = append(c.loads, hpaLoad{kind: kind, ratio: pick(0.05, 0.3, 0.6, 0.85, 0.93, 1, 1.04, 1.15, 1.4, 1.9, 2.6, 6), absent: r.IntN(12) == 0})
		}
		if r.IntN(3) == 0 {
			c.silent = r.IntN(int(c.current) + 1)
		}
		if r.IntN(3) == 0 {
			c.unready = r.IntN(int(c.current) + 1)
		}
		if r.IntN(5) == 0 {
			c.extra = []corev1.PodPhase{corev1.PodPending, corev1.PodSucceeded, corev1.PodFailed}[r.IntN(3)]
		}
		c.behaviour = anyBehaviour(r)
		out = append(out, c)
	}
	return out
}

func anyBehaviour(r *rand.Rand) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	if r.IntN(4) == 0 {
		return nil
	}
	rules := func() *autoscalingv2.HPAScalingRules {
		if r.IntN(4) == 0 {
			return nil
		}
		out := &autoscalingv2.HPAScalingRules{}
		// Windows far from the time a case takes, on either side.
		out.StabilizationWindowSeconds = []*int32{nil, ptr.To[int32](0), ptr.To[int32](0), ptr.To[int32](600)}[r.IntN(4)]
		out.SelectPolicy = []*autoscalingv2.ScalingPolicySelect{nil, nil, ptr.To(autoscalingv2.MaxChangePolicySelect),
			ptr.To(autoscalingv2.MinChangePolicySelect), ptr.To(autoscalingv2.DisabledPolicySelect)}[r.IntN(5)]
		for range r.IntN(3) {
			policy := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: 1 + r.Int32N(5), PeriodSeconds: 600}
			if r.IntN(2) == 0 {
				policy.Type, policy.Value = autoscalingv2.PercentScalingPolicy, 10+r.Int32N(120)
			}
			out.Policies = append(out.Policies, policy)
		}
		if r.IntN(3) == 0 {
			out.Tolerance = ptr.To(resource.MustParse([]string{"0", "0.02", "0.3"}[r.IntN(3)]))
		}
		return out
	}
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()}
}
