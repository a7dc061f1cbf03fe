package unleash

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
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

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
