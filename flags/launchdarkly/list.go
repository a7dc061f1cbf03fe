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
