package change_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
)

func TestPauseAndResume(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 4)
	modify(f, r, "x", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "api:v2" })
	f.settle(time.Second)

	p := must(f.planner.PlanPause(f.ctx(), r))
	if p.Blast != "The rollout stops where it is, with 2 of 4 pods new; scaling still works." || p.Equivalent != "kubectl --context kind-shop -n shop rollout pause deployment/api" {
		t.Errorf("plan %+v", p)
	}
	if p.Danger != action.DangerEnter {
		t.Errorf("danger %v", p.Danger)
	}
	guards := f.guards(r)
	out := f.mustRun(p, nil)
	const path = "PATCH /apis/apps/v1/namespaces/shop/deployments/api"
	body := ` [` + guards + `,{"op":"add","path":"/spec/paused","value":true}]`
	wantWrites(t, f, path+tried+body, path+sent+body)
	text, err := f.verify(out, func() { f.settle(time.Second) })
	if err != nil || !strings.HasPrefix(text, "paused with ") {
		t.Errorf("verified %q, %v", text, err)
	}

	undo := must(f.gate.Undo(f.ctx()))
	if undo.Verb != "resume" || !strings.HasSuffix(undo.Equivalent, "rollout resume deployment/api") {
		t.Errorf("undo %+v", undo)
	}
	out = f.mustRun(undo, nil)
	text, err = f.verify(out, func() { f.settle(time.Minute) })
	if err != nil || !strings.HasPrefix(text, "resumed; ") {
		t.Errorf("verified %q, %v", text, err)
	}
}

func TestPauseRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture) k8s.Ref
		resume  bool
		want    string
	}{
		"a StatefulSet":   {func(f *fixture) k8s.Ref { return f.statefulSet("db", 1) }, false, "StatefulSet shop/db cannot be paused: only Deployments and Argo Rollouts can"},
		"not paused":      {func(f *fixture) k8s.Ref { return f.deployment("api", 1) }, true, "Deployment shop/api is not paused"},
		"paused already":  {func(f *fixture) k8s.Ref { return f.rollout("web", map[string]any{"paused": true}) }, false, "Rollout shop/web is paused already"},
		"waits at a step": {func(f *fixture) k8s.Ref { r := f.rollout("web", nil); f.waiting(r); return r }, true, "Rollout shop/web waits at a step of its strategy, it is not paused by hand: promote it"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := c.prepare(f)
			plan := f.planner.PlanPause
			if c.resume {
				plan = f.planner.PlanResume
			}
			if p, err := plan(f.ctx(), r); p != nil || err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// waiting makes an Argo Rollout wait for its promotion.
func (f *fixture) waiting(r k8s.Ref) {
	f.argoModify(r, func(u *unstructured.Unstructured) {
		u.Object["status"] = map[string]any{"pauseConditions": []any{map[string]any{"reason": "CanaryPauseStep"}}}
	})
}

func TestResumeOfAnArgoRolloutIsNotAPromotion(t *testing.T) {
	f := start(t)
	r := f.rollout("web", map[string]any{"paused": true})
	p := must(f.planner.PlanResume(f.ctx(), r))
	want := `kubectl --context kind-shop -n shop patch rollouts.argoproj.io/web --type merge -p '{"spec":{"paused":false}}'`
	if p.Equivalent != want {
		t.Errorf("equivalent %q, want %q", p.Equivalent, want)
	}
	f.mustRun(p, nil)
	if paused, _, _ := unstructured.NestedBool(f.argo("web").Object, "spec", "paused"); paused {
		t.Error("it is paused still")
	}
	if got := f.Count(func(r *apiserver.Request) bool { return r.Subresource == "status" }); got != 0 {
		t.Errorf("%d requests to the status", got)
	}
}
