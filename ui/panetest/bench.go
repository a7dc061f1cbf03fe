// Package panetest plays one pane without a root: it feeds snapshots, presses
// keys as the root would, carries tasks out, records what the pane asks of the
// root, and holds frames to goldens and to their box.
package panetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
)

// Now is the time of every bench, unless a test moves it.
func Now() time.Time { return time.Date(2026, 11, 24, 3, 40, 0, 0, time.UTC) }

// Bench holds one pane.
type Bench struct {
	t    testing.TB
	Pane pane.Pane
	Env  *pane.Env
	// Sent is what the pane asked of the root, in order.
	Sent []tea.Msg
	// Reason is what the last disabled key answered.
	Reason string
	// Hold keeps tasks from running until [Bench.Release].
	Hold bool
	held []tea.Cmd
	onUI bool
}

// New makes a bench. make gets it so that the pane's functions can be made
// with [Bench.OffUI].
func New(t testing.TB, make func(b *Bench) pane.Pane) *Bench {
	t.Helper()
	b := &Bench{t: t, Env: &pane.Env{
		Now: Now(), Styles: theme.New(theme.Options{Color: true}), Focused: true, Tasks: pane.NewTasks(context.Background()),
	}}
	b.Pane = make(b)
	return b
}

// OffUI fails the test when it is called by the pane while it handles a
// message or draws: what does IO calls it first.
func (b *Bench) OffUI(what string) {
	b.t.Helper()
	if b.onUI {
		b.t.Errorf("%s on the UI goroutine", what)
	}
}

// Do runs f as the root would, and then what it asked for.
func (b *Bench) Do(f func() tea.Cmd) *Bench {
	b.t.Helper()
	b.onUI = true
	cmd := f()
	b.onUI = false
	b.run(cmd)
	return b
}

// Send gives the pane a message.
func (b *Bench) Send(msg tea.Msg) *Bench {
	b.t.Helper()
	return b.Do(func() tea.Cmd { return b.Pane.Update(b.Env, msg) })
}

// Feed gives the pane a snapshot; it has to be one of its topics.
func (b *Bench) Feed(s live.Snapshot) *Bench {
	b.t.Helper()
	if !slices.Contains(b.Pane.Topics(), s.Topic) {
		b.t.Fatalf("the pane wants %v, not %v", b.Pane.Topics(), s.Topic)
	}
	if s.At.IsZero() {
		s.At = b.Env.Now
	}
	return b.Send(live.Batch{s.Topic: s})
}

// ReadsAgainWhenBack is for a pane that reads beside what it watches: a read
// that failed while the cluster was away is made once more when the cluster is
// back, and not before. feed gives the pane its topic in a state; first makes
// it read while the cluster is away; fail is what the next reads end with;
// asked counts them.
func (b *Bench) ReadsAgainWhenBack(feed func(live.State), first func(), fail func(error), asked func() int) {
	b.t.Helper()
	before := asked()
	fail(errors.New("connection refused"))
	feed(live.Unreachable)
	first()
	feed(live.Unreachable)
	if n := asked() - before; n != 1 {
		b.t.Fatalf("asked %d times while the cluster is away, want once", n)
	}
	if !strings.Contains(b.Plain(120, 40), "connection refused") {
		b.t.Errorf("it does not say what failed:\n%s", b.Plain(120, 40))
	}
	fail(nil)
	feed(live.Ready)
	if n := asked() - before; n != 2 || strings.Contains(b.Plain(120, 40), "connection refused") {
		b.t.Errorf("asked %d times, want again when it is back:\n%s", n, b.Plain(120, 40))
	}
}

// Press presses keys one after the other, as the root dispatches them.
func (b *Bench) Press(keys ...string) *Bench {
	b.t.Helper()
	for _, key := range keys {
		k, err := uitest.Key(key)
		if err != nil {
			b.t.Fatal(err)
		}
		b.Reason = ""
		capturing, _ := b.Pane.(pane.Capturer)
		if found, ok := bind.Match(b.Pane.Bindings(), k.String()); ok && (capturing == nil || !capturing.Capturing()) {
			if b.Reason = found.Reason(); b.Reason == "" {
				b.Do(found.Do)
			}
			continue
		}
		b.Send(k)
	}
	return b
}

// SetFilter narrows the pane and says so.
func (b *Bench) SetFilter(expr string) *Bench {
	b.t.Helper()
	if err := b.Pane.(pane.Filterer).SetFilter(expr); err != nil {
		b.t.Fatal(err)
	}
	return b.Send(pane.FilteredMsg{})
}

// run carries out a command and everything that follows from it.
func (b *Bench) run(cmd tea.Cmd) {
	b.t.Helper()
	if cmd == nil {
		return
	}
	if b.Hold {
		b.held = append(b.held, cmd)
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			b.run(c)
		}
	case pane.To:
		if msg.Pane == b.Pane.ID() && b.Env.Tasks.Current(msg) && msg.Msg != nil {
			b.Send(msg.Msg)
		}
	default:
		b.Sent = append(b.Sent, msg)
	}
}

// Release carries out what was held.
func (b *Bench) Release() *Bench {
	b.t.Helper()
	b.Hold = false
	held := b.held
	b.held = nil
	for _, c := range held {
		b.run(c)
	}
	return b
}

// Last is the last message of type M that the pane sent to the root.
func Last[M tea.Msg](b *Bench) M {
	b.t.Helper()
	for _, msg := range slices.Backward(b.Sent) {
		if m, ok := msg.(M); ok {
			return m
		}
	}
	var none M
	b.t.Fatalf("the pane sent no %T, only %#v", none, b.Sent)
	return none
}

// Frame is the pane drawn at a size.
func (b *Bench) Frame(w, h int) string {
	b.t.Helper()
	b.onUI = true
	defer func() { b.onUI = false }()
	return b.Pane.View(b.Env, pane.Rect{W: w, H: h})
}

// Plain is [Bench.Frame] without its looks.
func (b *Bench) Plain(w, h int) string {
	b.t.Helper()
	return uitest.Plain(b.Frame(w, h))
}

// look is a kind of terminal.
type look struct {
	name    string
	options theme.Options
}

func looks() []look {
	return []look{{"dark", theme.Options{Color: true}}, {"plain", theme.Options{}}, {"ascii", theme.Options{ASCII: true}}}
}

// Golden compares the pane with its goldens: a state at 80x24 and 120x40 in
// colour and at 80x24 in ASCII without colour.
func (b *Bench) Golden(state string) {
	b.t.Helper()
	b.golden(state, looks()[0], 80, 24)
	b.golden(state, looks()[0], 120, 40)
	b.golden(state, looks()[2], 80, 24)
}

// GoldenAll compares the pane at every size in every look.
func (b *Bench) GoldenAll(state string) {
	b.t.Helper()
	for _, l := range looks() {
		for _, s := range [][2]int{{80, 24}, {120, 40}, {200, 50}} {
			b.golden(state, l, s[0], s[1])
		}
	}
}

func (b *Bench) golden(state string, l look, w, h int) {
	b.t.Helper()
	before := b.Env.Styles
	b.Env.Styles = theme.New(l.options)
	defer func() { b.Env.Styles = before }()
	uitest.Golden(b.t, fmt.Sprintf("%s %dx%d %s", state, w, h, l.name), b.Frame(w, h))
}

// Boxed holds the pane to its box at sizes from 1x1 to 120x40; the looks take
// turns.
func (b *Bench) Boxed() {
	b.t.Helper()
	before := b.Env.Styles
	defer func() { b.Env.Styles = before }()
	var styles []*theme.Styles
	for _, l := range looks() {
		styles = append(styles, theme.New(l.options))
	}
	n := 0
	for _, w := range []int{1, 2, 3, 5, 8, 13, 21, 34, 40, 59, 80, 97, 120} {
		for _, h := range []int{1, 2, 3, 4, 5, 7, 12, 17, 24, 40} {
			b.Env.Styles = styles[n%len(styles)]
			n++
			if !uitest.Boxed(b.t, b.Frame(w, h), w, h) {
				b.t.Errorf("at %dx%d", w, h)
				return
			}
		}
	}
}

// BoxedEverywhere is [Bench.Boxed] at every width and height, stepped.
func (b *Bench) BoxedEverywhere() {
	b.t.Helper()
	uitest.Sizes(120, 40, func(w, h int) {
		if !b.t.Failed() && !uitest.Boxed(b.t, b.Frame(w, h), w, h) {
			b.t.Errorf("at %dx%d", w, h)
		}
	})
}

// Bindings checks the pane's list of keys: IDs and keys are unique, each has a
// title and a sentence, and none needs alt or a function key.
func (b *Bench) Bindings() {
	b.t.Helper()
	ids, keys := map[string]bool{}, map[string]string{}
	for _, k := range b.Pane.Bindings() {
		if k.ID == "" || k.Title == "" || k.Help == "" || k.Group == "" || k.Do == nil {
			b.t.Errorf("binding %+v is not complete", k)
		}
		if ids[k.ID] {
			b.t.Errorf("two bindings are called %s", k.ID)
		}
		ids[k.ID] = true
		for _, key := range k.Keys {
			if keys[key] != "" {
				b.t.Errorf("key %s does both %s and %s", key, keys[key], k.ID)
			}
			keys[key] = k.ID
			if _, err := uitest.Key(key); err != nil {
				b.t.Errorf("%s: %v", k.ID, err)
			}
		}
	}
}
