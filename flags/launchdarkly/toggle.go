package launchdarkly

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	evaluation "github.com/launchdarkly/go-server-sdk-evaluation/v3"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/flags/toggle"
	"midwatch/foreign"
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
	p     *Provider
	edit  flags.Edit
	flag  *flag
	was   *config
	names []flags.Variation

	spot    *serve // what a rollout changes: the default, or a rule
	rule    *rule  // the rule, when it is one
	weights []int  // the new weights, by variation
	to      *serve // for an undo: exactly what was

	sdkVersion int    // of the flag on the stream, before
	after      string // the version that the change made
	undoes     bool
	counted    flags.Stats
}

// Draft reads the flag fresh and works out what the edit does.
func (p *Provider) Draft(ctx context.Context, e flags.Edit, pinned *flags.EvalContext) (*toggle.Draft, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if p.api == nil {
		return nil, fmt.Errorf("%s: %s %s: %w: an SDK key only reads, give an access token", p.opts.Name, e.Verb(), e.Key, flags.ErrUnsupported)
	}
	env, err := p.environment(ctx, e.Environment)
	if err != nil {
		return nil, err
	}
	f, c, err := p.read(ctx, e.Environment, e.Key)
	if err != nil {
		return nil, err
	}
	x := &change{p: p, edit: e, flag: f, was: c, names: f.variations()}
	return x.draft(ctx, env, pinned)
}

func (x *change) draft(ctx context.Context, env flags.Environment, pinned *flags.EvalContext) (*toggle.Draft, error) {
	e, p := x.edit, x.p
	if err := x.possible(); err != nil {
		return nil, fmt.Errorf("%s: %s %s in %s: %w", p.opts.Name, e.Verb(), e.Key, e.Environment, err)
	}
	d := &toggle.Draft{Edit: e, Provider: p.Info(), Environment: env, Flag: p.detail(ctx, x.flag, x.was, e.Environment), Pinned: pinned}
	if env.Approval.Required {
		d.Warnings = append(d.Warnings, fmt.Sprintf("changes here need %s: LaunchDarkly will refuse this unless you may bypass them", plural(max(env.Approval.Min, 1), "approval", "approvals")))
	}
	if n := len(d.Flag.Pending); n > 0 && e.IgnoreConflicts {
		d.Warnings = append(d.Warnings, fmt.Sprintf("this may break %s", plural(n, "pending change", "pending changes")))
	}
	x.describe(d)
	x.preview(ctx, d)
	if s, err := p.Stats(ctx, e.Environment, e.Key); err == nil {
		d.Traffic, x.counted = s, *s
	} else {
		d.TrafficWhy = foreign.CleanN(err.Error(), 200)
	}
	x.steps(ctx, d)
	return d, nil
}

// possible says why the edit makes no sense, or is not allowed, on the flag as
// it is.
func (x *change) possible() error {
	denied := "updateOn"
	switch x.edit.Kind {
	case flags.TurnOn, flags.TurnOff:
		if x.was.On == (x.edit.Kind == flags.TurnOn) {
			return flags.ErrAlready
		}
	default:
		denied = "updateFallthrough"
		if x.edit.RuleID != "" {
			denied = "updateRules"
		}
		if err := x.findSpot(); err != nil {
			return err
		}
	}
	if x.was.Access.denies(denied) {
		return fmt.Errorf("%w: its role does not allow %s", flags.ErrForbidden, denied)
	}
	return nil
}

// describe says what will differ, and what everyone gets.
func (x *change) describe(d *toggle.Draft) {
	on := x.edit.Kind == flags.TurnOn
	switch x.edit.Kind {
	case flags.TurnOn, flags.TurnOff:
		d.Changes = []action.Field{{Path: "on", Before: onOff(!on), After: onOff(on)}}
		d.Effect = fmt.Sprintf("Everyone gets %s.", x.was.off(x.names))
		if on {
			after := *x.was
			after.On = true
			d.Effect = fmt.Sprintf("It serves %s.", after.serves(x.names))
		}
		d.Undo = fmt.Sprintf("Undo turns it %s again.", onOff(!on))
	default:
		x.describeRollout(d)
	}
	if !x.was.On && x.edit.Kind == flags.SetRollout {
		d.Warnings = append(d.Warnings, "the flag is off: this changes nothing until it is on")
	}
	if x.undoes {
		d.Undo = "This is the undo; it is not undone again."
	}
	d.Equivalent = x.command()
}

func onOff(on bool) foreign.Text {
	if on {
		return "on"
	}
	return "off"
}

// command is a curl line with the token as a variable's name.
func (x *change) command() string {
	from := x.p.opts.TokenFrom
	if !strings.HasPrefix(from, "$") {
		from = "$LD_TOKEN"
	}
	body, kind := x.body("")
	b, err := json.Marshal(body)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("curl -X PATCH -H \"Authorization: %s\" -H 'LD-API-Version: %s' -H 'Content-Type: %s' -d '%s' '%s'",
		from, APIVersion, kind, strings.ReplaceAll(string(b), "'", `'\''`), x.p.opts.Address+x.path())
}

// preview evaluates the flag for the pinned context as it is on the stream,
// and as it will be.
func (x *change) preview(ctx context.Context, d *toggle.Draft) {
	if d.Pinned == nil {
		return
	}
	s, err := x.p.open(ctx, x.edit.Environment)
	if err != nil || s.await(ctx) != nil {
		return
	}
	who, err := ld.Context(*d.Pinned)
	f := s.flag(x.edit.Key)
	if err != nil || f == nil {
		return
	}
	changed := x.model(*f)
	ev := evaluation.NewEvaluator(s)
	now := s.evaluate(ev, f, f.Key, who, s.stale())
	after := s.evaluate(ev, &changed, f.Key, who, s.stale())
	d.Now, d.After = &now, &after
}

// model is the flag of the stream with the edit made.
func (x *change) model(f ldmodel.FeatureFlag) ldmodel.FeatureFlag {
	switch x.edit.Kind {
	case flags.TurnOn, flags.TurnOff:
		f.On = x.edit.Kind == flags.TurnOn
		return f
	}
	return x.rolloutModel(f)
}
