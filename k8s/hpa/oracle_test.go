package hpa_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/k8s/hpa"
)

// oracleCase is one row of testdata/replica_calculator.json: the inputs and
// expectations of Kubernetes' own tests of its replica calculator
// (kubernetes v1.37.2 pkg/controller/podautoscaler/replica_calculator_test.go,
// Copyright The Kubernetes Authors, Apache License 2.0), as data.
type oracleCase struct {
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	Current   int32      `json:"current"`
	Container string     `json:"container"`
	Requests  []string   `json:"requests"`
	Levels    [][]int64  `json:"levels"` // usage by pod and container
	PodNames  []string   `json:"podNames"`
	Values    []int64    `json:"values"`
	Ready     []string   `json:"ready"`
	Phase     []string   `json:"phase"`
	Deleted   []bool     `json:"deleted"`
	Start     []string   `json:"start"` // hot: now, cool: three minutes ago
	Target    int64      `json:"target"`
	Want      int        `json:"want"`
	Usage     int64      `json:"usage"`
	Error     string     `json:"error"`
	Tolerance [2]float64 `json:"tolerance"` // down, up
	// HasTolerance tells a tolerance of zero from none.
	HasTolerance bool `json:"-"`
}

var oracleNow = time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)

func TestUpstreamsReplicaCalculator(t *testing.T) {
	raw, err := os.ReadFile("testdata/replica_calculator.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []oracleCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	var present []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &present); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 70 {
		t.Fatalf("only %d cases", len(cases))
	}
	for i := range cases {
		c := &cases[i]
		_, c.HasTolerance = present[i]["tolerance"]
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			e := hpa.Explain(c.input())
			m := e.Metrics[0]
			if c.Error != "" {
				if m.Computed {
					t.Errorf("got %d, want the failure %q", m.Proposal, c.Error)
				}
				return
			}
			if !m.Computed {
				t.Fatalf("failed: %s", m.Problem)
			}
			if m.Proposal != c.Want || m.Current != c.Usage {
				t.Errorf("proposal %d at %d, want %d at %d", m.Proposal, m.Current, c.Want, c.Usage)
			}
		})
	}
}

func (c *oracleCase) input() hpa.Input {
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "api", APIVersion: "apps/v1"},
			MaxReplicas:    1 << 30, Metrics: []autoscalingv2.MetricSpec{c.metric()},
		},
	}
	if c.HasTolerance {
		h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleDown: &autoscalingv2.HPAScalingRules{Tolerance: decimalOf(c.Tolerance[0])},
			ScaleUp:   &autoscalingv2.HPAScalingRules{Tolerance: decimalOf(c.Tolerance[1])},
		}
	}
	in := hpa.Input{
		HPA: h, Now: oracleNow,
		Scale:    hpa.Scale{Known: true, Spec: c.Current, Status: c.Current, Selector: "name=test-pod"},
		Readings: []hpa.Reading{c.reading()},
		Flags:    hpa.Flags{CPUInitialization: 2 * time.Minute, InitialReadinessDelay: 10 * time.Second},
	}
	for i := range max(int(c.Current), len(c.Phase)) {
		in.Pods = append(in.Pods, c.pod(i))
	}
	return in
}

func decimalOf(f float64) *resource.Quantity {
	q := resource.MustParse(fmt.Sprint(f))
	return &q
}

func (c *oracleCase) metric() autoscalingv2.MetricSpec {
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType}
	quantity := resource.NewMilliQuantity(c.Target, resource.DecimalSI)
	id := autoscalingv2.MetricIdentifier{Name: "qps"}
	switch c.Kind {
	case "resource":
		percent := int32(c.Target)
		target = autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}
		if c.Container != "" {
			return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType,
				ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: c.Container, Target: target}}
		}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: target}}
	case "pods", "objectPerPod", "externalPerPod":
		target.Type, target.AverageValue = autoscalingv2.AverageValueMetricType, quantity
	default:
		target.Value = quantity
	}
	switch c.Kind {
	case "pods":
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: target}}
	case "object", "objectPerPod":
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "some-deployment"}, Metric: id, Target: target}}
	}
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: target}}
}

func (c *oracleCase) reading() hpa.Reading {
	if c.Kind == "resource" && len(c.Levels) == 0 {
		return hpa.Reading{State: hpa.NoData, Err: "no metrics"}
	}
	r := hpa.Reading{State: hpa.Live, Values: c.Values}
	if c.Kind != "resource" && c.Kind != "pods" {
		return r
	}
	r.Pods = map[string]hpa.Sample{}
	for i, v := range c.Values {
		r.Pods[podName(i)] = hpa.Sample{Value: v, Window: time.Minute}
	}
	for i, containers := range c.Levels {
		name := podName(i)
		if i < len(c.PodNames) {
			name = c.PodNames[i]
		}
		var sum int64
		found := false
		for j, v := range containers {
			if c.Container == "" || c.Container == fmt.Sprintf("container%d", j+1) {
				sum, found = sum+v, true
			}
		}
		if found {
			r.Pods[name] = hpa.Sample{Value: sum, Window: time.Minute}
		}
	}
	return r
}

func podName(i int) string { return fmt.Sprintf("test-pod-%d", i) }

func (c *oracleCase) pod(i int) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: podName(i)},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "container1"}, {Name: "container2"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &metav1.Time{},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	if i < len(c.Ready) {
		p.Status.Conditions[0].Status = corev1.ConditionStatus(c.Ready[i])
	}
	if i < len(c.Phase) {
		p.Status.Phase = corev1.PodPhase(c.Phase[i])
	}
	if i < len(c.Start) {
		p.Status.StartTime = &metav1.Time{Time: oracleNow}
		if c.Start[i] == "cool" {
			p.Status.StartTime.Time = oracleNow.Add(-3 * time.Minute)
		}
	}
	if i < len(c.Deleted) && c.Deleted[i] {
		p.DeletionTimestamp = &metav1.Time{Time: oracleNow}
	}
	if i < len(c.Requests) {
		for j := range p.Spec.Containers {
			p.Spec.Containers[j].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(c.Requests[i])}
		}
	}
	return p
}
