package action

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Verify watches for the effect of an outcome, for as long as its plan allows,
// and puts what it saw into the journal. text describes the effect ("3/3 pods
// ready") and took counts from the write. A plan with nothing to watch gives
// an empty text and no error. [ErrUnverified] is the error when the time is up.
func (g *Gate) Verify(ctx context.Context, out Outcome) (text string, took time.Duration, err error) {
	if out.Plan == nil || out.Plan.do.Verify == nil {
		return "", 0, nil
	}
	limit := out.Plan.VerifyWithin
	if limit <= 0 {
		limit = verifyWithin
	}
	watching, cancel := within(ctx, g.clock, limit)
	err = guarded(func() (err error) {
		text, err = out.Plan.do.Verify(watching)
		return err
	})
	timedOut := errors.Is(context.Cause(watching), context.DeadlineExceeded)
	cancel()
	took = g.clock.Now().Sub(out.At)
	r := run{gate: g, plan: out.Plan, entry: g.entry(out.Plan, Confirmation{})}
	r.entry.ID, r.entry.Took = out.ID, took.Seconds()
	r.entry.Changes, r.entry.Equivalent = nil, "" // the intent has them
	r.entry.Effect = short(text)
	if err == nil {
		if lost := r.record(ctx, PhaseVerified); lost != nil {
			text += fmt.Sprintf(" (the journal could not record it: %v)", lost)
		}
		return text, took, nil
	}
	switch {
	case timedOut:
		err = fmt.Errorf("%w within %v: %w", ErrUnverified, limit, err)
	default:
		err = fmt.Errorf("%w: %w", ErrUnverified, err)
	}
	r.entry.Error = short(err.Error())
	_ = r.record(ctx, PhaseUnverified) // the user hears of it anyway
	return text, took, describe(out.Plan, err)
}

// Last is the newest write that [Gate.Undo] would plan the undo of, in the
// context that is open.
func (g *Gate) Last() (Outcome, bool) {
	open, uid := g.lock.Bound()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, out := range slices.Backward(g.done) {
		if out.Plan.Target.Context == open && out.Plan.Target.ClusterUID == uid {
			return out, true
		}
	}
	return Outcome{}, false
}

// Undo plans the inverse of the newest write of this session, in the context
// that is open, that can be undone. The plan is confirmed and run like any
// other; once applied it takes the write off the list, so that the next undo
// goes one further back.
func (g *Gate) Undo(ctx context.Context) (*Plan, error) {
	out, ok := g.Last()
	if !ok {
		return nil, ErrNothingToUndo
	}
	ctx, cancel := within(ctx, g.clock, planWithin)
	defer cancel()
	var inverse *Plan
	err := guarded(func() (err error) {
		inverse, err = out.Plan.do.Inverse(ctx)
		return err
	})
	if err = explainTimeout(ctx, planWithin, err); err != nil {
		return nil, fmt.Errorf("undo %s of %s: %w", out.Plan.Verb, out.Plan.Target, err)
	}
	if inverse == nil {
		return nil, fmt.Errorf("undo %s of %s: %w", out.Plan.Verb, out.Plan.Target, ErrNothingToUndo)
	}
	inverse.undoOf = out.ID
	return inverse, nil
}

// remember puts an outcome on the list of what can be undone. An undo takes
// what it undid off it and is not put there itself.
func (g *Gate) remember(out Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if out.Plan.undoOf != "" {
		g.done = slices.DeleteFunc(g.done, func(o Outcome) bool { return o.ID == out.Plan.undoOf })
		return
	}
	if !out.Plan.Undoable() {
		return
	}
	g.done = append(g.done, out)
	if len(g.done) > undoDepth {
		g.done = slices.Clone(g.done[len(g.done)-undoDepth:])
	}
}
