package probespane_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/read"
	"midwatch/k8s/probe/try"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/probespane"
)

func get(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080)}}, PeriodSeconds: period, FailureThreshold: failures, TimeoutSeconds: 1}
}

// pods are those of panetest's checkout: three of them run.
func pods() []*corev1.Pod {
	var out []*corev1.Pod
	for _, row := range panetest.CheckoutPods() {
		if row.Phase != "Running" {
			continue
		}
		api := corev1.Container{
			Name: "api", Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
			StartupProbe: get("/startupz", 5, 30), LivenessProbe: get("/readyz", 15, 3), ReadinessProbe: get("/readyz", 10, 3),
		}
		api.ReadinessProbe.HTTPGet.HTTPHeaders = []corev1.HTTPHeader{{Name: "Authorization", Value: "Bearer hunter2"}}
		check := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"envoy-check", "--ready"}}}, PeriodSeconds: 10}
		status := corev1.ConditionFalse
		if row.Ready {
			status = corev1.ConditionTrue
		}
		out = append(out, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: row.Name, UID: types.UID(row.UID), ResourceVersion: row.Version},
			Spec: corev1.PodSpec{
				NodeName: row.Node, Containers: []corev1.Container{api},
				InitContainers: []corev1.Container{{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), ReadinessProbe: check}},
			},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, PodIP: "10.0.3.17",
				Conditions: []corev1.PodCondition{{Type: corev1.ContainersReady, Status: status, LastTransitionTime: metav1.NewTime(panetest.Ago(4 * time.Minute))}},
				ContainerStatuses: []corev1.ContainerStatus{{
					Name: "api", Ready: row.Ready, Started: ptr.To(true), RestartCount: int32(row.Restarts),
					State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(panetest.Ago(5 * time.Minute))}},
				}},
				InitContainerStatuses: []corev1.ContainerStatus{{
					Name: "proxy", Ready: true, Started: ptr.To(true),
					State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(panetest.Ago(5 * time.Minute))}},
				}},
			},
		})
	}
	return out
}

func events() []*k8s.Event {
	pod := k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "checkout-6d5c9b7f4-x2x9v", UID: "uid-checkout-6d5c9b7f4-x2x9v"}
	say := func(uid, reason, message string, count int, first, last time.Duration) *k8s.Event {
		return &k8s.Event{UID: uid, Reason: reason, Involved: pod, FieldPath: "spec.containers{api}", Count: count, First: panetest.Ago(first), Last: panetest.Ago(last), Message: "Readiness probe failed: HTTP probe failed with statuscode: 503"}
	}
	liveness := say("k2", probe.ReasonUnhealthy, "", 2, 25*time.Second, 6*time.Second)
	liveness.Message = "Liveness probe failed: Get \"http://10.0.3.17:8080/readyz\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
	killed := say("k3", probe.ReasonKilling, "", 5, 30*time.Minute, 330*time.Second)
	killed.Message = "Container api failed liveness probe, will be restarted"
	return []*k8s.Event{say("k1", probe.ReasonUnhealthy, "", 24, 4*time.Minute, 3*time.Second), liveness, killed}
}

// server answers what the pane asks, off the UI goroutine only.
type server struct {
	bench  *panetest.Bench
	answer *read.Answer
	err    error
	asked  []read.Query
	tried  []string
	result *try.Result
	paused []time.Duration
}

func (s *server) pods(_ context.Context, q read.Query) (*read.Answer, error) {
	s.bench.OffUI("reading pods")
	s.asked = append(s.asked, q)
	return s.answer, s.err
}

func (s *server) try(_ context.Context, pod k8s.Ref, ip string, sp probe.Spec) (*try.Result, error) {
	s.bench.OffUI("trying a probe")
	s.tried = append(s.tried, pod.Name+" "+ip+" "+sp.Words())
	r := *s.result
	r.Spec = sp
	return &r, nil
}

func open(t testing.TB) (*panetest.Bench, *server) {
	s := &server{answer: read.Of(panetest.Ago(2*time.Second), pods(), events())}
	s.result = &try.Result{Outcome: try.Failed, Answer: "503 Service Unavailable", Took: 23 * time.Millisecond, Connect: 41 * time.Millisecond, Line: "payments: connection refused"}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench = b
		return probespane.New(pane.Probes, probespane.Reads{Pods: s.pods, Try: s.try, Pause: func(_ context.Context, d time.Duration) error {
			s.paused = append(s.paused, d)
			return nil
		}}, panetest.Checkout().Ref)
	})
	return b, s
}

func detail(edit ...func(*watch.Detail)) live.Snapshot {
	d := panetest.CheckoutDetail()
	for i, row := range d.Pods { // the pending pod is not read here
		if row.Phase != "Running" {
			d.Pods = append(d.Pods[:i], d.Pods[i+1:]...)
			break
		}
	}
	for _, e := range edit {
		e(d)
	}
	return live.Snapshot{Topic: panetest.DetailTopic(d.Workload.Ref), State: live.Ready, Value: d}
}

func TestGoldens(t *testing.T) {
	topic := panetest.DetailTopic(panetest.Checkout().Ref)
	for name, s := range map[string]live.Snapshot{
		"loading":   {State: live.Loading},
		"forbidden": {State: live.Forbidden, Err: "forbidden: list deployments in shop"},
		"gone":      {State: live.Ready, Value: &watch.Detail{Missing: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s.Topic = topic
			b, _ := open(t)
			b.Feed(s).Golden(name)
			b.Boxed()
		})
	}
	b, _ := open(t)
	b.Feed(detail()).GoldenAll("full")
	b.Boxed()
	b.Bindings()

	b, s := open(t)
	s.err = errors.New(`pods is forbidden: User "oncall" cannot list resource "pods" in API group "" in the namespace "shop"`)
	b.Feed(detail()).Golden("pods forbidden")

	b, s = open(t)
	s.answer = read.Of(panetest.Now(), nil, nil)
	b.Feed(detail()).Golden("no pods")
}

func at(t *testing.T, b *panetest.Bench, text string) {
	t.Helper()
	b.Press("g")
	for range 60 {
		if strings.Contains(b.Pane.(interface{ Line() string }).Line(), text) {
			return
		}
		b.Press("j")
	}
	t.Fatalf("no line %q in\n%s", text, b.Plain(120, 60))
}

func TestTry(t *testing.T) {
	b, s := open(t)
	b.Feed(detail()).Frame(120, 60)
	if b.Press("t"); b.Reason == "" && len(s.tried) == 0 {
		t.Error("t on the first heading neither tries nor says why not")
	}
	at(t, b, "readiness GET")
	b.Hold = true
	b.Press("t")
	if frame := b.Plain(120, 60); !strings.Contains(frame, "midwatch asks GET :8080/readyz once, through the API server") {
		t.Errorf("nothing says that it is under way:\n%s", frame)
	}
	b.Release()
	if want := "checkout-6d5c9b7f4-x2x9v 10.0.3.17 GET :8080/readyz"; len(s.tried) != 1 || s.tried[0] != want {
		t.Errorf("tried %q, want %q", s.tried, want)
	}
	frame := b.Plain(160, 60)
	for _, want := range []string{"failed, 503 Service Unavailable", "answer after 23ms, way in 41ms", "it says: payments: connection refused", "Both agree: it fails", "not from the node's network"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	b.Golden("tried")
	b.Boxed()
	b.Feed(detail())
	if len(s.tried) != 1 {
		t.Error("it was tried again by itself")
	}
	at(t, b, "exec envoy-check")
	if b.Press("t"); !strings.Contains(b.Reason, "start a process") {
		t.Errorf("an exec probe: %q", b.Reason)
	}
	if got := panetest.Last[pane.CopyMsg](b.Press("w")); got.Text != "kubectl exec -n shop checkout-6d5c9b7f4-x2x9v -c proxy -- envoy-check --ready" {
		t.Errorf("copied %q", got.Text)
	}
}

func TestNoHeaderValueIsShown(t *testing.T) {
	b, _ := open(t)
	frame := b.Feed(detail()).Plain(200, 80)
	if strings.Contains(frame, "hunter2") || !strings.Contains(frame, "headers Authorization (values hidden)") {
		t.Errorf("the header:\n%s", frame)
	}
}

func TestPodsAreReadWhenTheyChange(t *testing.T) {
	b, s := open(t)
	b.Feed(detail()).Feed(detail())
	if len(s.asked) != 1 || s.asked[0].Selector != "app=checkout" || len(s.asked[0].Names) != 3 {
		t.Fatalf("asked %+v", s.asked)
	}
	changed := func(d *watch.Detail) { d.Pods[0].Version = "2" }
	b.Feed(detail(changed)).Feed(detail(changed))
	// The server may still have the old version: it is asked once more, after
	// a pause, and not for ever.
	if len(s.asked) != 2 || len(s.paused) != 1 || s.paused[0] != time.Second {
		t.Errorf("asked %d times, paused %v", len(s.asked), s.paused)
	}
	b.Press("R").Send(pane.RefreshMsg{})
	if len(s.asked) != 4 {
		t.Errorf("asked %d times after two refreshes", len(s.asked))
	}
}

func TestAFailureIsOverWhenThePodsMoveOn(t *testing.T) {
	b, s := open(t)
	s.err = errors.New("connection refused")
	b.Feed(detail()).Feed(detail())
	if len(s.asked) != 1 || !strings.Contains(b.Plain(80, 24), "connection refused (R tries again)") {
		t.Fatalf("asked %d times\n%s", len(s.asked), b.Plain(80, 24))
	}
	s.err = nil
	b.Feed(detail(func(d *watch.Detail) { d.Pods[0].Version = "2" }))
	if len(s.asked) != 2 || strings.Contains(b.Plain(80, 24), "connection refused (R") {
		t.Errorf("asked %d times\n%s", len(s.asked), b.Plain(80, 24))
	}
}

func TestPodsAreReadAgainWhenTheClusterIsBack(t *testing.T) {
	b, s := open(t)
	feed := func(state live.State) {
		d := detail()
		d.State = state
		b.Feed(d)
	}
	b.ReadsAgainWhenBack(feed, func() {}, func(err error) { s.err = err }, func() int { return len(s.asked) })
}

func TestFlapsAndGates(t *testing.T) {
	b, s := open(t)
	list := pods()
	for _, p := range list {
		p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "target-health.elbv2.k8s.aws/api"}}
	}
	s.answer = read.Of(panetest.Now(), list, events())
	b.Feed(detail(func(d *watch.Detail) {
		d.Flaps = map[string]probe.Flaps{d.Pods[0].UID: {Lost: []time.Time{panetest.Ago(5 * time.Minute), panetest.Ago(time.Minute)}}}
	}))
	frame := b.Plain(160, 80)
	for _, want := range []string{"lost its readiness 2 times", "target-health.elbv2.k8s.aws/api  open for 0 of 3 pods", "nobody has set it yet"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
}

func TestAnotherWorkloadForgetsEverything(t *testing.T) {
	b, s := open(t)
	b.Feed(detail())
	at(t, b, "readiness GET")
	b.Press("t")
	other := k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "cart"}
	b.Pane.(pane.Targeted).SetTarget(b.Env, other)
	if frame := b.Plain(120, 30); strings.Contains(frame, "readyz") || strings.Contains(frame, "own try") {
		t.Errorf("the old workload is still there:\n%s", frame)
	}
	_ = s
}

func TestTheFrameStaysTrueAsLongAsPromised(t *testing.T) {
	b, _ := open(t)
	b.Feed(detail())
	before := b.Frame(200, 60)
	until := b.Pane.(pane.Ticker).Until(b.Env.Now)
	if until <= 0 || until > 5*time.Second {
		t.Fatalf("Until = %v", until)
	}
	b.Env.Now = b.Env.Now.Add(until - time.Millisecond)
	if b.Frame(200, 60) != before {
		t.Errorf("the frame changed before %v were over", until)
	}
	b.Env.Now = b.Env.Now.Add(2 * time.Millisecond)
	if b.Frame(200, 60) == before {
		t.Errorf("the frame did not change after %v", until)
	}
}

func TestThirtyContainersStayInTheBox(t *testing.T) {
	b, s := open(t)
	list := pods()
	for _, p := range list {
		for i := range 30 {
			c := *p.Spec.Containers[0].DeepCopy()
			c.Name = fmt.Sprintf("c%02d", i)
			p.Spec.Containers = append(p.Spec.Containers, c)
		}
	}
	s.answer = read.Of(panetest.Now(), list, events())
	b.Feed(detail())
	b.Press("G", "g", "]", "]", "[", "enter", "/")
	b.Boxed()
}
