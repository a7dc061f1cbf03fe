package change_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
)

// scaler puts an autoscaler for the Deployment "api" into the cluster.
func (f *fixture) scaler(change func(*autoscalingv2.HorizontalPodAutoscaler)) k8s.Ref {
	f.t.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "api"},
			MinReplicas:    ptr.To[int32](2), MaxReplicas: 10,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](70)}}}},
		},
	}
	if change != nil {
		change(h)
	}
	made := must(f.Store().Create(h, apiserver.WriteOptions{Manager: "helm"}))
	return k8s.Ref{Kind: "HorizontalPodAutoscaler", Namespace: "shop", Name: "api", UID: string(made.GetUID())}
}

func (f *fixture) scalerSpec() *autoscalingv2.HorizontalPodAutoscalerSpec {
	f.t.Helper()
	h, err := f.client.AutoscalingV2().HorizontalPodAutoscalers("shop").Get(f.t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return &h.Spec
}

func TestLimitsTestTheOldOnesAndComeBack(t *testing.T) {
	f := start(t)
	f.deployment("api", 4)
	r := f.scaler(nil)
	f.settle(time.Minute)
	p := must(f.planner.PlanLimits(f.ctx(), r, 3, 30))
	if len(p.Changes) != 2 || p.Changes[1].After != "30" || p.Danger != action.DangerEnter || !strings.HasPrefix(p.Blast, "Nothing changes at once: it has 4 replicas.") {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(strings.Join(p.Warnings, "\n"), "Helm (helm) owns spec.maxReplicas and will put it back at the next upgrade") {
		t.Errorf("does not say who will revert it: %q", p.Warnings)
	}
	if want := `kubectl --context kind-shop -n shop patch hpa/api --type merge -p '{"spec":{"minReplicas":3,"maxReplicas":30}}'`; p.Equivalent != want {
		t.Errorf("equivalent %q", p.Equivalent)
	}
	out := f.mustRun(p, nil)
	writes := f.wire.writes()
	if len(writes) != 2 || !strings.Contains(writes[1], `{"op":"test","path":"/spec/minReplicas","value":2},{"op":"replace","path":"/spec/minReplicas","value":3},{"op":"test","path":"/spec/maxReplicas","value":10}`) {
		t.Errorf("sent %q", writes)
	}
	if text, err := f.verify(out, func() { f.settle(time.Minute) }); err != nil || !strings.HasPrefix(text, "it may keep 3 to 30 now") {
		t.Errorf("verified %q, %v", text, err)
	}
	f.mustRun(f.gate.Undo(f.ctx()))
	if s := f.scalerSpec(); *s.MinReplicas != 2 || s.MaxReplicas != 10 {
		t.Errorf("undone to %d-%d", *s.MinReplicas, s.MaxReplicas)
	}
}

func TestLimitsThatWouldBeWrongAreRefused(t *testing.T) {
	f := start(t)
	f.deployment("api", 4)
	r := f.scaler(nil)
	f.settle(time.Minute)
	for _, c := range []struct {
		lowest, highest int
		says            string
	}{
		{2, 10, "keeps 2 to 10 already"}, {5, 4, "the maximum is below the minimum"}, {-1, 4, "not below 0"}, {0, 4, "Object or External metric"},
	} {
		if _, err := f.planner.PlanLimits(f.ctx(), r, c.lowest, c.highest); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d to %d: %v", c.lowest, c.highest, err)
		}
	}
	p := must(f.planner.PlanLimits(f.ctx(), r, 1, 3))
	if p.Danger != action.DangerName || !strings.HasPrefix(p.Blast, "1 pod is stopped within 15 s, all at once and whatever the load: 3 stay.") {
		t.Errorf("danger %v, %q", p.Danger, p.Blast)
	}
	if p = must(f.planner.PlanLimits(f.ctx(), r, 2, 200)); p.Danger != action.DangerName || len(p.Warnings) == 0 {
		t.Errorf("danger %v, %q", p.Danger, p.Warnings)
	}
	// Somebody else changes them between plan and confirmation.
	p = must(f.planner.PlanLimits(f.ctx(), r, 3, 12))
	f.mustRun(f.planner.PlanLimits(f.ctx(), r, 2, 11))
	if _, err := f.run(p); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "its limits are 2 to 11 now, they were 2 to 10") {
		t.Errorf("got %v", err)
	}
	if _, err := f.planner.PlanLimits(f.ctx(), k8s.Ref{Kind: r.Kind, Namespace: "shop", Name: "gone"}, 1, 2); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("got %v", err)
	}
}

func TestScaleDownIsSuspendedAndComesBackAsItWas(t *testing.T) {
	behaviours := map[string]*autoscalingv2.HorizontalPodAutoscalerBehavior{
		"none": nil,
		"own": {ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](120), SelectPolicy: ptr.To(autoscalingv2.MinChangePolicySelect),
			Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 25, PeriodSeconds: 60}}}},
	}
	for name, behaviour := range behaviours {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			f.deployment("api", 4)
			r := f.scaler(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.Behavior = behaviour })
			f.settle(time.Minute)
			before := f.scalerSpec().Behavior
			p := must(f.planner.PlanSuspendScaleDown(f.ctx(), r))
			if len(p.Changes) != 1 || p.Changes[0].After != "Disabled" || !strings.HasPrefix(p.Blast, "No pod is stopped by it from then on") {
				t.Errorf("%+v", p)
			}
			f.mustRun(p, nil)
			if got := f.scalerSpec().Behavior; got.ScaleDown.SelectPolicy == nil || *got.ScaleDown.SelectPolicy != autoscalingv2.DisabledPolicySelect {
				t.Fatalf("not suspended: %+v", got)
			}
			if _, err := f.planner.PlanSuspendScaleDown(f.ctx(), r); err == nil || !strings.Contains(err.Error(), "does not scale down already") {
				t.Errorf("got %v", err)
			}
			f.mustRun(f.gate.Undo(f.ctx()))
			after := f.scalerSpec().Behavior
			if (before == nil) != (after == nil) || before != nil && (*after.ScaleDown.SelectPolicy != *before.ScaleDown.SelectPolicy || *after.ScaleDown.StabilizationWindowSeconds != 120) {
				t.Errorf("came back as %+v, was %+v", after, before)
			}
			if _, err := f.planner.PlanAllowScaleDown(f.ctx(), r); err == nil || !strings.Contains(err.Error(), "scales down already") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUndoLeavesWhatOthersChangedMeanwhile(t *testing.T) {
	f := start(t)
	f.deployment("api", 4)
	r := f.scaler(func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](120)}}
	})
	f.settle(time.Minute)
	f.mustRun(f.planner.PlanSuspendScaleDown(f.ctx(), r))
	modify(f, r, "helm", func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Spec.Behavior.ScaleDown.StabilizationWindowSeconds = ptr.To[int32](60)
	})
	undo := must(f.gate.Undo(f.ctx()))
	if !strings.Contains(strings.Join(undo.Warnings, "\n"), "only the scale-down policy is put back") {
		t.Errorf("warnings %q", undo.Warnings)
	}
	f.mustRun(undo, nil)
	if got := f.scalerSpec().Behavior.ScaleDown; *got.StabilizationWindowSeconds != 60 || *got.SelectPolicy == autoscalingv2.DisabledPolicySelect {
		t.Errorf("%+v", got)
	}
}
