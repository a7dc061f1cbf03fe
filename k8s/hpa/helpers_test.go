package hpa_test

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/k8s/hpa"
)

// shopHPA is the autoscaler of a web service as it is usually written: CPU,
// memory and requests per second, slow to go down and quick to go up.
func shopHPA() *autoscalingv2.HorizontalPodAutoscaler {
	utilization := func(name corev1.ResourceName, percent int32) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: name, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}}}
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "fastapi-service", CreationTimestamp: metav1.Time{Time: oracleNow.Add(-24 * time.Hour)}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "fastapi-service"},
			MinReplicas:    ptr.To[int32](3), MaxReplicas: 20,
			Metrics: []autoscalingv2.MetricSpec{
				utilization(corev1.ResourceCPU, 70), utilization(corev1.ResourceMemory, 80),
				{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "http_requests_per_second"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("100"))}}},
			},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
				ScaleDown: &autoscalingv2.HPAScalingRules{
					StabilizationWindowSeconds: ptr.To[int32](300),
					Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 25, PeriodSeconds: 60}},
				},
				ScaleUp: &autoscalingv2.HPAScalingRules{
					StabilizationWindowSeconds: ptr.To[int32](30), SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
					Policies: []autoscalingv2.HPAScalingPolicy{
						{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 60},
						{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 60},
					},
				},
			},
		},
	}
}

// shop is n ready pods that ask for 250m and 256Mi and use what is given; the
// last silent ones give no metrics.
func shop(h *autoscalingv2.HorizontalPodAutoscaler, n, silent int, cpu, memory, rps int64) hpa.Input {
	in := hpa.Input{
		HPA: h, Now: oracleNow,
		Scale: hpa.Scale{Known: true, Spec: int32(n), Status: int32(n), Selector: "app=fastapi-service"},
	}
	maps := [3]map[string]hpa.Sample{{}, {}, {}}
	for i := range n {
		name := fmt.Sprintf("fastapi-service-%d", i)
		in.Pods = append(in.Pods, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")}}}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &metav1.Time{Time: oracleNow.Add(-time.Hour)},
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: oracleNow.Add(-time.Hour)}}}},
		})
		if i >= n-silent {
			continue
		}
		for j, v := range []int64{cpu, memory * 1000, rps * 1000} {
			maps[j][name] = hpa.Sample{Value: v, At: oracleNow.Add(-10 * time.Second), Window: 30 * time.Second}
		}
	}
	for _, m := range maps {
		in.Readings = append(in.Readings, hpa.Reading{State: hpa.Live, Pods: m})
	}
	return in
}

// seen is a history that covers every window, with the same recommendation all
// along.
func seen(n int) hpa.History {
	h := hpa.History{Since: oracleNow.Add(-time.Hour)}
	for at := oracleNow.Add(-10 * time.Minute); at.Before(oracleNow); at = at.Add(15 * time.Second) {
		h.Recommend(at, n)
	}
	h.Since = oracleNow.Add(-time.Hour)
	return h
}

const mebi = 1 << 20
