package unleash

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/foreign"
)

// recentEvents is how many events are read to say when a flag in the list
// changed last. Flags that changed before them have no such time.
const recentEvents = "500"

// List returns the project's flags. The newest events of the environment tell
// when each changed, and by whom.
func (p *Provider) List(ctx context.Context, environment string, q flags.Query) ([]flags.Flag, error) {
	if _, err := p.environment(ctx, environment); err != nil {
		return nil, err
	}
	var all struct {
		Features []feature `json:"features"`
	}
	if err := p.get(ctx, "list the flags of project "+p.opts.Project, rest.Path("api", "admin", "projects", p.opts.Project, "features"), nil, &all); err != nil {
		return nil, err
	}
	types := p.lifetimes(ctx)
	events, err := p.events(ctx, environment, "", recentEvents)
	if err != nil {
		events = nil // the list is worth having without them
	}
	latest := map[string]event{}
	for _, e := range events {
		if _, ok := latest[e.FeatureName]; !ok {
			latest[e.FeatureName] = e
		}
	}
	out := make([]flags.Flag, 0, len(all.Features))
	for i := range all.Features {
		f := &all.Features[i]
		if f.Archived && !q.Archived || !matches(f, q.Text) {
			continue
		}
		flag := p.flag(f, types)
		for j := range flag.States {
			s := &flag.States[j]
			if e, ok := latest[f.Name]; ok && s.Environment == environment {
				s.Changed, s.ChangedBy = e.CreatedAt, foreign.CleanN(e.CreatedBy, 100)
			}
		}
		out = append(out, flag)
	}
	flags.SortByChange(out, environment)
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

func matches(f *feature, text string) bool {
	text = strings.ToLower(text)
	return text == "" || strings.Contains(strings.ToLower(f.Name), text) || strings.Contains(strings.ToLower(f.Description), text)
}

// lifetimes are the days each type of flag is meant to live, asked for once.
func (p *Provider) lifetimes(ctx context.Context) map[string]int {
	p.mu.Lock()
	types := p.types
	p.mu.Unlock()
	if types != nil {
		return types
	}
	var all struct {
		Types []struct {
			ID           string `json:"id"`
			LifetimeDays *int   `json:"lifetimeDays"`
		} `json:"types"`
	}
	if err := p.get(ctx, "list the flag types", "/api/admin/feature-types", nil, &all); err != nil {
		return nil // then only what the server itself marks is stale
	}
	types = map[string]int{}
	for _, t := range all.Types {
		if t.LifetimeDays != nil {
			types[t.ID] = *t.LifetimeDays
		}
	}
	p.mu.Lock()
	p.types = types
	p.mu.Unlock()
	return types
}

// flag is a row of the list.
func (p *Provider) flag(f *feature, types map[string]int) flags.Flag {
	out := flags.Flag{
		Key: foreign.CleanN(f.Name, 200).String(), Name: foreign.CleanN(f.Name, 200), Description: foreign.CleanN(f.Description, 500),
		Kind: flags.KindBoolean, Type: foreign.CleanN(f.Type, 40), Created: f.CreatedAt, Archived: f.Archived,
		Variations: []flags.Variation{{Name: "true", Value: "true"}, {Name: "false", Value: "false"}},
	}
	if f.CreatedBy != nil {
		out.Maintainer = foreign.CleanN(f.CreatedBy.Name, 100)
	}
	for _, t := range f.Tags {
		out.Tags = append(out.Tags, foreign.CleanN(t.Type+":"+t.Value, 100))
	}
	if days := types[f.Type]; f.Stale {
		out.Stale, out.StaleWhy = true, "marked stale in Unleash"
	} else if age := p.age(f.CreatedAt); days > 0 && !f.CreatedAt.IsZero() && age > days {
		out.Stale = true
		out.StaleWhy = foreign.Clean(fmt.Sprintf("%s flags are meant to live %d days, this one is %d days old", f.Type, days, age))
	}
	for i := range f.Environments {
		out.States = append(out.States, state(&f.Environments[i]))
	}
	return out
}

func state(e *envState) flags.EnvState {
	s := flags.EnvState{Environment: foreign.CleanN(e.Name, 100).String(), On: e.Enabled}
	if e.LastSeenAt != nil {
		s.LastSeen = *e.LastSeenAt
	}
	switch {
	case !e.Enabled:
		s.Serves = "false"
	case e.Strategies != nil:
		s.Serves = serves(e.Strategies)
		s.Version = e.fingerprint()
	case !e.HasEnabledStrategies && e.HasStrategies:
		s.Serves = "on, and every strategy is disabled"
	}
	return s
}

// serves is what the strategies give together, in a few words.
func serves(all []strategy) foreign.Text {
	var parts []string
	for i := range all {
		s := &all[i]
		if s.Disabled {
			continue
		}
		part := strategyServes(s)
		if n := len(s.Constraints) + len(s.Segments); n > 0 {
			part += fmt.Sprintf(" under %s", plural(n, "condition", "conditions"))
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "false: no strategy is active"
	}
	return foreign.CleanN(strings.Join(parts, ", or "), 300)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// strategyServes is "true", "true for 25 % by userId, as a 50 %, b 50 %".
func strategyServes(s *strategy) string {
	text := "true"
	switch percent, ok := s.rollout(); {
	case s.Name == "userWithId":
		text = "true for listed users"
	case ok && percent < 100:
		by := string(s.Parameters["stickiness"])
		if by == "" || by == "default" {
			by = "user or session"
		}
		text = fmt.Sprintf("true for %d %% by %s", percent, by)
	case !ok && s.Name != "default":
		text = fmt.Sprintf("what the application's own strategy %s says", s.Name)
	}
	if len(s.Variants) > 0 {
		text += ", as " + split(s.Variants)
	}
	return text
}

func split(all []variant) string {
	total := 0
	for _, v := range all {
		total += v.Weight
	}
	var parts []string
	for _, v := range all {
		parts = append(parts, fmt.Sprintf("%s %s", v.Name, flags.Percent(share(v.Weight, total))))
	}
	return strings.Join(parts, ", ")
}

func share(weight, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(weight*1000/total) / 10
}

// feature reads one flag with everything.
func (p *Provider) feature(ctx context.Context, environment, key string) (*feature, *envState, error) {
	var f feature
	path := rest.Path("api", "admin", "projects", p.opts.Project, "features", key)
	if err := p.get(ctx, "read flag "+key, path, map[string][]string{"variantEnvironments": {"true"}}, &f); err != nil {
		return nil, nil, err
	}
	if f.Archived {
		return nil, nil, fmt.Errorf("%s: read flag %s: %w: it was archived", p.opts.Name, key, flags.ErrNotFound)
	}
	e, ok := f.in(environment)
	if !ok {
		return nil, nil, fmt.Errorf("%s: flag %s: environment %q: %w in project %s", p.opts.Name, key, environment, flags.ErrNoEnvironment, p.opts.Project)
	}
	return &f, e, nil
}

// Get reads one flag fresh.
func (p *Provider) Get(ctx context.Context, environment, key string) (*flags.Detail, error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	f, e, err := p.feature(ctx, environment, key)
	if err != nil {
		return nil, err
	}
	return p.detail(ctx, f, e), nil
}

// detail puts a flag into words.
func (p *Provider) detail(ctx context.Context, f *feature, e *envState) *flags.Detail {
	d := &flags.Detail{
		Flag: p.flag(f, p.lifetimes(ctx)), State: state(e), Off: "false", Default: "false", ReadAt: p.opts.Clock.Now(),
	}
	d.State.Version = e.fingerprint()
	d.State.Served = lastHour(e, p.opts.Clock.Now())
	segments := p.segmentsOf(ctx, e.Strategies)
	for i := range e.Strategies {
		d.Rules = append(d.Rules, rule(&e.Strategies[i], segments))
	}
	for _, dep := range f.Dependencies {
		what := "on"
		if dep.Enabled != nil && !*dep.Enabled {
			what = "off"
		}
		if len(dep.Variants) > 0 {
			what += " as " + strings.Join(dep.Variants, " or ")
		}
		d.Prerequisites = append(d.Prerequisites, foreign.CleanN(dep.Feature+" is "+what, 200))
	}
	for _, c := range f.Children {
		d.Dependants = append(d.Dependants, foreign.CleanN(c, 200).String())
	}
	for _, id := range e.ChangeRequestIDs {
		d.Pending = append(d.Pending, flags.Pending{Kind: "change request", What: foreign.Clean(fmt.Sprintf("number %d", id))})
	}
	if e.Enabled && len(e.Strategies) > 0 && len(active(e.Strategies)) == 0 {
		d.Notes = append(d.Notes, "it is on, and every strategy is disabled: nobody gets it")
	}
	d.Experiments = experiments(f, e)
	if changes, err := p.Audit(ctx, e.Name, f.Name, time.Time{}); err == nil && len(changes) > 0 {
		d.State.Changed, d.State.ChangedBy = changes[0].At, changes[0].By
	}
	return d
}

// lastHour is how often the flag was on and off in the last hour.
func lastHour(e *envState, now time.Time) *flags.Stats {
	if e.Yes == 0 && e.No == 0 {
		return nil
	}
	return &flags.Stats{
		Since: now.Add(-time.Hour), Until: now, Note: evaluationsNote,
		Counts: []flags.Count{{Variant: "true", N: e.Yes}, {Variant: "false", N: e.No}},
	}
}

const evaluationsNote = "evaluations that SDKs reported, not users"

// segmentsOf reads the segments when a strategy uses one.
func (p *Provider) segmentsOf(ctx context.Context, all []strategy) map[int]segment {
	if !slices.ContainsFunc(all, func(s strategy) bool { return len(s.Segments) > 0 }) {
		return nil
	}
	var got struct {
		Segments []segment `json:"segments"`
	}
	if err := p.get(ctx, "list the segments", "/api/admin/segments", nil, &got); err != nil {
		return nil
	}
	out := make(map[int]segment, len(got.Segments))
	for _, s := range got.Segments {
		out[s.ID] = s
	}
	return out
}

func rule(s *strategy, segments map[int]segment) flags.Rule {
	r := flags.Rule{
		ID: foreign.CleanN(s.ID, 64).String(), Name: foreign.CleanN(title(s), 200), Disabled: s.Disabled,
		Serves: foreign.CleanN(strategyServes(s), 300), Rollout: -1,
	}
	if percent, ok := s.rollout(); ok {
		r.Rollout = float64(percent)
	}
	for _, id := range s.Segments {
		seg, ok := segments[id]
		if !ok {
			r.When = append(r.When, foreign.Clean(fmt.Sprintf("in segment %d", id)))
			continue
		}
		var parts []string
		for i := range seg.Constraints {
			parts = append(parts, seg.Constraints[i].words().String())
		}
		r.When = append(r.When, foreign.CleanN(fmt.Sprintf("in segment %s (%s)", seg.Name, strings.Join(parts, " and ")), 400))
	}
	for i := range s.Constraints {
		r.When = append(r.When, s.Constraints[i].words())
	}
	if s.Name == "userWithId" {
		r.When = append(r.When, foreign.CleanN("userId is one of "+string(s.Parameters["userIds"]), 400))
	}
	return r
}

// experiments are what Unleash calls a flag of type experiment, or one with
// variants: it is on, so it runs.
func experiments(f *feature, e *envState) []flags.RunningExperiment {
	if !e.Enabled {
		return nil
	}
	var out []flags.RunningExperiment
	for i := range e.Strategies {
		s := &e.Strategies[i]
		if s.Disabled || len(s.Variants) == 0 {
			continue
		}
		x := flags.RunningExperiment{
			Key: foreign.CleanN(f.Name, 200).String(), Name: foreign.CleanN(f.Name+", "+title(s), 200), Status: "running",
			Unit: foreign.CleanN(cmp.Or(s.Variants[0].Stickiness, "default"), 60),
			Note: "Unleash does not say since when; see the history",
		}
		total := 0
		for _, v := range s.Variants {
			total += v.Weight
		}
		percent, ok := s.rollout()
		if !ok {
			percent = 100
		}
		for _, v := range s.Variants {
			x.Arms = append(x.Arms, flags.Arm{Name: foreign.CleanN(v.Name, 100), Percent: share(v.Weight, total) * float64(percent) / 100})
		}
		out = append(out, x)
	}
	return out
}
