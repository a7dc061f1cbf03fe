package unleash

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// describe says what will differ, and what everyone gets.
func (c *change) describe(ctx context.Context, d *toggle.Draft) {
	url := func(path string) string { return c.p.opts.Address + path }
	curl := func(method, path, body string) string {
		cmd := fmt.Sprintf("curl -X %s -H \"Authorization: %s\" ", method, c.tokenVariable())
		if body != "" {
			cmd += "-H 'Content-Type: application/json' -d '" + body + "' "
		}
		return cmd + "'" + url(path) + "'"
	}
	switch c.edit.Kind {
	case flags.TurnOff:
		d.Changes = []action.Field{{Path: "enabled", Before: "on", After: "off"}}
		d.Effect = "Everyone gets false."
		d.Undo = "Undo turns it on again, with the same strategies."
		d.Equivalent = curl(http.MethodPost, c.path("off"), "")
	case flags.TurnOn:
		d.Changes = []action.Field{{Path: "enabled", Before: "off", After: "on"}}
		d.Effect = "It gives " + serves(c.was.Strategies).String() + "."
		d.Undo = "Undo turns it off again."
		d.Equivalent = curl(http.MethodPost, c.path("on"), "")
		c.describeAdded(ctx, d)
	case flags.SetRollout:
		now, _ := c.target.rollout()
		d.Changes = []action.Field{{
			Path:   "rollout of " + title(c.target),
			Before: foreign.Text(flags.Percent(float64(now))), After: foreign.Text(flags.Percent(c.edit.Percent)),
		}}
		d.Effect = fmt.Sprintf("The strategy gives true to %s of those it is for instead of %d %%.", flags.Percent(c.edit.Percent), now)
		if c.edit.Percent > float64(now) {
			d.Effect += " Nobody who has it loses it."
		}
		if !c.was.Enabled {
			d.Warnings = append(d.Warnings, "the flag is off: this changes nothing until it is on")
		}
		d.Undo = fmt.Sprintf("Undo sets it to %d %% again.", now)
		d.Equivalent = curl(http.MethodPatch, c.strategyPath(c.target.ID), c.patchText(now))
	}
}

// describeAdded says what the server adds by itself when a flag without an
// active strategy is turned on (Unleash feature-toggle-service,
// unprotectedUpdateEnabled).
func (c *change) describeAdded(ctx context.Context, d *toggle.Draft) {
	if len(active(c.was.Strategies)) > 0 {
		return
	}
	added := c.p.defaultStrategy(ctx, c.edit.Environment)
	c.adds = strategyServes(added)
	if n := len(added.Constraints) + len(added.Segments); n > 0 {
		c.adds += " under " + plural(n, "condition", "conditions")
	}
	why := "it has no strategy"
	if len(c.was.Strategies) > 0 {
		why = "all its strategies are disabled"
	}
	d.Effect = fmt.Sprintf("It gives %s.", c.adds)
	if percent, ok := added.rollout(); ok && percent >= 100 && len(added.Constraints)+len(added.Segments) == 0 {
		d.Effect = "Everyone gets true."
	}
	d.Warnings = append([]string{fmt.Sprintf("%s, so Unleash will add one by itself: %s", why, c.adds)}, d.Warnings...)
	d.Changes = append(d.Changes, action.Field{Path: "strategies", Before: foreign.Text(plural(len(c.was.Strategies), "strategy", "strategies")), After: foreign.CleanN("one more, added by the server: "+c.adds, 300)})
	d.Undo = "Undo turns it off again and removes the strategy that the server adds."
}

// defaultStrategy is what the project adds: its own default, or everyone.
func (p *Provider) defaultStrategy(ctx context.Context, environment string) *strategy {
	var o struct {
		Environments []struct {
			Environment     string    `json:"environment"`
			DefaultStrategy *strategy `json:"defaultStrategy"`
		} `json:"environments"`
	}
	everyone := &strategy{Name: "flexibleRollout", Parameters: map[string]loose{"rollout": "100", "stickiness": "default"}}
	if err := p.get(ctx, "read the project's default strategy", rest.Path("api", "admin", "projects", p.opts.Project, "overview"), nil, &o); err != nil {
		return everyone
	}
	for _, e := range o.Environments {
		if e.Environment == environment && e.DefaultStrategy != nil {
			return e.DefaultStrategy
		}
	}
	return everyone
}

// tokenVariable is how a command line names the token.
func (c *change) tokenVariable() string {
	if from := c.p.opts.TokenFrom; strings.HasPrefix(from, "$") {
		return from
	}
	return "$UNLEASH_TOKEN"
}

func (c *change) path(last string) string {
	return rest.Path("api", "admin", "projects", c.p.opts.Project, "features", c.edit.Key, "environments", c.edit.Environment, last)
}

func (c *change) strategyPath(id string) string {
	return rest.Path("api", "admin", "projects", c.p.opts.Project, "features", c.edit.Key, "environments", c.edit.Environment, "strategies", id)
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value"`
}

// patch sets the percentage if it still is what it was: the server compares.
func (c *change) patch(from int) []operation {
	name := "rollout"
	if _, ok := c.target.Parameters[name]; !ok {
		name = "percentage"
	}
	path := "/parameters/" + name
	return []operation{
		{Op: "test", Path: path, Value: strconv.Itoa(from)},
		{Op: "replace", Path: path, Value: strconv.Itoa(int(c.edit.Percent))},
	}
}

func (c *change) patchText(from int) string {
	var parts []string
	for _, o := range c.patch(from) {
		parts = append(parts, fmt.Sprintf(`{"op":%q,"path":%q,"value":%q}`, o.Op, o.Path, o.Value))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// preview evaluates the flag for the pinned context, as it is and as it will
// be, with the same rules the SDKs have.
func (c *change) preview(ctx context.Context, d *toggle.Draft) {
	if d.Pinned == nil {
		return
	}
	ev := evaluator{subject: newSubject(*d.Pinned, c.edit.Environment, c.p.opts.Clock.Now())}
	now := c.asSDK(ctx, c.was.Enabled, c.was.Strategies)
	after := c.asSDK(ctx, c.was.Enabled, c.was.Strategies)
	switch c.edit.Kind {
	case flags.TurnOff:
		after.Enabled = false
	case flags.TurnOn:
		after.Enabled = true
		if len(after.Strategies) == 0 {
			after.Strategies = []strategy{*c.p.defaultStrategy(ctx, c.edit.Environment)}
		}
	case flags.SetRollout:
		for i := range after.Strategies {
			if s := &after.Strategies[i]; s.ID == c.target.ID {
				changed := map[string]loose{}
				for name, v := range s.Parameters {
					changed[name] = v
				}
				changed[strings.TrimPrefix(c.patch(0)[0].Path, "/parameters/")] = loose(strconv.Itoa(int(c.edit.Percent)))
				s.Parameters = changed
			}
		}
	}
	was, is := ev.evaluation(now), ev.evaluation(after)
	d.Now, d.After = &was, &is
}

// asSDK is the flag as the client API would give it: active strategies only,
// with the constraints of their segments in them.
func (c *change) asSDK(ctx context.Context, enabled bool, all []strategy) *feature {
	f := &feature{Name: c.before.Name, Enabled: enabled, Variants: c.was.Variants, Dependencies: c.before.Dependencies}
	segments := c.p.segmentsOf(ctx, all)
	f.Strategies = slices.Clone(active(all))
	for i := range f.Strategies {
		s := &f.Strategies[i]
		for _, id := range s.Segments {
			s.Constraints = append(slices.Clone(s.Constraints), segments[id].Constraints...)
		}
	}
	if enabled && len(f.Strategies) == 0 && len(all) > 0 {
		f.Enabled = false // on, with nothing active: nobody gets it
	}
	return f
}
