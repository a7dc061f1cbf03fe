package capture_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/profiles/capture"
)

// status puts the pod's newest ephemeral container into a state.
func (w *pyWorld) status(t *testing.T, state corev1.ContainerState) {
	t.Helper()
	key := apiserver.Key{Resource: corev1.Resource("pods"), Namespace: "shop", Name: "app-1"}
	_, err := w.Store().Modify(key, apiserver.WriteOptions{Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		p := o.(*corev1.Pod)
		last := p.Spec.EphemeralContainers[len(p.Spec.EphemeralContainers)-1]
		p.Status.EphemeralContainerStatuses = append(p.Status.EphemeralContainerStatuses, corev1.ContainerStatus{Name: last.Name, State: state})
		return p, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *pyWorld) addHelper(t *testing.T, c action.Confirmation) (func(context.Context) error, error) {
	t.Helper()
	plan, running, err := w.taker.PlanHelper(within(t), w.target, "", "tools/py-spy:0.4")
	if err != nil {
		return nil, err
	}
	if said := plan.Blast + strings.Join(plan.Warnings, " "); plan.Danger != action.DangerName || !strings.Contains(said, "SYS_PTRACE") || !strings.Contains(said, "cannot be removed") || !strings.Contains(said, "container api") {
		t.Errorf("the plan says %q, danger %d", said, plan.Danger)
	}
	_, err = w.gate.Run(within(t), plan, c)
	return running, err
}

func TestAnEphemeralContainerIsAddedAndUsed(t *testing.T) {
	in := newInside(t)
	w := newPyWorld(t, in)
	if _, err := w.addHelper(t, action.Confirmation{}); !errors.Is(err, action.ErrUnconfirmed) {
		t.Fatalf("without the pod's name: %v", err)
	}
	running, err := w.addHelper(t, action.Confirmation{Typed: "app-1"})
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan error, 1)
	go func() { up <- running(within(t)) }()
	w.status(t, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(w.journal.phases(), "debug intent, debug applied") {
		t.Errorf("the journal has %s", w.journal.phases())
	}
	py, err := w.taker.Look(within(t), w.target, capture.Request{Kind: capture.PyCPU, PID: me()})
	if err != nil || !strings.HasPrefix(py.Container, "midwatch-py-") || py.Of != "api" {
		t.Errorf("looked into %+v, %v", py, err)
	}
	if _, err := w.addHelper(t, action.Confirmation{Typed: "app-1"}); !errors.Is(err, action.ErrChanged) {
		t.Errorf("a second one: %v", err)
	}
}

func TestAnEphemeralContainerThatNeverRuns(t *testing.T) {
	for name, c := range map[string]struct {
		state corev1.ContainerState
		want  string
	}{
		"no image": {corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"}}, "image tools/py-spy:0.4 cannot be pulled (ImagePullBackOff: Back-off pulling image): name an image that this node can pull"},
		"refused":  {corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: "container has runAsNonRoot"}}, "cannot start (CreateContainerConfigError: container has runAsNonRoot)"},
		"ended":    {corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: `exec: "sleep": executable file not found in $PATH`}}, "ended at once, with code 128"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPyWorld(t, newInside(t))
			running, err := w.addHelper(t, action.Confirmation{Typed: "app-1"})
			if err != nil {
				t.Fatal(err)
			}
			w.status(t, c.state)
			if err := running(within(t)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnEphemeralContainerThatIsNotTaken(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*pyWorld)
		want string
	}{
		"no right": {func(w *pyWorld) {
			w.Allow(apiserver.Rule{Verbs: []string{"get", "list", "watch"}, Groups: []string{"*"}, Resources: []string{"*"}})
		}, "needs the verb patch on pods/ephemeralcontainers"},
		"a webhook": {func(w *pyWorld) {
			w.Fail(func(r *apiserver.Request) *apiserver.Fault {
				if r.Subresource == "ephemeralcontainers" {
					return &apiserver.Fault{Code: 403, Body: `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":"admission webhook \"no-debug.example.com\" denied the request: no debugging here"}`}
				}
				return nil
			})
		}, "admission refused it: "},
		"read-only": {func(w *pyWorld) { w.lock.Lock() }, "read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPyWorld(t, newInside(t))
			c.edit(w)
			if _, err := w.addHelper(t, action.Confirmation{Typed: "app-1"}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
