package unleash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/foreign"
)

// view is the flags of one environment as SDKs get them. It is immutable.
type view struct {
	environment string
	etag        string
	revision    int64
	at          time.Time
	keys        []string // sorted
	flags       map[string]*feature
	raw         map[string][]byte // for comparing
}

// evaluate gives the evaluations of the keys, or of all. stale says why they
// may be old; empty when they are not.
func (v *view) evaluate(s subject, keys []string, stale foreign.Text) []flags.Evaluation {
	if len(keys) == 0 {
		keys = v.keys
	}
	ev := evaluator{subject: s, flag: func(name string) *feature { return v.flags[name] }}
	out := make([]flags.Evaluation, 0, len(keys))
	for _, key := range keys {
		f, ok := v.flags[key]
		if !ok {
			out = append(out, notFound(key))
			continue
		}
		e := ev.evaluation(f)
		if stale != "" {
			e.Reason, e.Unsure = flags.ReasonStale, stale
		}
		out = append(out, e)
	}
	return out
}

// fetch asks the API of SDKs. An unchanged answer gives the same view, younger.
func (p *Provider) fetch(ctx context.Context, last *view) (*view, error) {
	call := rest.Call{Doing: "read the flags as an SDK", Path: "/api/client/features", Accept304: true}
	if last != nil && last.etag != "" {
		call.Header = http.Header{"If-None-Match": {last.etag}}
	}
	var got struct {
		Features []json.RawMessage `json:"features"`
		Query    struct {
			Environment string `json:"environment"`
		} `json:"query"`
		Meta struct {
			RevisionID int64 `json:"revisionId"`
		} `json:"meta"`
	}
	call.Out = &got
	a, err := p.sdk.Do(ctx, call)
	if err != nil {
		return nil, err
	}
	now := p.opts.Clock.Now()
	if a.Status == http.StatusNotModified && last != nil {
		same := *last
		same.at = now
		return &same, nil
	}
	v := &view{
		environment: got.Query.Environment, etag: a.Header.Get("ETag"), revision: got.Meta.RevisionID, at: now,
		flags: make(map[string]*feature, len(got.Features)), raw: make(map[string][]byte, len(got.Features)),
	}
	for _, raw := range got.Features {
		var f feature
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, fmt.Errorf("%s: read the flags as an SDK: a flag cannot be read: %s", p.opts.Name, foreign.CleanN(err.Error(), 200))
		}
		f.Name = foreign.CleanN(f.Name, 200).String()
		v.flags[f.Name], v.raw[f.Name] = &f, raw
		v.keys = append(v.keys, f.Name)
	}
	slices.Sort(v.keys)
	return v, nil
}

// refresh fetches and keeps the view, and says what changed.
func (p *Provider) refresh(ctx context.Context) (changed []string, statusMoved bool, err error) {
	p.mu.Lock()
	last := p.view
	p.mu.Unlock()
	v, err := p.fetch(ctx, last)
	statusMoved = p.note(err)
	if err != nil {
		if errors.Is(err, flags.ErrToken) {
			p.mu.Lock()
			p.sdkWhy = foreign.Clean("the backend token was refused: " + err.Error())
			p.mu.Unlock()
		}
		return nil, statusMoved, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view, p.sdkEnv, p.sdkWhy = v, v.environment, ""
	if v.environment != "" && p.opts.Environment != "" && v.environment != p.opts.Environment {
		p.sdkWhy = foreign.Clean(fmt.Sprintf("the backend token is for environment %s, not %s", v.environment, p.opts.Environment))
	}
	return changedKeys(last, v), statusMoved, nil
}

// changedKeys names the flags that differ between two views.
func changedKeys(a, b *view) []string {
	if a == nil || a.etag != "" && a.etag == b.etag {
		return nil
	}
	var out []string
	for key, raw := range b.raw {
		if !bytes.Equal(raw, a.raw[key]) {
			out = append(out, key)
		}
	}
	for key := range a.raw {
		if _, ok := b.raw[key]; !ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// viewFor returns a view of the environment, fetching it if there is none that
// is fresh; nil when the server has to be asked another way. One that could
// not be renewed is better than none: stale then says why it may be old.
func (p *Provider) viewFor(ctx context.Context, environment string) (v *view, stale foreign.Text) {
	if p.sdk == nil {
		return nil, ""
	}
	p.mu.Lock()
	v, refused := p.view, p.sdkWhy
	p.mu.Unlock()
	if v != nil && !isOf(v.environment, environment) || v == nil && refused != "" {
		return nil, ""
	}
	if v != nil && p.opts.Clock.Now().Sub(v.at) <= 2*p.opts.Interval {
		return v, ""
	}
	_, _, err := p.refresh(ctx)
	switch {
	case err != nil && v != nil && errors.Is(err, flags.ErrUnreachable):
		return v, foreign.Clean(fmt.Sprintf("as of %s: %s", v.at.UTC().Format("15:04:05 MST"), err))
	case err != nil:
		return nil, ""
	}
	p.mu.Lock()
	v = p.view
	p.mu.Unlock()
	if !isOf(v.environment, environment) {
		return nil, ""
	}
	return v, ""
}

// isOf reports whether a view is of the environment. Edge does not always
// say of which one it is; the settings then have it right.
func isOf(view, environment string) bool { return view == environment || view == "" }

// Watch looks at the SDK's view every interval and says which flags changed.
// Without a backend token it looks at the newest event instead.
func (p *Provider) Watch(ctx context.Context, environment string, changed func(flags.Event)) error {
	w := watcher{provider: p, environment: environment, changed: changed}
	for {
		w.look(ctx)
		c, stop := p.opts.Clock.After(p.opts.Interval)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-c:
		}
		stop()
	}
}

// watcher remembers between two looks.
type watcher struct {
	provider    *Provider
	environment string
	changed     func(flags.Event)
	broken      bool
	began       bool
	newest      int64
}

func (w *watcher) look(ctx context.Context) {
	var keys []string
	var moved bool
	var err error
	if p := w.provider; p.sdk != nil && p.seesWith(w.environment) {
		keys, moved, err = p.refresh(ctx)
	} else {
		keys, moved, err = w.events(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	switch {
	case err != nil:
		w.broken = true
		w.changed(flags.Event{Status: true})
	case w.broken || !w.began: // what happened meanwhile is not known flag by flag
		w.broken, w.began = false, true
		w.changed(flags.Event{Resync: true, Status: true})
	case len(keys) > 0 || moved:
		w.changed(flags.Event{Keys: keys, Status: moved})
	}
}

// seesWith reports whether the backend token is, as far as known, for the
// environment and not refused.
func (p *Provider) seesWith(environment string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view == nil || isOf(p.view.environment, environment)
}

// events asks for what was recorded since the last look.
func (w *watcher) events(ctx context.Context) (keys []string, moved bool, err error) {
	before := w.provider.Status().Status
	all, err := w.provider.events(ctx, w.environment, "", "50")
	for _, e := range all {
		if e.ID > w.newest && e.FeatureName != "" {
			keys = append(keys, foreign.CleanN(e.FeatureName, 200).String())
		}
	}
	if len(all) > 0 {
		w.newest = max(w.newest, all[0].ID)
	}
	slices.Sort(keys)
	return slices.Compact(keys), before != w.provider.Status().Status, err
}
