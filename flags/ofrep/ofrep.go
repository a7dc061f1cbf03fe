// Package ofrep is the provider for servers of the OpenFeature Remote
// Evaluation Protocol (flagd, GO Feature Flag, Flipt). The protocol evaluates
// and does nothing else: there is no list of flags that nobody asked for, no
// change, no history.
package ofrep

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secret"
)

// DefaultInterval is how often a watch asks. The protocol has no push; an
// unchanged answer is an empty one (ETag).
const DefaultInterval = 15 * time.Second

// Options say which server.
type Options struct {
	Name, Address string
	// Environment is a name for the screen; the protocol has none.
	Environment string
	// Token is a bearer token; empty for none.
	Token     secret.Value
	TokenFrom string
	CAFile    string
	// Transport is the connection below the write lock; nil for the network.
	Transport http.RoundTripper
	Lock      *action.Lock
	Clock     live.Clock
	Interval  time.Duration
}

// Provider is one server.
type Provider struct {
	opts Options
	api  *rest.Client
	base *http.Transport

	mu     sync.Mutex
	status flags.ProviderStatus
	last   flags.EvalContext // whom was asked about last, for the watch
}

// New makes the provider. It does no IO.
func New(o Options) (*Provider, error) {
	o.Interval = cmp.Or(o.Interval, DefaultInterval)
	o.Environment = cmp.Or(o.Environment, "default")
	p := &Provider{opts: o}
	p.status = flags.ProviderStatus{Status: flags.StatusNotReady, Since: o.Clock.Now()}
	next := o.Transport
	if next == nil {
		t, err := rest.NewTransport(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("flag provider %s: %w", o.Name, err)
		}
		p.base, next = t, t
	}
	locked := action.Transport(next, o.Lock, action.Reads(action.OFREPReads()...), action.BasePath(rest.BasePath(o.Address)))
	p.api = &rest.Client{
		Provider: o.Name, Base: o.Address, Token: o.Token, Scheme: "Bearer ", TokenFrom: o.TokenFrom, HTTP: rest.NewHTTP(locked),
		Header: http.Header{"User-Agent": {"midwatch"}}, Explain: explain, Now: o.Clock.Now,
	}
	return p, nil
}

// explain leaves most to the general rules. A body of 400 or 404 is an
// evaluation's own error and read as such.
func explain(e *rest.StatusError) error {
	if e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound {
		return e
	}
	return nil
}

// Info describes the provider.
func (p *Provider) Info() flags.Info {
	return flags.Info{
		Name: p.opts.Name, Type: "ofrep", Endpoint: p.opts.Address, Environment: p.opts.Environment,
		Capabilities: flags.Can(flags.CanList, flags.CanEvaluate, flags.CanReason, flags.CanWatch).
			Without("the protocol only evaluates", flags.CanToggle, flags.CanRollout, flags.CanAudit, flags.CanStats, flags.CanRules,
				flags.CanComment, flags.CanDryRun, flags.CanCompare, flags.CanApprove, flags.CanSeeSDK, flags.CanExperiments),
	}
}

// Status is the provider's health.
func (p *Provider) Status() flags.ProviderStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

func (p *Provider) note(err error) (moved bool) {
	if errors.Is(err, context.Canceled) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, s := p.opts.Clock.Now(), flags.StatusReady
	switch {
	case errors.Is(err, flags.ErrToken), errors.Is(err, flags.ErrForbidden):
		s = flags.StatusFatal
	case err != nil:
		s = flags.StatusError
		if !p.status.Heard.IsZero() {
			s = flags.StatusStale
		}
	default:
		p.status.Heard = now
	}
	p.status.Why = ""
	if err != nil {
		p.status.LastError, p.status.LastErrorAt = foreign.Clean(err.Error()), now
		p.status.Why = p.status.LastError
	}
	if moved = s != p.status.Status; moved {
		p.status.Status, p.status.Since = s, now
	}
	return moved
}

// Environments has the one the settings name: the protocol has none.
func (p *Provider) Environments(context.Context) ([]flags.Environment, error) {
	return []flags.Environment{{Key: p.opts.Environment, Name: foreign.Clean(p.opts.Environment)}}, nil
}

// result is one evaluation of the protocol.
type result struct {
	Key          string          `json:"key"`
	Value        json.RawMessage `json:"value"`
	Variant      string          `json:"variant"`
	Reason       string          `json:"reason"`
	ErrorCode    string          `json:"errorCode"`
	ErrorDetails string          `json:"errorDetails"`
	Metadata     map[string]any  `json:"metadata"`
}

func (r *result) evaluation() flags.Evaluation {
	e := flags.Evaluation{
		Key: foreign.CleanN(r.Key, 200).String(), Value: foreign.CleanN(string(r.Value), 512), Variant: foreign.CleanN(r.Variant, 100),
		Reason: flags.Reason(foreign.CleanN(r.Reason, 60)), Native: foreign.CleanN(r.Reason, 60),
		Code: flags.ErrorCode(foreign.CleanN(r.ErrorCode, 60)), Error: foreign.CleanN(r.ErrorDetails, 300),
	}
	for _, name := range slices.Sorted(maps.Keys(r.Metadata)) {
		e.Why = append(e.Why, foreign.CleanN(name+": "+string(flags.JSONValue(r.Metadata[name])), 200))
	}
	switch {
	case e.Code != flags.ErrorNone:
		e.Reason, e.Value = flags.ReasonError, ""
	case e.Reason == "":
		e.Reason = flags.ReasonUnknown
	}
	return e
}

// kind is the type of a value, from its JSON.
func kind(v json.RawMessage) flags.Kind {
	switch s := strings.TrimSpace(string(v)); {
	case s == "" || s == "null":
		return flags.KindUnknown
	case s == "true" || s == "false":
		return flags.KindBoolean
	case s[0] == '"':
		return flags.KindString
	case s[0] == '{' || s[0] == '[':
		return flags.KindObject
	}
	return flags.KindNumber
}

// asContext is the protocol's context: an object with targetingKey in it.
func asContext(who flags.EvalContext) map[string]any {
	for _, one := range who.Multi {
		if one.Kind == "user" {
			return asContext(one)
		}
	}
	out := maps.Clone(who.Attributes)
	if out == nil {
		out = map[string]any{}
	}
	if who.TargetingKey != "" {
		out["targetingKey"] = who.TargetingKey
	}
	return out
}

// all evaluates every flag; etag makes an unchanged answer cheap.
func (p *Provider) all(ctx context.Context, who flags.EvalContext, etag string) (found []result, newTag string, unchanged bool, err error) {
	var got struct {
		Flags []result `json:"flags"`
	}
	call := rest.Call{
		Doing: "evaluate all flags", Method: http.MethodPost, Asks: true, Path: "/ofrep/v1/evaluate/flags", Out: &got, Accept304: true,
		Body: map[string]any{"context": asContext(who)},
	}
	if etag != "" {
		call.Header = http.Header{"If-None-Match": {etag}}
	}
	a, err := p.api.Do(ctx, call)
	if err != nil {
		return nil, "", false, err
	}
	return got.Flags, a.Header.Get("ETag"), a.Status == http.StatusNotModified, nil
}

// List evaluates all flags for nobody in particular: that is the only list the
// protocol has. Some servers leave out flags that are off.
func (p *Provider) List(ctx context.Context, _ string, q flags.Query) ([]flags.Flag, error) {
	found, _, _, err := p.all(ctx, flags.EvalContext{}, "")
	p.note(err)
	if err != nil {
		return nil, err
	}
	var out []flags.Flag
	for i := range found {
		if r := &found[i]; q.Text == "" || strings.Contains(strings.ToLower(r.Key), strings.ToLower(q.Text)) {
			out = append(out, p.flag(r))
		}
	}
	slices.SortFunc(out, func(a, b flags.Flag) int { return cmp.Compare(a.Key, b.Key) })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, nil
}

func (p *Provider) flag(r *result) flags.Flag {
	e := r.evaluation()
	s := flags.EnvState{Environment: p.opts.Environment, On: e.Reason != flags.ReasonDisabled, Serves: e.Value}
	if e.Code != flags.ErrorNone {
		s.Serves = foreign.Text(e.Code)
	}
	return flags.Flag{Key: e.Key, Name: foreign.Text(e.Key), Kind: kind(r.Value), States: []flags.EnvState{s}}
}

// one evaluates one flag. A flag that is not there is an evaluation with a
// code: flagd answers so for one that is off, too.
func (p *Provider) one(ctx context.Context, who flags.EvalContext, key string) (result, error) {
	r := result{Key: key}
	_, err := p.api.Do(ctx, rest.Call{
		Doing: "evaluate flag " + key, Method: http.MethodPost, Asks: true, Path: "/ofrep/v1/evaluate/flags" + rest.Path(key), Out: &r,
		Body: map[string]any{"context": asContext(who)},
	})
	var refused *rest.StatusError
	if errors.As(err, &refused) && (refused.Status == http.StatusBadRequest || refused.Status == http.StatusNotFound) {
		r = result{}
		if jsonErr := json.Unmarshal(refused.Body, &r); jsonErr != nil || r.ErrorCode == "" {
			r.ErrorCode, r.ErrorDetails = string(flags.ErrorFlagNotFound), refused.Error()
			if refused.Status == http.StatusBadRequest {
				r.ErrorCode = string(flags.ErrorGeneral)
			}
		}
		r.Key = key
		return r, nil
	}
	return r, err
}

// Get evaluates one flag for nobody in particular.
func (p *Provider) Get(ctx context.Context, _, key string) (*flags.Detail, error) {
	r, err := p.one(ctx, flags.EvalContext{}, key)
	p.note(err)
	if err != nil {
		return nil, err
	}
	if r.ErrorCode == string(flags.ErrorFlagNotFound) {
		return nil, fmt.Errorf("%s: read flag %s: %w: it may also be off, which some servers answer so", p.opts.Name, key, flags.ErrNotFound)
	}
	f := p.flag(&r)
	return &flags.Detail{
		Flag: f, State: f.States[0], DependantsWhy: "the protocol does not tell", ReadAt: p.opts.Clock.Now(),
		Notes: []foreign.Text{"this server only evaluates: rules and history are where the flag is defined"},
	}, nil
}

// Evaluate says what a context gets.
func (p *Provider) Evaluate(ctx context.Context, _ string, who flags.EvalContext, keys ...string) ([]flags.Evaluation, error) {
	p.mu.Lock()
	p.last = who
	p.mu.Unlock()
	if len(keys) == 1 {
		r, err := p.one(ctx, who, keys[0])
		p.note(err)
		if err != nil {
			return nil, err
		}
		return []flags.Evaluation{r.evaluation()}, nil
	}
	found, _, _, err := p.all(ctx, who, "")
	p.note(err)
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]flags.Evaluation, len(found))
	for i := range found {
		e := found[i].evaluation()
		byKey[e.Key] = e
	}
	if len(keys) == 0 {
		keys = slices.Sorted(maps.Keys(byKey))
	}
	out := make([]flags.Evaluation, 0, len(keys))
	for _, key := range keys {
		e, ok := byKey[key]
		if !ok {
			e = flags.Evaluation{Key: key, Reason: flags.ReasonError, Code: flags.ErrorFlagNotFound, Error: "no such flag, or it is off"}
		}
		out = append(out, e)
	}
	return out, nil
}

// Watch asks for all flags every interval, for whoever was asked about last,
// and says which came out differently.
func (p *Provider) Watch(ctx context.Context, _ string, changed func(flags.Event)) error {
	w := watcher{p: p, changed: changed}
	for {
		w.look(ctx)
		c, stop := p.opts.Clock.After(p.opts.Interval)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-c:
			stop()
		}
	}
}

type watcher struct {
	p       *Provider
	changed func(flags.Event)
	etag    string
	who     string
	before  map[string]string
	broken  bool
}

func (w *watcher) look(ctx context.Context) {
	w.p.mu.Lock()
	who := w.p.last
	w.p.mu.Unlock()
	if label := who.String(); label != w.who { // another question: nothing to compare with
		w.who, w.etag, w.before = label, "", nil
	}
	found, etag, unchanged, err := w.p.all(ctx, who, w.etag)
	if ctx.Err() != nil {
		return
	}
	moved := w.p.note(err)
	switch {
	case err != nil:
		w.broken = true
		w.changed(flags.Event{Status: true})
		return
	case unchanged && !w.broken:
		return
	case !unchanged:
		w.etag = etag
	}
	now := make(map[string]string, len(found))
	for i := range found {
		r := &found[i]
		now[foreign.CleanN(r.Key, 200).String()] = string(r.Value) + "\x00" + r.Variant + "\x00" + r.Reason + "\x00" + r.ErrorCode
	}
	e := flags.Event{Status: moved, Resync: w.broken || w.before == nil}
	if unchanged {
		now = w.before
	}
	if !e.Resync {
		e.Keys = differing(w.before, now)
	}
	w.before, w.broken = now, false
	if e.Resync || e.Status || len(e.Keys) > 0 {
		w.changed(e)
	}
}

func differing(a, b map[string]string) []string {
	var out []string
	for k, v := range b {
		if old, ok := a[k]; !ok || old != v {
			out = append(out, k)
		}
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func (p *Provider) unsupported(what string) error {
	return fmt.Errorf("%s: %s: %w: the protocol only evaluates", p.opts.Name, what, flags.ErrUnsupported)
}

// Plan is not possible.
func (p *Provider) Plan(_ context.Context, e flags.Edit, _ *flags.EvalContext) (*flags.Proposal, error) {
	return nil, p.unsupported(e.Verb() + " " + e.Key)
}

// Audit is not possible.
func (p *Provider) Audit(context.Context, string, string, time.Time) ([]flags.Change, error) {
	return nil, p.unsupported("read the history")
}

// Stats is not possible.
func (p *Provider) Stats(context.Context, string, string) (*flags.Stats, error) {
	return nil, p.unsupported("count evaluations")
}

// Close drops idle connections.
func (p *Provider) Close() error {
	if p.base != nil {
		p.base.CloseIdleConnections()
	}
	return nil
}

var _ flags.Provider = (*Provider)(nil)
