package change_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
)

// pod returns a pod of the app, the first by name.
func (f *fixture) pod(app string) k8s.Ref {
	f.t.Helper()
	list := must(f.client.CoreV1().Pods("shop").List(f.ctx(), metav1.ListOptions{LabelSelector: labels.Set{"app": app}.String()}))
	if len(list.Items) == 0 {
		f.t.Fatalf("no pod of %s", app)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return k8s.Ref{Kind: "Pod", Namespace: "shop", Name: list.Items[0].Name, UID: string(list.Items[0].UID)}
}

func (f *fixture) bare(adjust ...func(*corev1.Pod)) k8s.Ref {
	p := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: objectMeta("debug"),
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "sh", Image: "busybox"}}},
	}
	for _, fn := range adjust {
		fn(p)
	}
	f.create(p)
	f.settle(30 * time.Second)
	return ref("Pod", "debug")
}

func TestDeletePodAndSeeItReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(*fixture)
		blast string
		same  bool
	}{
		"of a Deployment":  {func(f *fixture) { f.deployment("api", 3) }, "Deployment shop/api creates a new one. 2 others are ready.", false},
		"of a StatefulSet": {func(f *fixture) { f.statefulSet("api", 3) }, "StatefulSet shop/api creates it again under the same name. 2 others are ready.", true},
		"of a DaemonSet":   {func(f *fixture) { f.daemonSet("api") }, "DaemonSet shop/api creates a new one on the same node. 1 other is ready.", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			c.make(f)
			r := f.pod("api")
			p := must(f.planner.PlanDeletePod(f.ctx(), r))
			if p.Blast != c.blast || p.Danger != action.DangerEnter || len(p.Warnings) != 0 || p.Undoable() {
				t.Errorf("blast %q, danger %v, warnings %q", p.Blast, p.Danger, p.Warnings)
			}
			if want := "kubectl --context kind-shop -n shop delete pod " + r.Name; p.Equivalent != want {
				t.Errorf("equivalent %q, want %q", p.Equivalent, want)
			}
			out := f.mustRun(p, nil)
			path, options := "DELETE /api/v1/namespaces/shop/pods/"+r.Name, `{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"`+r.UID+`"}`
			wantWrites(t, f, path+"?dryRun=All "+options+`,"dryRun":["All"]}`, path+" "+options+"}")
			text, err := f.verify(out, func() { f.settle(2 * time.Minute) })
			if err != nil || !strings.HasPrefix(text, r.Name+" is gone, ") || strings.Contains(text, r.Name+" replaces it") != c.same {
				t.Errorf("verified %q, %v", text, err)
			}
		})
	}
}

// The pod an OrderedReady set never replaces: the plan says what it comes back
// as, and that its data stays.
func TestDeletePodOfAnOlderRevision(t *testing.T) {
	f := start(t)
	f.statefulSet("db", 1, func(s *appsv1.StatefulSet) {
		s.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}}
		s.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
	})
	before := must(f.client.AppsV1().StatefulSets("shop").Get(f.ctx(), "db", metav1.GetOptions{})).Status.UpdateRevision
	f.image(ref(k8s.StatefulSet, "db"), "db:v2")
	after := must(f.client.AppsV1().StatefulSets("shop").Get(f.ctx(), "db", metav1.GetOptions{})).Status.UpdateRevision
	p := must(f.planner.PlanDeletePod(f.ctx(), f.pod("db")))
	want := "It comes back from revision " + after + " instead of " + before + ", and no controller reverts that. Its volume claims stay: data-db-0."
	if before == after || !strings.HasSuffix(p.Blast, want) {
		t.Errorf("blast %q, want at its end %q", p.Blast, want)
	}
}

func TestDeletePodHasTheUIDAsPrecondition(t *testing.T) {
	for _, when := range []string{"before the check", "before the dry run", "before the deletion"} {
		t.Run(when, func(t *testing.T) {
			f := start(t)
			r := f.bare()
			p := must(f.planner.PlanDeletePod(f.ctx(), r))
			done := false
			again := func() {
				if done {
					return
				}
				done = true
				key := apiserver.Key{Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop", Name: "debug"}
				zero := int64(0)
				if _, _, err := f.Store().Delete(key, apiserver.DeleteOptions{GraceSeconds: &zero}); err != nil {
					t.Error(err)
				}
				f.bare()
			}
			if when == "before the check" {
				again()
			}
			f.Fail(func(q *apiserver.Request) *apiserver.Fault {
				dry := q.HTTP.URL.Query().Get("dryRun") != ""
				if q.Verb == "delete" && dry == (when == "before the dry run") {
					again()
				}
				return nil
			})
			if _, err := f.run(p); !errors.Is(err, action.ErrChanged) {
				t.Errorf("got %v", err)
			}
			if _, there := f.Store().Get(schema.GroupResource{Resource: "pods"}, "shop", "debug"); !there {
				t.Error("the other pod was deleted")
			}
		})
	}
}

func TestDeletePodWarnings(t *testing.T) {
	budget := func(f *fixture) {
		f.create(&policyv1.PodDisruptionBudget{
			TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}, ObjectMeta: objectMeta("api"),
			Spec:   policyv1.PodDisruptionBudgetSpec{Selector: selector("api")},
			Status: policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 2, DesiredHealthy: 2},
		})
	}
	for name, c := range map[string]struct {
		prepare func(*fixture) k8s.Ref
		blast   string
		danger  action.Danger
		warning string
	}{
		"a bare pod": {func(f *fixture) k8s.Ref { return f.bare() }, "It will not come back: no controller owns it.", action.DangerName, "a bare pod is gone for good once deleted"},
		"a static pod": {func(f *fixture) k8s.Ref {
			return f.bare(func(p *corev1.Pod) { p.Annotations = map[string]string{"kubernetes.io/config.mirror": "x"} })
		}, "The kubelet shows its static pod again at once; the containers are not restarted.", action.DangerEnter, "a static pod belongs to a file on its node; deleting it here does nothing"},
		"the only ready one": {func(f *fixture) k8s.Ref { f.deployment("api", 1); return f.pod("api") },
			"Deployment shop/api creates a new one. It is the only ready pod: nothing serves until the new one is ready.", action.DangerName, ""},
		"one that is not ready": {func(f *fixture) k8s.Ref {
			f.deployment("api", 3)
			r := f.pod("api")
			f.podStatus(r, func(p *corev1.Pod) { p.Status.Conditions = nil })
			return r
		}, "Deployment shop/api creates a new one. It is not ready itself; 2 pods are ready.", action.DangerEnter, ""},
		"a budget speaks against it": {func(f *fixture) k8s.Ref { f.deployment("api", 3); budget(f); return f.pod("api") },
			"Deployment shop/api creates a new one. 2 others are ready.", action.DangerEnter, "PodDisruptionBudget api allows no disruption now (2 healthy of 2 needed); a deletion does not ask it"},
		"local data": {func(f *fixture) k8s.Ref {
			f.deployment("api", 2, func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			})
			return f.pod("api")
		}, "Deployment shop/api creates a new one. 1 other is ready.", action.DangerEnter, "what it keeps in emptyDir volumes is lost: cache"},
		"finalizers": {func(f *fixture) k8s.Ref {
			return f.bare(func(p *corev1.Pod) { p.Finalizers = []string{"example.com/guard"} })
		}, "It will not come back: no controller owns it.", action.DangerName, "it stays until its finalizers are removed: example.com/guard"},
		"its workload cannot be read": {func(f *fixture) k8s.Ref {
			f.deployment("api", 2)
			r := f.pod("api")
			f.Allow(apiserver.Rule{Verbs: []string{"*"}, Groups: []string{""}, Resources: []string{"*"}})
			return r
		}, "should create a new one.", action.DangerName, "it is not known what else runs: replicasets.apps"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			p := must(f.planner.PlanDeletePod(f.ctx(), c.prepare(f)))
			if !strings.HasSuffix(p.Blast, c.blast) || p.Danger != c.danger {
				t.Errorf("blast %q, danger %v; want %q, %v", p.Blast, p.Danger, c.blast, c.danger)
			}
			has := slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.HasPrefix(w, c.warning) })
			if c.warning == "" && len(p.Warnings) != 0 || c.warning != "" && !has {
				t.Errorf("warnings %q, want %q", p.Warnings, c.warning)
			}
		})
	}
}

func TestDeletePodRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture) k8s.Ref
		want    string
	}{
		"not there": {func(*fixture) k8s.Ref { return ref("Pod", "nope") }, `read Pod shop/nope: pods "nope" not found`},
		"being deleted": {func(f *fixture) k8s.Ref {
			r := f.bare()
			key := apiserver.Key{Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop", Name: "debug"}
			if _, gone, err := f.Store().Delete(key, apiserver.DeleteOptions{}); err != nil || gone {
				f.t.Fatalf("deleted at once: %v, %v", gone, err)
			}
			return r
		}, "Pod shop/debug is being deleted already"},
		"another since": {func(f *fixture) k8s.Ref { r := f.bare(); r.UID = "old"; return r }, "Pod shop/debug was deleted and created again since it was selected"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			if p, err := f.planner.PlanDeletePod(f.ctx(), c.prepare(f)); p != nil || err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestDeletionOfABarePodIsSeen(t *testing.T) {
	f := start(t)
	r := f.bare()
	out := f.mustRun(f.planner.PlanDeletePod(f.ctx(), r))
	text, err := f.verify(out, func() { f.settle(time.Minute) })
	if err != nil || text != "debug is gone" {
		t.Errorf("verified %q, %v", text, err)
	}
}

func TestVerificationThatIsNotAllowedSaysSo(t *testing.T) {
	f := start(t)
	r := f.deployment("api", 3)
	out := f.mustRun(f.planner.PlanRestart(f.ctx(), r))
	f.Fail(apiserver.On("list", "deployments", "", apiserver.Denied()))
	_, _, err := f.gate.Verify(f.ctx(), out)
	if !errors.Is(err, action.ErrUnverified) || !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
}

func TestVerificationSurvivesALostWatch(t *testing.T) {
	for name, c := range map[string]struct {
		fault *apiserver.Fault
		want  []string
	}{
		// client-go may take the watch up again by itself, and then sees the beginning of the rollout.
		"cut off":          {apiserver.Cut(0), []string{"done: 3 of 3 pods new and available", "rolling: 1 of 3 pods new"}},
		"version too old":  {apiserver.Gone(), []string{"done: 3 of 3 pods new and available"}},
		"server not ready": {apiserver.Unavailable(), []string{"done: 3 of 3 pods new and available"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			r := f.deployment("api", 3)
			out := f.mustRun(f.planner.PlanRestart(f.ctx(), r))
			watches := 0
			f.Fail(func(q *apiserver.Request) *apiserver.Fault {
				if q.Verb == "watch" && q.Resource == "deployments" {
					if watches++; watches == 1 {
						f.settle(5 * time.Minute)
						return c.fault
					}
				}
				return nil
			})
			f.clock.fire = true
			text, _, err := f.gate.Verify(f.ctx(), out)
			if err != nil || !slices.Contains(c.want, text) {
				t.Errorf("verified %q, %v", text, err)
			}
		})
	}
}
