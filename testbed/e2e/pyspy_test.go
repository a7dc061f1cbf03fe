//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"midwatch/testbed"
)

const pythonWorld = `
apiVersion: v1
kind: Namespace
metadata: {name: python}
---
apiVersion: v1
kind: Namespace
metadata:
  name: python-baseline
  labels: {pod-security.kubernetes.io/enforce: baseline}
---
apiVersion: v1
kind: Pod
metadata: {name: with-pyspy, namespace: python}
spec:
  containers: [{name: app, image: "registry.example.com/app:v1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: without, namespace: python}
spec:
  containers: [{name: app, image: "registry.example.com/app:v1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: counted, namespace: python}
spec:
  containers: [{name: app, image: "registry.example.com/app:v1", ports: [{name: pprof, containerPort: 6060}, {name: metrics, containerPort: 9090}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: without, namespace: python-baseline}
spec:
  containers: [{name: app, image: "registry.example.com/app:v1"}]
`

// execs says in which containers there is a py-spy: everything runs on this
// machine, so it is a question of the path.
const execs = `
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Exec
metadata: {name: with-pyspy, namespace: python}
spec:
  execs: [{local: {envs: [{name: PATH, value: %[1]q}, {name: PYSPY_LOG, value: %[2]q}]}}]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Exec
metadata: {name: without, namespace: python}
spec:
  execs:
    - {containers: [app], local: {envs: [{name: PATH, value: "/usr/bin:/bin"}]}}
    - {local: {envs: [{name: PATH, value: %[1]q}, {name: PYSPY_LOG, value: %[2]q}]}}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Exec
metadata: {name: without, namespace: python-baseline}
spec:
  execs: [{local: {envs: [{name: PATH, value: "/usr/bin:/bin"}]}}]
`

// pythonPods is the world of these tests: pods whose containers are this
// machine, and one Python process on it.
type pythonPods struct {
	pid string
	log string
}

func pythonWorldUp(t *testing.T) *pythonPods {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "py-spy"), "./pyspy")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in for py-spy: %v\n%s", err, out)
	}
	w := &pythonPods{log: filepath.Join(dir, "log"), pid: startPython(t)}
	if err := shared.bed.Apply(ctx, pythonWorld); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, ns := range []string{"python", "python-baseline"} {
			_ = shared.bed.Client().CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{})
		}
	})
	if err := shared.bed.Apply(ctx, fmt.Sprintf(execs, dir+":/usr/bin:/bin", w.log)); err != nil {
		t.Fatal(err)
	}
	for _, pod := range []string{"python/with-pyspy", "python/without", "python/counted", "python-baseline/without"} {
		waitPod(t, ctx, pod, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	}
	// kwok takes its Exec objects up by a watch of its own.
	waitUntil(t, ctx, "kwok to know where py-spy is", func() bool {
		r := midwatch(t, "admin", "profile", "pod/with-pyspy", "-n", "python", "--type", "py-stacks", "--pid", w.pid, "--write")
		return r.code == 0
	})
	return w
}

// startPython starts a Python process and returns its PID.
func startPython(t *testing.T) string {
	t.Helper()
	python := exec.Command("python3", "-c", "import os, sys\nprint(os.getpid(), flush=True)\nsys.stdin.read()")
	in, err := python.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := python.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = python.Wait()
	})
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(pid)
}

func waitPod(t *testing.T, ctx context.Context, name string, done func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	namespace, pod, _ := strings.Cut(name, "/")
	var last *corev1.Pod
	waitUntil(t, ctx, "pod "+name, func() bool {
		p, err := shared.bed.Client().CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		last = p
		return done(p)
	})
	return last
}

func waitUntil(t *testing.T, ctx context.Context, what string, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// said is what the stand-in for py-spy noted.
func (w *pythonPods) said(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(w.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// TestPythonProfiles runs commands in containers of a real API server.
func TestPythonProfiles(t *testing.T) {
	w := pythonWorldUp(t)
	t.Run("without a screen", w.command)
	t.Run("what goes wrong is said in one line", w.trouble)
	t.Run("an interrupt ends the profiler", w.interrupt)
	t.Run("an ephemeral container", w.ephemeral)
	t.Run("PodSecurity refuses one", w.podSecurity)
	t.Run("an image that cannot be pulled", w.noImage)
	t.Run("from the console", w.console)
	t.Run("per request", w.perRequest)
}

func (w *pythonPods) command(t *testing.T) {
	home := environment(t, shared.bed.Kubeconfig("admin"))
	for kind, want := range map[string][]string{
		"py-cpu":    {"price", "handle_order", "sampled", "cpu"},
		"py-wall":   {"select", "wall"},
		"py-stacks": {"price", "exact"},
	} {
		r := command(t, home, "profile", "pod/with-pyspy", "-n", "python", "--type", kind, "--seconds", "1", "--pid", w.pid, "--write")
		for _, text := range want {
			if !strings.Contains(r.out, text) {
				t.Errorf("%s: exit %d, no %s\n%s%s", kind, r.code, text, r.out, r.err)
			}
		}
		if r.code != 0 || !strings.Contains(r.err, "command in container app") {
			t.Errorf("%s: exit %d\n%s%s", kind, r.code, r.out, r.err)
		}
	}
	r := command(t, home, "journal", "-o", "json")
	for _, phase := range []string{`"phase":"intent"`, `"phase":"applied"`, `"phase":"verified"`} {
		if !strings.Contains(strings.ReplaceAll(r.out, `": "`, `":"`), phase) {
			t.Errorf("the journal has no %s:\n%s%s", phase, r.out, r.err)
		}
	}
}

func (w *pythonPods) trouble(t *testing.T) {
	for name, c := range map[string]struct {
		as   string
		args []string
		want string
	}{
		"read-only":         {"admin", []string{"pod/with-pyspy", "--type", "py-cpu"}, "midwatch is read-only: add --write"},
		"may not exec":      {"viewer", []string{"pod/with-pyspy", "--type", "py-cpu", "--write"}, "pods/exec"},
		"not Python":        {"admin", []string{"pod/with-pyspy", "--type", "py-cpu", "--write", "--pid", strconv.Itoa(os.Getpid())}, "no Python process that py-spy 0.4.2 can read"},
		"no such process":   {"admin", []string{"pod/with-pyspy", "--type", "py-stacks", "--write", "--pid", "4194303"}, "has ended"},
		"no py-spy":         {"admin", []string{"pod/without", "--type", "py-cpu", "--write", "--pid", w.pid}, "neither py-spy nor Python's own sampler (from 3.15) is in container app"},
		"old Python":        {"admin", []string{"pod/with-pyspy", "--type", "py-tasks", "--write", "--pid", w.pid}, "needs Python 3.14"},
		"no confirmation":   {"admin", []string{"pod/without", "--type", "py-cpu", "--write", "--pid", w.pid, "--image", "py-spy:1"}, "to carry this out add --yes without"},
		"no such container": {"admin", []string{"pod/with-pyspy", "--type", "py-cpu", "--write", "-c", "sidecar"}, "no container sidecar: want one of app"},
	} {
		t.Run(name, func(t *testing.T) {
			r := midwatch(t, c.as, append([]string{"profile", "-n", "python", "--seconds", "1"}, c.args...)...)
			lines := strings.Split(strings.TrimSpace(r.err), "\n")
			if r.code != 2 || !strings.Contains(lines[len(lines)-1], c.want) && !strings.Contains(r.err, c.want) || r.out != "" {
				t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
			}
		})
	}
}

// interrupt ends the command line with ctrl+c while py-spy samples.
func (w *pythonPods) interrupt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := len(w.said(t))
	cmd := exec.CommandContext(ctx, shared.binary, "profile", "pod/with-pyspy", "-n", "python", "--type", "py-cpu", "--seconds", "60", "--pid", w.pid, "--write")
	cmd.Env = environment(t, shared.bed.Kubeconfig("admin"))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	waitUntil(t, ctx, "py-spy to sample", func() bool {
		n, _ := fmt.Sscanf(w.said(t)[before:], "sampling %d", &pid)
		return n == 1
	})
	begun := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its code is not what this is about
	waitUntil(t, ctx, "py-spy's end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	if took := time.Since(begun); took > 10*time.Second || !strings.Contains(w.said(t)[before:], "interrupted") {
		t.Errorf("it ended after %v, saying %q; py-spy noted %q", took, said.String(), w.said(t)[before:])
	}
}

// run puts an ephemeral container into a state, as its node would.
func setEphemeral(t *testing.T, ctx context.Context, pod, state string) (name string) {
	t.Helper()
	p := waitPod(t, ctx, pod, func(p *corev1.Pod) bool {
		return len(p.Spec.EphemeralContainers) > len(p.Status.EphemeralContainerStatuses)
	})
	c := p.Spec.EphemeralContainers[len(p.Spec.EphemeralContainers)-1]
	statuses := append(p.Status.EphemeralContainerStatuses, corev1.ContainerStatus{Name: c.Name, Image: c.Image})
	if err := json.Unmarshal([]byte(state), &statuses[len(statuses)-1].State); err != nil {
		t.Fatal(err)
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"ephemeralContainerStatuses": statuses}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.bed.Client().CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	return c.Name
}

func (w *pythonPods) ephemeral(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{"profile", "pod/without", "-n", "python", "--type", "py-cpu", "--seconds", "1", "--pid", w.pid, "--image", "registry.example.com/tools/py-spy:0.4", "--write", "--yes", "without"}
	done := make(chan result, 1)
	go func() { done <- midwatch(t, "admin", args...) }()
	name := setEphemeral(t, ctx, "python/without", `{"running": {"startedAt": "2026-11-27T00:00:00Z"}}`)
	r := <-done
	if r.code != 0 || !strings.Contains(r.out, "price") || !strings.Contains(r.err, "SYS_PTRACE") || !strings.Contains(r.err, "cannot be removed") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	p := waitPod(t, ctx, "python/without", func(*corev1.Pod) bool { return true })
	c := p.Spec.EphemeralContainers[0]
	if c.Name != name || c.TargetContainerName != "app" || c.Image != "registry.example.com/tools/py-spy:0.4" || *c.SecurityContext.RunAsUser != 0 || c.SecurityContext.Capabilities.Add[0] != "SYS_PTRACE" {
		t.Errorf("the container is %+v", c)
	}
	// The next one goes through the same container, without an image or a name.
	r = midwatch(t, "admin", append(args[:10:10], "--write")...)
	if r.code != 0 || !strings.Contains(r.err, "command in container "+name) {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	p = waitPod(t, ctx, "python/without", func(*corev1.Pod) bool { return true })
	if len(p.Spec.EphemeralContainers) != 1 {
		t.Errorf("there are %d ephemeral containers", len(p.Spec.EphemeralContainers))
	}
}

func (w *pythonPods) podSecurity(t *testing.T) {
	args := []string{"profile", "pod/without", "-n", "python-baseline", "--type", "py-cpu", "--pid", w.pid, "--image", "py-spy:1", "--write", "--yes", "without"}
	r := midwatch(t, "admin", args...)
	if r.code != 2 || !strings.Contains(r.err, "PodSecurity level baseline of namespace python-baseline forbids it") || !strings.Contains(r.err, "SYS_PTRACE") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	p := waitPod(t, t.Context(), "python-baseline/without", func(*corev1.Pod) bool { return true })
	if len(p.Spec.EphemeralContainers) != 0 {
		t.Errorf("it was added: %+v", p.Spec.EphemeralContainers)
	}
}

func (w *pythonPods) noImage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := shared.bed.Client().CoreV1().Pods("python").Delete(ctx, "counted", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, ctx, "the pod to go", func() bool {
		_, err := shared.bed.Client().CoreV1().Pods("python").Get(ctx, "counted", metav1.GetOptions{})
		return err != nil
	})
	if err := shared.bed.Apply(ctx, pythonWorld); err != nil {
		t.Fatal(err)
	}
	waitPod(t, ctx, "python/counted", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	if err := shared.bed.Apply(ctx, "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Exec\nmetadata: {name: counted, namespace: python}\nspec: {execs: [{local: {envs: [{name: PATH, value: \"/usr/bin:/bin\"}]}}]}\n"); err != nil {
		t.Fatal(err)
	}
	done := make(chan result, 1)
	go func() {
		done <- midwatch(t, "admin", "profile", "pod/counted", "-n", "python", "--type", "py-cpu", "--pid", w.pid, "--image", "registry.example.com/nowhere:1", "--write", "--yes", "counted")
	}()
	setEphemeral(t, ctx, "python/counted", `{"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}`)
	r := <-done
	if r.code != 2 || !strings.Contains(r.err, "image registry.example.com/nowhere:1 cannot be pulled (ErrImagePull: manifest unknown)") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
}

func (w *pythonPods) console(t *testing.T) {
	c := openConsole(t, "admin", 160, 48, "-n", "python")
	c.see(30*time.Second, "READ-ONLY")
	c.send(":pods"+enter, "with-pyspy")
	c.send("/with-pyspy"+enter, "1 of ")
	c.send("p", "what it shows")
	c.send("z")
	c.see(20*time.Second, "✓ py-cpu", "runs a command")
	c.send("P", "PID of the Python process")
	c.answer(w.pid, "PID of the Python process")
	c.send("G") // the last kind
	c.send("kkkk", "event loop in select")
	c.send("--", " 2 s ")
	c.send(enter)
	c.see(20*time.Second, "midwatch is read-only")
	c.send(":unlock 10m"+enter, "Unlock bed-admin?")
	c.send(enter, "UNLOCKED")
	c.send(enter, "Take the py-cpu profile of PID "+w.pid, "py-spy record --pid")
	c.send(enter)
	c.see(20*time.Second, "price", "sampled", "cpu in nanoseconds")
	c.send("w", "Take the py-wall profile")
	c.send(enter)
	c.see(20*time.Second, "select", "wall in nanoseconds")
	before := len(w.said(t))
	c.send("\x1b", "what it shows")
	c.send("+++", " 20 s ")
	c.send(enter, "Take the py-cpu profile")
	c.send(enter, "of 20 s")
	c.send("\x1b", "stopped the py-cpu of with-pyspy")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	waitUntil(t, ctx, "py-spy to be interrupted", func() bool { return strings.Contains(w.said(t)[before:], "interrupted") })
	c.quit()
}

// perRequest counts what a server of the test's own says that it serves.
func (w *pythonPods) perRequest(t *testing.T) {
	served := new(atomic.Int64)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", func(rw http.ResponseWriter, r *http.Request) {
		served.Add(500)
		pprof.Profile(rw, r)
	})
	mux.HandleFunc("GET /metrics", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, "# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} %d\nhttp_requests_total{code=\"500\"} 3\n", 100+served.Load())
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	for _, port := range []int{6060, 9090} {
		if err := shared.bed.Apply(t.Context(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: python}\n"); err != nil {
			t.Fatal(err)
		}
		if err := shared.bed.Forward(t.Context(), "python", "counted", port, &testbed.Target{Address: l.Addr().String()}); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(t.TempDir(), "old.pb.gz")
	busy := make(chan struct{})
	defer close(busy)
	go burnUntil(busy)
	r := midwatch(t, "admin", "profile", "pod/counted", "-n", "python", "--seconds", "2", "--per-request", "http_requests_total", "-o", "pprof", "--out", old)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = midwatch(t, "admin", "profile", "pod/counted", "-n", "python", "--seconds", "2", "--per-request", `http_requests_total{code="200"}`, "--base", old)
	if r.code != 0 || !strings.Contains(r.out, "request") || !strings.Contains(r.out, "burnUntil") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = midwatch(t, "admin", "profile", "pod/counted", "-n", "python", "--seconds", "2", "--per-request", "requests_total", "--base", old)
	if r.code != 2 || !strings.Contains(r.err, "does not have it") || !strings.Contains(r.err, "not known of the new side") {
		t.Errorf("a metric that is not there: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

func burnUntil(done <-chan struct{}) {
	for n := 0; ; n++ {
		if n%1_000_000 == 0 {
			select {
			case <-done:
				return
			default:
			}
		}
	}
}
