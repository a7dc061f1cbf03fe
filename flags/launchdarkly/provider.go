package launchdarkly

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/internal/rest"
	"midwatch/flags/toggle"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secret"
)

// APIVersion is the version of the REST API that this package is written for.
const APIVersion = "20240415"

// DefaultAddress is the API of LaunchDarkly's main site.
const DefaultAddress = "https://app.launchdarkly.com"

// Options say which account, project and environment.
type Options struct {
	Name, Address, Project, Environment string
	// Stream is a Relay Proxy or another place that speaks as LaunchDarkly's
	// SDK services do; empty for LaunchDarkly's own.
	Stream string
	// Poll asks every so often instead of holding a stream; 0 streams.
	Poll time.Duration
	// Token is an access token for the REST API; SDKKey the environment's SDK
	// key, found out with Token when empty.
	Token, SDKKey secret.Value
	// TokenFrom and SDKKeyFrom say where they were read, for errors.
	TokenFrom, SDKKeyFrom string
	// DryRun has the API try a change first; nil means on LaunchDarkly's own
	// addresses only, since another server may not know it and do it.
	DryRun *bool
	CAFile string
	// Transport is the connection below the write lock; nil for the network.
	Transport http.RoundTripper
	Lock      *action.Lock
	Clock     live.Clock
	// Log receives the SDK's log lines, cleaned; nil drops them. They never go
	// to the terminal.
	Log func(foreign.Text)
}

// Provider is one project of a LaunchDarkly account.
type Provider struct {
	opts    Options
	api     *rest.Client // nil without a token
	planner *toggle.Planner
	next    http.RoundTripper
	base    *http.Transport
	dryRun  bool

	mu      sync.Mutex
	rest    flags.ProviderStatus // of the REST API
	me      foreign.Text
	service bool
	known   bool
	envs    []flags.Environment
	keys    map[string]secret.Value // SDK keys, by environment
	streams map[string]*stream
	names   map[string][]flags.Variation // by flag, as the REST API names them
	closed  bool
}

// New makes the provider. It does no IO.
func New(o Options) (*Provider, error) {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	p := &Provider{
		opts: o, planner: &toggle.Planner{Lock: o.Lock, Clock: o.Clock}, next: o.Transport,
		keys: map[string]secret.Value{}, streams: map[string]*stream{}, names: map[string][]flags.Variation{},
	}
	p.rest = flags.ProviderStatus{Status: flags.StatusNotReady, Since: o.Clock.Now()}
	if p.next == nil {
		t, err := rest.NewTransport(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("flag provider %s: %w", o.Name, err)
		}
		p.base, p.next = t, t
	}
	p.dryRun = isLaunchDarkly(o.Address)
	if o.DryRun != nil {
		p.dryRun = *o.DryRun
	}
	if !o.SDKKey.Empty() {
		p.keys[o.Environment] = o.SDKKey
	}
	if !o.Token.Empty() {
		locked := action.Transport(p.next, o.Lock, action.DryRunBy("dryRun", "true"), action.BasePath(rest.BasePath(o.Address)))
		p.api = &rest.Client{
			Provider: o.Name, Base: o.Address, Token: o.Token, TokenFrom: o.TokenFrom, HTTP: rest.NewHTTP(locked),
			Header: http.Header{"Ld-Api-Version": {APIVersion}, "User-Agent": {"midwatch"}}, Explain: p.explain, Now: o.Clock.Now, Hide: p.scrub,
		}
	}
	return p, nil
}

// scrub takes the token and every SDK key that is known out of a text.
func (p *Provider) scrub(s string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range p.keys {
		s = key.Scrub(s)
	}
	return p.opts.Token.Scrub(s)
}

// isLaunchDarkly reports LaunchDarkly's own addresses.
func isLaunchDarkly(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	h := u.Hostname()
	return strings.HasSuffix(h, ".launchdarkly.com") || strings.HasSuffix(h, ".launchdarkly.us")
}

// Planner is what plans of this provider are made by.
func (p *Provider) Planner() *toggle.Planner { return p.planner }

// Info describes the provider.
func (p *Provider) Info() flags.Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	return flags.Info{
		Name: p.opts.Name, Type: "launchdarkly", Endpoint: p.opts.Address, Project: p.opts.Project, Environment: p.opts.Environment,
		Identity: p.me, Service: p.service, Capabilities: p.capabilities(),
	}
}

func (p *Provider) capabilities() flags.Capabilities {
	has := flags.Can(flags.CanList, flags.CanEvaluate, flags.CanReason, flags.CanWatch, flags.CanToggle, flags.CanRollout, flags.CanAudit,
		flags.CanStats, flags.CanRules, flags.CanComment, flags.CanDryRun, flags.CanCompare, flags.CanSeeSDK, flags.CanExperiments)
	has = has.Without("approvals are asked for in LaunchDarkly's own pages", flags.CanApprove)
	if p.api == nil {
		has = has.Without("give an access token: an SDK key only reads", flags.CanToggle, flags.CanRollout, flags.CanAudit,
			flags.CanStats, flags.CanComment, flags.CanDryRun, flags.CanCompare, flags.CanExperiments)
	} else if !p.dryRun {
		has = has.Without("this server may not know dry runs; set dryRun if it does", flags.CanDryRun)
	}
	return has
}

// Status is the provider's health: the stream's when there is one, since that
// is what values come from, else the REST API's.
func (p *Provider) Status() flags.ProviderStatus {
	p.mu.Lock()
	s, rest := p.streams[p.opts.Environment], p.rest
	p.mu.Unlock()
	if s == nil {
		return rest
	}
	status := s.status()
	if rest.Status == flags.StatusFatal && status.Status != flags.StatusFatal {
		return rest
	}
	if rest.LastErrorAt.After(status.LastErrorAt) {
		status.LastError, status.LastErrorAt = rest.LastError, rest.LastErrorAt
	}
	if rest.Heard.After(status.Heard) {
		status.Heard = rest.Heard
	}
	return status
}

// note records how a request went.
func (p *Provider) note(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now, s := p.opts.Clock.Now(), flags.StatusReady
	switch {
	case errors.Is(err, flags.ErrToken), errors.Is(err, flags.ErrNoProject):
		s = flags.StatusFatal
	case errors.Is(err, flags.ErrUnreachable):
		s = flags.StatusError
	case err != nil:
		s, p.rest.Heard = p.rest.Status, now
	default:
		p.rest.Heard = now
	}
	if err != nil {
		p.rest.LastError, p.rest.LastErrorAt = foreign.Clean(err.Error()), now
	}
	if s != p.rest.Status {
		p.rest.Status, p.rest.Since = s, now
	}
	p.rest.Why = ""
	if s != flags.StatusReady {
		p.rest.Why = p.rest.LastError
	}
}

// call asks the REST API.
func (p *Provider) call(ctx context.Context, c rest.Call) error {
	if p.api == nil {
		return fmt.Errorf("%s: %s: %w: give an access token as token", p.opts.Name, c.Doing, flags.ErrUnsupported)
	}
	_, err := p.api.Do(ctx, c)
	p.note(err)
	return err
}

func (p *Provider) get(ctx context.Context, doing, path string, query url.Values, out any) error {
	return p.call(ctx, rest.Call{Doing: doing, Path: path, Query: query, Out: out})
}

// beta reads what LaunchDarkly calls a beta resource, which has to be asked
// for under that name.
func (p *Provider) beta(ctx context.Context, doing, path string, query url.Values, out any) error {
	return p.call(ctx, rest.Call{Doing: doing, Path: path, Query: query, Out: out, Header: http.Header{"Ld-Api-Version": {"beta"}}})
}

// ready asks once who we are and which environments there are.
func (p *Provider) ready(ctx context.Context) error {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known || p.api == nil {
		return nil
	}
	if err := p.identify(ctx); err != nil {
		return err
	}
	if err := p.readEnvironments(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = true
	return nil
}

func (p *Provider) identify(ctx context.Context) error {
	var who struct {
		MemberID     string `json:"memberId"`
		TokenName    string `json:"tokenName"`
		ServiceToken bool   `json:"serviceToken"`
	}
	if err := p.get(ctx, "ask who the token belongs to", "/api/v2/caller-identity", nil, &who); err != nil {
		return err
	}
	name := foreign.CleanN(who.TokenName, 100)
	var m member
	if who.MemberID != "" && !who.ServiceToken {
		// A token may not be allowed to read members; its name has to do then.
		if err := p.get(ctx, "ask whose token it is", rest.Path("api", "v2", "members", who.MemberID), nil, &m); err == nil {
			name = foreign.CleanN(m.name(), 100)
		}
	}
	if name == "" {
		name = foreign.CleanN(who.MemberID, 100)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.service, p.me = who.ServiceToken, name
	if who.ServiceToken {
		p.me = "the service token " + name
	}
	return nil
}

// readEnvironments keeps the SDK keys in memory and shows them to nobody.
func (p *Provider) readEnvironments(ctx context.Context) error {
	var all struct {
		Items []struct {
			Key              string       `json:"key"`
			Name             string       `json:"name"`
			APIKey           secret.Value `json:"apiKey"`
			Critical         bool         `json:"critical"`
			ConfirmChanges   bool         `json:"confirmChanges"`
			RequireComments  bool         `json:"requireComments"`
			ApprovalSettings struct {
				Required        bool `json:"required"`
				MinNumApprovals int  `json:"minNumApprovals"`
			} `json:"approvalSettings"`
		} `json:"items"`
	}
	path := rest.Path("api", "v2", "projects", p.opts.Project, "environments")
	if err := p.get(ctx, "list the environments of project "+p.opts.Project, path, url.Values{"limit": {"100"}}, &all); err != nil {
		if errors.Is(err, flags.ErrNotFound) {
			err = fmt.Errorf("%s: project %q: %w", p.opts.Name, p.opts.Project, flags.ErrNoProject)
			p.note(err)
		}
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.envs = p.envs[:0]
	for _, e := range all.Items {
		p.envs = append(p.envs, flags.Environment{
			Key: foreign.CleanN(e.Key, 100).String(), Name: foreign.CleanN(e.Name, 100),
			Production: e.Critical, Confirm: e.ConfirmChanges, RequireComment: e.RequireComments,
			Approval: flags.Approval{Required: e.ApprovalSettings.Required, Min: e.ApprovalSettings.MinNumApprovals},
		})
		if _, given := p.keys[e.Key]; !given && !e.APIKey.Empty() {
			p.keys[e.Key] = e.APIKey
		}
	}
	return nil
}

// Environments lists the project's environments; with an SDK key only the one
// it belongs to.
func (p *Provider) Environments(ctx context.Context) ([]flags.Environment, error) {
	if p.api == nil {
		return []flags.Environment{{Key: p.opts.Environment, Name: foreign.Clean(p.opts.Environment)}}, nil
	}
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]flags.Environment(nil), p.envs...), nil
}

func (p *Provider) environment(ctx context.Context, key string) (flags.Environment, error) {
	all, err := p.Environments(ctx)
	if err != nil {
		return flags.Environment{}, err
	}
	var names []string
	for _, e := range all {
		if e.Key == key {
			return e, nil
		}
		names = append(names, e.Key)
	}
	return flags.Environment{}, fmt.Errorf("%s: environment %q: %w: project %s has %s", p.opts.Name, key, flags.ErrNoEnvironment, p.opts.Project, strings.Join(names, ", "))
}

// Close ends the SDKs and waits for them.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	all := p.streams
	p.streams = map[string]*stream{}
	p.mu.Unlock()
	var errs []error
	for _, s := range all {
		errs = append(errs, s.close())
	}
	if p.base != nil {
		p.base.CloseIdleConnections()
	}
	return errors.Join(errs...)
}
