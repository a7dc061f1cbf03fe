package unleash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/foreign"
)

// events reads the newest events of the project in an environment; an empty
// key means every flag's.
func (p *Provider) events(ctx context.Context, environment, key, limit string) ([]event, error) {
	q := url.Values{"limit": {limit}, "project": {"IS:" + p.opts.Project}}
	if environment != "" {
		q.Set("environment", "IS:"+environment)
	}
	if key != "" {
		q.Set("feature", "IS:"+key)
	}
	var all struct {
		Events []event `json:"events"`
	}
	err := p.get(ctx, "read the events", "/api/admin/search/events", q, &all)
	return all.Events, err
}

// Audit returns the events of a flag or of the environment.
func (p *Provider) Audit(ctx context.Context, environment, key string, since time.Time) ([]flags.Change, error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	all, err := p.events(ctx, environment, key, "100")
	if err != nil {
		return nil, err
	}
	var out []flags.Change
	for i := range all {
		if all[i].FeatureName != "" && !all[i].CreatedAt.Before(since) {
			out = append(out, all[i].change())
		}
	}
	return out, nil
}

func (e *event) change() flags.Change {
	c := flags.Change{
		ID: fmt.Sprint(e.ID), At: e.CreatedAt, By: foreign.CleanN(e.CreatedBy, 100), Service: e.CreatedByUserID < 0,
		Environment: foreign.CleanN(e.Environment, 100).String(), Key: foreign.CleanN(e.FeatureName, 200).String(),
		Action: foreign.CleanN(e.Type, 80), Summary: plainMarkdown(e.Summary), Diff: difference(e.PreData, e.Data),
	}
	switch e.Type { // these carry no data; their type is the change
	case "feature-environment-enabled":
		c.Diff = []action.Field{{Path: "enabled", Before: "off", After: "on"}}
	case "feature-environment-disabled":
		c.Diff = []action.Field{{Path: "enabled", Before: "on", After: "off"}}
	}
	if c.Summary == "" {
		c.Summary = foreign.CleanN(e.Label, 200)
	}
	return c
}

var (
	markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	markdownBold = strings.NewReplacer("**", "", "__", "", "`", "")
)

// plainMarkdown leaves the words of a summary.
func plainMarkdown(s string) foreign.Text {
	return foreign.CleanN(markdownBold.Replace(markdownLink.ReplaceAllString(s, "$1")), 400)
}

// difference lists what two JSON values differ in, by path.
func difference(before, after any) []action.Field {
	if before == nil && after == nil {
		return nil
	}
	was, is := map[string]string{}, map[string]string{}
	flatten("", before, was)
	flatten("", after, is)
	paths := map[string]bool{}
	for p := range was {
		paths[p] = true
	}
	for p := range is {
		paths[p] = true
	}
	var out []action.Field
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if was[p] != is[p] {
			out = append(out, action.Field{Path: foreign.CleanN(p, 200).String(), Before: foreign.CleanN(was[p], 300), After: foreign.CleanN(is[p], 300)})
		}
	}
	return out
}

func flatten(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			flatten(strings.TrimPrefix(path+"."+name, "."), x, into)
		}
	case []any:
		for i, x := range v {
			flatten(fmt.Sprintf("%s[%d]", path, i), x, into)
		}
	case nil:
	case string:
		into[path] = v
	default:
		if b, err := json.Marshal(v); err == nil {
			into[path] = string(b)
		}
	}
}

// usage is one application's report for one hour.
type usage struct {
	AppName     string           `json:"appName"`
	Environment string           `json:"environment"`
	Timestamp   time.Time        `json:"timestamp"`
	Yes         int64            `json:"yes"`
	No          int64            `json:"no"`
	Variants    map[string]int64 `json:"variants"`
}

// Stats counts what SDKs reported, by hour, for this hour and the one before.
func (p *Provider) Stats(ctx context.Context, environment, key string) (*flags.Stats, error) {
	var all struct {
		Data []usage `json:"data"`
	}
	path := rest.Path("api", "admin", "client-metrics", "features", key, "raw")
	if err := p.get(ctx, "read how often flag "+key+" is evaluated", path, url.Values{"hoursBack": {"1"}}, &all); err != nil {
		return nil, err
	}
	now := p.opts.Clock.Now()
	s := &flags.Stats{Since: now.Truncate(time.Hour).Add(-time.Hour), Until: now, Note: evaluationsNote}
	total := usage{Variants: map[string]int64{}}
	apps := map[string]bool{}
	for _, u := range all.Data {
		if u.Environment != environment {
			continue
		}
		total.Yes, total.No = total.Yes+u.Yes, total.No+u.No
		for name, n := range u.Variants {
			total.Variants[name] += n
		}
		apps[u.AppName] = true
	}
	if total.Yes+total.No > 0 {
		s.Counts = []flags.Count{{Variant: "true", N: total.Yes}, {Variant: "false", N: total.No}}
	}
	for _, name := range slices.Sorted(maps.Keys(total.Variants)) {
		if name != "disabled" && total.Variants[name] > 0 {
			s.Arms = append(s.Arms, flags.Count{Variant: foreign.CleanN(name, 100), N: total.Variants[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(apps)) {
		s.Apps = append(s.Apps, foreign.CleanN(name, 100))
	}
	return s, nil
}
