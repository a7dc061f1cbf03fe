package launchdarkly

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/toggle"
)

// Content types of the two kinds of patch. The semantic one has no
// precondition; the JSON patch has "test".
const (
	jsonPatch     = "application/json"
	semanticPatch = "application/json; domain-model=launchdarkly.semanticpatch"
)

func (x *change) path() string { return rest.Path("api", "v2", "flags", x.p.opts.Project, x.edit.Key) }

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

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
