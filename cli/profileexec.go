package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midwatch/action"
	"midwatch/cli/session"
	"midwatch/foreign"
	"midwatch/profiles/capture"
)

// execProfile takes a profile by a command in a container: it looks which
// profiler is there, adds an ephemeral container if there is none and one is
// asked for, and takes each plan through the gate.
type execProfile struct {
	*invocation
	profiler *session.Profiler
	o        *profileOptions
}

func (e *execProfile) take(ctx context.Context, target capture.Target, req capture.Request, w *capture.Watch) (*capture.Profile, error) {
	py, err := e.profiler.Look(ctx, target, req)
	if err != nil {
		return nil, e.hint(err)
	}
	image := e.o.image
	if image == "" {
		image = e.profiler.Image(ctx, target)
	}
	if _, why := py.Ways(req.Kind); why != nil && image != "" && why.Helps() && py.Container == py.Of {
		if err := e.help(ctx, target, py.Of, image); err != nil {
			return nil, err
		}
		if py, err = e.profiler.Look(ctx, target, req); err != nil {
			return nil, err
		}
	}
	plan, wait, err := e.profiler.PlanExec(target, req, py)
	if err != nil {
		return nil, err
	}
	out, err := e.run(ctx, plan)
	if err != nil {
		return nil, err
	}
	p, err := wait(ctx, w)
	_, _, _ = e.profiler.Gate.Verify(context.WithoutCancel(ctx), out) // the profile's own error says more
	return p, err
}

// hint says how the command line is unlocked.
func (e *execProfile) hint(err error) error {
	var failed *capture.Error
	if errors.As(err, &failed) && failed.Cause == capture.ReadOnly {
		failed.Next = "add --write"
	}
	return err
}

// help adds the ephemeral container and waits until it runs.
func (e *execProfile) help(ctx context.Context, target capture.Target, of, image string) error {
	plan, _, err := e.profiler.PlanHelper(ctx, target, of, image)
	if err != nil {
		return err
	}
	out, err := e.run(ctx, plan)
	if err != nil {
		return err
	}
	_, _, err = e.profiler.Gate.Verify(ctx, out)
	return err
}

// run prints a plan and takes it through the gate.
func (e *execProfile) run(ctx context.Context, p *action.Plan) (action.Outcome, error) {
	fmt.Fprintf(e.err, "%s\n  %s\n", strings.TrimSuffix(p.Title, "?"), p.Blast)
	for _, c := range p.Changes {
		fmt.Fprintf(e.err, "  %s: %s\n", c.Path, c.After)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(e.err, "  ! %s\n", foreign.CleanN(w, 400))
	}
	c := action.Confirmation{Typed: e.o.yes, Reason: e.o.comment}
	gate := e.profiler.Gate
	if err := missing(gate, p, gate.Lock(), c); err != nil {
		return action.Outcome{}, err
	}
	out, err := gate.Run(ctx, p, c)
	var failed *capture.Error
	if errors.As(err, &failed) {
		return out, failed // it says which pod already
	}
	return out, err
}
