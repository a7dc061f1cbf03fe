package capture

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Sides are profiles of two groups of pods, taken at the same time.
type Sides struct {
	Base, New []*Profile
	// Notes say which pods gave none, and why.
	Notes []string
}

// TakeSides captures two groups of pods for the same seconds at the same time:
// load changes by the minute, so one after the other would compare the hours.
// Pods that fail are left out with a note; an error means that a side is
// empty.
func (t *Taker) TakeSides(ctx context.Context, base, other []Target, req Request, w *Watch) (*Sides, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.stage(w, Finding)
	all := append(append([]Target{}, base...), other...)
	t.findAll(ctx, all)
	got, failed := make([]*Profile, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, target := range all {
		watch := w
		if i > 0 {
			watch = nil // one of them speaks for all
		}
		wg.Go(func() { got[i], failed[i] = t.Take(ctx, target, req, watch) })
	}
	wg.Wait()
	return gather(len(base), got, failed, nil)
}

// gather sorts captures into the sides they are of, those of the base first; a
// place without a capture and an error was not tried.
func gather(base int, got []*Profile, failed []error, notes []string) (*Sides, error) {
	s := &Sides{Notes: notes}
	for i, p := range got {
		switch {
		case p == nil && failed[i] == nil:
		case p == nil:
			s.Notes = append(s.Notes, failed[i].Error())
		case i < base:
			s.Base = append(s.Base, p)
		default:
			s.New = append(s.New, p)
		}
	}
	if len(s.Base) == 0 || len(s.New) == 0 {
		return nil, nothing(failed)
	}
	return s, nil
}

// nothing says why a side is empty: the first reason, and how many more pods
// gave none.
func nothing(failed []error) error {
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	more := ""
	if n := len(failed) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more pods gave none)", n)
	}
	return fmt.Errorf("nothing to compare: %w%s", failed[0], more)
}

// findAll asks every pod where it serves profiles, so that the captures then
// begin together. What fails here fails again in Take, which says why.
func (t *Taker) findAll(ctx context.Context, all []Target) {
	var wg sync.WaitGroup
	for _, target := range all {
		wg.Go(func() { _, _ = t.Find(ctx, target) })
	}
	wg.Wait()
}
