package change_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
)

func TestUndoGoesThereAndBack(t *testing.T) {
	for name, c := range map[string]struct {
		make             func(*fixture) k8s.Ref
		path, equivalent string
		back             string // the number the present revision has after going back
	}{
		"Deployment": {
			func(f *fixture) k8s.Ref { return f.deployment("api", 3) }, "/apis/apps/v1/namespaces/shop/deployments/api",
			"kubectl --context kind-shop -n shop rollout undo deployment/api --to-revision=1", "3",
		},
		"StatefulSet": {
			func(f *fixture) k8s.Ref { return f.statefulSet("api", 3) }, "/apis/apps/v1/namespaces/shop/statefulsets/api",
			"kubectl --context kind-shop -n shop rollout undo statefulset/api --to-revision=1", "3",
		},
		"DaemonSet": {
			func(f *fixture) k8s.Ref { return f.daemonSet("api") }, "/apis/apps/v1/namespaces/shop/daemonsets/api",
			"kubectl --context kind-shop -n shop rollout undo daemonset/api --to-revision=1", "3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := c.make(f)
			first := f.fingerprint(r)
			f.image(r, "api:v2")
			second := f.fingerprint(r)

			p := must(f.planner.PlanUndo(f.ctx(), r, 0))
			if p.Title != "Roll "+r.String()+" back to revision 1?" || p.Equivalent != c.equivalent || p.Danger != action.DangerEnter {
				t.Errorf("title %q, equivalent %q, danger %v", p.Title, p.Equivalent, p.Danger)
			}
			want := []action.Field{{Path: "revision", Before: "revision 2", After: "revision 1"}, {Path: "containers[api].image", Before: "api:v2", After: "api:v1"}}
			if !slices.Equal(p.Changes, want) {
				t.Errorf("changes %+v", p.Changes)
			}
			guards := f.guards(r)
			out := f.mustRun(p, nil)
			for i, w := range f.wire.writes() {
				prefix := "PATCH " + c.path + []string{tried, sent}[i] + " [" + guards + `,{"op":"replace","path":"/spec/template","value":{`
				if !strings.HasPrefix(w, prefix) {
					t.Errorf("sent %s\nwant %s…", w, prefix)
				}
			}
			if got := f.fingerprint(r); got != first {
				t.Errorf("went back to\n%s\nwant\n%s", got, first)
			}
			text, err := f.verify(out, func() { f.settle(2 * time.Minute) })
			if err != nil || !strings.HasPrefix(text, "rolling: ") && !strings.HasPrefix(text, "done: ") {
				t.Errorf("verified %q, %v", text, err)
			}

			undo := must(f.gate.Undo(f.ctx()))
			if undo.Changes[0].Before.String() != "revision "+c.back || undo.Changes[0].After != "revision 2" || undo.UndoOf() != out.ID {
				t.Errorf("the undo's changes %+v, of %q", undo.Changes, undo.UndoOf())
			}
			f.mustRun(undo, nil)
			if got := f.fingerprint(r); got != second {
				t.Errorf("came back to\n%s\nwant\n%s", got, second)
			}
		})
	}
}

func TestUndoToAChosenRevision(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 1)
	f.image(r, "api:v2")
	f.image(r, "api:v3")
	f.mustRun(f.planner.PlanUndo(f.ctx(), r, 1))
	f.settle(time.Minute)
	if got := f.template(r).Spec.Containers[0].Image; got != "api:v1" {
		t.Errorf("runs %s", got)
	}
	// v1 is revision 4 now; the previous one is v3, not the neighbouring number.
	p := must(f.planner.PlanUndo(f.ctx(), r, 0))
	if p.Changes[0].Before != "revision 4" || p.Changes[0].After != "revision 3" {
		t.Errorf("changes %+v", p.Changes)
	}
	for number, want := range map[int64]string{
		1: "has no revision 1: it has 3, 2",
		4: "runs revision 4 already: nothing to undo",
		9: "has no revision 9: it has 3, 2",
	} {
		if _, err := f.planner.PlanUndo(f.ctx(), r, number); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %d: %v, want %q", number, err, want)
		}
	}
}

func TestUndoFollowsKubectlsAnnotationRules(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 1, func(d *appsv1.Deployment) {
		d.Annotations = map[string]string{
			"kubernetes.io/change-cause": "v1", "team": "shop", "kubectl.kubernetes.io/last-applied-configuration": "{one}",
		}
	})
	modify(f, r, "kubectl", func(d *appsv1.Deployment) {
		d.Annotations["kubernetes.io/change-cause"] = "v2"
		d.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = "{two}"
		d.Annotations["ticket"] = "OPS-1"
		delete(d.Annotations, "team")
	})
	f.image(r, "api:v2")
	before := maps.Clone(f.meta(r).GetAnnotations())
	f.mustRun(f.planner.PlanUndo(f.ctx(), r, 0))
	want := maps.Clone(before)
	want["kubernetes.io/change-cause"], want["team"] = "v1", "shop"
	delete(want, "ticket")
	if got := f.meta(r).GetAnnotations(); !maps.Equal(got, want) {
		t.Errorf("annotations %v\nwant %v", got, want)
	}
	if want["deployment.kubernetes.io/revision"] != "2" || want["kubectl.kubernetes.io/last-applied-configuration"] != "{two}" {
		t.Errorf("the test lost its point: %v", want)
	}
}

func TestUndoShowsTheDifferenceWithoutSecrets(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 1)
	modify(f, r, "kubectl", func(d *appsv1.Deployment) {
		c := &d.Spec.Template.Spec.Containers[0]
		c.Image, c.Env[0].Value, c.Env[1].Value = "api:v2", "hunter3", "debug"
	})
	f.settle(time.Minute)
	p := must(f.planner.PlanUndo(f.ctx(), r, 0))
	for _, line := range []string{"-    image: api:v2\n", "+    image: api:v1\n", "-      value: debug\n", "+      value: info\n"} {
		if !strings.Contains(p.Diff.String(), line) {
			t.Errorf("the diff lacks %q:\n%s", line, p.Diff)
		}
	}
	f.mustRun(p, nil)
	journal := string(must(os.ReadFile(f.journal.Path())))
	for where, text := range map[string]string{"diff": p.Diff.String(), "changes": fmt.Sprint(p.Changes), "journal": journal} {
		if strings.Contains(text, "hunter") || !strings.Contains(text, "v1") {
			t.Errorf("the %s shows a password, or not the image:\n%s", where, text)
		}
	}
}

func TestUndoRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture) k8s.Ref
		want    string
	}{
		"paused": {func(f *fixture) k8s.Ref {
			r := f.deployment("api", 1)
			f.image(r, "api:v2")
			modify(f, r, "x", func(d *appsv1.Deployment) { d.Spec.Paused = true })
			return r
		}, "is paused, so nothing would roll back: resume it first"},
		"only one revision":             {func(f *fixture) k8s.Ref { return f.deployment("api", 1) }, "Deployment shop/api has no other revision to go back to"},
		"one revision of a StatefulSet": {func(f *fixture) k8s.Ref { return f.statefulSet("db", 1) }, "StatefulSet shop/db has no other revision to go back to"},
		"no history kept": {func(f *fixture) k8s.Ref {
			r := f.deployment("api", 1, func(d *appsv1.Deployment) { d.Spec.RevisionHistoryLimit = ptr.To(int32(0)) })
			f.image(r, "api:v2")
			f.settle(time.Minute)
			return r
		}, "keeps no old revisions (revisionHistoryLimit is 0): there is nothing to go back to"},
		"history not readable": {func(f *fixture) k8s.Ref {
			r := f.deployment("api", 1)
			f.Allow(apiserver.Rule{Verbs: []string{"get"}, Groups: []string{"apps"}, Resources: []string{"deployments"}})
			return r
		}, `read the history of Deployment shop/api: replicasets.apps is forbidden`},
		"a Rollout with its template elsewhere": {func(f *fixture) k8s.Ref {
			r := f.rollout("web", map[string]any{"workloadRef": map[string]any{"kind": "Deployment", "name": "web"}})
			modify(f, r, "x", func(u *unstructured.Unstructured) { unstructured.RemoveNestedField(u.Object, "spec", "template") })
			return r
		}, "Rollout shop/web takes its template from Deployment web: undo that one"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := c.prepare(f)
			p, err := f.planner.PlanUndo(f.ctx(), r, 0)
			if p != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestUndoOfAnArgoRollout(t *testing.T) {
	f := start(t)
	r := f.rollout("web", nil)
	owner := metav1.OwnerReference{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web", UID: f.argo("web").GetUID(), Controller: ptr.To(true)}
	for hash, number := range map[string]string{"v1": "1", "v2": "2"} {
		labels := map[string]string{"app": "web", "rollouts-pod-template-hash": hash}
		tmpl := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Image: "web:" + hash}}}}
		f.create(&appsv1.ReplicaSet{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
			ObjectMeta: metav1.ObjectMeta{
				Name: "web-" + hash, Namespace: "shop", Labels: labels, OwnerReferences: []metav1.OwnerReference{owner},
				Annotations: map[string]string{"rollout.argoproj.io/revision": number},
			},
			Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: tmpl},
		})
	}
	f.argoModify(r, func(u *unstructured.Unstructured) { u.Object["status"] = map[string]any{"currentPodHash": "v2"} })
	p := must(f.planner.PlanUndo(f.ctx(), r, 0))
	if p.Changes[0].Before != "revision 2" || p.Changes[0].After != "revision 1" {
		t.Errorf("changes %+v", p.Changes)
	}
	if want := "kubectl argo rollouts undo web --to-revision=1 --context kind-shop -n shop"; p.Equivalent != want {
		t.Errorf("equivalent %q, want %q", p.Equivalent, want)
	}
	f.mustRun(p, nil)
	now := f.argo("web")
	image, _, _ := unstructured.NestedSlice(now.Object, "spec", "template", "spec", "containers")
	if image[0].(map[string]any)["image"] != "web:v1" {
		t.Errorf("runs %v", image)
	}
	if labels, _, _ := unstructured.NestedStringMap(now.Object, "spec", "template", "metadata", "labels"); len(labels) != 1 {
		t.Errorf("template labels %v", labels)
	}
}

func TestUndoWarnsOfWhoWillPutItBack(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 1)
	modify(f, r, "argocd-controller", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "api:v2" })
	f.settle(time.Minute)
	p := must(f.planner.PlanUndo(f.ctx(), r, 0))
	if want := "Argo CD (argocd-controller) owns spec.template and will put it back at its next sync"; !slices.Contains(p.Warnings, want) {
		t.Errorf("warnings %q, want %q", p.Warnings, want)
	}
	scale := must(f.planner.PlanScale(f.ctx(), r, 2))
	if len(scale.Warnings) != 0 {
		t.Errorf("it does not own the replicas: %q", scale.Warnings)
	}
}

func TestUndoOfAStatefulSetNamesThePodInTheWay(t *testing.T) {
	f := start(t)
	r := f.statefulSet("db", 3)
	f.image(r, "db:v2")
	f.podStatus(ref("Pod", "db-2"), func(p *corev1.Pod) {
		for i := range p.Status.Conditions {
			if p.Status.Conditions[i].Type == corev1.PodReady {
				p.Status.Conditions[i].Status = corev1.ConditionFalse
			}
		}
	})
	p := must(f.planner.PlanUndo(f.ctx(), r, 0))
	if want := "db-2 is not ready and blocks the update (pods are replaced in order): delete it after rolling back"; !slices.Contains(p.Warnings, want) {
		t.Errorf("warnings %q, want %q", p.Warnings, want)
	}
}

func TestUndoOfATemplateThatMovedOnIsRefused(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 1)
	f.image(r, "api:v2")
	p := must(f.planner.PlanUndo(f.ctx(), r, 0))
	f.image(r, "api:v3")
	if _, err := f.run(p); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "spec.template differs") {
		t.Errorf("got %v", err)
	}
}
