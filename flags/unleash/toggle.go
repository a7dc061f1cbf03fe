package unleash

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// How long the later proofs may take. The server itself notices a change
// within a second; an Edge in between asks it every few.
const (
	sdkWithin     = 15 * time.Second
	sdkEvery      = 75 * time.Millisecond // an unchanged answer is an empty one
	trafficWithin = 90 * time.Second      // SDKs report once a minute
	trafficEvery  = 3 * time.Second
)

// Plan reads the flag fresh and plans the edit.
func (p *Provider) Plan(ctx context.Context, e flags.Edit, pinned *flags.EvalContext) (*flags.Proposal, error) {
	d, err := p.Draft(ctx, e, pinned)
	if err != nil {
		return nil, err
	}
	return p.planner.Plan(d)
}

// change is one edit on its way.
type change struct {
	p      *Provider
	edit   flags.Edit
	before *feature  // as read for the plan
	was    *envState // the environment's part of it
	target *strategy // the strategy whose percentage is set
	adds   string    // what the server will add by itself, in words

	revision int64       // of the SDK's view before the change
	counted  flags.Stats // evaluations before the change
	after    string      // the fingerprint that the change made
}

// Draft reads the flag fresh and works out what the edit does.
func (p *Provider) Draft(ctx context.Context, e flags.Edit, pinned *flags.EvalContext) (*toggle.Draft, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	env, err := p.environment(ctx, e.Environment)
	if err != nil {
		return nil, err
	}
	f, state, err := p.feature(ctx, e.Environment, e.Key)
	if err != nil {
		return nil, err
	}
	c := &change{p: p, edit: e, before: f, was: state}
	if err := c.possible(); err != nil {
		return nil, fmt.Errorf("%s: %s %s in %s: %w", p.opts.Name, e.Verb(), e.Key, e.Environment, err)
	}
	d := &toggle.Draft{Edit: e, Provider: p.Info(), Environment: env, Flag: p.detail(ctx, f, state), Pinned: pinned}
	if env.Approval.Required {
		d.Warnings = append(d.Warnings, fmt.Sprintf("changes here need %s: Unleash will refuse this unless you may skip change requests", plural(env.Approval.Min, "approval", "approvals")))
	}
	if env.Disabled {
		d.Warnings = append(d.Warnings, "the environment itself is disabled: applications get false whatever the flag says")
	}
	c.describe(ctx, d)
	c.preview(ctx, d)
	if s, err := p.Stats(ctx, e.Environment, e.Key); err == nil {
		d.Traffic, c.counted = s, *s
	} else {
		d.TrafficWhy = foreign.Clean(err.Error())
	}
	c.steps(d)
	return d, nil
}

// possible says why the edit makes no sense on the flag as it is.
func (c *change) possible() error {
	switch c.edit.Kind {
	case flags.TurnOn, flags.TurnOff:
		if c.was.Enabled == (c.edit.Kind == flags.TurnOn) {
			return flags.ErrAlready
		}
		return nil
	}
	if c.edit.Percent != math.Trunc(c.edit.Percent) {
		return fmt.Errorf("%s: Unleash rolls out by whole per cents", flags.Percent(c.edit.Percent))
	}
	if err := c.findStrategy(); err != nil {
		return err
	}
	if now, _ := c.target.rollout(); now == int(c.edit.Percent) {
		return flags.ErrAlready
	}
	return nil
}

// findStrategy is the one whose percentage is meant.
func (c *change) findStrategy() error {
	var gradual []int
	for i := range c.was.Strategies {
		s := &c.was.Strategies[i]
		if s.ID == c.edit.RuleID && c.edit.RuleID != "" {
			if _, ok := s.rollout(); !ok {
				return fmt.Errorf("the strategy %s has no percentage", title(s))
			}
			c.target = s
			return nil
		}
		if _, ok := s.rollout(); ok && !s.Disabled {
			gradual = append(gradual, i)
		}
	}
	switch {
	case c.edit.RuleID != "":
		return fmt.Errorf("%w: strategy %s is not there any more", flags.ErrConflict, c.edit.RuleID)
	case len(gradual) == 0:
		return errors.New("it has no active strategy with a percentage")
	case len(gradual) > 1:
		return fmt.Errorf("it has %d strategies with a percentage: say which", len(gradual))
	}
	c.target = &c.was.Strategies[gradual[0]]
	return nil
}

func (c *change) steps(d *toggle.Draft) {
	d.Steps = toggle.Steps{
		Check: c.check, Apply: c.apply, ReadBack: c.readBack,
		SDKWithin: sdkWithin, TrafficWithin: trafficWithin,
		Undo: func(ctx context.Context) (*toggle.Draft, error) { return c.undo(ctx) },
	}
	switch able := d.Provider.Capabilities.Of(flags.CanSeeSDK); {
	case !able.OK:
		d.Steps.SDKWhy = able.Why.String()
	default:
		d.Steps.AwaitSDK = c.awaitSDK
	}
	switch {
	case c.counted.Total() == 0:
		d.Steps.TrafficWhy = "no application has reported an evaluation in the last hour"
	case c.edit.Kind == flags.SetRollout:
		d.Steps.TrafficWhy = "a percentage shifts counts too little to be sure"
	default:
		d.Steps.AwaitTraffic = c.awaitTraffic
	}
}

// check reads fresh and compares everything the environment has.
func (c *change) check(ctx context.Context) error {
	_, e, err := c.p.feature(ctx, c.edit.Environment, c.edit.Key)
	if errors.Is(err, flags.ErrNotFound) {
		return fmt.Errorf("%w: %w", action.ErrChanged, err)
	}
	if err != nil {
		return err
	}
	if e.fingerprint() != c.was.fingerprint() {
		return fmt.Errorf("%w: %s", action.ErrChanged, c.whoChanged(ctx))
	}
	if c.p.sdk != nil {
		if _, _, err := c.p.refresh(ctx); err == nil {
			c.p.mu.Lock()
			c.revision = c.p.view.revision
			c.p.mu.Unlock()
		}
	}
	return nil
}

// whoChanged names the newest event.
func (c *change) whoChanged(ctx context.Context) string {
	events, err := c.p.events(ctx, c.edit.Environment, c.edit.Key, "1")
	if err != nil || len(events) == 0 {
		return "the flag is configured differently now"
	}
	ch := events[0].change()
	return fmt.Sprintf("%s at %s", ch.Summary, ch.At.UTC().Format("15:04:05 MST"))
}

// apply sends the one request.
func (c *change) apply(ctx context.Context, _ string) (string, error) {
	call := rest.Call{Doing: fmt.Sprintf("%s %s in %s", c.edit.Verb(), c.edit.Key, c.edit.Environment), Method: http.MethodPost}
	switch c.edit.Kind {
	case flags.TurnOn:
		call.Path = c.path("on")
	case flags.TurnOff:
		call.Path = c.path("off")
	case flags.SetRollout:
		now, _ := c.target.rollout()
		call.Method, call.Path, call.Body = http.MethodPatch, c.strategyPath(c.target.ID), c.patch(now)
	}
	_, err := c.p.admin.Do(ctx, call)
	c.p.note(err)
	return "", err
}

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

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
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
