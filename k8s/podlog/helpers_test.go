package podlog_test

import (
	"cmp"
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"midwatch/demo/apiserver"
	"midwatch/k8s/connect"
	"midwatch/k8s/podlog"
	"midwatch/live"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// clock is the machine's, except that pauses last until the test ends them.
type clock struct {
	live.SystemClock
	waits chan chan time.Time
}

func (c clock) After(time.Duration) (<-chan time.Time, func()) {
	timer := make(chan time.Time, 1)
	c.waits <- timer
	return timer, func() {}
}

// pass ends the pause that somebody is in, or will be.
func (c clock) pass(t *testing.T) {
	t.Helper()
	select {
	case timer := <-c.waits:
		timer <- time.Now()
	case <-time.After(patience):
		t.Fatal("nobody waits")
	}
}

const patience = 30 * time.Second

// world is an API server with pods whose logs the test writes.
type world struct {
	*apiserver.Server
	client kubernetes.Interface
	clock  clock

	mu    sync.Mutex
	logs  map[string][]apiserver.LogLine // by pod/container, previous ones with a "!"
	heard chan struct{}                  // buffered by one: a stream has something new
}

func (w *world) Typed() kubernetes.Interface { return w.client }
func (w *world) Clock() live.Clock           { return w.clock }

func newWorld(t *testing.T) *world {
	t.Helper()
	s := apiserver.New(apiserver.Options{Seed: 7, Namespaces: []string{"shop"}})
	t.Cleanup(s.Close)
	w := &world{
		Server: s, client: kubernetes.NewForConfigOrDie(s.RESTConfig()), clock: clock{waits: make(chan chan time.Time, 1000)},
		logs: map[string][]apiserver.LogLine{}, heard: make(chan struct{}, 1),
	}
	s.SetLogs(w)
	return w
}

// connected reads through a session, as the console does.
func (w *world) connected(t *testing.T) *world {
	t.Helper()
	raw := clientcmdapi.NewConfig()
	raw.CurrentContext = "demo"
	raw.Contexts["demo"] = &clientcmdapi.Context{Cluster: "demo", AuthInfo: "demo"}
	raw.Clusters["demo"] = &clientcmdapi.Cluster{Server: w.RESTConfig().Host}
	raw.AuthInfos["demo"] = clientcmdapi.NewAuthInfo()
	c, err := connect.FromRaw(*raw, func(cfg *rest.Config) { cfg.Dial = w.Dial }).Open(t.Context(), connect.Options{Context: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w.client = c.Typed()
	return w
}

// Lines implements [apiserver.LogSource]. As on a real node, the beginning of
// the span counts with it.
func (w *world) Lines(pod *corev1.Pod, container string, previous bool, after, until time.Time) []apiserver.LogLine {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := pod.Name + "/" + container
	if previous {
		key += "!"
	}
	var out []apiserver.LogLine
	for _, l := range w.logs[key] {
		if l.At.After(after) && !l.At.After(until) {
			out = append(out, l)
		}
	}
	return out
}

// write lets a container write lines now.
func (w *world) write(key string, texts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range texts {
		w.logs[key] = append(w.logs[key], apiserver.LogLine{At: time.Now(), Text: s})
	}
}

// pod makes a pod that runs; its containers are named.
func (w *world) pod(t *testing.T, name string, containers ...string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}}
	for _, c := range containers {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c, Image: "shop/" + c})
	}
	made, err := w.client.CoreV1().Pods("shop").Create(t.Context(), p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w.set(t, made, func(st *corev1.PodStatus) {
		st.Phase = corev1.PodRunning
		for _, c := range containers {
			st.ContainerStatuses = append(st.ContainerStatuses, corev1.ContainerStatus{Name: c, State: running()})
		}
	})
}

// set changes a pod's status.
func (w *world) set(t *testing.T, p *corev1.Pod, change func(*corev1.PodStatus)) *corev1.Pod {
	t.Helper()
	p = p.DeepCopy()
	change(&p.Status)
	got, err := w.client.CoreV1().Pods("shop").UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func died(code int32, reason string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, FinishedAt: metav1.Now()}}
}

// open reads logs; what was started has ended when the test has.
func (w *world) open(t *testing.T, q podlog.Query) *podlog.Stream {
	t.Helper()
	q.Namespace = cmp.Or(q.Namespace, "shop")
	q.Dirty = func() {
		select {
		case w.heard <- struct{}{}:
		default:
		}
	}
	s, err := podlog.Open(t.Context(), w, q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		<-s.Done()
	})
	return s
}

// until waits for a condition; it is looked at whenever the stream says
// something.
func (w *world) until(t *testing.T, s *podlog.Stream, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-w.heard:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s; so far %q", what, texts(s))
		}
	}
}

// texts are the lines of a stream: "pod text", notes in "-- --".
func texts(s *podlog.Stream) []string {
	lines, _, _ := s.Since(0)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Pod + " " + l.Text.String()
		if l.Note {
			out[i] = l.Pod + " -- " + l.Text.String() + " --"
		}
	}
	return out
}

func targets(names ...string) []podlog.Target {
	var out []podlog.Target
	for _, n := range names {
		out = append(out, podlog.Target{Name: n})
	}
	return out
}
