package change_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
)

func TestRestartSendsOneGuardedPatchAfterADryRun(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	guards := f.guards(r)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	if len(f.wire.writes()) != 0 {
		t.Errorf("planning sent %q", f.wire.writes())
	}
	out := must(f.run(p))
	body := `[` + guards + `,{"op":"add","path":"/spec/template/metadata/annotations","value":{"kubectl.kubernetes.io/restartedAt":"2026-11-24T03:13:00Z"}}]`
	const path = "PATCH /apis/apps/v1/namespaces/shop/deployments/api"
	wantWrites(t, f, path+tried+" "+body, path+sent+" "+body)
	if got := f.template(r).Annotations["kubectl.kubernetes.io/restartedAt"]; got != "2026-11-24T03:13:00Z" {
		t.Errorf("restartedAt is %q", got)
	}
	text, err := f.verify(out, func() { f.settle(5 * time.Second) })
	if err != nil || text != "rolling: 1 of 3 pods new" {
		t.Errorf("verified %q, %v", text, err)
	}
	if got, want := f.phases(), "intent applied verified"; got != want {
		t.Errorf("journal %q, want %q", got, want)
	}
}

func TestRestartPlanSaysWhatItDoes(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	if p.Title != "Restart Deployment shop/api?" || p.Verb != "restart" || p.Danger != action.DangerEnter || p.Undoable() {
		t.Errorf("plan %+v", p)
	}
	if want := "All 3 pods are replaced, up to 1 more at a time; none may be missing."; p.Blast != want {
		t.Errorf("blast %q, want %q", p.Blast, want)
	}
	if want := "kubectl --context kind-shop -n shop rollout restart deployment/api"; p.Equivalent != want {
		t.Errorf("equivalent %q, want %q", p.Equivalent, want)
	}
	context, uid := f.lock.Bound()
	if p.Target.Context != context || p.Target.ClusterUID != uid || p.Target.UID != string(f.meta(r).GetUID()) {
		t.Errorf("target %+v", p.Target)
	}
	want := action.Field{Path: "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]", After: "2026-11-24T03:13:00Z"}
	if !slices.Equal(p.Changes, []action.Field{want}) {
		t.Errorf("changes %+v", p.Changes)
	}
}

func TestASecondRestartReplacesTheAnnotation(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 1)
	f.mustRun(f.planner.PlanRestart(f.ctx(), r))
	if _, err := f.planner.PlanRestart(f.ctx(), r); err == nil || !strings.Contains(err.Error(), "restarted this very second") {
		t.Errorf("within the second: %v", err)
	}
	f.settle(time.Minute)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	if p.Changes[0].Before != "2026-11-24T03:13:00Z" || p.Changes[0].After != "2026-11-24T03:14:00Z" {
		t.Errorf("changes %+v", p.Changes)
	}
	f.mustRun(p, nil)
	last := f.wire.writes()[3]
	if !strings.Contains(last, `{"op":"add","path":"/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt","value":"2026-11-24T03:14:00Z"}`) {
		t.Errorf("sent %s", last)
	}
}

func TestRestartOfOtherKinds(t *testing.T) {
	for name, c := range map[string]struct {
		make     func(*fixture) k8s.Ref
		path     string
		blast    string
		command  string
		verified string
	}{
		"StatefulSet": {
			func(f *fixture) k8s.Ref { return f.statefulSet("db", 3) }, "/apis/apps/v1/namespaces/shop/statefulsets/db",
			"All 3 pods are replaced in place, one at a time, db-2 first.", "kubectl --context kind-shop -n shop rollout restart statefulset/db", "of 3 pods new",
		},
		"DaemonSet": {
			func(f *fixture) k8s.Ref { return f.daemonSet("agent") }, "/apis/apps/v1/namespaces/shop/daemonsets/agent",
			"Both pods are replaced in place, one per node, one at a time.", "kubectl --context kind-shop -n shop rollout restart daemonset/agent", "of 2 pods new",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := c.make(f)
			p := must(f.planner.PlanRestart(f.ctx(), r))
			if p.Blast != c.blast || p.Equivalent != c.command || len(p.Warnings) != 0 {
				t.Errorf("blast %q, equivalent %q, warnings %q", p.Blast, p.Equivalent, p.Warnings)
			}
			out := must(f.run(p))
			writes := f.wire.writes()
			if len(writes) != 2 || !strings.HasPrefix(writes[0], "PATCH "+c.path+tried) || !strings.HasPrefix(writes[1], "PATCH "+c.path+sent) {
				t.Errorf("sent %q", writes)
			}
			text, err := f.verify(out, func() { f.settle(2 * time.Minute) })
			if err != nil || !strings.Contains(text, c.verified) {
				t.Errorf("verified %q, %v", text, err)
			}
		})
	}
}

// rollout is an Argo Rollout without a controller.
func (f *fixture) rollout(name string, spec map[string]any) k8s.Ref {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
		"metadata": map[string]any{"name": name, "namespace": "shop"},
		"spec": map[string]any{
			"replicas": int64(4), "selector": map[string]any{"matchLabels": map[string]any{"app": name}},
			"template": argoTemplate(name, name+":v2"),
			"strategy": map[string]any{"canary": map[string]any{"steps": []any{map[string]any{"setWeight": int64(25)}}}},
		},
	}}
	for k, v := range spec {
		u.Object["spec"].(map[string]any)[k] = v
	}
	f.create(u)
	return ref(k8s.Rollout, name)
}

func argoTemplate(name, image string) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": name}},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "api", "image": image}}},
	}
}

func (f *fixture) argoStatus(r k8s.Ref, generation, phase string) {
	f.argoModify(r, func(u *unstructured.Unstructured) {
		u.Object["status"] = map[string]any{"observedGeneration": generation, "phase": phase}
	})
}

func TestRestartOfAnArgoRollout(t *testing.T) {
	f := start(t)
	r := f.rollout("web", nil)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	if want := "All 4 pods are replaced step by step, as its canary says (steps: 1)."; p.Blast != want {
		t.Errorf("blast %q, want %q", p.Blast, want)
	}
	if want := "kubectl argo rollouts restart web --context kind-shop -n shop"; p.Equivalent != want {
		t.Errorf("equivalent %q, want %q", p.Equivalent, want)
	}
	out := must(f.run(p))
	last := f.wire.writes()[1]
	if !strings.HasPrefix(last, "PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web"+sent) ||
		!strings.HasSuffix(last, `,{"op":"add","path":"/spec/restartAt","value":"2026-11-24T03:12:00Z"}]`) {
		t.Errorf("sent %s", last)
	}
	text, err := f.verify(out, func() { f.argoStatus(r, "2", "Progressing") })
	if err != nil || text != "the Argo controller has it: Progressing" {
		t.Errorf("verified %q, %v", text, err)
	}
}

func TestRestartRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture) k8s.Ref
		want    string
	}{
		"paused": {func(f *fixture) k8s.Ref {
			return f.deployment("api", 1, func(d *appsv1.Deployment) { d.Spec.Paused = true })
		}, "Deployment shop/api is paused, so nothing would restart: resume it first"},
		"not there":     {func(*fixture) k8s.Ref { return ref(k8s.Deployment, "nope") }, `read Deployment shop/nope: deployments.apps "nope" not found`},
		"not a kind":    {func(*fixture) k8s.Ref { return ref("ConfigMap", "x") }, "a ConfigMap is not a workload that can be changed here"},
		"another since": {func(f *fixture) k8s.Ref { r := f.deployment("api", 1); r.UID = "old"; return r }, "was deleted and created again since it was selected"},
		"forbidden": {func(f *fixture) k8s.Ref {
			r := f.deployment("api", 1)
			f.Allow()
			return r
		}, `deployments.apps "api" is forbidden: User "oncall@example.com" cannot get resource "deployments"`},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			p, err := f.planner.PlanRestart(f.ctx(), c.prepare(f))
			if p != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRestartWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture) k8s.Ref
		blast   string
		danger  action.Danger
		warning string
	}{
		"strategy Recreate": {func(f *fixture) k8s.Ref {
			return f.deployment("api", 3, func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType })
		}, "All 3 pods are stopped before the first new one starts (strategy Recreate): it is down meanwhile.", action.DangerName, "strategy Recreate: there is an outage until new pods are ready"},
		"all may be missing": {func(f *fixture) k8s.Ref {
			return f.deployment("api", 3, func(d *appsv1.Deployment) {
				d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromString("100%")), MaxSurge: ptr.To(intstr.FromInt32(0))}
			})
		}, "All 3 pods are replaced, up to 0 more at a time; all may be missing at once.", action.DangerName, "maxUnavailable lets all pods be missing at once"},
		"scaled to zero": {func(f *fixture) k8s.Ref { return f.deployment("api", 0) }, "No pod is affected: it is scaled to zero.", action.DangerEnter, ""},
		"StatefulSet OnDelete": {func(f *fixture) k8s.Ref {
			return f.statefulSet("db", 2, func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType })
		}, "No pod is replaced: its strategy is OnDelete.", action.DangerEnter, "nothing will restart by itself: with OnDelete a pod takes the new template when it is deleted by hand"},
		"DaemonSet OnDelete": {func(f *fixture) k8s.Ref {
			return f.daemonSet("agent", func(d *appsv1.DaemonSet) { d.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType })
		}, "No pod is replaced: its strategy is OnDelete.", action.DangerEnter, "nothing will restart by itself: with OnDelete a pod takes the new template when it is deleted by hand"},
		"partition in the way": {func(f *fixture) k8s.Ref {
			return f.statefulSet("db", 2, func(s *appsv1.StatefulSet) {
				s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To(int32(2))}
			})
		}, "No pod is replaced: the partition is 2.", action.DangerEnter, "nothing will restart: partition 2 holds back all 2 pods"},
		"partition halfway": {func(f *fixture) k8s.Ref {
			return f.statefulSet("db", 3, func(s *appsv1.StatefulSet) {
				s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To(int32(1))}
			})
		}, "2 of 3 pods are replaced in place, one at a time, db-2 first.", action.DangerEnter, "partition 1: lower ordinals keep the old template"},
		"one pod in place": {func(f *fixture) k8s.Ref { return f.statefulSet("db", 1) }, "Its only pod is replaced in place, one at a time, db-0 first.", action.DangerName, "its only pod is replaced in place: it is down meanwhile"},
		"surging daemons": {func(f *fixture) k8s.Ref {
			return f.daemonSet("agent", func(d *appsv1.DaemonSet) {
				d.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxSurge: ptr.To(intstr.FromString("10%")), MaxUnavailable: ptr.To(intstr.FromInt32(0))}
			})
		}, "Both pods are replaced, one per node, one at a time, after the new one is ready.", action.DangerEnter, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			p := must(f.planner.PlanRestart(f.ctx(), c.prepare(f)))
			if p.Blast != c.blast || p.Danger != c.danger {
				t.Errorf("blast %q, danger %v; want %q, %v", p.Blast, p.Danger, c.blast, c.danger)
			}
			if (c.warning == "") != (len(p.Warnings) == 0) || c.warning != "" && !slices.Contains(p.Warnings, c.warning) {
				t.Errorf("warnings %q, want %q", p.Warnings, c.warning)
			}
		})
	}
}

func TestNothingIsSentWhileLocked(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	f.lock.Lock()
	if _, err := f.run(p); !errors.Is(err, action.ErrLocked) {
		t.Errorf("through the gate: %v", err)
	}
	if _, err := f.client.AppsV1().Deployments("shop").Create(f.ctx(), &appsv1.Deployment{}, metav1.CreateOptions{}); !errors.Is(err, action.ErrLocked) {
		t.Errorf("around the gate: %v", err)
	}
	f.lock.Open()
	var refused *action.RefusedError
	if err := f.client.AppsV1().Deployments("shop").Delete(f.ctx(), "api", metav1.DeleteOptions{}); !errors.As(err, &refused) || refused.Locked {
		t.Errorf("around the gate, unlocked: %v", err)
	}
	wantWrites(t, f)
	if got := f.Count(func(r *apiserver.Request) bool { return r.Writes() }); got != 0 {
		t.Errorf("%d writes arrived", got)
	}
}

func TestAnObjectThatChangedIsNotWritten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fixture, k8s.Ref)
		want   string
	}{
		"scaled by someone": {func(f *fixture, r k8s.Ref) {
			modify(f, r, "kubectl", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To(int32(5)) })
		}, "the object changed since the plan was made: spec.replicas is 5, was 3 (generation 2, was 1)"},
		"a new image": {func(f *fixture, r k8s.Ref) {
			modify(f, r, "kubectl", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "api:v9" })
		}, "spec.template differs (generation 2, was 1)"},
		"paused": {func(f *fixture, r k8s.Ref) {
			modify(f, r, "kubectl", func(d *appsv1.Deployment) { d.Spec.Paused = true })
		}, "spec.paused is true, was not set"},
		"deleted": {func(f *fixture, r k8s.Ref) { f.remove(r) }, "the object changed since the plan was made: it was deleted"},
		"created again": {func(f *fixture, r k8s.Ref) {
			f.remove(r)
			f.deployment("api", 3)
		}, "it was deleted and created again"},
	} {
		for _, when := range []string{"before the check", "after the check", "after the dry run"} {
			t.Run(name+" "+when, func(t *testing.T) {
				f := start(t)
				r := f.deployment("api", 3)
				p := must(f.planner.PlanRestart(f.ctx(), r))
				done := false
				act := func(now bool) *apiserver.Fault {
					if now && !done {
						done = true
						c.change(f, r)
					}
					return nil
				}
				if when == "before the check" {
					act(true)
				}
				f.Fail(func(q *apiserver.Request) *apiserver.Fault {
					dry := q.HTTP.URL.Query().Get("dryRun") != ""
					return act(when == "after the check" && dry || when == "after the dry run" && q.Verb == "patch" && !dry)
				})
				_, err := f.run(p)
				if !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				phases := map[string]string{"before the check": "refused", "after the check": "refused", "after the dry run": "intent failed"}
				if got := f.phases(); got != phases[when] {
					t.Errorf("journal %q, want %q", got, phases[when])
				}
				if _, there := f.Store().Get(schema.GroupResource{Group: "apps", Resource: "deployments"}, "shop", "api"); there {
					if got := f.template(r).Annotations; len(got) != 0 {
						t.Errorf("it was written: %v", got)
					}
				}
			})
		}
	}
}

func (f *fixture) remove(r k8s.Ref) {
	f.t.Helper()
	key := apiserver.Key{Resource: schema.GroupResource{Group: "apps", Resource: strings.ToLower(r.Kind) + "s"}, Namespace: r.Namespace, Name: r.Name}
	if _, _, err := f.Store().Delete(key, apiserver.DeleteOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

func TestStatusChangesDoNotGetInTheWay(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	before := f.meta(r).GetResourceVersion()
	f.touchStatus(r)
	if f.meta(r).GetResourceVersion() == before {
		t.Fatal("the status did not change")
	}
	if _, err := f.run(p); err != nil {
		t.Error(err)
	}
}

func TestTheServersAnswersInWords(t *testing.T) {
	webhook := `admission webhook "policy.example.com" denied the request: no restarts on Fridays`
	for name, c := range map[string]struct {
		dry, wet *apiserver.Fault
		want     error
		text     string
		phases   string
	}{
		"admission refuses the dry run":  {dry: &apiserver.Fault{Err: apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "api", errors.New(webhook))}, want: action.ErrRejected, text: webhook, phases: "refused"},
		"no right to patch":              {dry: apiserver.Denied(), want: action.ErrRejected, text: `cannot patch resource "deployments" in API group "apps"`, phases: "refused"},
		"a webhook that cannot rehearse": {dry: &apiserver.Fault{Err: apierrors.NewBadRequest(`admission webhook "x" does not support dry run`)}, phases: "intent applied"},
		"the server fails":               {wet: &apiserver.Fault{Err: apierrors.NewInternalError(errors.New("etcdserver: request timed out"))}, want: action.ErrUnsure, text: "etcdserver: request timed out", phases: "intent failed"},
		"a proxy's page":                 {wet: apiserver.HTML(502, "<html><body>Bad Gateway</body></html>"), want: action.ErrUnsure, text: "the server, or a proxy before it, answered 502 (Bad Gateway)", phases: "intent failed"},
		"cut off":                        {wet: apiserver.Cut(0), want: action.ErrUnsure, phases: "intent failed"},
		"a conflict nobody explains":     {wet: &apiserver.Fault{Err: apierrors.NewGenericServerResponse(422, "", schema.GroupResource{}, "", "", 0, false)}, text: "the server rejected our request due to an error in our request", phases: "intent failed"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := f.deployment("api", 3)
			p := must(f.planner.PlanRestart(f.ctx(), r))
			f.Fail(func(q *apiserver.Request) *apiserver.Fault {
				switch {
				case q.Verb != "patch":
					return nil
				case q.HTTP.URL.Query().Get("dryRun") != "":
					return c.dry
				}
				return c.wet
			})
			_, err := f.run(p)
			if c.want != nil && !errors.Is(err, c.want) || (err == nil) != (c.phases == "intent applied") {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && (!strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "<html>")) {
				t.Errorf("got %q, want %q", err, c.text)
			}
			if got := f.phases(); got != c.phases {
				t.Errorf("journal %q, want %q", got, c.phases)
			}
		})
	}
}

func TestAnotherClusterBehindTheSameContext(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	p := must(f.planner.PlanRestart(f.ctx(), r))
	ns, ok := f.Store().Get(schema.GroupResource{Resource: "namespaces"}, "", "kube-system")
	if !ok {
		t.Fatal("no kube-system")
	}
	other := ns.DeepCopyObject().(apiserver.Object)
	other.SetUID("another")
	must(f.Store().Put(other))
	if _, err := f.run(p); !errors.Is(err, action.ErrOtherContext) {
		t.Errorf("got %v", err)
	}
	wantWrites(t, f)
}
