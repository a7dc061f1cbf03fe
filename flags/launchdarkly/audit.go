package launchdarkly

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/foreign"
)

// The audit log gives at most twenty entries at once. Both sides of a change
// are in the single entry only, so that they are read for the newest few.
const (
	auditPage  = 20
	auditDiffs = 5
)

// entry is one of the audit log.
type entry struct {
	ID               string  `json:"_id"`
	Date             millis  `json:"date"`
	Title            string  `json:"title"`
	TitleVerb        string  `json:"titleVerb"`
	Description      string  `json:"description"`
	ShortDescription string  `json:"shortDescription"`
	Comment          string  `json:"comment"`
	Member           *member `json:"member"`
	Token            *struct {
		Name         string `json:"name"`
		ServiceToken bool   `json:"serviceToken"`
	} `json:"token"`
	Target struct {
		Name      string   `json:"name"`
		Resources []string `json:"resources"`
	} `json:"target"`
	PreviousVersion json.RawMessage `json:"previousVersion"`
	CurrentVersion  json.RawMessage `json:"currentVersion"`
}

// Audit returns what changed, the newest first.
func (p *Provider) Audit(ctx context.Context, environment, key string, since time.Time) ([]flags.Change, error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	return p.entries(ctx, environment, key, since, auditPage)
}

func (p *Provider) entries(ctx context.Context, environment, key string, since time.Time, limit int) ([]flags.Change, error) {
	of := key
	if of == "" {
		of = "*"
	}
	q := url.Values{"spec": {fmt.Sprintf("proj/%s:env/%s:flag/%s", p.opts.Project, environment, of)}, "limit": {strconv.Itoa(limit)}}
	if !since.IsZero() {
		q.Set("after", strconv.FormatInt(since.UnixMilli(), 10))
	}
	var got struct {
		Items []entry `json:"items"`
	}
	if err := p.get(ctx, "read the audit log", "/api/v2/auditlog", q, &got); err != nil {
		return nil, err
	}
	if limit > 1 {
		p.sides(ctx, got.Items[:min(len(got.Items), auditDiffs)])
	}
	out := make([]flags.Change, 0, len(got.Items))
	for i := range got.Items {
		c := got.Items[i].change(environment)
		if c.Key = foreign.CleanN(cmp.Or(key, keyOf(got.Items[i].Target.Resources)), 200).String(); c.Key != "" {
			out = append(out, c)
		}
	}
	return out, nil
}

// keyOf is the flag's key in "proj/p:env/e:flag/KEY;tags".
func keyOf(resources []string) string {
	for _, r := range resources {
		if _, key, ok := strings.Cut(r, ":flag/"); ok {
			key, _, _ = strings.Cut(key, ";")
			return key
		}
	}
	return ""
}

// sides reads the entries' full versions.
func (p *Provider) sides(ctx context.Context, all []entry) {
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() {
			var full entry
			if err := p.get(ctx, "read an entry of the audit log", rest.Path("api", "v2", "auditlog", all[i].ID), nil, &full); err == nil {
				all[i].PreviousVersion, all[i].CurrentVersion = full.PreviousVersion, full.CurrentVersion
			}
		})
	}
	wait.Wait()
}

func (e *entry) change(environment string) flags.Change {
	c := flags.Change{
		ID: foreign.CleanN(e.ID, 64).String(), At: e.Date.time(), By: foreign.CleanN(e.Member.name(), 100), Environment: environment,
		Action: foreign.CleanN(e.TitleVerb, 100), Summary: foreign.CleanN(cmp.Or(e.ShortDescription, e.Title, e.TitleVerb), 400),
		Comment: foreign.CleanN(e.Comment, 500), Diff: diff(e.PreviousVersion, e.CurrentVersion, environment),
	}
	if t := e.Token; t != nil {
		c.Service = t.ServiceToken || e.Member == nil
		if c.By == "" {
			c.By = foreign.CleanN("token "+t.Name, 100)
		}
	}
	return c
}

// diff lists what differs in the environment, or in the flag itself.
func diff(before, after json.RawMessage, environment string) []action.Field {
	was, is := sides(before, environment), sides(after, environment)
	if was == nil || is == nil {
		return nil
	}
	paths := map[string]bool{}
	for _, side := range []map[string]string{was, is} {
		for p := range side {
			paths[p] = true
		}
	}
	var out []action.Field
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if was[p] != is[p] && !bookkeeping(p) {
			out = append(out, action.Field{Path: foreign.CleanN(p, 200).String(), Before: foreign.CleanN(was[p], 300), After: foreign.CleanN(is[p], 300)})
		}
	}
	return out
}

// bookkeeping are members that change with every change.
func bookkeeping(path string) bool {
	switch path {
	case "version", "lastModified", "_version", "salt", "sel":
		return true
	}
	return path[0] == '_'
}

// sides flattens one version: the environment's part when it has one.
func sides(raw json.RawMessage, environment string) map[string]string {
	if len(raw) == 0 {
		return nil
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil
	}
	if envs, ok := all["environments"].(map[string]any); ok {
		if one, ok := envs[environment].(map[string]any); ok {
			all = one
		}
	}
	out := map[string]string{}
	for name, v := range all {
		flatten(name, v, out)
	}
	return out
}

func flatten(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			flatten(path+"."+name, x, into)
		}
	case []any:
		for i, x := range v {
			flatten(fmt.Sprintf("%s[%d]", path, i), x, into)
		}
	case nil:
	case string:
		into[path] = v
	default:
		into[path] = string(flags.JSONValue(v))
	}
}

// statsWindow is what counts are read for; within two hours they come by the
// minute.
const statsWindow = 15 * time.Minute

const evaluationsNote = "evaluations that SDKs reported, not users"

// Stats counts evaluations per variation in the last minutes.
func (p *Provider) Stats(ctx context.Context, environment, key string) (*flags.Stats, error) {
	p.mu.Lock()
	names := p.names[key]
	p.mu.Unlock()
	now := p.opts.Clock.Now()
	return p.counts(ctx, environment, key, names, now.Add(-statsWindow), now)
}

func (p *Provider) counts(ctx context.Context, environment, key string, names []flags.Variation, from, to time.Time) (*flags.Stats, error) {
	// Each point is {"time": ms, "0": n, "1": n}; metadata says what a series
	// is, in the order of the numbers.
	var got struct {
		Metadata []map[string]any   `json:"metadata"`
		Series   []map[string]int64 `json:"series"`
	}
	path := rest.Path("api", "v2", "usage", "evaluations", p.opts.Project, environment, key)
	q := url.Values{"from": {strconv.FormatInt(from.UnixMilli(), 10)}, "to": {strconv.FormatInt(to.UnixMilli(), 10)}}
	if err := p.beta(ctx, "read how often flag "+key+" is evaluated", path, q, &got); err != nil {
		return nil, err
	}
	sum := map[int]int64{}
	for _, point := range got.Series {
		for series, n := range point {
			if i, err := strconv.Atoi(series); err == nil {
				sum[i] += n
			}
		}
	}
	s := &flags.Stats{Since: from, Until: to, Note: evaluationsNote}
	for _, i := range slices.Sorted(maps.Keys(sum)) {
		s.Counts = append(s.Counts, flags.Count{Variant: seriesName(got.Metadata, i, names), N: sum[i]})
	}
	return s, nil
}

// seriesName finds the variation a series is about: by its ID or number in the
// metadata, else by position.
func seriesName(metadata []map[string]any, i int, names []flags.Variation) foreign.Text {
	if i < len(metadata) {
		switch v := metadata[i]["variation"].(type) {
		case string:
			for _, n := range names {
				if n.ID == v {
					return n.Label()
				}
			}
			if k, err := strconv.Atoi(v); err == nil {
				i = k
			}
		case float64:
			i = int(v)
		}
	}
	if i >= 0 && i < len(names) {
		return names[i].Label()
	}
	return foreign.Text(fmt.Sprintf("variation %d", i+1))
}

// experiments are those that run on the flag now.
func (p *Provider) experiments(ctx context.Context, environment, key string) []flags.RunningExperiment {
	var got struct {
		Items []struct {
			Key              string `json:"key"`
			Name             string `json:"name"`
			CurrentIteration *struct {
				Status            string `json:"status"`
				StartedAt         millis `json:"startedAt"`
				RandomizationUnit string `json:"randomizationUnit"`
				Treatments        []struct {
					Name              string `json:"name"`
					AllocationPercent string `json:"allocationPercent"`
					Baseline          bool   `json:"baseline"`
				} `json:"treatments"`
				Flags map[string]json.RawMessage `json:"flags"`
			} `json:"currentIteration"`
		} `json:"items"`
	}
	path := rest.Path("api", "v2", "projects", p.opts.Project, "environments", environment, "experiments")
	q := url.Values{"filter": {"flagKey:" + key + ",status:running"}, "expand": {"treatments"}}
	if err := p.get(ctx, "read the experiments on flag "+key, path, q, &got); err != nil {
		return nil
	}
	var out []flags.RunningExperiment
	for _, i := range got.Items {
		it := i.CurrentIteration
		if it == nil || it.Status != "running" {
			continue
		}
		if _, ok := it.Flags[key]; !ok && len(it.Flags) > 0 { // a server that does not filter
			continue
		}
		x := flags.RunningExperiment{
			Key: foreign.CleanN(i.Key, 200).String(), Name: foreign.CleanN(i.Name, 200), Status: foreign.CleanN(it.Status, 40),
			Since: it.StartedAt.time(), Unit: foreign.CleanN(it.RandomizationUnit, 60),
		}
		for _, t := range it.Treatments {
			arm := flags.Arm{Name: foreign.CleanN(t.Name, 100), Percent: -1, Baseline: t.Baseline}
			if n, err := strconv.ParseFloat(t.AllocationPercent, 64); err == nil {
				arm.Percent = n
			}
			x.Arms = append(x.Arms, arm)
		}
		out = append(out, x)
	}
	return out
}
