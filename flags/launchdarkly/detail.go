package launchdarkly

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/ld"
	"midwatch/foreign"
)

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
