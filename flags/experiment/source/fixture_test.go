package source_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/k8s"
	"midwatch/k8s/change"
	"midwatch/live"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// definitions are what a team keeps in its ConfigMap, comments included.
const definitions = `# owned by growth; read every 30 s
experiments:
- name: checkout-flow
  variants: [control, variant_a, variant_b]
  traffic_percent: 0.5   # a fraction, not a percentage
- name: gated
  variants: [control, new]
  traffic_percent: 1
  flag: gated-experiment
- name: over
  variants: [control, new]
  traffic_percent: -1
`

// world is a cluster with a workload whose logs the test writes, reached
// through the write lock.
type world struct {
	*apiserver.Server
	client  kubernetes.Interface
	lock    *action.Lock
	gate    *action.Gate
	planner *change.Planner

	mu   sync.Mutex
	logs map[string][]apiserver.LogLine // by pod
}

func (w *world) Typed() kubernetes.Interface { return w.client }
func (w *world) Clock() live.Clock           { return live.SystemClock{} }

// Lines implements [apiserver.LogSource].
func (w *world) Lines(pod *corev1.Pod, _ string, _ bool, after, until time.Time) []apiserver.LogLine {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []apiserver.LogLine
	for _, l := range w.logs[pod.Name] {
		if l.At.After(after) && !l.At.After(until) {
			out = append(out, l)
		}
	}
	return out
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := apiserver.New(apiserver.Options{Seed: 7, Namespaces: []string{"shop"}})
	t.Cleanup(s.Close)
	clock := live.SystemClock{}
	w := &world{Server: s, logs: map[string][]apiserver.LogLine{}, lock: action.NewLock(clock, "kind-shop", "")}
	s.SetLogs(w)
	w.lock.Open()
	w.gate = action.NewGate(w.lock, action.NewJournal(filepath.Join(t.TempDir(), "journal.jsonl"), clock), clock, "oncall")
	cfg := s.RESTConfig()
	cfg.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
		return action.Transport(rt, w.lock, action.Kubernetes(), action.ForContext("kind-shop"))
	}
	w.client = kubernetes.NewForConfigOrDie(cfg)
	w.planner = change.New(change.Client{Typed: w.client, Dynamic: dynamic.NewForConfigOrDie(cfg), Context: "kind-shop"}, clock)
	return w
}

// create makes an object as somebody else would.
func (w *world) create(t *testing.T, obj apiserver.Object) {
	t.Helper()
	if _, err := w.Store().Create(obj, apiserver.WriteOptions{Manager: "growth-admin"}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) configMap(t *testing.T, name string, data map[string]string) {
	t.Helper()
	w.create(t, &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Data: data,
	})
}

// text is what a ConfigMap's key says now.
func (w *world) text(t *testing.T, name, key string) string {
	t.Helper()
	cm, err := w.client.CoreV1().ConfigMaps("shop").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return cm.Data[key]
}

// workload makes one of a kind with running pods, which are given by name.
func (w *world) workload(t *testing.T, kind, name string, pods ...string) k8s.Ref {
	t.Helper()
	labels := map[string]string{"app": name}
	meta := metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Image: "shop/" + name}}}}
	typed := metav1.TypeMeta{APIVersion: "apps/v1", Kind: kind}
	switch kind {
	case k8s.Deployment:
		w.create(t, &appsv1.Deployment{TypeMeta: typed, ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template}})
	case k8s.StatefulSet:
		w.create(t, &appsv1.StatefulSet{TypeMeta: typed, ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template, ServiceName: name}})
	case k8s.DaemonSet:
		w.create(t, &appsv1.DaemonSet{TypeMeta: typed, ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}})
	}
	for _, pod := range pods {
		w.create(t, &corev1.Pod{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: pod, Labels: labels}, Spec: template.Spec,
			Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
				Name: "api", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
			}}},
		})
	}
	return k8s.Ref{Kind: kind, Namespace: "shop", Name: name}
}

// exposed has a pod log one exposure.
func (w *world) exposed(pod, name, variant, user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf(`{"event": "experiment_exposure", "experiment": %q, "variant": %q, "user_id": %q}`, name, variant, user)
	w.logs[pod] = append(w.logs[pod], apiserver.LogLine{At: time.Now().Add(-time.Minute), Text: text})
}

// serve has users assigned as the definition says, spread over the pods.
func (w *world) serve(t *testing.T, d experiment.Definition, users int, pods ...string) {
	t.Helper()
	for i := range users {
		user := fmt.Sprint("user-", i)
		a, err := d.Assign(user)
		if err != nil {
			t.Fatal(err)
		}
		w.exposed(pods[i%len(pods)], d.Name, a.Variant, user)
	}
}

func (w *world) report(t *testing.T, ref k8s.Ref, places ...source.Place) *source.Report {
	t.Helper()
	r := source.Reader{Cluster: w, Places: places}
	rep, err := r.Read(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func named(t *testing.T, rep *source.Report, name string) *source.Experiment {
	t.Helper()
	for _, e := range rep.Experiments {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no experiment %s in %+v", name, rep)
	return nil
}

func notes(rep *source.Report) string {
	var out []string
	for _, n := range rep.Notes {
		out = append(out, n.String())
	}
	return strings.Join(out, "\n")
}

// run carries a plan out and verifies it.
func (w *world) run(ctx context.Context, p *action.Plan) error {
	out, err := w.gate.Run(ctx, p, action.Confirmation{Typed: p.Target.Name, Reason: "INC-42"})
	if err != nil {
		return err
	}
	_, _, err = w.gate.Verify(ctx, out)
	return err
}
