package change_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/demo/controllers"
	"midwatch/k8s"
	"midwatch/k8s/change"
	"midwatch/live"
)

const testContext = "kind-shop"

// clock moves only when told. Short timers on it fire at once when they are
// meant to: those that wait before something is tried again.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	fire bool
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) After(d time.Duration) (<-chan time.Time, func()) {
	if c.fire && d <= time.Second {
		at := make(chan time.Time, 1)
		at <- c.Now()
		return at, func() {}
	}
	return nil, func() {}
}

// wire records the writing requests that left the transport.
type wire struct {
	next http.RoundTripper
	mu   sync.Mutex
	sent []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		line := r.Method + " " + r.URL.RequestURI()
		if r.Body != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if r.Header.Get("Content-Type") != "application/vnd.kubernetes.protobuf" {
				line += " " + strings.TrimSpace(string(body))
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		w.mu.Lock()
		w.sent = append(w.sent, line)
		w.mu.Unlock()
	}
	return w.next.RoundTrip(r)
}

func (w *wire) writes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// fixture is a cluster with controllers, reached through the write lock.
type fixture struct {
	*apiserver.Server
	t       *testing.T
	clock   *clock
	manager *controllers.Manager
	lock    *action.Lock
	journal *action.Journal
	gate    *action.Gate
	wire    *wire
	planner *change.Planner
	client  kubernetes.Interface
}

func start(t *testing.T) *fixture {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)}
	f := &fixture{t: t, clock: c, wire: &wire{}}
	f.Server = apiserver.New(apiserver.Options{Seed: 7, Now: c.Now, Namespaces: []string{"shop"}})
	t.Cleanup(f.Close)
	f.Register(apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Status: true, Scale: true})
	f.manager = controllers.New(controllers.Config{Store: f.Store(), Seed: 7})
	f.node("node-1")
	f.node("node-2")
	system, ok := f.Store().Get(schema.GroupResource{Resource: "namespaces"}, "", "kube-system")
	if !ok {
		t.Fatal("no namespace kube-system")
	}
	uid := string(system.GetUID())
	f.lock = action.NewLock(c, testContext, uid)
	f.lock.Open()
	f.journal = action.NewJournal(filepath.Join(t.TempDir(), "journal.jsonl"), live.SystemClock{})
	f.gate = action.NewGate(f.lock, f.journal, c, "oncall@example.com")
	cfg := f.RESTConfig()
	cfg.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
		f.wire.next = rt
		return action.Transport(f.wire, f.lock, action.Kubernetes(), action.ForContext(testContext))
	}
	f.client = kubernetes.NewForConfigOrDie(cfg)
	f.planner = change.New(change.Client{
		Typed: f.client, Dynamic: dynamic.NewForConfigOrDie(cfg), Context: testContext, ClusterUID: func() string { return uid },
	}, c)
	return f
}

func (f *fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	f.t.Cleanup(cancel)
	return ctx
}

// settle lets the controllers work for d of the cluster's time.
func (f *fixture) settle(d time.Duration) {
	end := f.clock.Now().Add(d)
	for next, ok := f.manager.Next(); ok && !next.After(end); next, ok = f.manager.Next() {
		if next.After(f.clock.Now()) {
			f.clock.set(next)
		}
		f.manager.Step(f.clock.Now())
	}
	f.clock.set(end)
	f.manager.Step(end)
}

func (f *fixture) create(obj apiserver.Object) apiserver.Object {
	f.t.Helper()
	return must(f.Store().Create(obj, apiserver.WriteOptions{Manager: "kubectl-create"}))
}

func (f *fixture) node(name string) {
	f.create(&corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	})
}

// modify changes an object behind the planner's back.
func modify[T apiserver.Object](f *fixture, ref k8s.Ref, manager string, fn func(T)) {
	f.t.Helper()
	group, plural := "apps", strings.ToLower(ref.Kind)+"s"
	switch ref.Kind {
	case "Pod":
		group = ""
	case k8s.Rollout:
		group = "argoproj.io"
	case "HorizontalPodAutoscaler":
		group = "autoscaling"
	}
	key := apiserver.Key{Resource: schema.GroupResource{Group: group, Resource: plural}, Namespace: ref.Namespace, Name: ref.Name}
	must(f.Store().Modify(key, apiserver.WriteOptions{Manager: manager}, func(o apiserver.Object) (apiserver.Object, error) {
		fn(o.(T))
		return o, nil
	}))
}

func ref(kind, name string) k8s.Ref { return k8s.Ref{Kind: kind, Namespace: "shop", Name: name} }

// run carries a plan out with whatever confirmation it needs.
func (f *fixture) run(p *action.Plan) (action.Outcome, error) {
	return f.gate.Run(f.ctx(), p, action.Confirmation{Typed: p.Target.Name, Reason: "test"})
}

func (f *fixture) mustRun(p *action.Plan, err error) action.Outcome {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	return must(f.run(p))
}

// phases are the journal's, oldest first.
func (f *fixture) phases() string {
	f.t.Helper()
	entries, _, err := f.journal.Read(f.t.Context(), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, e := range slices.Backward(entries) {
		out = append(out, string(e.Phase))
	}
	return strings.Join(out, " ")
}

// verify runs the verification and, once it watches, does what is to be seen.
func (f *fixture) verify(out action.Outcome, happen func()) (string, error) {
	f.t.Helper()
	watching := make(chan struct{})
	var once sync.Once
	remove := f.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Verb == "watch" {
			once.Do(func() { close(watching) })
		}
		return nil
	})
	defer remove()
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	ctx := f.ctx()
	go func() {
		text, _, err := f.gate.Verify(ctx, out)
		done <- result{text, err}
	}()
	select {
	case <-watching:
		happen()
	case r := <-done:
		f.t.Fatalf("verified before anything happened: %q, %v", r.text, r.err)
	}
	r := <-done
	return r.text, r.err
}

// must is for setting up: what fails there is the test's own fault.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func objectMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{"app": name}}
}

func template(name, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "api", Image: image, Env: []corev1.EnvVar{{Name: "DB_PASSWORD", Value: "hunter2"}, {Name: "LOG_LEVEL", Value: "info"}},
		}}},
	}
}

func selector(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

// deployment runs name:v1.
func (f *fixture) deployment(name string, n int32, adjust ...func(*appsv1.Deployment)) k8s.Ref {
	d := &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: objectMeta(name),
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To(n), Selector: selector(name), Template: template(name, name+":v1")},
	}
	for _, fn := range adjust {
		fn(d)
	}
	f.create(d)
	f.settle(time.Minute)
	return ref(k8s.Deployment, name)
}

func (f *fixture) statefulSet(name string, n int32, adjust ...func(*appsv1.StatefulSet)) k8s.Ref {
	s := &appsv1.StatefulSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: objectMeta(name),
		Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(n), Selector: selector(name), Template: template(name, name+":v1"), ServiceName: name},
	}
	for _, fn := range adjust {
		fn(s)
	}
	f.create(s)
	f.settle(2 * time.Minute)
	return ref(k8s.StatefulSet, name)
}

func (f *fixture) daemonSet(name string, adjust ...func(*appsv1.DaemonSet)) k8s.Ref {
	d := &appsv1.DaemonSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"}, ObjectMeta: objectMeta(name),
		Spec: appsv1.DaemonSetSpec{Selector: selector(name), Template: template(name, name+":v1")},
	}
	for _, fn := range adjust {
		fn(d)
	}
	f.create(d)
	f.settle(time.Minute)
	return ref(k8s.DaemonSet, name)
}

// image rolls a new image out, as a deploy would.
func (f *fixture) image(r k8s.Ref, image string) {
	f.t.Helper()
	switch r.Kind {
	case k8s.Deployment:
		modify(f, r, "kubectl-set", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image })
	case k8s.StatefulSet:
		modify(f, r, "kubectl-set", func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = image })
	case k8s.DaemonSet:
		modify(f, r, "kubectl-set", func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.Containers[0].Image = image })
	}
	f.settle(2 * time.Minute)
}

func (f *fixture) template(r k8s.Ref) corev1.PodTemplateSpec {
	f.t.Helper()
	key := schema.GroupResource{Group: "apps", Resource: strings.ToLower(r.Kind) + "s"}
	obj, ok := f.Store().Get(key, r.Namespace, r.Name)
	if !ok {
		f.t.Fatalf("no %s", r)
	}
	return reflect.ValueOf(obj).Elem().FieldByName("Spec").FieldByName("Template").Interface().(corev1.PodTemplateSpec)
}

// fingerprint is a template as JSON.
func (f *fixture) fingerprint(r k8s.Ref) string {
	f.t.Helper()
	return string(must(json.Marshal(f.template(r))))
}

func (f *fixture) meta(r k8s.Ref) metav1.Object {
	f.t.Helper()
	group := "apps"
	if r.Kind == "Pod" {
		group = ""
	}
	obj, ok := f.Store().Get(schema.GroupResource{Group: group, Resource: strings.ToLower(r.Kind) + "s"}, r.Namespace, r.Name)
	if !ok {
		f.t.Fatalf("no %s", r)
	}
	return obj
}

// guards are the tests every patch of the object begins with.
func (f *fixture) guards(r k8s.Ref) string {
	m := f.meta(r)
	return fmt.Sprintf(`{"op":"test","path":"/metadata/uid","value":%q},{"op":"test","path":"/metadata/generation","value":%d}`, m.GetUID(), m.GetGeneration())
}

const (
	tried = "?dryRun=All&fieldManager=midwatch&fieldValidation=Strict"
	sent  = "?fieldManager=midwatch&fieldValidation=Strict"
)

func wantWrites(t *testing.T, f *fixture, want ...string) {
	t.Helper()
	got := f.wire.writes()
	if !slices.Equal(got, want) {
		t.Errorf("sent\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (f *fixture) argo(name string) *unstructured.Unstructured {
	f.t.Helper()
	obj, ok := f.Store().Get(schema.GroupResource{Group: "argoproj.io", Resource: "rollouts"}, "shop", name)
	if !ok {
		f.t.Fatalf("no rollout %s", name)
	}
	return obj.(*unstructured.Unstructured)
}

// argoModify writes the status of an Argo Rollout.
func (f *fixture) argoModify(r k8s.Ref, fn func(*unstructured.Unstructured)) {
	f.t.Helper()
	key := apiserver.Key{Resource: schema.GroupResource{Group: "argoproj.io", Resource: "rollouts"}, Namespace: r.Namespace, Name: r.Name}
	must(f.Store().Modify(key, apiserver.WriteOptions{Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		fn(o.(*unstructured.Unstructured))
		return o, nil
	}))
}

// touchStatus changes a Deployment's status, and so its resourceVersion.
func (f *fixture) touchStatus(r k8s.Ref) {
	f.t.Helper()
	key := apiserver.Key{Resource: schema.GroupResource{Group: "apps", Resource: "deployments"}, Namespace: r.Namespace, Name: r.Name}
	must(f.Store().Modify(key, apiserver.WriteOptions{Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		o.(*appsv1.Deployment).Status.ReadyReplicas++
		return o, nil
	}))
}

func (f *fixture) podStatus(r k8s.Ref, fn func(*corev1.Pod)) {
	f.t.Helper()
	key := apiserver.Key{Resource: schema.GroupResource{Resource: "pods"}, Namespace: r.Namespace, Name: r.Name}
	must(f.Store().Modify(key, apiserver.WriteOptions{Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		fn(o.(*corev1.Pod))
		return o, nil
	}))
}

// contextUntil ends once the server is asked for something.
func contextUntil(parent context.Context, f *fixture, verb string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	f.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Verb == verb {
			cancel()
		}
		return nil
	})
	return ctx, cancel
}
