package uitest

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/live"
)

// patience is how long a test waits for anything before it fails.
const patience = 20 * time.Second

// Driver plays a console without a terminal. It belongs to the test's
// goroutine; only the commands it carries out run beside it.
type Driver struct {
	t     testing.TB
	clock live.Clock
	model tea.Model
	ctx   context.Context

	results     chan tea.Msg
	outstanding int // commands that have not delivered yet
	loops       []loop
	timers      []alarm
	interval    time.Duration
	quit        bool
}

// loop is a hub the console waits on.
type loop struct {
	ctx     context.Context
	hub     *live.Hub
	deliver func(live.Batch, error) tea.Msg
}

// alarm is a message due at a time.
type alarm struct {
	at  time.Time
	msg tea.Msg
}

// Steps takes the place of a console's waiting: for the hub and for the clock.
// A waiting command never ends by itself, so the driver must not count it.
type Steps struct{ d *Driver }

// Next waits for the hub: the driver flushes it instead.
func (s Steps) Next(ctx context.Context, hub *live.Hub, deliver func(live.Batch, error) tea.Msg) tea.Cmd {
	s.d.loops = append(s.d.loops, loop{ctx, hub, deliver})
	return nil
}

// After waits for the clock: the driver delivers msg once it was advanced.
func (s Steps) After(_ context.Context, wait time.Duration, msg tea.Msg) tea.Cmd {
	s.d.timers = append(s.d.timers, alarm{s.d.clock.Now().Add(wait), msg})
	return nil
}

// Interval is how long the console gathers events; the driver never waits.
func (s Steps) Interval(hub *live.Hub, d time.Duration) {
	s.d.interval = d
	hub.SetInterval(0)
}

// Play starts a console of that size. build gets what the console has to wait
// with. The clock is the console's own: a [Clock], or the system's when real
// servers take part.
func Play(t testing.TB, clock live.Clock, w, h int, build func(Steps) tea.Model) *Driver {
	t.Helper()
	d := &Driver{t: t, clock: clock, ctx: t.Context(), results: make(chan tea.Msg)}
	d.model = build(Steps{d})
	d.start(d.model.Init())
	return d.Resize(w, h)
}

// start carries a command out beside the test.
func (d *Driver) start(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	d.outstanding++
	go func() {
		msg := cmd()
		select {
		case d.results <- msg:
		case <-d.ctx.Done():
		}
	}()
}

// handle is what a Program does with a message.
func (d *Driver) handle(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
		return
	case tea.BatchMsg:
		for _, cmd := range msg {
			d.start(cmd)
		}
		return
	case tea.QuitMsg:
		d.quit = true
		return
	}
	if list, ok := sequence(msg); ok {
		for _, cmd := range list {
			d.start(cmd)
			d.settle(0)
		}
		return
	}
	var cmd tea.Cmd
	d.model, cmd = d.model.Update(msg)
	d.start(cmd)
}

// sequence recognises the message of [tea.Sequence], whose type has no name
// outside of Bubble Tea.
func sequence(msg tea.Msg) ([]tea.Cmd, bool) {
	v := reflect.ValueOf(msg)
	if v.Kind() != reflect.Slice || v.Type().Elem() != reflect.TypeFor[tea.Cmd]() {
		return nil, false
	}
	list := make([]tea.Cmd, v.Len())
	for i := range list {
		list[i], _ = v.Index(i).Interface().(tea.Cmd)
	}
	return list, true
}

// settle handles what commands deliver until at most left of them remain.
func (d *Driver) settle(left int) {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for d.outstanding > left {
		select {
		case msg := <-d.results:
			d.outstanding--
			d.handle(msg)
		case <-deadline.C:
			d.t.Fatalf("%d commands have not ended within %v\n%s", d.outstanding, patience, d.Plain())
		}
	}
}

// flush hands out what the hubs have, and reports whether that was anything.
func (d *Driver) flush() bool {
	d.t.Helper()
	any := false
	for _, l := range slices.Clone(d.loops) {
		if l.ctx.Err() != nil {
			d.drop(l)
			d.handle(l.deliver(nil, l.ctx.Err()))
			any = true
			continue
		}
		batch, err := l.hub.Flush(l.ctx)
		if batch == nil && err == nil {
			continue
		}
		d.drop(l)
		d.handle(l.deliver(batch, err))
		any = true
	}
	return any
}

// drop forgets a loop: its console asks again once it has handled the batch.
func (d *Driver) drop(l loop) {
	d.loops = slices.DeleteFunc(d.loops, func(o loop) bool { return o.hub == l.hub && o.ctx == l.ctx })
}

// ring delivers the alarms that are due.
func (d *Driver) ring() bool {
	now := d.clock.Now()
	i := slices.IndexFunc(d.timers, func(a alarm) bool { return !a.at.After(now) })
	if i < 0 {
		return false
	}
	msg := d.timers[i].msg
	d.timers = slices.Delete(d.timers, i, i+1)
	d.handle(msg)
	return true
}

// Idle waits until nothing is left to do: every command has delivered, the hub
// has nothing new, no alarm is due.
func (d *Driver) Idle() *Driver {
	d.t.Helper()
	for range 10_000 {
		d.settle(0)
		if !d.flush() && !d.ring() && d.outstanding == 0 {
			return d
		}
	}
	d.t.Fatalf("the console never comes to rest\n%s", d.Plain())
	return d
}

// Rest is [Driver.Idle] while that many commands are held up on purpose.
func (d *Driver) Rest(held int) *Driver {
	d.t.Helper()
	for range 10_000 {
		d.settle(held)
		if !d.flush() && !d.ring() && d.outstanding <= held {
			return d
		}
	}
	d.t.Fatalf("the console never comes to rest\n%s", d.Plain())
	return d
}

// Until lets the console run until the frame, without its looks, is as wanted.
// It blocks on what may change the frame: commands, hubs, the clock.
func (d *Driver) Until(what string, ok func(frame string) bool) *Driver {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		for d.flush() || d.ring() {
		}
		if ok(d.Plain()) {
			return d
		}
		if !d.wait(deadline.C) {
			d.t.Fatalf("waited %v until %s; the frame is\n%s", patience, what, d.Plain())
		}
	}
}

// news is a batch a hub had while the driver was waiting.
type news struct {
	l     loop
	batch live.Batch
}

// wait blocks until something happened, and reports false at the deadline.
func (d *Driver) wait(deadline <-chan time.Time) bool {
	fresh, stopListening := d.hear()
	var due <-chan time.Time
	if len(d.timers) > 0 {
		at := slices.MinFunc(d.timers, func(a, b alarm) int { return a.at.Compare(b.at) }).at
		c, stop := d.clock.After(at.Sub(d.clock.Now()))
		defer stop()
		due = c
	}
	var result []tea.Msg
	var heard []news
	happened := true
	select {
	case msg := <-d.results:
		d.outstanding--
		result = append(result, msg)
	case n := <-fresh:
		heard = append(heard, n)
	case <-due:
	case <-deadline:
		happened = false
	}
	// What a hub handed out meanwhile it will not hand out again.
	for _, n := range append(heard, stopListening()...) {
		d.drop(n.l)
		d.handle(n.l.deliver(n.batch, nil))
	}
	for _, msg := range result {
		d.handle(msg)
	}
	return happened
}

// hear listens to all hubs at once. stop ends that, waits for it, and returns
// what came in between.
func (d *Driver) hear() (fresh <-chan news, stop func() []news) {
	ctx, cancel := context.WithCancel(d.ctx)
	loops := slices.Clone(d.loops)
	all := make(chan news, len(loops))
	var listening sync.WaitGroup
	for _, l := range loops {
		listening.Go(func() {
			if batch, _ := l.hub.Next(ctx); batch != nil {
				all <- news{l, batch}
			}
		})
	}
	return all, func() []news {
		cancel()
		listening.Wait()
		close(all)
		var rest []news
		for n := range all {
			rest = append(rest, n)
		}
		return rest
	}
}
