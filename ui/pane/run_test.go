package pane

import (
	"context"
	"errors"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

const patience = 10 * time.Second

func TestATaskIsAddressedAndCurrentUntilANewerOne(t *testing.T) {
	tasks := NewTasks(t.Context())
	older := Run(tasks, "pods", "read", "read pods", time.Minute, func(ctx context.Context) (tea.Msg, error) {
		<-ctx.Done() // the newer one cancels it
		return "old", nil
	})
	newer := Run(tasks, "pods", "read", "read pods", time.Minute, func(context.Context) (tea.Msg, error) { return "new", nil })
	old, now := older().(To), newer().(To)
	if tasks.Current(old) || !tasks.Current(now) || now.Pane != "pods" || now.Msg != "new" {
		t.Errorf("old %+v current %v, new %+v current %v", old, tasks.Current(old), now, tasks.Current(now))
	}
	tasks.Cancel("pods", "read")
	if tasks.Current(now) {
		t.Error("a cancelled task is delivered")
	}
}

func TestAFailureSaysWhatWasTried(t *testing.T) {
	tasks := NewTasks(t.Context())
	refused := errors.New("connection refused")
	to := Run(tasks, "yaml", "read", "read the YAML of Pod shop/a", time.Minute, func(context.Context) (tea.Msg, error) { return nil, refused })().(To)
	if f, ok := to.Msg.(FailedMsg); !ok || !errors.Is(f.Err, refused) || f.What != "read the YAML of Pod shop/a" {
		t.Errorf("got %+v", to.Msg)
	}
	to = Run(tasks, "yaml", "read", "read it", time.Minute, func(context.Context) (tea.Msg, error) { panic("out of range") })().(To)
	if f, ok := to.Msg.(FailedMsg); !ok || f.String() != "read it: bug: panic: out of range" {
		t.Errorf("a panic becomes %+v", to.Msg)
	}
}

func TestATaskEndsWithItsTimeOrTheProgram(t *testing.T) {
	wait := func(ctx context.Context) (tea.Msg, error) { <-ctx.Done(); return nil, ctx.Err() }
	to := Run(NewTasks(t.Context()), "a", "b", "wait", time.Millisecond, wait)().(To)
	if f, ok := to.Msg.(FailedMsg); !ok || !errors.Is(f.Err, context.DeadlineExceeded) {
		t.Errorf("got %+v", to.Msg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tasks := NewTasks(ctx)
	cmd := Run(tasks, "a", "b", "wait", time.Hour, wait)
	if tasks.Running() != 1 || tasks.Wait(time.Millisecond) {
		t.Errorf("%d running", tasks.Running())
	}
	go cmd()
	cancel()
	if !tasks.Wait(patience) || tasks.Running() != 0 {
		t.Errorf("%d still running", tasks.Running())
	}
}
