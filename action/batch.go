package action

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// MaxBatch is how many plans [All] takes together: each is looked at in the
// dialog, and all of them are sent within the time of one.
const MaxBatch = 20

// All makes one plan of several: an explicit list that is confirmed once, as
// dangerous as the most dangerous of them. p describes the whole; its target
// names what has to be typed and lies in the same context as the parts'.
//
// All parts are checked and tried before the first is sent; if one of these
// fails, none is. They are then sent one after the other. One that fails does
// not stop the others: report, which may be nil, hears of each as it ends, and
// the verification says which failed. Only when all fail the whole does. The
// undo takes back those that were made.
func All(p Plan, parts []*Plan, report func(part int, err error)) (*Plan, error) {
	if len(parts) == 0 || len(parts) > MaxBatch {
		return nil, fmt.Errorf("%d changes at once: want 1 to %d", len(parts), MaxBatch)
	}
	if report == nil {
		report = func(int, error) {}
	}
	undoable := true
	for _, part := range parts {
		if part == nil || part.do.Apply == nil {
			return nil, errors.New("a part of the plan has nothing to carry out")
		}
		if part.Target.Context != p.Target.Context || part.Target.ClusterUID != p.Target.ClusterUID {
			return nil, fmt.Errorf("%w: %s", ErrOtherContext, part.Target)
		}
		p.Danger = max(p.Danger, part.Danger)
		p.VerifyWithin = max(p.VerifyWithin, part.VerifyWithin)
		undoable = undoable && part.Undoable()
	}
	b := &batch{whole: p, parts: parts, report: report, errs: make([]error, len(parts))}
	steps := Steps{Check: b.check, Apply: b.apply, Verify: b.verify}
	for _, part := range parts {
		if part.do.DryRun != nil {
			steps.DryRun = b.dryRun
		}
	}
	if undoable {
		steps.Inverse = b.inverse
	}
	return New(p, steps), nil
}

type batch struct {
	whole  Plan
	parts  []*Plan
	report func(int, error)
	errs   []error // of the sending, by part
}

func (b *batch) check(ctx context.Context) error {
	return b.each(ctx, func(p *Plan) func(context.Context) error {
		if p.spent.Load() {
			return func(context.Context) error { return ErrSpent }
		}
		return p.do.Check
	})
}

func (b *batch) dryRun(ctx context.Context) error {
	return b.each(ctx, func(p *Plan) func(context.Context) error { return p.do.DryRun })
}

// each runs a step of every part and stops at the first that fails.
func (b *batch) each(ctx context.Context, step func(*Plan) func(context.Context) error) error {
	for _, p := range b.parts {
		if do := step(p); do != nil {
			if err := do(ctx); err != nil {
				return describe(p, err)
			}
		}
	}
	return nil
}

func (b *batch) apply(ctx context.Context) error {
	failed := 0
	for i, p := range b.parts {
		err := guarded(func() error {
			if p.spent.Swap(true) {
				return ErrSpent
			}
			return p.do.Apply(ctx)
		})
		if err != nil {
			err = describe(p, unsureIfNoAnswer(err))
			failed++
		}
		b.errs[i] = err
		b.report(i, err)
	}
	if failed == len(b.parts) {
		return errors.Join(b.errs...)
	}
	return nil
}

// verify watches for the effects of all parts at the same time.
func (b *batch) verify(ctx context.Context) (string, error) {
	texts, errs := make([]string, len(b.parts)), make([]error, len(b.parts))
	var all sync.WaitGroup
	for i, p := range b.parts {
		if b.errs[i] != nil {
			errs[i] = b.errs[i]
			continue
		}
		if p.do.Verify == nil {
			continue
		}
		all.Go(func() {
			errs[i] = guarded(func() (err error) {
				texts[i], err = p.do.Verify(ctx)
				return err
			})
			if errs[i] != nil {
				errs[i] = describe(p, errs[i])
			}
		})
	}
	all.Wait()
	seen := 0
	var said []string
	for i, p := range b.parts {
		if errs[i] == nil {
			seen++
			said = append(said, p.Target.Name+": "+texts[i])
		}
	}
	if seen < len(b.parts) {
		return strings.Join(said, "; "), fmt.Errorf("%d of %d: %w", len(b.parts)-seen, len(b.parts), errors.Join(errs...))
	}
	return fmt.Sprintf("%d of %d: %s", seen, len(b.parts), strings.Join(said, "; ")), nil
}

func (b *batch) inverse(ctx context.Context) (*Plan, error) {
	var undo []*Plan
	for i, p := range b.parts {
		if b.errs[i] != nil {
			continue
		}
		inverse, err := p.do.Inverse(ctx)
		if err != nil {
			return nil, describe(p, err)
		}
		if inverse != nil {
			undo = append(undo, inverse)
		}
	}
	if len(undo) == 0 {
		return nil, ErrNothingToUndo
	}
	whole := Plan{
		Verb: "undo " + b.whole.Verb, Title: "Undo: " + b.whole.Title, Target: b.whole.Target, VerifyWithin: time.Second,
		Blast: b.whole.Blast, Undo: "by hand: an undo is not undone",
	}
	for _, p := range undo {
		for _, c := range p.Changes {
			c.Path = p.Target.Name + " " + c.Path
			whole.Changes = append(whole.Changes, c)
		}
	}
	return All(whole, undo, nil)
}
