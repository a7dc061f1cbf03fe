package unleash

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"midwatch/flags"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// readBack compares the flag with what was planned, and remembers the version
// that undo is bound to.
func (c *change) readBack(ctx context.Context) (toggle.Outcome, string, error) {
	_, e, err := c.p.feature(ctx, c.edit.Environment, c.edit.Key)
	if err != nil {
		return toggle.Other, "", err
	}
	switch now := e.fingerprint(); {
	case now == c.was.fingerprint():
		return toggle.AsBefore, "it is as before", nil
	case !c.wanted(e):
		return toggle.Other, fmt.Sprintf("it gives %s; %s", state(e).Serves, c.whoChanged(ctx)), nil
	default:
		c.after = now
	}
	text := onOff(e.Enabled)
	if added := c.added(e); len(added) > 0 {
		text += ", and the server added " + plural(len(added), "strategy", "strategies")
	}
	return toggle.AsWanted, text, nil
}

// wanted reports whether the environment is as planned: the one thing that was
// to change did, and everything else is as it was, but for a strategy that
// turning on added.
func (c *change) wanted(e *envState) bool {
	want := envState{Enabled: c.was.Enabled, Variants: c.was.Variants, Strategies: c.was.Strategies}
	have := envState{Enabled: e.Enabled, Variants: e.Variants, Strategies: e.Strategies}
	switch c.edit.Kind {
	case flags.TurnOn:
		want.Enabled = true
		have.Strategies = without(e.Strategies, c.added(e))
		return want.fingerprint() == have.fingerprint() && (len(c.added(e)) == 0 || c.adds != "")
	case flags.TurnOff:
		want.Enabled = false
		return want.fingerprint() == have.fingerprint()
	}
	i := slices.IndexFunc(e.Strategies, func(s strategy) bool { return s.ID == c.target.ID })
	if i < 0 || e.Enabled != c.was.Enabled || len(e.Strategies) != len(c.was.Strategies) {
		return false
	}
	now, _ := e.Strategies[i].rollout()
	return now == int(c.edit.Percent)
}

// added are the strategies that were not there before.
func (c *change) added(e *envState) []string {
	before := ids(c.was.Strategies)
	var out []string
	for _, id := range ids(e.Strategies) {
		if !slices.Contains(before, id) {
			out = append(out, id)
		}
	}
	return out
}

func without(all []strategy, drop []string) []strategy {
	return slices.DeleteFunc(slices.Clone(all), func(s strategy) bool { return slices.Contains(drop, s.ID) })
}

// awaitSDK waits until the API of SDKs gives the flag as planned.
func (c *change) awaitSDK(ctx context.Context) (string, error) {
	for {
		_, _, err := c.p.refresh(ctx)
		c.p.mu.Lock()
		v := c.p.view
		c.p.mu.Unlock()
		switch {
		case err != nil || !c.seen(v):
		case v.revision > c.revision:
			return fmt.Sprintf("revision %d → %d on %s", c.revision, v.revision, c.p.sdk.Base), nil
		case v.revision == 0: // an Edge that does not pass it on
			return "on " + c.p.sdk.Base, nil
		}
		wait, stop := c.p.opts.Clock.After(sdkEvery)
		select {
		case <-ctx.Done():
			stop()
			if err != nil {
				return "", err
			}
			return "", fmt.Errorf("%s still gives the flag as before", c.p.sdk.Base)
		case <-wait:
			stop()
		}
	}
}

// seen reports whether the view has the flag as planned.
func (c *change) seen(v *view) bool {
	f, ok := v.flags[c.edit.Key]
	switch {
	case !ok:
		return false
	case c.edit.Kind == flags.SetRollout:
		return slices.ContainsFunc(f.Strategies, func(s strategy) bool {
			n, ok := s.rollout()
			return ok && n == int(c.edit.Percent)
		})
	}
	return f.Enabled == (c.edit.Kind == flags.TurnOn)
}

// awaitTraffic waits for reports in which only the new side grows.
func (c *change) awaitTraffic(ctx context.Context) (string, error) {
	grows, stays := foreign.Text("true"), foreign.Text("false")
	if c.edit.Kind == flags.TurnOff {
		grows, stays = stays, grows
	}
	last := c.counted
	for {
		s, err := c.p.Stats(ctx, c.edit.Environment, c.edit.Key)
		if err == nil {
			more, rest := s.Of(grows)-last.Of(grows), s.Of(stays)-last.Of(stays)
			if more > 0 && rest == 0 || c.edit.Kind == flags.TurnOn && more > 0 {
				return fmt.Sprintf("%s +%d, %s +%d since the last report", grows, more, stays, rest), nil
			}
			last = *s
		}
		wait, stop := c.p.opts.Clock.After(trafficEvery)
		select {
		case <-ctx.Done():
			stop()
			if err != nil {
				return "", err
			}
			return "", errors.New("applications have not reported it yet; SDKs report once a minute")
		case <-wait:
			stop()
		}
	}
}

// undo drafts the way back to exactly what was, bound to the version that the
// change made.
func (c *change) undo(ctx context.Context) (*toggle.Draft, error) {
	f, e, err := c.p.feature(ctx, c.edit.Environment, c.edit.Key)
	if err != nil {
		return nil, err
	}
	if c.after == "" { // nobody verified; it is bound to what the edit makes
		if !c.wanted(e) {
			return nil, c.movedOn(ctx, e)
		}
		c.after = e.fingerprint()
	}
	if e.fingerprint() != c.after {
		return nil, c.movedOn(ctx, e)
	}
	env, err := c.p.environment(ctx, c.edit.Environment)
	if err != nil {
		return nil, err
	}
	back := &restore{change: &change{p: c.p, before: f, was: e, edit: c.inverseEdit()}, to: c.was, remove: c.added(e)}
	if c.target != nil {
		if err := back.findStrategy(); err != nil {
			return nil, err
		}
	}
	d := &toggle.Draft{Edit: back.edit, Provider: c.p.Info(), Environment: env, Flag: c.p.detail(ctx, f, e)}
	back.describe(d)
	if s, err := c.p.Stats(ctx, c.edit.Environment, c.edit.Key); err == nil {
		d.Traffic, back.counted = s, *s
	}
	back.steps(d)
	d.Steps.Apply, d.Steps.ReadBack, d.Steps.Undo = back.apply, back.readBack, nil
	return d, nil
}

func (c *change) inverseEdit() flags.Edit {
	e := c.edit
	switch c.edit.Kind {
	case flags.TurnOn:
		e.Kind = flags.TurnOff
	case flags.TurnOff:
		e.Kind = flags.TurnOn
	case flags.SetRollout:
		now, _ := c.target.rollout()
		e.Percent, e.RuleID = float64(now), c.target.ID
	}
	return e
}

// movedOn shows the three states, for a person to decide.
func (c *change) movedOn(ctx context.Context, now *envState) error {
	after := onOff(c.edit.Kind == flags.TurnOn)
	if c.edit.Kind == flags.SetRollout {
		after = flags.Percent(c.edit.Percent)
	}
	return fmt.Errorf("%w since your change, so it is not undone blindly: it was %s, you made it %s, it is %s now (%s)",
		flags.ErrConflict, state(c.was).Serves, after, state(now).Serves, c.whoChanged(ctx))
}
