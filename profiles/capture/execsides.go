package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"midwatch/action"
)

// WaitSides returns the profiles of both sides once they are there, as [Wait]
// does of one.
type WaitSides func(ctx context.Context, w *Watch) (*Sides, error)

// PlanSides looks into the pods of two groups and plans to take a profile of
// each by a command: one plan, whose commands begin one right after the other.
// Pods in which it cannot be done are left out with a note; an error means that
// a side is empty.
func (t *Taker) PlanSides(ctx context.Context, base, other []Target, req Request) (*action.Plan, WaitSides, error) {
	req.PID = 0 // processes have other numbers in other pods
	all := append(append([]Target{}, base...), other...)
	plans, waits, failed := make([]*action.Plan, len(all)), make([]Wait, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, target := range all {
		wg.Go(func() {
			py, err := t.Look(ctx, target, req)
			if err == nil {
				plans[i], waits[i], err = t.PlanExec(target, req, py)
			}
			failed[i] = err
		})
	}
	wg.Wait()
	s := &sides{base: len(base), waits: waits}
	var parts []*action.Plan
	news := 0
	for i, p := range plans {
		if p == nil {
			s.notes = append(s.notes, failed[i].Error())
			continue
		}
		parts = append(parts, p)
		if i >= len(base) {
			news++
		}
	}
	if news == 0 || news == len(parts) {
		return nil, nil, fmt.Errorf("nothing to compare: %w", errors.Join(failed...))
	}
	whole := action.Plan{
		Verb: "profile", Title: fmt.Sprintf("Take the %s profiles of %d pods?", req.Kind, len(parts)),
		Target: t.planTarget(all[0]),
		Blast:  fmt.Sprintf("A profiler runs in a container of each for %d s and %s; they begin one right after the other.", int(req.Lasts().Seconds()), req.Pause()),
		Undo:   "Nothing to undo: it reads the processes, and no file is left behind.", Warnings: s.notes,
	}
	if w := all[0].Workload; !w.IsZero() {
		whole.Target.Kind, whole.Target.Name, whole.Target.UID = w.Kind, w.Name, w.UID
	}
	for _, p := range parts {
		for _, c := range p.Changes {
			c.Path = p.Target.Name + " " + c.Path
			whole.Changes = append(whole.Changes, c)
		}
	}
	plan, err := action.All(whole, parts, s.began)
	if err != nil {
		return nil, nil, fmt.Errorf("plan the profiles of both sides: %w", err)
	}
	return plan, s.wait, nil
}

// sides are the captures of one plan.
type sides struct {
	base  int
	waits []Wait // by pod; nil for those that are left out

	mu    sync.Mutex
	notes []string
}

// began notes commands that could not be begun.
func (s *sides) began(_ int, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, err.Error())
}

func (s *sides) wait(ctx context.Context, w *Watch) (*Sides, error) {
	got, failed := make([]*Profile, len(s.waits)), make([]error, len(s.waits))
	var wg sync.WaitGroup
	watch := w
	for i, wait := range s.waits {
		if wait == nil {
			continue
		}
		speaks := watch
		watch = nil // one of them speaks for all
		wg.Go(func() { got[i], failed[i] = wait(ctx, speaks) })
	}
	wg.Wait()
	s.mu.Lock()
	notes := append([]string{}, s.notes...)
	s.mu.Unlock()
	return gather(s.base, got, failed, notes)
}
