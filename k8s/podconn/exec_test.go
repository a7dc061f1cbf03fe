package podconn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s/podconn"
	"midwatch/live"
)

// program is what runs in the container.
type program func(ctx context.Context, c apiserver.Command) (int, error)

func (p program) Exec(ctx context.Context, c apiserver.Command) (int, error) { return p(ctx, c) }

// noExecSocket makes the server one that knows no WebSocket for commands.
func (w *world) noExecSocket() {
	w.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Subresource == "exec" && r.HTTP.Method == http.MethodGet {
			return &apiserver.Fault{Code: http.StatusBadRequest, Body: "unable to upgrade: missing upgrade headers"}
		}
		return nil
	})
}

type memoryJournal struct{}

func (memoryJournal) Append(context.Context, action.Entry) error { return nil }

// permitted runs do as the one step of a plan that the gate carries out.
func (w *world) permitted(t *testing.T, do func(ctx context.Context) error) error {
	t.Helper()
	w.lock.Open()
	gate := action.NewGate(w.lock, memoryJournal{}, live.SystemClock{}, "tester")
	plan := action.New(action.Plan{Verb: "try", Target: action.Target{Context: "demo", ClusterUID: "uid", Kind: "Pod", Name: w.ref.Name}}, action.Steps{Apply: do})
	_, err := gate.Run(within(t), plan, action.Confirmation{})
	return err
}

func (w *world) start(t *testing.T, c podconn.Command) *podconn.Process {
	t.Helper()
	var p *podconn.Process
	if err := w.permitted(t, func(ctx context.Context) (err error) {
		p, err = podconn.Exec(ctx, w, w.ref, c)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func wait(t *testing.T, p *podconn.Process) error {
	t.Helper()
	select {
	case <-p.Done():
		return p.Err()
	case <-within(t).Done():
		t.Fatal("the command did not end")
		return nil
	}
}

func overBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, prepare := range map[string]func(*world){"WebSocket": func(*world) {}, "SPDY": (*world).noExecSocket} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			test(t, w)
		})
	}
}

func TestACommandsOutputAndCode(t *testing.T) {
	overBoth(t, func(t *testing.T, w *world) {
		long := strings.Repeat("a line of a profile\n", 20_000)
		w.SetExec(program(func(_ context.Context, c apiserver.Command) (int, error) {
			_, _ = io.WriteString(c.Stdout, long)
			fmt.Fprintf(c.Stderr, "%s in %s", strings.Join(c.Args, " "), c.Container)
			return 3, nil
		}))
		var out, errs bytes.Buffer
		p := w.start(t, podconn.Command{Container: "api", Args: []string{"say", "two words", "&x=1"}, Stdout: &out, Stderr: &errs})
		err := wait(t, p)
		var exit *podconn.ExitError
		if !errors.As(err, &exit) || exit.Code != 3 {
			t.Errorf("it ended with %v", err)
		}
		if out.String() != long || errs.String() != "say two words &x=1 in api" {
			t.Errorf("%d bytes and %q came", out.Len(), errs.String())
		}
	})
}

func TestStopEndsTheInputAndWaits(t *testing.T) {
	overBoth(t, func(t *testing.T, w *world) {
		ended := make(chan string, 1)
		w.SetExec(program(func(ctx context.Context, c apiserver.Command) (int, error) {
			_, _ = io.WriteString(c.Stdout, "running")
			_, _ = io.Copy(io.Discard, c.Stdin) // ends when the client closes it
			ended <- fmt.Sprint(ctx.Err())
			return 130, nil
		}))
		out := &signal{came: make(chan struct{})}
		p := w.start(t, podconn.Command{Container: "api", Args: []string{"sleep"}, Stdout: out, Stderr: io.Discard})
		<-out.came
		p.Stop()
		if err := p.Err(); !errors.Is(err, podconn.ErrStopped) {
			t.Errorf("it ended with %v", err)
		}
		if why := <-ended; why != "<nil>" {
			t.Errorf("the connection ended first: %s", why)
		}
		p.Stop() // once more is nothing
	})
}

// signal tells that something was written.
type signal struct {
	came chan struct{}
	n    int
}

func (s *signal) Write(p []byte) (int, error) {
	if s.n == 0 {
		close(s.came)
	}
	s.n += len(p)
	return len(p), nil
}

// full takes a little and then no more.
type full struct{ left int }

var errFull = errors.New("enough")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestTooMuchOutputEndsTheCommand(t *testing.T) {
	overBoth(t, func(t *testing.T, w *world) {
		over := make(chan struct{})
		w.SetExec(program(func(ctx context.Context, c apiserver.Command) (int, error) {
			defer close(over)
			for ctx.Err() == nil {
				if _, err := c.Stdout.Write(make([]byte, 32<<10)); err != nil {
					break
				}
			}
			return 0, nil
		}))
		p := w.start(t, podconn.Command{Container: "api", Args: []string{"yes"}, Stdout: &full{left: 100 << 10}, Stderr: io.Discard})
		if err := wait(t, p); !errors.Is(err, errFull) {
			t.Errorf("it ended with %v", err)
		}
		<-over
	})
}

func TestACommandThatCannotRun(t *testing.T) {
	w := newWorld(t)
	run := func(c podconn.Command) error {
		return w.permitted(t, func(ctx context.Context) error {
			p, err := podconn.Exec(ctx, w, w.ref, c)
			if err != nil {
				return err
			}
			defer p.Stop()
			return wait(t, p)
		})
	}
	command := podconn.Command{Container: "api", Args: []string{"py-spy"}, Stdout: io.Discard, Stderr: io.Discard}
	err := run(command)
	var exit *podconn.ExitError
	if !errors.As(err, &exit) || exit.Code != -1 || !strings.Contains(err.Error(), "executable file not found") {
		t.Errorf("a program that is not there: %v", err)
	}
	command.Container = "sidecar"
	if err := run(command); err == nil || !strings.Contains(err.Error(), "container sidecar is not valid") {
		t.Errorf("a container that is not there: %v", err)
	}
	command.Container = "api"
	w.Allow(apiserver.Rule{Verbs: []string{"get"}, Groups: []string{"*"}, Resources: []string{"*"}})
	var denied *podconn.Denied
	if err := run(command); !errors.As(err, &denied) || !strings.Contains(err.Error(), "create or get on pods/exec") {
		t.Errorf("forbidden: %v", err)
	}
}

func TestACommandNeedsThePlan(t *testing.T) {
	w := newWorld(t)
	ran := false
	w.SetExec(program(func(context.Context, apiserver.Command) (int, error) { ran = true; return 0, nil }))
	command := podconn.Command{Container: "api", Args: []string{"rm"}, Stdout: io.Discard, Stderr: io.Discard}
	var refused *action.RefusedError
	if _, err := podconn.Exec(within(t), w, w.ref, command); !errors.As(err, &refused) || !refused.Locked {
		t.Errorf("locked: %v", err)
	}
	w.lock.Open()
	if _, err := podconn.Exec(within(t), w, w.ref, command); !errors.As(err, &refused) {
		t.Errorf("beside the gate: %v", err)
	}
	if ran {
		t.Error("the command ran")
	}
}

func TestACommandThatIsCutOff(t *testing.T) {
	overBoth(t, func(t *testing.T, w *world) {
		w.SetExec(program(func(ctx context.Context, c apiserver.Command) (int, error) {
			_, _ = io.WriteString(c.Stdout, "half a")
			<-ctx.Done()
			return 0, nil
		}))
		out := &signal{came: make(chan struct{})}
		p := w.start(t, podconn.Command{Container: "api", Args: []string{"py-spy"}, Stdout: out, Stderr: io.Discard})
		<-out.came
		w.Stop()
		if err := wait(t, p); err == nil || errors.Is(err, podconn.ErrStopped) {
			t.Errorf("it ended with %v", err)
		}
		begun := time.Now()
		p.Stop()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("stopping what has ended took %v", took)
		}
	})
}
