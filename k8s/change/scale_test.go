package change_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
)

func TestScaleUpAndBack(t *testing.T) {
	for name, c := range map[string]struct {
		from, to int32
		blast    string
		danger   action.Danger
		verified string
	}{
		"up":        {3, 5, "2 pods are started.", action.DangerEnter, "5 pods, "},
		"down":      {3, 2, "1 pod is stopped, 2 stay.", action.DangerEnter, "2 pods, "},
		"to zero":   {3, 0, "All 3 pods are stopped: nothing serves any more.", action.DangerName, "no pod is left"},
		"from zero": {0, 2, "2 pods are started.", action.DangerEnter, "2 pods, "},
		"a typo":    {3, 300, "297 pods are started.", action.DangerName, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := f.deployment("api", c.from)
			p := must(f.planner.PlanScale(f.ctx(), r, int(c.to)))
			if p.Blast != c.blast || p.Danger != c.danger {
				t.Errorf("blast %q, danger %v", p.Blast, p.Danger)
			}
			out := f.mustRun(p, nil)
			writes := f.wire.writes()
			const path = "PUT /apis/apps/v1/namespaces/shop/deployments/api/scale"
			if len(writes) != 2 || !strings.HasPrefix(writes[0], path+tried+" {") || !strings.HasPrefix(writes[1], path+sent+" {") {
				t.Errorf("sent %q", writes)
			}
			if c.verified == "" {
				return
			}
			text, err := f.verify(out, func() { f.settle(time.Minute) })
			if err != nil || !strings.HasPrefix(text, c.verified) {
				t.Errorf("verified %q, %v", text, err)
			}
			f.mustRun(f.gate.Undo(f.ctx()))
			if got := *f.deploymentSpec("api").Replicas; got != c.from {
				t.Errorf("undone to %d, want %d", got, c.from)
			}
		})
	}
}

func (f *fixture) deploymentSpec(name string) appsv1.DeploymentSpec {
	return f.meta(ref(k8s.Deployment, name)).(*appsv1.Deployment).Spec
}

func TestScaleEquivalentCommand(t *testing.T) {
	f := start(t)
	p := must(f.planner.PlanScale(f.ctx(), f.rollout("web", nil), 6))
	want := "kubectl --context kind-shop -n shop scale rollouts.argoproj.io/web --current-replicas=4 --replicas=6"
	if p.Equivalent != want {
		t.Errorf("equivalent %q, want %q", p.Equivalent, want)
	}
	f.mustRun(p, nil)
}

func TestScaleRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		make func(*fixture) k8s.Ref
		n    int
		want string
	}{
		"a DaemonSet":  {func(f *fixture) k8s.Ref { return f.daemonSet("agent") }, 3, "DaemonSet shop/agent has no replicas to set: it runs one pod per node"},
		"negative":     {func(f *fixture) k8s.Ref { return f.deployment("api", 1) }, -1, "scale Deployment shop/api to -1: a number of replicas cannot be negative"},
		"as it is now": {func(f *fixture) k8s.Ref { return f.deployment("api", 1) }, 1, "Deployment shop/api has 1 replica already"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			if p, err := f.planner.PlanScale(f.ctx(), c.make(f), c.n); p != nil || err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestScaleWarnsOfAutoscalers(t *testing.T) {
	for name, c := range map[string]struct {
		from    int32
		to      int
		labels  map[string]string
		forbid  bool
		warning string
	}{
		"within its limits":   {3, 4, nil, false, "HorizontalPodAutoscaler api sets the replicas (2 to 6) and will put its own number back within 15 s"},
		"above its limits":    {3, 9, nil, false, "HorizontalPodAutoscaler api allows 2 to 6 and sets it back within 15 s: change its limits instead"},
		"to zero":             {3, 0, nil, false, "HorizontalPodAutoscaler api stops scaling it while it has 0 replicas"},
		"from zero":           {0, 2, nil, false, "HorizontalPodAutoscaler api scales it again from then on (2 to 6)"},
		"KEDA's":              {3, 4, map[string]string{"scaledobject.keda.sh/name": "queue"}, false, "KEDA ScaledObject queue sets the replicas (2 to 6) and will put its own number back within 15 s"},
		"not to be found out": {3, 4, nil, true, "it is not known whether an autoscaler sets the replicas: horizontalpodautoscalers.autoscaling is forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := f.deployment("api", c.from)
			for _, target := range []string{"api", "other"} {
				f.create(&autoscalingv2.HorizontalPodAutoscaler{
					TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}, ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: "shop", Labels: c.labels},
					Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
						ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target}, MinReplicas: ptr.To(int32(2)), MaxReplicas: 6,
					},
				})
			}
			if c.forbid {
				f.Allow(apiserver.Rule{Verbs: []string{"*"}, Groups: []string{"apps"}, Resources: []string{"*"}})
			}
			p := must(f.planner.PlanScale(f.ctx(), r, c.to))
			if len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], c.warning) {
				t.Errorf("warnings %q, want %q", p.Warnings, c.warning)
			}
		})
	}
}

func TestScaleDownOfAStatefulSetSaysWhatBecomesOfItsVolumes(t *testing.T) {
	claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}}
	for name, c := range map[string]struct {
		policy *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy
		claims []corev1.PersistentVolumeClaim
		blast  string
		danger action.Danger
		warn   bool
	}{
		"no volumes":      {nil, nil, "2 pods are stopped, 1 stays. The highest ordinals go first.", action.DangerEnter, false},
		"volumes stay":    {nil, []corev1.PersistentVolumeClaim{claim}, "2 pods are stopped, 1 stays. The highest ordinals go first. Their volumes stay.", action.DangerEnter, false},
		"volumes deleted": {&appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenScaled: appsv1.DeletePersistentVolumeClaimRetentionPolicyType}, []corev1.PersistentVolumeClaim{claim}, "2 pods are stopped, 1 stays. The highest ordinals go first.", action.DangerReason, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := f.statefulSet("db", 3, func(s *appsv1.StatefulSet) {
				s.Spec.VolumeClaimTemplates, s.Spec.PersistentVolumeClaimRetentionPolicy = c.claims, c.policy
			})
			p := must(f.planner.PlanScale(f.ctx(), r, 1))
			if p.Blast != c.blast || p.Danger != c.danger || (len(p.Warnings) > 0) != c.warn {
				t.Errorf("blast %q, danger %v, warnings %q", p.Blast, p.Danger, p.Warnings)
			}
		})
	}
}

func TestScaleMeetsOtherWriters(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*fixture, k8s.Ref)
		puts      int
		want      error
		text      string
	}{
		"the status moves on": {func(f *fixture, r k8s.Ref) { f.touchStatus(r) }, 3, nil, ""},
		"somebody scales": {func(f *fixture, r k8s.Ref) {
			modify(f, r, "kubectl", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To(int32(9)) })
		}, 2, action.ErrChanged, "it has 9 replicas now, it had 3"},
		"somebody changes the template": {func(f *fixture, r k8s.Ref) {
			modify(f, r, "kubectl", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "api:v2" })
		}, 3, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := f.deployment("api", 3)
			p := must(f.planner.PlanScale(f.ctx(), r, 5))
			done := false
			f.Fail(func(q *apiserver.Request) *apiserver.Fault {
				if q.Verb == "update" && q.HTTP.URL.Query().Get("dryRun") == "" && !done {
					done = true
					c.meanwhile(f, r)
				}
				return nil
			})
			_, err := f.run(p)
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got := len(f.wire.writes()); got != c.puts {
				t.Errorf("%d writes, want %d: %q", got, c.puts, f.wire.writes())
			}
		})
	}
}

func TestUndoOfAScaleSaysWhenTheNumberMoved(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	f.mustRun(f.planner.PlanScale(f.ctx(), r, 5))
	modify(f, r, "kubectl", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To(int32(8)) })
	p := must(f.gate.Undo(f.ctx()))
	if p.Title != "Scale Deployment shop/api from 8 to 3?" || !slices.Contains(p.Warnings, "it was scaled to 5 here and has 8 by now") {
		t.Errorf("title %q, warnings %q", p.Title, p.Warnings)
	}
}

func TestScaleThatSomethingPutsBackIsNotVerified(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	out := f.mustRun(f.planner.PlanScale(f.ctx(), r, 5))
	modify(f, r, "kube-controller-manager", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To(int32(3)) })
	f.settle(time.Minute)
	ctx, cancel := contextUntil(f.ctx(), f, "watch")
	defer cancel()
	text, _, err := f.gate.Verify(ctx, out)
	if text != "something set it to 3 replicas meanwhile" || !errors.Is(err, action.ErrUnverified) {
		t.Errorf("verified %q, %v", text, err)
	}
	if got, want := f.phases(), "intent applied unverified"; got != want {
		t.Errorf("journal %q, want %q", got, want)
	}
}
