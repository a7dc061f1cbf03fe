package launchdarkly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	evaluation "github.com/launchdarkly/go-server-sdk-evaluation/v3"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/ld"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// How long the later proofs may take.
const (
	sdkWithin     = 15 * time.Second
	trafficWithin = 150 * time.Second // SDKs report every few seconds, counts come by the minute
	trafficEvery  = 15 * time.Second  // the limit on requests is the whole account's
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

func (x *change) path() string { return rest.Path("api", "v2", "flags", x.p.opts.Project, x.edit.Key) }

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Content types of the two kinds of patch. The semantic one has no
// precondition; the JSON patch has "test".
const (
	jsonPatch     = "application/json"
	semanticPatch = "application/json; domain-model=launchdarkly.semanticpatch"
)

// body is the request and its content type.
func (x *change) body(comment string) (any, string) {
	if x.edit.Kind == flags.SetRollout {
		return x.rolloutBody(comment), semanticPatch
	}
	on := x.edit.Kind == flags.TurnOn
	path := "/environments/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(x.edit.Environment) + "/on"
	return struct {
		Comment string      `json:"comment,omitempty"`
		Patch   []operation `json:"patch"`
	}{comment, []operation{{"test", path, !on}, {"replace", path, on}}}, jsonPatch
}

func (x *change) send(ctx context.Context, comment string, dry bool) error {
	body, kind := x.body(comment)
	q := url.Values{}
	if dry {
		q.Set("dryRun", "true")
	}
	if x.edit.IgnoreConflicts {
		q.Set("ignoreConflicts", "true")
	}
	return x.p.call(ctx, rest.Call{
		Doing: fmt.Sprintf("%s %s in %s", x.edit.Verb(), x.edit.Key, x.edit.Environment), Method: http.MethodPatch,
		Path: x.path(), Query: q, Body: body, ContentType: kind,
	})
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

func (x *change) steps(ctx context.Context, d *toggle.Draft) {
	d.Steps = toggle.Steps{Check: x.check, Apply: x.apply, ReadBack: x.readBack, SDKWithin: sdkWithin, TrafficWithin: trafficWithin}
	if !x.undoes {
		d.Steps.Undo = x.undo
	}
	if x.p.dryRun {
		d.Steps.DryRun = x.tryOut
	}
	s, err := x.p.open(ctx, x.edit.Environment)
	switch {
	case err != nil:
		d.Steps.SDKWhy = err.Error()
	case s.await(ctx) != nil:
		d.Steps.SDKWhy = s.status().Why.String()
	default:
		d.Steps.AwaitSDK = func(ctx context.Context) (string, error) { return x.awaitSDK(ctx, s) }
	}
	switch {
	case x.counted.Total() == 0:
		d.Steps.TrafficWhy = "no evaluation was reported in the last minutes"
	case x.edit.Kind != flags.TurnOff:
		d.Steps.TrafficWhy = "the split after this is not one variation, so counts prove little"
	default:
		d.Steps.AwaitTraffic = x.awaitTraffic
	}
}

// check reads fresh and compares the version.
func (x *change) check(ctx context.Context) error {
	_, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if errors.Is(err, flags.ErrNotFound) {
		return fmt.Errorf("%w: %w", action.ErrChanged, err)
	}
	if err != nil {
		return err
	}
	if c.version() != x.was.version() || c.On != x.was.On {
		return fmt.Errorf("%w: %s", action.ErrChanged, x.whoChanged(ctx))
	}
	if s, err := x.p.open(ctx, x.edit.Environment); err == nil {
		if f := s.flag(x.edit.Key); f != nil {
			x.sdkVersion = f.Version
		}
	}
	return nil
}

func (x *change) whoChanged(ctx context.Context) string {
	all, err := x.p.entries(ctx, x.edit.Environment, x.edit.Key, time.Time{}, 1)
	if err != nil || len(all) == 0 {
		return "the flag is configured differently now"
	}
	return fmt.Sprintf("%s %s at %s", all[0].By, all[0].Summary, all[0].At.Format("15:04:05 MST"))
}

// tryOut has the server validate the change. One that makes it although asked
// not to is found out by the version.
func (x *change) tryOut(ctx context.Context) error {
	if err := x.send(ctx, "", true); err != nil {
		return fmt.Errorf("%w: %w", action.ErrRejected, err)
	}
	_, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if err == nil && c.version() != x.was.version() {
		return fmt.Errorf("%w: this server made the change although it was asked to only try it, or someone else changed the flag just now; set dryRun: false", action.ErrChanged)
	}
	return err
}

// apply sends the change. Another change that was being made at the same time
// is waited out once: if the flag is still as planned, it is sent again.
func (x *change) apply(ctx context.Context, reason string) (string, error) {
	err := x.recheck(ctx)
	if err == nil {
		err = x.send(ctx, reason, false)
	}
	if errors.Is(err, flags.ErrConflict) && !errors.Is(err, action.ErrChanged) {
		if again := x.recheck(ctx); again != nil {
			return "", again
		}
		err = x.send(ctx, reason, false)
		if err == nil {
			return "at the second try: another change was being made", nil
		}
	}
	return "", err
}

// recheck is what stands in for a precondition where the patch has none.
func (x *change) recheck(ctx context.Context) error {
	_, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if err != nil {
		return err
	}
	if c.version() != x.was.version() {
		return fmt.Errorf("%w: %w: %s", flags.ErrConflict, action.ErrChanged, x.whoChanged(ctx))
	}
	return nil
}

// readBack compares the flag with what was planned.
func (x *change) readBack(ctx context.Context) (toggle.Outcome, string, error) {
	_, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if err != nil {
		return toggle.Other, "", err
	}
	switch {
	case x.wanted(c):
		x.after = c.version()
		return toggle.AsWanted, c.serves(x.names).String(), nil
	case c.version() == x.was.version():
		return toggle.AsBefore, "it is as before", nil
	}
	return toggle.Other, fmt.Sprintf("it serves %s; %s", c.serves(x.names), x.whoChanged(ctx)), nil
}

func (x *change) wanted(c *config) bool {
	if x.edit.Kind == flags.SetRollout {
		return x.rolloutWanted(c)
	}
	return c.On == (x.edit.Kind == flags.TurnOn)
}

// awaitSDK waits for the change on the stream: a higher version than before,
// and on or off as planned. The versions of the stream and of the REST API are
// not compared with each other.
func (x *change) awaitSDK(ctx context.Context, s *stream) (string, error) {
	tracker := s.client.GetFlagTracker()
	changes := tracker.AddFlagChangeListener()
	defer tracker.RemoveFlagChangeListener(changes)
	for {
		if f := s.flag(x.edit.Key); f != nil && f.Version > x.sdkVersion && x.seen(f) {
			return fmt.Sprintf("version %d → %d on the stream", x.sdkVersion, f.Version), nil
		}
		select {
		case <-ctx.Done():
			if why := s.stale(); why != "" {
				return "", errors.New(why.String())
			}
			return "", errors.New("the stream still has the flag as before")
		case _, ok := <-changes:
			if !ok {
				return "", errors.New("the SDK was closed")
			}
		}
	}
}

func (x *change) seen(f *ldmodel.FeatureFlag) bool {
	if x.edit.Kind == flags.SetRollout {
		return x.rolloutSeen(f)
	}
	return f.On == (x.edit.Kind == flags.TurnOn)
}

// awaitTraffic waits for a minute in which only the off variation was served.
func (x *change) awaitTraffic(ctx context.Context) (string, error) {
	off := x.was.off(x.names)
	began := x.p.opts.Clock.Now()
	for {
		now := x.p.opts.Clock.Now()
		// The minute in which it changed has both.
		from := began.Truncate(time.Minute).Add(time.Minute)
		if now.After(from) {
			s, err := x.p.counts(ctx, x.edit.Environment, x.edit.Key, x.names, from, now)
			if err == nil && s.Of(off) > 0 && s.Of(off) == s.Total() {
				return fmt.Sprintf("%s %d, nothing else since %s", off, s.Of(off), from.UTC().Format("15:04 MST")), nil
			}
		}
		wait, stop := x.p.opts.Clock.After(trafficEvery)
		select {
		case <-ctx.Done():
			stop()
			return "", errors.New("not every application has reported it yet")
		case <-wait:
			stop()
		}
	}
}

// undo drafts the way back, bound to the version that the change made.
func (x *change) undo(ctx context.Context) (*toggle.Draft, error) {
	f, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if err != nil {
		return nil, err
	}
	if x.after == "" && x.wanted(c) { // nobody verified
		x.after = strconv.Itoa(x.was.Version + 1)
	}
	if c.version() != x.after {
		return nil, fmt.Errorf("%w since your change, so it is not undone blindly: it served %s, you made it %s, it serves %s now (%s)",
			flags.ErrConflict, x.was.serves(x.names), x.edit.Verb(), c.serves(x.names), x.whoChanged(ctx))
	}
	env, err := x.p.environment(ctx, x.edit.Environment)
	if err != nil {
		return nil, err
	}
	back := &change{p: x.p, edit: x.edit, flag: f, was: c, names: f.variations(), undoes: true}
	switch x.edit.Kind {
	case flags.TurnOn:
		back.edit.Kind = flags.TurnOff
	case flags.TurnOff:
		back.edit.Kind = flags.TurnOn
	default:
		back.to = x.spot
	}
	return back.draft(ctx, env, nil)
}
