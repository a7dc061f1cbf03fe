package action

import (
	"context"
	"errors"
	"testing"
)

// counter is a thing with a number that plans can change and undo.
type counter struct{ n int }

func (c *counter) set(name string, n int) *Plan {
	before := c.n
	return New(Plan{Verb: "scale", Target: target(name)}, Steps{
		Apply:   func(context.Context) error { before, c.n = c.n, n; return nil },
		Inverse: func(context.Context) (*Plan, error) { return c.set(name, before), nil },
	})
}

func run1(t *testing.T, b *bench, p *Plan) Outcome {
	t.Helper()
	out, err := b.Run(t.Context(), p, Confirmation{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func undo1(t *testing.T, b *bench) *Plan {
	t.Helper()
	p, err := b.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUndoGoesBackStepByStep(t *testing.T) {
	b := newBench(t)
	c := &counter{n: 3}
	first := run1(t, b, c.set("api", 5))
	second := run1(t, b, c.set("api", 8))
	for _, want := range []struct {
		n    int
		undo string
	}{{5, second.ID}, {3, first.ID}} {
		p := undo1(t, b)
		run1(t, b, p)
		if c.n != want.n || p.UndoOf() != want.undo || b.log.last(t).UndoOf != want.undo {
			t.Errorf("n %d, undo of %q (journal %q); want %d, %q", c.n, p.UndoOf(), b.log.last(t).UndoOf, want.n, want.undo)
		}
	}
	if _, err := b.Undo(t.Context()); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("got %v", err)
	}
}

func TestAnUndoThatIsNotConfirmedStaysPossible(t *testing.T) {
	b := newBench(t)
	c := &counter{n: 3}
	out := run1(t, b, c.set("api", 5))
	undo1(t, b)
	if p := undo1(t, b); p.UndoOf() != out.ID {
		t.Errorf("undo of %q, want %q", p.UndoOf(), out.ID)
	}
	if last, ok := b.Last(); !ok || last.ID != out.ID {
		t.Errorf("last %+v, %v", last, ok)
	}
}

func TestUndoKeepsToTheOpenContext(t *testing.T) {
	b := newBench(t)
	c := &counter{n: 3}
	run1(t, b, c.set("api", 5))
	b.Lock().Bind("prod", "c9")
	if _, err := b.Undo(t.Context()); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("in another context: %v", err)
	}
	b.Lock().Bind(testContext, testCluster)
	undo1(t, b)
}

func TestUndoSkipsWhatCannotBeUndone(t *testing.T) {
	b := newBench(t)
	c := &counter{n: 3}
	out := run1(t, b, c.set("api", 5))
	run1(t, b, plan("api", DangerNone, Steps{Apply: func(context.Context) error { return nil }}))
	if p := undo1(t, b); p.UndoOf() != out.ID {
		t.Errorf("undo of %q, want %q", p.UndoOf(), out.ID)
	}
}

func TestUndoThatCannotBePlannedSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		inverse func(context.Context) (*Plan, error)
		want    error
	}{
		"the object changed":  {func(context.Context) (*Plan, error) { return nil, ErrChanged }, ErrChanged},
		"it crashes":          {func(context.Context) (*Plan, error) { panic("oops") }, ErrPanic},
		"there is no inverse": {func(context.Context) (*Plan, error) { return nil, nil }, ErrNothingToUndo},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			run1(t, b, plan("api", DangerNone, Steps{Apply: func(context.Context) error { return nil }, Inverse: c.inverse}))
			if p, err := b.Undo(t.Context()); p != nil || !errors.Is(err, c.want) {
				t.Errorf("got %v, %v; want %v", p, err, c.want)
			}
		})
	}
}

func TestUndoListIsBounded(t *testing.T) {
	b := newBench(t)
	c := &counter{}
	for i := range undoDepth + 5 {
		run1(t, b, c.set("api", i+1))
	}
	steps := 0
	for _, ok := b.Last(); ok; _, ok = b.Last() {
		run1(t, b, undo1(t, b))
		steps++
	}
	if steps != undoDepth || c.n != 5 {
		t.Errorf("%d steps back to %d", steps, c.n)
	}
}

func TestIDsBeginWithTheTimeAndDiffer(t *testing.T) {
	clock := newClock()
	a, b := randomID(clock.Now()), randomID(clock.Now())
	if a == b || len(a) != 23 || a[:17] != "20261124T031200Z-" {
		t.Errorf("%s and %s", a, b)
	}
}
