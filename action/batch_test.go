package action

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func parts(tr *trace, names ...string) []*Plan {
	var out []*Plan
	for _, n := range names {
		out = append(out, plan(n, DangerName, Steps{
			Check: func(context.Context) error { tr.note("check " + n); return nil },
			Apply: func(context.Context) error {
				tr.note("apply " + n)
				if strings.HasPrefix(n, "bad") {
					return errors.New("409 conflict")
				}
				return nil
			},
			Verify: func(context.Context) (string, error) { return "seen", nil },
			Inverse: func(context.Context) (*Plan, error) {
				return plan(n, DangerEnter, Steps{Apply: func(context.Context) error { tr.note("back " + n); return nil }}), nil
			},
		}))
	}
	return out
}

func TestABatchIsCheckedWholeAndReportedByPart(t *testing.T) {
	b := newBench(t)
	var tr trace
	told := map[int]bool{}
	whole, err := All(Plan{Verb: "turn off", Target: target("production")}, parts(&tr, "a", "bad", "c"), func(i int, err error) { told[i] = err == nil })
	if err != nil || whole.Danger != DangerName {
		t.Fatalf("%+v, %v", whole, err)
	}
	out, err := b.Run(t.Context(), whole, Confirmation{Typed: "production"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"check a", "check bad", "check c", "apply a", "apply bad", "apply c"}; !slices.Equal(tr.seen(), want) {
		t.Errorf("steps %v", tr.seen())
	}
	if len(told) != 3 || !told[0] || told[1] || !told[2] {
		t.Errorf("told %v", told)
	}
	text, _, err := b.Verify(t.Context(), out)
	if !errors.Is(err, ErrUnverified) || !strings.Contains(err.Error(), "1 of 3: ") || !strings.Contains(err.Error(), "409 conflict") || text != "a: seen; c: seen" {
		t.Errorf("verified %q, %v", text, err)
	}
	undo, err := b.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context(), undo, Confirmation{}); err != nil {
		t.Fatal(err)
	}
	if got := tr.seen(); !slices.Equal(got[6:], []string{"back a", "back c"}) {
		t.Errorf("undone %v", got[6:])
	}
}

func TestABatchThatCannotBeWholeIsNotBegun(t *testing.T) {
	b := newBench(t)
	var tr trace
	list := parts(&tr, "a", "b")
	list[1].do.Check = func(context.Context) error { return ErrChanged }
	whole, err := All(Plan{Verb: "turn off", Target: target("production")}, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context(), whole, Confirmation{Typed: "production"}); !errors.Is(err, ErrChanged) || slices.Contains(tr.seen(), "apply a") {
		t.Errorf("%v, steps %v", err, tr.seen())
	}
	whole, err = All(Plan{Verb: "turn off", Target: target("production")}, parts(&tr, "bad1", "bad2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context(), whole, Confirmation{Typed: "production"}); err == nil || !strings.Contains(err.Error(), "409 conflict") {
		t.Errorf("all parts failed: %v", err)
	}
	other := target("x")
	other.Context = "elsewhere"
	if _, err := All(Plan{Target: other}, parts(&tr, "a"), nil); !errors.Is(err, ErrOtherContext) {
		t.Errorf("%v", err)
	}
	if _, err := All(Plan{Target: target("x")}, nil, nil); err == nil {
		t.Error("an empty batch")
	}
	if _, err := All(Plan{Target: target("x")}, make([]*Plan, MaxBatch+1), nil); err == nil {
		t.Error("an endless batch")
	}
}
