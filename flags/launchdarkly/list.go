package launchdarkly

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/ld"
	"midwatch/foreign"
)

// pageSize is the most that the API gives at once, since version 20240415; so
// many pages are asked for at a time.
const (
	pageSize   = 100
	pagesAhead = 3
	mostPages  = 100
)

// List returns the flags, those first whose targeting changed last in the
// environment. Without an access token it is what the SDK holds.
func (p *Provider) List(ctx context.Context, environment string, q flags.Query) ([]flags.Flag, error) {
	if p.api == nil {
		return p.listSDK(ctx, environment, q)
	}
	if _, err := p.environment(ctx, environment); err != nil {
		return nil, err
	}
	var statuses map[string]usage
	var status sync.WaitGroup
	status.Go(func() { statuses = p.statuses(ctx, environment) })
	all, err := p.pages(ctx, environment, q)
	status.Wait()
	if err != nil {
		return nil, err
	}
	out := make([]flags.Flag, 0, len(all))
	names := make(map[string][]flags.Variation, len(all))
	for i := range all {
		f := p.describe(&all[i])
		if u, ok := statuses[f.Key]; ok {
			u.apply(&f, environment)
		}
		names[f.Key] = f.Variations
		out = append(out, f)
	}
	p.mu.Lock()
	maps.Copy(p.names, names)
	p.mu.Unlock()
	flags.SortByChange(out, environment)
	return out, nil
}

// pages reads the list. The pages after the first are asked for a few at a
// time: the limit on requests is the whole account's.
func (p *Provider) pages(ctx context.Context, environment string, q flags.Query) ([]flag, error) {
	first, total, err := p.page(ctx, environment, q, 0)
	if err != nil {
		return nil, err
	}
	if q.Limit > 0 {
		total = min(total, q.Limit)
	}
	count := min((total+pageSize-1)/pageSize, mostPages)
	rest := make([][]flag, max(count, 1))
	rest[0] = first
	errs := make([]error, len(rest))
	slots := make(chan struct{}, pagesAhead)
	var wait sync.WaitGroup
	for i := 1; i < count; i++ {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			rest[i], _, errs[i] = p.page(ctx, environment, q, i*pageSize)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errs[slices.IndexFunc(errs, func(e error) bool { return e != nil })]
	}
	all := slices.Concat(rest...)
	if q.Limit > 0 && len(all) > q.Limit {
		all = all[:q.Limit]
	}
	return all, nil
}

func (p *Provider) page(ctx context.Context, environment string, q flags.Query, offset int) ([]flag, int, error) {
	query := url.Values{"env": {environment}, "limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(offset)}, "sort": {"-targetingModifiedDate"}}
	filter := []string{}
	if !q.Archived {
		filter = append(filter, "state:live")
	}
	if q.Text != "" {
		filter = append(filter, "query:"+strings.NewReplacer(",", " ", ":", " ").Replace(q.Text))
	}
	if len(filter) > 0 {
		query.Set("filter", strings.Join(filter, ","))
	}
	var got struct {
		Items      []flag `json:"items"`
		TotalCount int    `json:"totalCount"`
	}
	err := p.get(ctx, "list the flags of project "+p.opts.Project, rest.Path("api", "v2", "flags", p.opts.Project), query, &got)
	return got.Items, got.TotalCount, err
}

// usage is the API's own judgement of whether a flag is used.
type usage struct {
	name          string // new, active, inactive, launched
	lastRequested time.Time
}

// statuses reads them all at once; none is no reason not to show the list.
func (p *Provider) statuses(ctx context.Context, environment string) map[string]usage {
	var got struct {
		Items []struct {
			Name          string     `json:"name"`
			LastRequested *time.Time `json:"lastRequested"`
			Links         struct {
				Parent struct {
					Href string `json:"href"`
				} `json:"parent"`
			} `json:"_links"`
		} `json:"items"`
	}
	if err := p.get(ctx, "read which flags are used", rest.Path("api", "v2", "flag-statuses", p.opts.Project, environment), nil, &got); err != nil {
		return nil
	}
	out := make(map[string]usage, len(got.Items))
	for _, i := range got.Items {
		u := usage{name: i.Name}
		if i.LastRequested != nil {
			u.lastRequested = *i.LastRequested
		}
		href := i.Links.Parent.Href
		out[href[strings.LastIndexByte(href, '/')+1:]] = u
	}
	return out
}

func (u usage) apply(f *flags.Flag, environment string) {
	for i := range f.States {
		if f.States[i].Environment == environment {
			f.States[i].LastSeen = u.lastRequested
		}
	}
	switch u.name {
	case "inactive":
		f.Stale, f.StaleWhy = true, "inactive: not evaluated for a week"
	case "launched":
		f.Stale, f.StaleWhy = true, "launched: it has served one variation to everyone for a week"
	}
}

// describe is a row of the list.
func (p *Provider) describe(f *flag) flags.Flag {
	out := flags.Flag{
		Key: foreign.CleanN(f.Key, 200).String(), Name: foreign.CleanN(f.Name, 200), Description: foreign.CleanN(f.Description, 500),
		Kind: f.kind(), Type: "permanent", Variations: f.variations(), Created: f.CreationDate.time(), Archived: f.Archived,
		Maintainer: foreign.CleanN(strings.TrimSpace(f.Maintainer.name()), 100),
	}
	if f.Temporary {
		out.Type = "temporary"
	}
	if f.Deprecated {
		out.Stale, out.StaleWhy = true, "marked deprecated"
	}
	for _, t := range f.Tags {
		out.Tags = append(out.Tags, foreign.CleanN(t, 100))
	}
	for _, key := range slices.Sorted(maps.Keys(f.Environments)) {
		if c := f.Environments[key]; c != nil {
			out.States = append(out.States, c.state(key, out.Variations))
		}
	}
	return out
}

func (c *config) state(environment string, names []flags.Variation) flags.EnvState {
	s := flags.EnvState{
		Environment: foreign.CleanN(environment, 100).String(), On: c.On, Changed: c.LastModified.time(), Version: c.version(),
	}
	switch {
	case c.Summary != nil:
		s.Serves = c.Summary.words(c.On, names)
	case c.Fallthrough.Variation != nil || c.Fallthrough.Rollout != nil || !c.On:
		s.Serves = c.serves(names)
	}
	return s
}

// words is the summary in a few words: which variation is the default, and
// how many rules there are.
func (s *summary) words(on bool, names []flags.Variation) foreign.Text {
	var defaults []string
	rules, targets := 0, 0
	off := foreign.Text("the default in the application's code")
	for _, key := range slices.Sorted(maps.Keys(s.Variations)) {
		v := s.Variations[key]
		i, err := strconv.Atoi(key)
		if err != nil {
			continue
		}
		name := ld.Name(names, i)
		if v.IsOff {
			off = name
		}
		switch {
		case v.Rollout != nil:
			defaults = append(defaults, fmt.Sprintf("%s %s", name, ld.Share(*v.Rollout)))
		case v.IsFallthrough:
			defaults = append(defaults, name.String())
		}
		rules, targets = rules+v.Rules, targets+v.Targets
	}
	if !on {
		return off
	}
	text := strings.Join(defaults, ", ")
	if rules > 0 {
		text += ", but for " + plural(rules, "rule", "rules")
	}
	if targets > 0 {
		text += ", but for " + plural(targets, "target", "targets")
	}
	return foreign.CleanN(text, 300)
}

// listSDK is what the SDK holds, without names, dates and authors.
func (p *Provider) listSDK(ctx context.Context, environment string, q flags.Query) ([]flags.Flag, error) {
	s, err := p.open(ctx, environment)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	var out []flags.Flag
	for _, f := range s.all() {
		if q.Text != "" && !strings.Contains(strings.ToLower(f.Key), strings.ToLower(q.Text)) {
			continue
		}
		r, err := p.asREST(f, environment)
		if err != nil {
			return nil, err
		}
		d := p.describe(r)
		d.Type = ""
		out = append(out, d)
	}
	flags.SortByChange(out, environment)
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

// read reads one flag fresh.
func (p *Provider) read(ctx context.Context, environment, key string) (*flag, *config, error) {
	var f flag
	if err := p.get(ctx, "read flag "+key, rest.Path("api", "v2", "flags", p.opts.Project, key), url.Values{"env": {environment}}, &f); err != nil {
		return nil, nil, err
	}
	c := f.Environments[environment]
	if c == nil {
		return nil, nil, fmt.Errorf("%s: flag %s: environment %q: %w", p.opts.Name, key, environment, flags.ErrNoEnvironment)
	}
	if f.Archived || c.Archived {
		return nil, nil, fmt.Errorf("%s: read flag %s: %w: it was archived", p.opts.Name, key, flags.ErrNotFound)
	}
	p.mu.Lock()
	p.names[key] = f.variations()
	p.mu.Unlock()
	return &f, c, nil
}

// Get reads one flag fresh, with what else has to be known before it is
// changed.
func (p *Provider) Get(ctx context.Context, environment, key string) (*flags.Detail, error) {
	if p.api == nil {
		return p.getSDK(ctx, environment, key)
	}
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	f, c, err := p.read(ctx, environment, key)
	if err != nil {
		return nil, err
	}
	return p.detail(ctx, f, c, environment), nil
}

func (p *Provider) getSDK(ctx context.Context, environment, key string) (*flags.Detail, error) {
	s, err := p.open(ctx, environment)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	m := s.flag(key)
	if m == nil {
		return nil, fmt.Errorf("%s: read flag %s: %w", p.opts.Name, key, flags.ErrNotFound)
	}
	f, err := p.asREST(m, environment)
	if err != nil {
		return nil, err
	}
	d := p.words(f, f.Environments[environment], environment)
	d.Type, d.DependantsWhy = "", "an SDK key does not tell"
	return d, nil
}

// detail asks for everything beside the flag at once. What cannot be had is
// left out, or said.
func (p *Provider) detail(ctx context.Context, f *flag, c *config, environment string) *flags.Detail {
	d := p.words(f, c, environment)
	var wait sync.WaitGroup
	var pending [2][]flags.Pending
	wait.Go(func() { d.Dependants, d.DependantsWhy = p.dependants(ctx, environment, f.Key) })
	wait.Go(func() { pending[0] = p.approvals(ctx, environment, f.Key) })
	wait.Go(func() { pending[1] = p.scheduled(ctx, environment, f.Key) })
	wait.Go(func() { d.Experiments = p.experiments(ctx, environment, f.Key) })
	wait.Go(func() {
		if changes, err := p.entries(ctx, environment, f.Key, time.Time{}, 1); err == nil && len(changes) > 0 {
			d.State.ChangedBy = changes[0].By
		}
	})
	wait.Wait()
	d.Pending = slices.Concat(pending[0], pending[1])
	return d
}

// words puts a flag's targeting into words.
func (p *Provider) words(f *flag, c *config, environment string) *flags.Detail {
	d := &flags.Detail{Flag: p.describe(f), ReadAt: p.opts.Clock.Now()}
	names := d.Variations
	d.State = c.state(environment, names)
	d.State.Serves = c.serves(names)
	d.Default, d.Off = c.Fallthrough.words(names), c.off(names)
	feature, known := f.feature(c)
	percent := func(s *serve) float64 {
		if !known {
			return -1
		}
		return s.percent(feature)
	}
	for _, t := range slices.Concat(c.Targets, c.ContextTargets) {
		if len(t.Values) == 0 {
			continue
		}
		d.Rules = append(d.Rules, flags.Rule{Name: "targets", When: []foreign.Text{ld.Targets(t.ContextKind, t.Values)}, Serves: ld.Name(names, t.Variation), Rollout: -1})
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		out := flags.Rule{ID: foreign.CleanN(r.id(), 64).String(), Name: foreign.CleanN(r.Description, 200), Serves: r.words(names), Rollout: percent(&r.serve)}
		for _, cl := range r.Clauses {
			out.When = append(out.When, cl.words())
		}
		d.Rules = append(d.Rules, out)
	}
	if share := percent(&c.Fallthrough); share >= 0 {
		d.Rules = append(d.Rules, flags.Rule{Name: "default", Serves: d.Default, Rollout: share})
	}
	for _, pre := range c.Prerequisites {
		p.mu.Lock()
		theirs := p.names[pre.Key]
		p.mu.Unlock()
		text := fmt.Sprintf("%s serves variation %d", pre.Key, pre.Variation+1)
		if pre.Variation < len(theirs) {
			text = fmt.Sprintf("%s is %s", pre.Key, theirs[pre.Variation].Label())
		}
		d.Prerequisites = append(d.Prerequisites, foreign.CleanN(text, 200))
	}
	return d
}

// dependants are the flags that have this one as a prerequisite.
func (p *Provider) dependants(ctx context.Context, environment, key string) ([]string, foreign.Text) {
	var got struct {
		Items []struct {
			Key string `json:"key"`
		} `json:"items"`
	}
	path := rest.Path("api", "v2", "flags", p.opts.Project, environment, key, "dependent-flags")
	if err := p.beta(ctx, "read what depends on flag "+key, path, nil, &got); err != nil {
		return nil, foreign.CleanN(err.Error(), 200)
	}
	var out []string
	for _, i := range got.Items {
		out = append(out, foreign.CleanN(i.Key, 200).String())
	}
	return out, ""
}

// approvals are requests that nobody has decided on.
func (p *Provider) approvals(ctx context.Context, environment, key string) []flags.Pending {
	var got struct {
		Items []struct {
			Description  string `json:"description"`
			Status       string `json:"status"`
			ReviewStatus string `json:"reviewStatus"`
			RequestorID  string `json:"requestorId"`
			CreationDate millis `json:"creationDate"`
		} `json:"items"`
	}
	path := rest.Path("api", "v2", "projects", p.opts.Project, "flags", key, "environments", environment, "approval-requests")
	if err := p.get(ctx, "read the approval requests of flag "+key, path, nil, &got); err != nil {
		return nil
	}
	var out []flags.Pending
	for _, i := range got.Items {
		if i.Status == "pending" || i.Status == "" && i.ReviewStatus == "pending" {
			out = append(out, flags.Pending{Kind: "approval", What: foreign.CleanN(i.Description, 200), By: foreign.CleanN(i.RequestorID, 100), At: i.CreationDate.time()})
		}
	}
	return out
}

// scheduled are changes that will happen by themselves.
func (p *Provider) scheduled(ctx context.Context, environment, key string) []flags.Pending {
	var got struct {
		Items []struct {
			ExecutionDate millis           `json:"executionDate"`
			MaintainerID  string           `json:"_maintainerId"`
			Instructions  []map[string]any `json:"instructions"`
		} `json:"items"`
	}
	path := rest.Path("api", "v2", "projects", p.opts.Project, "flags", key, "environments", environment, "scheduled-changes")
	if err := p.get(ctx, "read the scheduled changes of flag "+key, path, nil, &got); err != nil {
		return nil
	}
	var out []flags.Pending
	for _, i := range got.Items {
		var kinds []string
		for _, in := range i.Instructions {
			if kind, ok := in["kind"].(string); ok {
				kinds = append(kinds, kind)
			}
		}
		what := fmt.Sprintf("%s at %s", strings.Join(kinds, ", "), i.ExecutionDate.time().Format("2006-01-02 15:04 MST"))
		out = append(out, flags.Pending{Kind: "a scheduled change", What: foreign.CleanN(what, 200), By: foreign.CleanN(i.MaintainerID, 100), At: i.ExecutionDate.time()})
	}
	return out
}
