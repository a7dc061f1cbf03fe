package capture_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/live"
	"midwatch/profiles"
	"midwatch/profiles/capture"
)

// pySpy stands for py-spy: its command line, its words and its files, with
// what a test wants of it in the environment. It is no sampler.
const pySpy = `#!/bin/sh
echo "$*" >>"$LOG"
case $1 in
--version) echo "py-spy 0.4.2"; exit 0;;
dump) [ -n "$SAYS" ] || { cat "$FIXTURES/py-spy.dump.json"; exit 0; };;
esac
if [ -n "$SAYS" ]; then echo "$SAYS" >&2; exit 1; fi
out=
while [ $# -gt 0 ]; do [ "$1" = --output ] && out=$2; shift; done
echo "py-spy> Sampling process 100 times a second for 10 seconds. Press Control-C to exit."
echo
if [ -n "$SLOW" ]; then
	trap 'echo TERM >>"$LOG"; exit 0' TERM # a shell cannot take up an INT that it was begun without
	echo "pid $$" >>"$LOG"
	while :; do sleep 0.05; done
fi
cat "$FIXTURES/py-spy.speedscope.json" >"$out"
echo "py-spy> Wrote speedscope file to '$out'. Samples: ${SAMPLES:-99} Errors: ${ERRORS:-0}"
`

// inside is a container: programs of this machine, with a folder of its own
// before all others in the path.
type inside struct {
	dir     string
	env     []string
	missing []string // programs that are not there

	mu  sync.Mutex
	ran [][]string
}

func newInside(t *testing.T, env ...string) *inside {
	t.Helper()
	in := &inside{dir: t.TempDir()}
	fixtures, err := filepath.Abs("../decode/testdata")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in.dir, "py-spy"), []byte(pySpy), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	in.env = append([]string{"PATH=" + in.dir + ":" + os.Getenv("PATH"), "FIXTURES=" + fixtures, "LOG=" + in.log()}, env...)
	return in
}

func (in *inside) log() string { return filepath.Join(in.dir, "log") }

func (in *inside) said(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(in.log())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// Exec implements apiserver.ExecSource.
func (in *inside) Exec(ctx context.Context, c apiserver.Command) (int, error) {
	in.mu.Lock()
	in.ran = append(in.ran, c.Args)
	in.mu.Unlock()
	program := c.Args[0]
	if slices.Contains(in.missing, program) {
		return -1, apiserver.NotFound(program)
	}
	if program == "py-spy" {
		program = filepath.Join(in.dir, program)
	}
	cmd := exec.Command(program, c.Args[1:]...) //nolint:gosec,noctx // what the test runs; as on a node, it outlives its client
	cmd.Env, cmd.Stdout, cmd.Stderr = in.env, c.Stdout, c.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return -1, err
	}
	if err := cmd.Start(); err != nil {
		return -1, err
	}
	go func() {
		buf := make([]byte, 100)
		for {
			n, err := c.Stdin.Read(buf)
			_, _ = stdin.Write(buf[:n])
			if err != nil {
				_ = stdin.Close()
				return
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// pyWorld is a pod whose container is this machine.
type pyWorld struct {
	*world
	gate    *action.Gate
	lock    *action.Lock
	journal *entries
	target  capture.Target
	in      *inside
}

type entries struct {
	mu  sync.Mutex
	all []action.Entry
}

func (e *entries) Append(_ context.Context, x action.Entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, x)
	return nil
}

// phases are "look intent", "look applied", …
func (e *entries) phases() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, x := range e.all {
		out = append(out, x.Verb+" "+string(x.Phase))
	}
	return strings.Join(out, ", ")
}

func newPyWorld(t *testing.T, in *inside) *pyWorld {
	t.Helper()
	w := &pyWorld{world: newWorld(t), journal: &entries{}, in: in}
	w.lock = action.NewLock(live.SystemClock{}, "demo", "")
	w.lock.Open()
	w.gate = action.NewGate(w.lock, w.journal, live.SystemClock{}, "tester")
	w.SetExec(in)
	w.taker = capture.New(capture.Options{Cluster: locked{cluster{w.world}, w.lock}, Context: "demo", Journal: w.gate, Gate: w.gate})
	t.Cleanup(w.taker.Close)
	w.target = w.pod(t, "app-1", nil)
	return w
}

// me is a process that is there: the test itself, as a stranger to py-spy.
func me() int { return os.Getpid() }

func (w *pyWorld) take(t *testing.T, ctx context.Context, req capture.Request) (*capture.Profile, error) {
	t.Helper()
	py, err := w.taker.Look(within(t), w.target, req)
	if err != nil {
		return nil, err
	}
	plan, wait, err := w.taker.PlanExec(w.target, req, py)
	if err != nil {
		return nil, err
	}
	out, err := w.gate.Run(within(t), plan, action.Confirmation{})
	if err != nil {
		return nil, err
	}
	p, err := wait(ctx, nil)
	_, _, _ = w.gate.Verify(within(t), out)
	return p, err
}

func TestPySpyByExec(t *testing.T) {
	for kind, want := range map[capture.Kind]string{
		capture.PyCPU:    "record --pid %d --duration 2 --rate 100 --format speedscope --nonblocking --output /dev/fd/3\n",
		capture.PyWall:   "record --pid %d --duration 2 --rate 100 --format speedscope --nonblocking --output /dev/fd/3 --idle\n",
		capture.PyStacks: "dump --pid %d --json\n",
	} {
		for _, protocol := range []string{"WebSocket", "SPDY"} {
			t.Run(string(kind)+" over "+protocol, func(t *testing.T) {
				w := newPyWorld(t, newInside(t))
				if protocol == "SPDY" {
					w.Fail(func(r *apiserver.Request) *apiserver.Fault {
						if r.Subresource == "exec" && r.Verb == "get" {
							return &apiserver.Fault{Code: 400, Body: "no WebSocket"}
						}
						return nil
					})
				}
				p, err := w.take(t, within(t), capture.Request{Kind: kind, Seconds: 2, PID: me()})
				if err != nil {
					t.Fatal(err)
				}
				if said := w.in.said(t); said != "--version\n"+fmt.Sprintf(want, me()) {
					t.Errorf("py-spy was called as %q", said)
				}
				if kind == capture.PyStacks {
					if p.Format != profiles.PySpyDump {
						t.Errorf("it is a %s", p.Format)
					}
				} else if p.Format != profiles.Speedscope || p.Types[1].Type != map[capture.Kind]string{capture.PyCPU: "cpu", capture.PyWall: "wall"}[kind] {
					t.Errorf("it is a %s of %v", p.Format, p.Types)
				}
				if got := w.journal.phases(); got != "look intent, look applied, profile intent, profile applied, profile verified" {
					t.Errorf("the journal has %s", got)
				}
				if left, _ := filepath.Glob(filepath.Join(w.in.dir, "*")); len(left) != 2 { // py-spy and its log
					t.Errorf("left behind: %q", left)
				}
				if got := w.taker.Earlier(&capture.Profile{Target: w.target, Req: p.Req, At: time.Now()}); len(got) != 1 {
					t.Errorf("%d captures are kept", len(got))
				}
			})
		}
	}
}

func TestStoppingEndsTheProfilerInTheContainer(t *testing.T) {
	w := newPyWorld(t, newInside(t, "SLOW=1"))
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	pid := 0
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		for pid == 0 && ctx.Err() == nil {
			if _, rest, ok := strings.Cut(w.in.said(t), "\npid "); ok && strings.HasSuffix(rest, "\n") {
				pid, _ = strconv.Atoi(strings.TrimSpace(rest))
			}
			runtime.Gosched()
		}
	})
	_, err := w.take(t, ctx, capture.Request{Kind: capture.PyCPU, Seconds: 30, PID: me()})
	watching.Wait()
	var e *capture.Error
	if !errors.As(err, &e) || e.Cause != capture.Cancelled {
		t.Fatalf("it ended with %v", err)
	}
	if !strings.HasSuffix(w.in.said(t), "TERM\n") {
		t.Errorf("py-spy was not ended: %q", w.in.said(t))
	}
	if err := syscall.Kill(pid, 0); pid == 0 || !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	w.in.env = w.in.env[:len(w.in.env)-1]
	if _, err := w.take(t, within(t), capture.Request{Kind: capture.PyCPU, Seconds: 2, PID: me()}); err != nil {
		t.Errorf("the next capture: %v", err)
	}
}

func TestWithoutAShell(t *testing.T) {
	in := newInside(t)
	in.missing = []string{"sh"}
	w := newPyWorld(t, in)
	p, err := w.take(t, within(t), capture.Request{Kind: capture.PyCPU, Seconds: 2})
	if err != nil {
		t.Fatal(err)
	}
	if said := w.in.said(t); !strings.Contains(said, "record --pid 1 --duration 2 --rate 100 --format speedscope --nonblocking --output /dev/stdout") {
		t.Errorf("py-spy was called as %q", said)
	}
	if p.Format != profiles.Speedscope {
		t.Errorf("it is a %s", p.Format)
	}
}

func TestWhatPySpyComplainsAbout(t *testing.T) {
	for name, c := range map[string]struct {
		env     []string
		missing []string
		edit    func(*pyWorld)
		req     capture.Request
		cause   capture.Cause
		want    string
	}{
		"no rights": {env: []string{`SAYS=Permission Denied: Try running again with elevated permissions by going 'sudo env "PATH=$PATH" !!'`}, cause: capture.NoPtrace, want: "SYS_PTRACE"},
		"no rights in Docker": {
			env:   []string{"SAYS=Permission Denied\n\nIt looks like you are running in a docker container. Please make sure you started your container with the SYS_PTRACE capability."},
			cause: capture.NoPtrace, want: "SYS_PTRACE",
		},
		"not Python":     {env: []string{"SAYS=Error: Failed to find python version from target process"}, cause: capture.NotPython, want: "no Python process that py-spy 0.4.2 can read: name another one"},
		"too new":        {env: []string{"SAYS=Error: Unsupported version of Python: 3.16.0"}, cause: capture.OldTool, want: "does not know this Python (Unsupported version of Python: 3.16.0): use a newer py-spy"},
		"gone":           {env: []string{"SAYS=Error: Failed to open process 99\nReason: No such process (os error 3)"}, cause: capture.Gone, want: "has ended"},
		"something else": {env: []string{"SAYS=Error: Broken pipe (os error 32)"}, cause: capture.Trouble, want: "py-spy 0.4.2 failed (it ended with code 1): Error: Broken pipe (os error 32)"},
		"no py-spy":      {edit: func(w *pyWorld) { _ = os.Remove(filepath.Join(w.in.dir, "py-spy")) }, cause: capture.NoTool, want: "neither py-spy nor Python's own sampler"},
		"nothing at all": {missing: []string{"sh", "py-spy"}, cause: capture.NoTool, want: "container api has neither a shell nor py-spy: put it into the image"},
		"read-only":      {edit: func(w *pyWorld) { w.lock.Lock() }, cause: capture.ReadOnly, want: "midwatch is read-only: :unlock 10m first"},
		"forbidden": {edit: func(w *pyWorld) {
			w.Allow(apiserver.Rule{Verbs: []string{"get", "list", "watch"}, Groups: []string{"*"}, Resources: []string{"*"}})
		}, cause: capture.NotAllowed, want: "needs the verb create or get on pods/exec"},
		"another container":      {req: capture.Request{Container: "sidecar"}, cause: capture.NoKind, want: "no container sidecar: want one of api"},
		"tasks of an old Python": {req: capture.Request{Kind: capture.PyTasks}, cause: capture.NoKind, want: "needs Python 3.14"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInside(t, c.env...)
			in.missing = c.missing
			w := newPyWorld(t, in)
			if c.edit != nil {
				c.edit(w)
			}
			req := c.req
			req.Seconds, req.PID = 2, me()
			if req.Kind == "" {
				req.Kind = capture.PyCPU
			}
			_, err := w.take(t, within(t), req)
			var e *capture.Error
			if !errors.As(err, &e) || e.Cause != c.cause || !strings.Contains(e.Error(), c.want) || strings.Contains(e.Error(), "\n") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnreadSamplesAreSaid(t *testing.T) {
	w := newPyWorld(t, newInside(t, "SAMPLES=90", "ERRORS=10"))
	p, err := w.take(t, within(t), capture.Request{Kind: capture.PyCPU, Seconds: 2, PID: me()})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "10 of 100 samples") {
		t.Errorf("warnings: %q", p.Warnings)
	}
}

func TestClosingTheTakerEndsWhatRuns(t *testing.T) {
	w := newPyWorld(t, newInside(t, "SLOW=1"))
	req := capture.Request{Kind: capture.PyCPU, Seconds: 30, PID: me()}
	py, err := w.taker.Look(within(t), w.target, req)
	if err != nil {
		t.Fatal(err)
	}
	plan, wait, err := w.taker.PlanExec(w.target, req, py)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.gate.Run(within(t), plan, action.Confirmation{}); err != nil {
		t.Fatal(err)
	}
	w.taker.Close()
	if _, err := wait(within(t), nil); err == nil {
		t.Error("a profile came")
	}
}

// TestRequestsAreCounted reads a counter before and after the capture.
func TestRequestsAreCounted(t *testing.T) {
	var n atomic.Int64
	metrics := http.NewServeMux()
	metrics.HandleFunc("GET /stats", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, "http_requests_total{code=\"200\"} %d\n", 1000+500*n.Add(1))
	})
	for name, c := range map[string]struct {
		rule  capture.Rule
		kind  capture.Kind
		count float64
		why   string
	}{
		"counted":      {capture.Rule{Requests: "http_requests_total", MetricsPath: "stats"}, capture.CPU, 500, ""},
		"by exec":      {capture.Rule{Requests: "http_requests_total", MetricsPath: "stats", MetricsPort: "9090"}, capture.PyCPU, 500, ""},
		"not named":    {capture.Rule{}, capture.CPU, 0, "no metric is named"},
		"not there":    {capture.Rule{Requests: "other", MetricsPath: "stats"}, capture.CPU, 0, "does not have it"},
		"no page":      {capture.Rule{Requests: "http_requests_total"}, capture.CPU, 0, "port 9090 answers 404 to /metrics"},
		"nobody there": {capture.Rule{Requests: "http_requests_total", MetricsPort: "9999"}, capture.CPU, 0, "nothing listens there"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPyWorld(t, newInside(t))
			w.taker = capture.New(capture.Options{Cluster: locked{cluster{w.world}, w.lock}, Context: "demo", Journal: w.gate, Gate: w.gate, Rules: []capture.Rule{c.rule}})
			t.Cleanup(w.taker.Close)
			w.listen(6060, goPprof())
			w.listen(9090, metrics)
			w.target = w.pod(t, "app-2", func(p *corev1.Pod) { p.Annotations["prometheus.io/port"] = "9090" })
			req := capture.Request{Kind: c.kind, Seconds: 1}
			var p *capture.Profile
			var err error
			if c.kind == capture.PyCPU {
				req.PID = me()
				p, err = w.take(t, within(t), req)
			} else {
				p, err = w.taker.Take(within(t), w.target, req, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Requests.Count != c.count || !strings.Contains(p.Requests.Why, c.why) || p.Profile.Requests() != c.count {
				t.Errorf("counted %+v; the profile says %v", p.Requests, p.Profile.Requests())
			}
		})
	}
}

// TestBothSidesByOnePlan takes profiles of two pods, and leaves out a third
// that has no profiler.
func TestBothSidesByOnePlan(t *testing.T) {
	w := newPyWorld(t, newInside(t))
	second := w.pod(t, "app-2", nil)
	gone := second
	gone.Pod.Name = "app-3"
	startPython(t) // the busiest, or one of them
	req := capture.Request{Kind: capture.PyCPU, Seconds: 1}
	plan, wait, err := w.taker.PlanSides(within(t), []capture.Target{w.target}, []capture.Target{second, gone}, req)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Danger != action.DangerEnter || plan.Target.Kind != "Deployment" || len(plan.Changes) != 2 || len(plan.Warnings) != 1 {
		t.Errorf("planned %+v", plan)
	}
	if _, err := w.gate.Run(within(t), plan, action.Confirmation{}); err != nil {
		t.Fatal(err)
	}
	sides, err := wait(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(sides.Base) != 1 || len(sides.New) != 1 || len(sides.Notes) != 1 || !strings.Contains(sides.Notes[0], "app-3") {
		t.Errorf("got %+v", sides)
	}
	if _, _, err := w.taker.PlanSides(within(t), []capture.Target{w.target}, []capture.Target{gone}, req); err == nil || !strings.Contains(err.Error(), "nothing to compare") {
		t.Errorf("an empty side: %v", err)
	}
}

// standIn is what a copy of this test is called to pass for Python, by its name.
const standIn = "python3.12"

// startPython runs a process of that name, which is all that looking for one
// sees.
func startPython(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self) //nolint:gosec // the test itself
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(t.TempDir(), standIn)
	if err := os.WriteFile(python, data, 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	cmd := exec.Command(python) //nolint:gosec,noctx // ended below
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
}
