package controllers_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/demo/apiserver"
	"midwatch/demo/controllers"
)

// world is a cluster on a clock that jumps from one due moment to the next.
type world struct {
	t      *testing.T
	now    time.Time
	store  *apiserver.Store
	m      *controllers.Manager
	behave map[string]controllers.Behaviour // by image
	cpu    int64                            // milli-cores a pod, for autoscalers
	admit  func(*corev1.Pod) error
	// check runs after every step.
	check func()
}

func newWorld(t *testing.T, nodes ...string) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), behave: map[string]controllers.Behaviour{}}
	srv := apiserver.New(apiserver.Options{Seed: 3, Now: func() time.Time { return w.now }, Namespaces: []string{"shop"}})
	t.Cleanup(srv.Close)
	w.store = srv.Store()
	w.m = controllers.New(controllers.Config{
		Store: w.store, Seed: 3,
		Behave:  func(_ *corev1.Pod, c *corev1.Container) controllers.Behaviour { return w.behave[c.Image] },
		Measure: func(controllers.Query) (int64, bool) { return w.cpu, w.cpu > 0 },
		Admit: func(p *corev1.Pod) error {
			if w.admit != nil {
				return w.admit(p)
			}
			return nil
		},
	})
	if len(nodes) == 0 {
		nodes = []string{"node-1", "node-2", "node-3"}
	}
	for _, n := range nodes {
		w.create(&corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: n},
			Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("16Gi")}}})
	}
	return w
}

func (w *world) create(o apiserver.Object) {
	w.t.Helper()
	if _, err := w.store.Create(o, apiserver.WriteOptions{Manager: "test"}); err != nil {
		w.t.Fatal(err)
	}
}

// run lets a span of time pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	w.until(d, func() bool { return false })
}

// until lets time pass until done, at most d, and reports whether it came to that. Afterwards the clock is where it happened.
func (w *world) until(d time.Duration, done func() bool) bool {
	w.t.Helper()
	end := w.now.Add(d)
	for !done() {
		next, ok := w.m.Next()
		if !ok || next.After(end) {
			w.now = end
			return done()
		}
		if next.After(w.now) {
			w.now = next
		}
		w.m.Step(w.now)
		if w.check != nil {
			w.check()
		}
	}
	return true
}

func (w *world) waitFor(what string, d time.Duration, done func() bool) time.Duration {
	w.t.Helper()
	start := w.now
	if !w.until(d, done) {
		w.t.Fatalf("%s did not happen within %s", what, d)
	}
	return w.now.Sub(start)
}

func group(resource string) schema.GroupResource {
	return schema.GroupResource{Group: "apps", Resource: resource}
}

func change[T apiserver.Object](w *world, gr schema.GroupResource, name string, edit func(T)) {
	w.t.Helper()
	_, err := w.store.Modify(apiserver.Key{Resource: gr, Namespace: "shop", Name: name}, apiserver.WriteOptions{Manager: "test"}, func(o apiserver.Object) (apiserver.Object, error) {
		edit(o.(T))
		return o, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func get[T apiserver.Object](w *world, gr schema.GroupResource, name string) T {
	w.t.Helper()
	o, ok := w.store.Get(gr, "shop", name)
	if !ok {
		w.t.Fatalf("%s %s does not exist", gr, name)
	}
	return o.(T)
}

func (w *world) deployment(name string) *appsv1.Deployment {
	return get[*appsv1.Deployment](w, group("deployments"), name)
}

func (w *world) pods() []*corev1.Pod {
	var out []*corev1.Pod
	for _, o := range w.store.List(schema.GroupResource{Resource: "pods"}, "shop") {
		out = append(out, o.(*corev1.Pod))
	}
	return out
}

func (w *world) sets() []*appsv1.ReplicaSet {
	var out []*appsv1.ReplicaSet
	for _, o := range w.store.List(group("replicasets"), "shop") {
		out = append(out, o.(*appsv1.ReplicaSet))
	}
	return out
}

func (w *world) events(reason string) []*corev1.Event {
	var out []*corev1.Event
	for _, o := range w.store.List(schema.GroupResource{Resource: "events"}, "") {
		if ev := o.(*corev1.Event); ev.Reason == reason {
			out = append(out, ev)
		}
	}
	return out
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func complete(d *appsv1.Deployment) bool {
	n := *d.Spec.Replicas
	return d.Status.ObservedGeneration == d.Generation && d.Status.Replicas == n && d.Status.UpdatedReplicas == n && d.Status.AvailableReplicas == n
}

func reason(d *appsv1.Deployment, t appsv1.DeploymentConditionType) string {
	for _, c := range d.Status.Conditions {
		if c.Type == t {
			return c.Reason
		}
	}
	return ""
}

func template(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "api", Image: image,
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(8000)}}},
			LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8000)}}},
			Resources:      corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}},
		}}},
	}
}

func selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
}

func web(replicas int32, surge, unavailable string) *appsv1.Deployment {
	s, u := intstr.Parse(surge), intstr.Parse(unavailable)
	return &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector(), Template: template("web:v1"),
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &s, MaxUnavailable: &u}}},
	}
}

func setImage(image string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image }
}
