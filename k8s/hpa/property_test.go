package hpa_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/k8s/hpa"
)

// anyInput makes an autoscaler that may be wrong in any way.
func anyInput(r *rand.Rand) hpa.Input {
	in := shop(shopHPA(), 1+r.IntN(20), r.IntN(4), r.Int64N(2000), r.Int64N(1<<30), r.Int64N(1000))
	h := in.HPA
	h.Spec.MinReplicas = ptr.To(r.Int32N(5))
	h.Spec.MaxReplicas = *h.Spec.MinReplicas + 1 + r.Int32N(30)
	in.Scale.Spec = r.Int32N(40)
	huge := []int64{0, -1, math.MaxInt64, math.MinInt64, 1, math.MaxInt64 / 2}
	for i := range in.Readings {
		in.Readings[i].State = hpa.Availability(r.IntN(7))
		for pod := range in.Readings[i].Pods {
			if r.IntN(6) == 0 {
				in.Readings[i].Pods[pod] = hpa.Sample{Value: huge[r.IntN(len(huge))]}
			}
		}
	}
	for _, p := range in.Pods {
		switch r.IntN(12) {
		case 0:
			p.Status.Phase = []corev1.PodPhase{corev1.PodPending, corev1.PodFailed, corev1.PodSucceeded, ""}[r.IntN(4)]
		case 1:
			p.Status.Conditions = nil
		case 2:
			p.DeletionTimestamp = &metav1.Time{Time: in.Now}
		case 3:
			p.Status.StartTime = nil
		}
	}
	anyTotals(r, &in, huge)
	anyBehaviour(r, h)
	for range r.IntN(10) {
		in.History.Recommend(in.Now.Add(-time.Duration(r.IntN(600))*time.Second), r.IntN(60)-5)
		in.History.Changed(in.Now.Add(-time.Duration(r.IntN(600))*time.Second), r.IntN(20)-10)
	}
	if r.IntN(10) == 0 {
		in.Pods, in.PodsErr = nil, "forbidden"
	}
	return in
}

func anyTotals(r *rand.Rand, in *hpa.Input, huge []int64) {
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: resource.NewMilliQuantity(r.Int64N(1000), resource.DecimalSI)}
	if r.IntN(2) == 0 {
		target = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: target.Value}
	}
	id := autoscalingv2.MetricIdentifier{Name: "queue"}
	in.HPA.Spec.Metrics = append(in.HPA.Spec.Metrics,
		autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: target}},
		autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{Metric: id, Target: target}},
		autoscalingv2.MetricSpec{Type: "Cosmic"},
	)
	in.Readings = append(in.Readings,
		hpa.Reading{State: hpa.Live, Values: []int64{huge[r.IntN(len(huge))], r.Int64N(100000)}},
		hpa.Reading{State: hpa.Live, Values: []int64{r.Int64N(100000)}})
}

func anyBehaviour(r *rand.Rand, h *autoscalingv2.HorizontalPodAutoscaler) {
	choices := []*autoscalingv2.ScalingPolicySelect{nil, ptr.To(autoscalingv2.MaxChangePolicySelect), ptr.To(autoscalingv2.MinChangePolicySelect), ptr.To(autoscalingv2.DisabledPolicySelect)}
	switch r.IntN(4) {
	case 0:
		h.Spec.Behavior = nil
		return
	case 1:
		h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
		return
	}
	for _, rules := range []*autoscalingv2.HPAScalingRules{h.Spec.Behavior.ScaleUp, h.Spec.Behavior.ScaleDown} {
		rules.SelectPolicy = choices[r.IntN(len(choices))]
		rules.StabilizationWindowSeconds = ptr.To(r.Int32N(400))
		rules.Policies = nil
		for range r.IntN(3) {
			rules.Policies = append(rules.Policies, autoscalingv2.HPAScalingPolicy{
				Type:  []autoscalingv2.HPAScalingPolicyType{autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy}[r.IntN(2)],
				Value: 1 + r.Int32N(math.MaxInt32-1), PeriodSeconds: 1 + r.Int32N(1800)})
		}
	}
}

// holds checks what must be true of every explanation.
func holds(t *testing.T, in hpa.Input) {
	t.Helper()
	e := hpa.Explain(in)
	switch e.Outcome {
	case hpa.Scales, hpa.Stays:
		if e.Desired != e.Current && (e.Desired < e.Min && e.Min > 0 || e.Desired > e.Max) {
			t.Errorf("desired %d is outside %d-%d: %+v", e.Desired, e.Min, e.Max, e.Steps)
		}
	case hpa.Disabled, hpa.Cannot, hpa.Unsure:
		if e.Desired != e.Current {
			t.Errorf("%s, yet %d becomes %d", e.Outcome, e.Current, e.Desired)
		}
	}
	if e.Summary == "" || len(e.Steps) == 0 {
		t.Errorf("says nothing: %+v", e)
	}
	decided := 0
	for i, s := range e.Steps {
		if s.Decided {
			decided++
		}
		if i > 0 && s.Name != hpa.StepDesired && s.In != e.Steps[i-1].Out {
			t.Errorf("step %s begins with %d where %s ended with %d", s.Name, s.In, e.Steps[i-1].Name, e.Steps[i-1].Out)
		}
	}
	if decided != 1 {
		t.Errorf("%d steps decided: %+v", decided, e.Steps)
	}
}

func TestEveryExplanationHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	for range 5_000 {
		holds(t, anyInput(r))
		if t.Failed() {
			return
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { holds(t, anyInput(rand.New(rand.NewPCG(a, b)))) })
}

func BenchmarkExplain(b *testing.B) {
	in := shop(shopHPA(), 20, 3, 295, 100*mebi, 50)
	in.History = seen(12)
	b.ReportAllocs()
	for b.Loop() {
		hpa.Explain(in)
	}
}
