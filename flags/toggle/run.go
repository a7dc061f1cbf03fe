package toggle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midwatch/action"
	"midwatch/flags"
)

// How long the parts may take. One request changes a flag; an API that has not
// answered by then is read back instead of asked again.
const (
	applyWithin    = 10 * time.Second
	readBackWithin = 10 * time.Second
	readBackEvery  = 500 * time.Millisecond
)

// run is one draft on its way through the gate.
type run struct {
	planner *Planner
	draft   *Draft
	ladder  *flags.Ladder
	prop    *flags.Proposal
}

func (r *run) steps() action.Steps {
	s := action.Steps{
		Check: r.draft.Steps.Check, DryRun: r.draft.Steps.DryRun,
		Apply: r.apply, Verify: r.verify,
	}
	if r.draft.Steps.Undo != nil {
		s.Inverse = r.inverse
	}
	return s
}

func (r *run) now() time.Time { return r.planner.Clock.Now() }

func (r *run) set(step string, state flags.StepState, text string) {
	r.ladder.Set(step, state, r.now(), text)
}

// apply sends the write once. When no answer comes the flag is read back: what
// it is then is the answer.
func (r *run) apply(ctx context.Context) error {
	r.ladder.Begin(r.now())
	r.set(flags.StepAccepted, flags.StepRunning, "")
	writing, cancel := r.within(ctx, applyWithin)
	text, err := r.draft.Steps.Apply(writing, action.Reason(ctx))
	cancel()
	if err == nil {
		r.set(flags.StepAccepted, flags.StepDone, text)
		return nil
	}
	if !errors.Is(err, action.ErrUnsure) {
		r.set(flags.StepAccepted, flags.StepFailed, err.Error())
		return err
	}
	return r.afterSilence(ctx, err)
}

// afterSilence finds out what became of a write that nobody answered.
func (r *run) afterSilence(ctx context.Context, silence error) error {
	r.set(flags.StepAccepted, flags.StepUnknown, "no answer; reading back")
	reading, cancel := r.within(ctx, readBackWithin)
	defer cancel()
	for {
		found, text, err := r.draft.Steps.ReadBack(reading)
		switch {
		case err == nil && found == AsWanted:
			r.set(flags.StepAccepted, flags.StepDone, "the answer was lost; reading it back shows the change was made")
			return nil
		case err == nil && found == Other:
			r.set(flags.StepAccepted, flags.StepUnknown, text)
			return fmt.Errorf("%w; reading back shows neither what was nor what was wanted: %s", silence, text)
		}
		if !r.pause(reading) {
			if err != nil {
				return fmt.Errorf("%w; reading back failed too: %w", silence, err)
			}
			r.set(flags.StepAccepted, flags.StepUnknown, "no answer; unchanged so far")
			return fmt.Errorf("%w; reading back shows it unchanged after %v: look again before you repeat it", silence, readBackWithin)
		}
	}
}

// within bounds ctx on the planner's clock.
func (r *run) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	up, stop := r.planner.Clock.After(d)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer stop()
		select {
		case <-up:
			cancel(context.DeadlineExceeded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-ended
	}
}

// pause waits a little; false when ctx ended.
func (r *run) pause(ctx context.Context) bool {
	c, stop := r.planner.Clock.After(readBackEvery)
	defer stop()
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// verify climbs the ladder. The text is the ladder; the error says which step
// contradicts the change or could not be seen.
func (r *run) verify(ctx context.Context) (string, error) {
	sdk := make(chan error, 1)
	go func() {
		sdk <- r.await(ctx, flags.StepSDK, r.draft.Steps.AwaitSDK, r.draft.Steps.SDKWhy, r.draft.Steps.SDKWithin)
	}()
	back := r.readBack(ctx)
	seen := <-sdk
	if back != nil {
		r.set(flags.StepTraffic, flags.StepSkipped, "not looked for")
		return r.ladder.String(), errors.Join(back, seen)
	}
	traffic := r.await(ctx, flags.StepTraffic, r.draft.Steps.AwaitTraffic, r.draft.Steps.TrafficWhy, r.draft.Steps.TrafficWithin)
	if err := errors.Join(seen, traffic); err != nil {
		return r.ladder.String(), fmt.Errorf("%s", r.ladder)
	}
	return r.ladder.String(), nil
}

// readBack waits until the flag reads as planned. One that reads differently
// from before and from the plan was changed by someone else.
func (r *run) readBack(ctx context.Context) error {
	r.set(flags.StepReadBack, flags.StepRunning, "")
	reading, cancel := r.within(ctx, readBackWithin)
	defer cancel()
	for {
		found, text, err := r.draft.Steps.ReadBack(reading)
		switch {
		case err == nil && found == AsWanted:
			r.set(flags.StepReadBack, flags.StepDone, text)
			return nil
		case err == nil && found == Other, errors.Is(err, flags.ErrNotFound):
			if err != nil {
				text = err.Error()
			}
			r.set(flags.StepReadBack, flags.StepFailed, text)
			return fmt.Errorf("it was accepted and reads differently now: %s", text)
		}
		if !r.pause(reading) {
			if err != nil {
				text = err.Error()
			}
			r.set(flags.StepReadBack, flags.StepUnknown, text)
			return fmt.Errorf("it was accepted and does not read so after %v: %s", readBackWithin, text)
		}
	}
}

// await runs one of the later steps. A step without a way to see it is
// skipped, with the reason, and is no error.
func (r *run) await(ctx context.Context, step string, wait func(context.Context) (string, error), why string, within time.Duration) error {
	if wait == nil {
		r.set(step, flags.StepSkipped, why)
		return nil
	}
	r.set(step, flags.StepRunning, "")
	waiting, cancel := r.within(ctx, within)
	defer cancel()
	text, err := wait(waiting)
	if err != nil {
		state := flags.StepUnknown
		if errors.Is(err, ErrContradicted) {
			state = flags.StepFailed
		}
		text := err.Error()
		if errors.Is(context.Cause(waiting), context.DeadlineExceeded) {
			text = fmt.Sprintf("not within %v: %s", within, text)
		}
		r.set(step, state, text)
		return err
	}
	r.set(step, flags.StepDone, text)
	return nil
}

// ErrContradicted says that a step saw the opposite of what was planned.
var ErrContradicted = errors.New("the opposite was seen")

// inverse plans the way back.
func (r *run) inverse(ctx context.Context) (*action.Plan, error) {
	d, err := r.draft.Steps.Undo(ctx)
	if err != nil {
		return nil, err
	}
	p, err := r.planner.Plan(d)
	if err != nil {
		return nil, err
	}
	r.prop.UndoneBy(p)
	return p.Plan, nil
}
