package hpapane_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/hpa"
	"midwatch/k8s/hpawatch"
	"midwatch/live"
	"midwatch/ui/hpapane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func service() k8s.Ref {
	return k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "fastapi-service"}
}

// planner answers what the pane asks, off the UI goroutine only.
type planner struct {
	bench *panetest.Bench
	asked string
}

func (p *planner) plan(format string, args ...any) (*action.Plan, error) {
	p.bench.OffUI("planning")
	p.asked = fmt.Sprintf(format, args...)
	return &action.Plan{Title: p.asked}, nil
}

func (p *planner) PlanLimits(_ context.Context, ref k8s.Ref, lowest, highest int) (*action.Plan, error) {
	return p.plan("limit %s to %d-%d", ref, lowest, highest)
}

func (p *planner) PlanSuspendScaleDown(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.plan("suspend %s", ref)
}

func (p *planner) PlanAllowScaleDown(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.plan("allow %s", ref)
}

func open(t testing.TB) (*panetest.Bench, *planner) {
	p := &planner{}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		p.bench = b
		return hpapane.New(pane.HPA, p, nil, service())
	})
	return b, p
}

// autoscaler keeps 3 to 20 by CPU, memory and requests per second.
func autoscaler() *autoscalingv2.HorizontalPodAutoscaler {
	utilization := func(name corev1.ResourceName, percent int32) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: name, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}}}
	}
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "fastapi-service", UID: "uid-hpa", CreationTimestamp: metav1.Time{Time: panetest.Ago(72 * time.Hour)}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "fastapi-service"},
			MinReplicas:    ptr.To[int32](3), MaxReplicas: 20,
			Metrics: []autoscalingv2.MetricSpec{utilization(corev1.ResourceCPU, 70), utilization(corev1.ResourceMemory, 80),
				{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "http_requests_per_second"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("100"))}}}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
				ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](300),
					Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 25, PeriodSeconds: 60}}},
				ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](0),
					Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 60}, {Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 60}}},
			},
		},
	}
	for _, c := range []autoscalingv2.HorizontalPodAutoscalerCondition{
		{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: "ReadyForNewScale", Message: "recommended size matches current size"},
		{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound", Message: "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"},
		{Type: autoscalingv2.ScalingLimited, Status: corev1.ConditionFalse, Reason: "DesiredWithinRange", Message: "the desired count is within the acceptable range"},
	} {
		c.LastTransitionTime = metav1.Time{Time: panetest.Ago(40 * time.Minute)}
		h.Status.Conditions = append(h.Status.Conditions, c)
	}
	return h
}

// input is seven pods, the last silent of which give no metrics.
func input(silent int, cpu int64) hpa.Input {
	in := hpa.Input{HPA: autoscaler(), Now: panetest.Now(), Scale: hpa.Scale{Known: true, Spec: 7, Status: 7, Selector: "app=fastapi-service"}}
	in.History = hpa.History{Since: panetest.Ago(time.Hour), Recommendations: []hpa.Point{{At: panetest.Ago(2 * time.Minute), N: 7}}}
	values := [3]map[string]hpa.Sample{{}, {}, {}}
	for i := range 7 {
		name := fmt.Sprintf("fastapi-service-6d5c9b7f4-%05d", i)
		in.Pods = append(in.Pods, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")}}}}},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &metav1.Time{Time: panetest.Ago(time.Hour)},
				Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: panetest.Ago(time.Hour)}}}},
		})
		if i < 7-silent {
			for j, v := range []int64{cpu, 120 << 20 * 1000, 61_500} {
				values[j][name] = hpa.Sample{Value: v, At: panetest.Ago(10 * time.Second), Window: 15 * time.Second}
			}
		}
	}
	for _, v := range values {
		in.Readings = append(in.Readings, hpa.Reading{State: hpa.Live, Pods: v})
	}
	return in
}

func view(in hpa.Input) *hpawatch.View {
	e := hpa.Explain(in)
	ref := k8s.Ref{Kind: "HorizontalPodAutoscaler", Namespace: "shop", Name: "fastapi-service", UID: "uid-hpa"}
	return &hpawatch.View{
		Ref: ref, Spec: in.HPA, Explanation: e, Read: panetest.Ago(5 * time.Second),
		Sizes: []hpa.Point{{At: panetest.Ago(50 * time.Minute), N: 12}, {At: panetest.Ago(34 * time.Minute), N: 9}, {At: panetest.Ago(33 * time.Minute), N: 7}},
		Events: []*k8s.Event{
			{UID: "e1", Type: "Normal", Reason: "SuccessfulRescale", Message: "New size: 7; reason: All metrics below target", Last: panetest.Ago(33 * time.Minute), Count: 1},
			{UID: "e2", Type: "Warning", Reason: "FailedGetPodsMetric", Message: "unable to get metric http_requests_per_second: no metrics returned from custom metrics API", Last: panetest.Ago(50 * time.Minute), Count: 3},
		},
	}
}

func snapshot(v *hpawatch.View) live.Snapshot { return live.Snapshot{State: live.Ready, Value: v} }

// broken is an autoscaler whose metrics nobody serves.
func broken() *hpawatch.View {
	in := input(0, 100)
	for i := range in.Readings {
		in.Readings[i] = hpa.Reading{State: hpa.Absent, Err: "the cluster has no metrics.k8s.io: nothing serves this kind of metric"}
	}
	v := view(in)
	v.Orphans = []foreign.Text{`HorizontalPodAutoscaler old points at Deployment gone: it cannot read its target's scale: deployments.apps "gone" not found`}
	return v
}

// forbidden falls back on what the controller reported.
func forbidden() *hpawatch.View {
	in := input(0, 100)
	in.History = hpa.History{}
	for i := range in.Readings {
		in.Readings[i] = hpa.Reading{State: hpa.Forbidden, Err: "you may not read pod metrics from metrics.k8s.io"}
	}
	in.HPA.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricStatus{
		Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: ptr.To[int32](118)}}}}
	return view(in)
}

func TestGoldens(t *testing.T) {
	states := map[string]live.Snapshot{
		"loading":      {State: live.Loading},
		"none":         {State: live.Absent, Value: &hpawatch.View{}},
		"may not list": {State: live.Forbidden, Err: "forbidden: list horizontalpodautoscalers in shop"},
		"seven":        snapshot(view(input(3, 295))),
		"at max":       snapshot(view(input(0, 900))),
		"held":         snapshot(view(input(0, 60))),
		"broken":       snapshot(broken()),
		"forbidden":    snapshot(forbidden()),
		"stale":        {State: live.Unreachable, Since: panetest.Ago(52 * time.Second), Err: "connection refused", Value: view(input(0, 150))},
	}
	for name, s := range states {
		t.Run(name, func(t *testing.T) {
			b, _ := open(t)
			s.Topic = b.Pane.Topics()[0]
			b.Frame(80, 24)
			b.Feed(s)
			if name == "seven" {
				b.GoldenAll(name)
			} else {
				b.Golden(name)
			}
			b.Boxed()
			b.Bindings()
		})
	}
	t.Run("nothing selected", func(t *testing.T) {
		b := panetest.New(t, func(*panetest.Bench) pane.Pane { return hpapane.New(pane.HPA, nil, nil, k8s.Ref{}) })
		b.Golden("nothing selected")
		b.Boxed()
		b.Bindings()
	})
}

func TestEverythingIsThere(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	s := snapshot(view(input(3, 295)))
	s.Topic = b.Pane.Topics()[0]
	frame := b.Feed(s).Plain(160, 60)
	for _, want := range []string{
		"! 7, and not 12: cpu: 3 pods give no metric, so the scale-up is cancelled",
		"fastapi-service keeps 3 to 20 · exact · read 5s ago",
		"118 % of 70 %", "61.5 of 100 per pod", "asks for 7, not 12",
		"without metric: fastapi-service-6d5c9b7f4-00004",
		"load       7 → 12", "▶ pods", "12 →  7",
		"it follows the cpu resource utilization", "scaled to 7: All metrics below target", "(at least 3 times)", "7 to 12, 50m",
		"▸ what cannot be known",
	} {
		if !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen", want)
		}
	}
	if t.Failed() {
		t.Log(frame)
	}
}

func TestTheLimitsAreAskedForAndPlanned(t *testing.T) {
	b, p := open(t)
	if b.Press("M"); b.Reason == "" {
		t.Error("limits can be changed before the autoscaler is known")
	}
	s := snapshot(view(input(0, 295)))
	s.Topic = b.Pane.Topics()[0]
	b.Feed(s).Press("M")
	prompt := panetest.Last[pane.PromptMsg](b)
	if prompt.Initial != "3-20" {
		t.Errorf("begins with %q", prompt.Initial)
	}
	for text, bad := range map[string]bool{"3-30": false, "3 to 30": false, "4, 8": false, "3-20": true, "": true, "x-3": true, "9-3": true, "0-0": true, "3-4-5": true, "99999999999-3": true} {
		if got := prompt.Check(text); (got != "") != bad {
			t.Errorf("%q: %q", text, got)
		}
	}
	b.Do(func() tea.Cmd { return prompt.Done("3-30") })
	if plan := panetest.Last[pane.ConfirmMsg](b).Plan; p.asked != "limit HorizontalPodAutoscaler shop/fastapi-service to 3-30" || plan.Title != p.asked {
		t.Errorf("planned %q", p.asked)
	}
	b.Press("F")
	if p.asked != "suspend HorizontalPodAutoscaler shop/fastapi-service" {
		t.Errorf("planned %q", p.asked)
	}
	in := input(0, 295)
	in.HPA.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
	s.Value = view(in)
	b.Feed(s).Press("F")
	if p.asked != "allow HorizontalPodAutoscaler shop/fastapi-service" {
		t.Errorf("planned %q", p.asked)
	}
}

func TestSectionsFoldAndStayFolded(t *testing.T) {
	b, _ := open(t)
	s := snapshot(view(input(3, 295)))
	s.Topic = b.Pane.Topics()[0]
	b.Frame(120, 60)
	b.Feed(s).Press("down", "down", "enter")
	for range 2 {
		if frame := b.Plain(120, 60); !strings.Contains(frame, "▸ metrics") || strings.Contains(frame, "118 % of 70 %") {
			t.Errorf("metrics are not folded:\n%s", frame)
		}
		b.Feed(s)
	}
	if b.Press("up", "enter"); b.Reason == "" {
		t.Error("the sentence can be folded")
	}
	b.Press("y")
	if m := panetest.Last[pane.OpenMsg](b); m.Pane != pane.YAML || m.Ref.Kind != "HorizontalPodAutoscaler" {
		t.Errorf("opened %+v", m)
	}
	b.Do(func() tea.Cmd {
		return b.Pane.(pane.Targeted).SetTarget(b.Env, k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "cart"})
	})
	if frame := b.Plain(120, 60); strings.Contains(frame, "fastapi") {
		t.Errorf("another workload's autoscaler is still there:\n%s", frame)
	}
}

func TestCtrlRLooksAgain(t *testing.T) {
	var looked k8s.Ref
	b := panetest.New(t, func(*panetest.Bench) pane.Pane {
		return hpapane.New(pane.HPA, nil, func(r k8s.Ref) { looked = r }, service())
	})
	b.Send(pane.RefreshMsg{})
	if looked != service() {
		t.Errorf("looked at %v", looked)
	}
}

func TestAgesMakeItDrawAgain(t *testing.T) {
	b, _ := open(t)
	s := snapshot(view(input(0, 60)))
	s.Topic = b.Pane.Topics()[0]
	b.Feed(s)
	b.Frame(120, 60)
	if d := b.Pane.(pane.Ticker).Until(b.Env.Now); d <= 0 || d > 5*time.Second {
		t.Errorf("until %v", d)
	}
}
