package pane

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// To is an addressed message: the root unwraps it and delivers Msg to the
// pane once, unless a newer task of the same slot has been started since.
type To struct {
	Pane ID
	Slot string
	Gen  uint64
	Msg  tea.Msg
}

// FailedMsg is delivered instead of a result when a task fails or panics.
type FailedMsg struct {
	// What was tried: "fetch YAML of Pod shop/api-1".
	What string
	Err  error
}

// Tasks starts and counts asynchronous work. One belongs to the program; its
// context ends with it. It is safe for concurrent use.
type Tasks struct {
	ctx context.Context

	mu      sync.Mutex
	running int
	idle    chan struct{} // closed once running is 0; nil while nobody waits
	gen     uint64
	slots   map[slot]task
}

type slot struct {
	pane ID
	name string
}

type task struct {
	gen    uint64
	cancel context.CancelFunc
}

// NewTasks makes the program's task counter; ctx ends every task.
func NewTasks(ctx context.Context) *Tasks {
	return &Tasks{ctx: ctx, slots: map[slot]task{}}
}

// Running is how many tasks have been started and have not ended.
func (t *Tasks) Running() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running
}

// Wait waits until no task runs, at most for d, and reports whether that is
// so. The context they were made with should have ended.
func (t *Tasks) Wait(d time.Duration) bool {
	t.mu.Lock()
	if t.running == 0 {
		t.mu.Unlock()
		return true
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// Current reports whether an addressed message is the newest of its slot.
func (t *Tasks) Current(m To) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.slots[slot{m.Pane, m.Slot}].gen == m.Gen
}

// Cancel ends the task of a slot; its result will not be delivered.
func (t *Tasks) Cancel(pane ID, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := slot{pane, name}
	if old, ok := t.slots[key]; ok {
		old.cancel()
		delete(t.slots, key)
	}
}

func (t *Tasks) start(key slot, timeout time.Duration) (context.Context, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.slots[key]; ok {
		old.cancel()
	}
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	t.gen++
	t.running++
	t.slots[key] = task{gen: t.gen, cancel: cancel}
	return ctx, t.gen
}

// end releases the task's timer; the slot keeps the generation so that the
// result on its way is still recognised as current.
func (t *Tasks) end(key slot, gen uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	if t.running == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
	if s, ok := t.slots[key]; ok && s.gen == gen {
		s.cancel()
	}
}

// Run starts fn off the UI goroutine. What it returns is delivered to the
// pane; an error, a timeout or a panic arrives as [FailedMsg]. Starting
// another task in the same slot cancels this one. what names the attempt.
func Run(t *Tasks, id ID, name, what string, timeout time.Duration, fn func(ctx context.Context) (tea.Msg, error)) tea.Cmd {
	key := slot{id, name}
	ctx, gen := t.start(key, timeout)
	return func() (msg tea.Msg) {
		defer t.end(key, gen)
		to := To{Pane: id, Slot: name, Gen: gen}
		defer func() {
			if p := recover(); p != nil {
				to.Msg = FailedMsg{What: what, Err: fmt.Errorf("bug: panic: %v\n%s", p, debug.Stack())}
				msg = to
			}
		}()
		result, err := fn(ctx)
		if err != nil {
			to.Msg = FailedMsg{What: what, Err: err}
		} else {
			to.Msg = result
		}
		return to
	}
}
