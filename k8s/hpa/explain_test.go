package hpa_test

import (
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/k8s/hpa"
)

func step(e *hpa.Explanation, name hpa.StepName) hpa.Step {
	for _, s := range e.Steps {
		if s.Name == name {
			return s
		}
	}
	return hpa.Step{}
}

// TestWhySevenAndNotTwelve is the worked example: 118 % of 70 % asks for 12 of
// 7, less with every pod that gives no metrics, and nothing with three.
func TestWhySevenAndNotTwelve(t *testing.T) {
	for _, c := range []struct{ silent, want int }{{0, 12}, {1, 11}, {2, 9}, {3, 7}} {
		in := shop(shopHPA(), 7, c.silent, 295, 100*mebi, 50)
		in.History = seen(12)
		in.HPA.Spec.Behavior.ScaleUp.StabilizationWindowSeconds = ptr.To[int32](0)
		e := hpa.Explain(in)
		if e.Metrics[0].Proposal != c.want || e.Desired != c.want || e.Wants != 12 {
			t.Errorf("%d silent: proposal %d, desired %d, wants %d; want %d of 12", c.silent, e.Metrics[0].Proposal, e.Desired, e.Wants, c.want)
		}
		if c.silent == 3 {
			want := "7, and not 12: cpu: 3 pods give no metric, so the scale-up is cancelled"
			if e.Summary != want || e.LimitedBy != hpa.StepPods || !step(e, hpa.StepPods).Decided {
				t.Errorf("%q limited by %s, want %q", e.Summary, e.LimitedBy, want)
			}
			if e.Confidence != hpa.Exact {
				t.Errorf("confidence %s: %+v", e.Confidence, e.Unknown)
			}
		}
	}
}

func TestRatesAndWindows(t *testing.T) {
	h := shopHPA()
	// From 7 up to 14 a minute.
	in := shop(h, 7, 0, 700, 100*mebi, 50)
	in.History = seen(28)
	e := hpa.Explain(in)
	if e.Desired != 14 || e.LimitedBy != hpa.StepRate || e.Predicted.ScalingLimited != "ScaleUpLimit" {
		t.Errorf("%d by %s (%s): %s", e.Desired, e.LimitedBy, e.Predicted.ScalingLimited, e.Summary)
	}
	if f := e.Forecast; f == nil || !strings.HasPrefix(f.Text, "at this load it wants 28; the maximum is 20") || f.Points[len(f.Points)-1].N != 20 {
		t.Errorf("forecast %+v", e.Forecast)
	}
	// Down from 12: the window holds it until five minutes after the last 12.
	in = shop(h, 12, 0, 60, 60*mebi, 20)
	in.History = hpa.History{Since: oracleNow.Add(-time.Hour)}
	in.History.Recommendations = []hpa.Point{{At: oracleNow.Add(-time.Minute), N: 12}}
	e = hpa.Explain(in)
	if e.Desired != 12 || e.LimitedBy != hpa.StepStabilise || e.Predicted.AbleToScale != "ScaleDownStabilized" {
		t.Errorf("%d by %s: %s", e.Desired, e.LimitedBy, e.Summary)
	}
	if p := e.Forecast.Points; len(p) < 2 || p[1].N != 9 || p[1].At.Sub(oracleNow) < 4*time.Minute || p[1].At.Sub(oracleNow) > 4*time.Minute+15*time.Second {
		t.Errorf("forecast %+v", e.Forecast)
	}
	// And then a quarter a minute: trunc(12 x 0.75).
	in.History = seen(3)
	if e = hpa.Explain(in); e.Desired != 9 || e.LimitedBy != hpa.StepRate {
		t.Errorf("%d by %s: %s", e.Desired, e.LimitedBy, e.Summary)
	}
	// What was taken away within the minute counts.
	in.History.Changed(oracleNow.Add(-20*time.Second), -2)
	if e = hpa.Explain(in); e.Desired != 10 {
		t.Errorf("%d, want 10: a quarter of 14 a minute ago", e.Desired)
	}
	in.HPA.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
	if e = hpa.Explain(in); e.Desired != 12 || !strings.Contains(e.Summary, "disabled") {
		t.Errorf("%d: %s", e.Desired, e.Summary)
	}
}

func TestShortcutsAndRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(in *hpa.Input)
		desired int
		outcome hpa.Outcome
		says    string
	}{
		{"above max", func(in *hpa.Input) { in.Scale.Spec = 25 }, 20, hpa.Scales, "above the maximum"},
		{"below min", func(in *hpa.Input) { in.Scale.Spec = 2 }, 3, hpa.Scales, "below the minimum"},
		{"scaled to zero", func(in *hpa.Input) { in.Scale.Spec = 0 }, 0, hpa.Disabled, "scaled to 0 by hand"},
		{"no target", func(in *hpa.Input) {
			in.Scale = hpa.Scale{Missing: true, Err: `deployments.apps "x" not found`}
		}, 0, hpa.Cannot, `cannot work: deployments.apps "x" not found`},
		{"no selector", func(in *hpa.Input) { in.Scale.Selector = "" }, 7, hpa.Cannot, "no selector"},
		{"rival", func(in *hpa.Input) { in.Rivals = []string{"other"} }, 7, hpa.Cannot, "other selects the same pods"},
		{"all absent", func(in *hpa.Input) {
			for i := range in.Readings {
				in.Readings[i] = hpa.Reading{State: hpa.Absent, Err: "no server answers for metrics.k8s.io"}
			}
		}, 7, hpa.Cannot, "stays at 7 and cannot move: cpu: no server answers for metrics.k8s.io"},
		{"all forbidden", func(in *hpa.Input) {
			for i := range in.Readings {
				in.Readings[i] = hpa.Reading{State: hpa.Forbidden, Err: "forbidden: list pods.metrics.k8s.io"}
			}
		}, 7, hpa.Unsure, "cannot be explained: cpu: forbidden"},
		{"one fails, rest down", func(in *hpa.Input) {
			in.Readings[2] = hpa.Reading{State: hpa.NoData, Err: "no such metric"}
		}, 7, hpa.Stays, "http_requests_per_second cannot be read, and without every metric nothing is scaled down"},
		{"missing requests", func(in *hpa.Input) {
			for _, p := range in.Pods {
				p.Spec.Containers[0].Resources.Requests = nil
			}
			in.HPA.Spec.Metrics, in.Readings = in.HPA.Spec.Metrics[:2], in.Readings[:2]
		}, 7, hpa.Cannot, "container api of pod fastapi-service-0 requests no cpu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := shop(shopHPA(), 7, 0, 50, 50*mebi, 20)
			in.History = seen(3)
			c.change(&in)
			e := hpa.Explain(in)
			if e.Desired != c.desired || e.Outcome != c.outcome || !strings.Contains(e.Summary, c.says) {
				t.Errorf("desired %d, %s: %q", e.Desired, e.Outcome, e.Summary)
			}
		})
	}
}

// TestFromStatus explains what cannot be read live from what the controller
// reported, and says so.
func TestFromStatus(t *testing.T) {
	in := shop(shopHPA(), 7, 0, 0, 0, 0)
	in.HPA.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricStatus{Name: corev1.ResourceCPU,
			Current: autoscalingv2.MetricValueStatus{AverageUtilization: ptr.To[int32](118)}},
	}}
	for i := range in.Readings {
		in.Readings[i] = hpa.Reading{State: hpa.Forbidden, Err: "forbidden"}
	}
	in.History = seen(12)
	e := hpa.Explain(in)
	if e.Desired != 12 || e.Confidence != hpa.Approximate || !e.Metrics[0].FromStatus || e.Metrics[1].Computed {
		t.Errorf("desired %d, %s, %+v", e.Desired, e.Confidence, e.Metrics)
	}
}

// TestBeforeAnybodyLooked holds a scale-down of which the past is not known,
// as the controller does after a restart, and says what it took for granted.
func TestBeforeAnybodyLooked(t *testing.T) {
	in := shop(shopHPA(), 12, 0, 60, 60*mebi, 20)
	e := hpa.Explain(in)
	if e.Desired != 12 || e.Confidence != hpa.Approximate {
		t.Errorf("desired %d, %s", e.Desired, e.Confidence)
	}
	in.HPA.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{
		Type: autoscalingv2.ScalingLimited, Status: corev1.ConditionTrue, Reason: "ScaleDownLimit",
	}}
	if e = hpa.Explain(in); e.Desired != 9 {
		t.Errorf("desired %d: a rate limit proves that the window lets go", e.Desired)
	}
}

func TestConditionsInSentences(t *testing.T) {
	h := shopHPA()
	since := metav1.Time{Time: oracleNow}
	set := func(kind autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason, message string) {
		h.Status.Conditions = append(h.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{
			Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: since})
	}
	set(autoscalingv2.ScalingLimited, corev1.ConditionTrue, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
	set(autoscalingv2.AbleToScale, corev1.ConditionTrue, "ReadyForNewScale", "recommended size matches current size")
	set(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetResourceMetric", "the HPA was unable to compute the replica count: failed to get cpu\x1b[31m utilization")
	got := hpa.Conditions(h)
	want := []string{
		"it can scale, and nothing in its memory holds it back",
		`it gets no pod metrics: failed to get cpu␛[31m utilization`,
		"it wants more than its maximum",
	}
	for i, w := range want {
		if i >= len(got) || got[i].Text != w {
			t.Fatalf("got %+v, want %q", got, w)
		}
	}
	if !got[1].Bad || got[0].Bad {
		t.Errorf("%+v", got)
	}
}

func TestRescaledReadsTheEvent(t *testing.T) {
	n, why, ok := hpa.Rescaled("New size: 6; reason: cpu resource utilization (percentage of request) above target")
	if n != 6 || !ok || !strings.HasPrefix(why, "cpu resource") {
		t.Errorf("%d %q %v", n, why, ok)
	}
	for _, bad := range []string{"", "New size: x; reason: y", "New size: -4", "(combined from similar events): New size: 6"} {
		if _, _, ok := hpa.Rescaled(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}
