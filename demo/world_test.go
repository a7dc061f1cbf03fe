package demo_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"midwatch/demo"
	"midwatch/demo/apiserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// night is an opened world on a clock the test moves.
type night struct {
	*demo.World
	t      *testing.T
	client *kubernetes.Clientset
	mu     sync.Mutex
	now    time.Time
}

func (n *night) Now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

func open(t *testing.T) *night {
	t.Helper()
	n := &night{t: t, now: time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)}
	w, err := demo.Open(demo.Options{Seed: 1, Now: n.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	n.World, n.client = w, kubernetes.NewForConfigOrDie(w.RESTConfig())
	return n
}

// pass lets time go by in steps of a quarter of a second, as the live world does, until done.
func (n *night) pass(d time.Duration, done func() bool) bool {
	n.t.Helper()
	for end := n.Now().Add(d); n.Now().Before(end); {
		if done() {
			return true
		}
		for range 4 {
			n.mu.Lock()
			n.now = n.now.Add(250 * time.Millisecond)
			n.mu.Unlock()
			n.Step(n.Now())
		}
	}
	return done()
}

func (n *night) deployment(namespace, name string) *appsv1.Deployment {
	n.t.Helper()
	d, err := n.client.AppsV1().Deployments(namespace).Get(n.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

func (n *night) podsOf(namespace, app string) []corev1.Pod {
	n.t.Helper()
	list, err := n.client.CoreV1().Pods(namespace).List(n.t.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		n.t.Fatal(err)
	}
	return list.Items
}

func progressing(d *appsv1.Deployment) appsv1.DeploymentCondition {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			return c
		}
	}
	return appsv1.DeploymentCondition{}
}

func rolledOut(d *appsv1.Deployment) bool {
	n := *d.Spec.Replicas
	return d.Status.ObservedGeneration == d.Generation && d.Status.Replicas == n && d.Status.UpdatedReplicas == n && d.Status.AvailableReplicas == n
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func TestOpensInUnderASecond(t *testing.T) {
	// The machine may be busy with other things: what counts is the processor's time, both cores and the collector included.
	start, used := time.Now(), processorTime(t)
	open(t)
	used = processorTime(t) - used
	t.Logf("opened in %s, %s of processor time", time.Since(start), used)
	if used > time.Second && !raceEnabled {
		t.Errorf("opening took %s of processor time, want less than a second", used)
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dump is every object of both clusters, as JSON.
func dump(t *testing.T, w *demo.World) string {
	t.Helper()
	var sb strings.Builder
	for _, name := range []string{demo.Context, demo.ContextEU} {
		store := w.Server(name).Store()
		for _, res := range store.Resources() {
			for _, o := range store.List(res.GroupResource(), "") {
				b, err := json.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&sb, "%s %s\n", name, b)
			}
		}
	}
	return sb.String()
}

func TestSameSeedAndClockGiveTheSameWorld(t *testing.T) {
	one, two := open(t), open(t)
	for _, n := range []*night{one, two} {
		n.pass(20*time.Second, func() bool { return false })
	}
	a, b := dump(t, one.World), dump(t, two.World)
	if a == b {
		return
	}
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			t.Fatalf("line %d differs:\n%s\n%s", i, la[i], lb[i])
		}
	}
	t.Fatalf("%d and %d lines, %x", len(la), len(lb), sha256.Sum256([]byte(a)))
}

func TestSituations(t *testing.T) {
	n := open(t)
	now := n.Now()

	t.Run("stuck on readiness before the deadline", func(t *testing.T) {
		d := n.deployment("shop", "checkout")
		p := progressing(d)
		if p.Reason != "ReplicaSetUpdated" || d.Status.UpdatedReplicas != 1 || d.Status.ReadyReplicas != 4 {
			t.Errorf("%s %+v", p.Reason, d.Status)
		}
		left := p.LastUpdateTime.Add(time.Duration(*d.Spec.ProgressDeadlineSeconds) * time.Second).Sub(now)
		if left < 2*time.Minute || left > 8*time.Minute {
			t.Errorf("%s left to the deadline", left)
		}
		if ev := n.events(t, "shop", "Unhealthy"); !strings.Contains(ev, "Readiness probe failed: HTTP probe failed with statuscode: 503") {
			t.Errorf("events: %s", ev)
		}
	})
	t.Run("crash loop after an image bump", func(t *testing.T) {
		d := n.deployment("payments", "payments-api")
		if progressing(d).Reason != "ProgressDeadlineExceeded" || d.Status.ReadyReplicas != 3 {
			t.Errorf("%+v", d.Status)
		}
		found := false
		for _, p := range n.podsOf("payments", "payments-api") {
			s := p.Status.ContainerStatuses[0]
			if w := s.State.Waiting; w != nil && w.Reason == "CrashLoopBackOff" && s.RestartCount > 5 && s.LastTerminationState.Terminated.ExitCode == 1 &&
				strings.HasSuffix(s.LastTerminationState.Terminated.Message, "KeyError: 'STRIPE_WEBHOOK_SECRET'") {
				found = true
			}
		}
		if !found {
			t.Error("no pod of it backs off")
		}
	})
	t.Run("killed for memory after the limit was halved", func(t *testing.T) {
		if p := progressing(n.deployment("payments", "invoice-pdf")); p.Reason != "ReplicaSetUpdated" {
			t.Errorf("progressing %+v", p)
		}
		killed := 0
		for _, p := range n.podsOf("payments", "invoice-pdf") {
			end := p.Status.ContainerStatuses[0].LastTerminationState.Terminated
			if end != nil && end.Reason == "OOMKilled" && p.Spec.Containers[0].Resources.Limits.Memory().String() == "256Mi" {
				killed++
			}
		}
		if killed != 1 {
			t.Errorf("%d pods were killed for memory, want the new one", killed)
		}
	})
	t.Run("autoscaler at its maximum", func(t *testing.T) {
		h, err := n.client.AutoscalingV2().HorizontalPodAutoscalers("shop").Get(t.Context(), "catalog", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		limited := false
		for _, c := range h.Status.Conditions {
			limited = limited || c.Reason == "TooManyReplicas"
		}
		if !limited || h.Status.DesiredReplicas != h.Spec.MaxReplicas {
			t.Errorf("%+v", h.Status)
		}
	})
	t.Run("OrderedReady trap", func(t *testing.T) {
		s, err := n.client.AppsV1().StatefulSets("shop").Get(t.Context(), "search", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := n.client.CoreV1().Pods("shop").Get(t.Context(), "search-2", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if ready(p) || p.Labels[appsv1.ControllerRevisionHashLabelKey] == s.Status.UpdateRevision || s.Status.ReadyReplicas != 2 {
			t.Errorf("pod at %s, set %+v", p.Labels[appsv1.ControllerRevisionHashLabelKey], s.Status)
		}
	})
	t.Run("daemon set partly updated", func(t *testing.T) {
		ds, err := n.client.AppsV1().DaemonSets("platform").Get(t.Context(), "log-agent", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if s := ds.Status; s.DesiredNumberScheduled != 6 || s.UpdatedNumberScheduled != 4 || s.NumberUnavailable != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("paused, scaled to zero, in motion", func(t *testing.T) {
		if d := n.deployment("shop", "thumbnailer"); !d.Spec.Paused || d.Status.UpdatedReplicas != 0 || d.Status.ReadyReplicas != 2 {
			t.Errorf("thumbnailer %+v", d.Status)
		}
		if d := n.deployment("shop", "promo-banner"); *d.Spec.Replicas != 0 || d.Status.Replicas != 0 {
			t.Errorf("promo-banner %+v", d.Status)
		}
		if d := n.deployment("shop", "cart"); rolledOut(d) || d.Status.UpdatedReplicas < 2 {
			t.Errorf("cart %+v", d.Status)
		}
	})
	t.Run("a restarted container runs again", func(t *testing.T) {
		s := n.podsOf("payments", "webhook-relay")[0].Status.ContainerStatuses[0]
		if !s.Ready || s.RestartCount != 2 || s.LastTerminationState.Terminated.Reason != "OOMKilled" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("argo rollout paused at step 2 of 5", func(t *testing.T) {
		ro, err := dynamic.NewForConfigOrDie(n.RESTConfig()).Resource(schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}).
			Namespace("shop").Get(t.Context(), "recommendations", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		phase, _, _ := unstructured.NestedString(ro.Object, "status", "phase")
		step, _, _ := unstructured.NestedInt64(ro.Object, "status", "currentStepIndex")
		steps, _, _ := unstructured.NestedSlice(ro.Object, "spec", "strategy", "canary", "steps")
		if phase != "Paused" || step != 2 || len(steps) != 5 {
			t.Errorf("%s, step %d of %d", phase, step, len(steps))
		}
	})
	t.Run("hostile text arrives unchanged", func(t *testing.T) {
		if ev := n.events(t, "platform", "PolicyViolation"); !strings.Contains(ev, "\x1b[2J") || !strings.Contains(ev, "\u202e") {
			t.Errorf("%q", ev)
		}
	})
	t.Run("the rest is well", func(t *testing.T) {
		for _, name := range []string{"shop/fastapi-service", "shop/catalog", "payments/webhook-relay", "platform/otel-collector", "platform/ingress-nginx"} {
			ns, d, _ := strings.Cut(name, "/")
			if d := n.deployment(ns, d); !rolledOut(d) {
				t.Errorf("%s: %+v", name, d.Status)
			}
		}
	})
}

func (n *night) events(t *testing.T, namespace, reason string) string {
	t.Helper()
	list, err := n.client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=" + reason})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range list.Items {
		texts = append(texts, e.Message)
	}
	return strings.Join(texts, "\n")
}

func TestContexts(t *testing.T) {
	n := open(t)
	uids := map[types.UID]bool{}
	for _, name := range []string{demo.Context, demo.ContextEU} {
		cfg, err := clientcmd.NewNonInteractiveClientConfig(n.RawConfig(), name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		client := kubernetes.NewForConfigOrDie(n.WrapConfig(cfg))
		ns, err := client.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		uids[ns.UID] = true
		d, err := client.AppsV1().Deployments("shop").Get(t.Context(), "fastapi-service", metav1.GetOptions{})
		if err != nil || !rolledOut(d) {
			t.Errorf("%s: fastapi-service %+v, %v", name, d.Status, err)
		}
	}
	if len(uids) != 2 {
		t.Error("the clusters have one identity")
	}
}

func TestLogs(t *testing.T) {
	n := open(t)
	read := func(pod corev1.Pod, o corev1.PodLogOptions) string {
		t.Helper()
		b, err := n.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &o).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, p := range n.podsOf("payments", "payments-api") {
		if p.Status.ContainerStatuses[0].RestartCount > 0 {
			for _, previous := range []bool{true, false} {
				if text := read(p, corev1.PodLogOptions{Previous: previous}); !strings.HasSuffix(text, "KeyError: 'STRIPE_WEBHOOK_SECRET'\n") || !strings.Contains(text, "Traceback") {
					t.Errorf("previous=%v: %q", previous, text)
				}
			}
		}
	}
	p := n.podsOf("shop", "fastapi-service")[0]
	whole := read(p, corev1.PodLogOptions{SinceSeconds: ptr.To[int64](60)})
	if whole != read(p, corev1.PodLogOptions{SinceSeconds: ptr.To[int64](60)}) || strings.Count(whole, "\n") < 30 {
		t.Errorf("a minute of log: %q", whole)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(strings.SplitN(whole, "\n", 2)[0]), &line); err != nil || line["event"] == nil {
		t.Errorf("line %q: %v", strings.SplitN(whole, "\n", 2)[0], err)
	}
	if tail := read(p, corev1.PodLogOptions{TailLines: ptr.To[int64](3)}); !strings.HasSuffix(whole, tail) || strings.Count(tail, "\n") != 3 {
		t.Errorf("tail %q", tail)
	}
}

// TestLiveWorldMovesByItself is the one test on the wall clock: it waits for a change, not for a time.
func TestLiveWorldMovesByItself(t *testing.T) {
	w, err := demo.Open(demo.Options{Seed: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	client := kubernetes.NewForConfigOrDie(w.RESTConfig())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	pods, err := client.CoreV1().Pods("shop").List(ctx, metav1.ListOptions{LabelSelector: "app=fastapi-service"})
	if err != nil {
		t.Fatal(err)
	}
	watch, err := client.CoreV1().Pods("shop").Watch(ctx, metav1.ListOptions{LabelSelector: "app=fastapi-service", ResourceVersion: pods.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	if err := client.CoreV1().Pods("shop").Delete(ctx, pods.Items[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for ev := range watch.ResultChan() {
		if ev.Type == "ADDED" {
			return
		}
	}
	t.Error("no pod took the place of the deleted one")
}

func TestOnlyReadsCanBeAsserted(t *testing.T) {
	n := open(t)
	n.Server(demo.Context).ForgetRequests()
	n.deployment("shop", "cart")
	if writes := n.Server(demo.Context).Count(func(r *apiserver.Request) bool { return r.Writes() }); writes != 0 {
		t.Errorf("%d writes", writes)
	}
}

// BenchmarkIdle is what a live world costs while nobody touches it: simulated seconds per wall second.
func BenchmarkIdle(b *testing.B) {
	now := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	w, err := demo.Open(demo.Options{Seed: 1, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for range 1200 {
		now = now.Add(250 * time.Millisecond)
		w.Step(now)
	}
	for b.Loop() {
		now = now.Add(250 * time.Millisecond)
		w.Step(now)
	}
}

func BenchmarkOpen(b *testing.B) {
	now := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	for b.Loop() {
		w, err := demo.Open(demo.Options{Seed: 1, Now: func() time.Time { return now }})
		if err != nil {
			b.Fatal(err)
		}
		w.Close()
	}
}
