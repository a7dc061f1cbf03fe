package unleash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// appName is how midwatch appears where an application has to be named. It
// never registers and never reports metrics, so it is not among Unleash's
// applications.
const appName = "midwatch"

// DefaultInterval is how often the SDK's view is asked for; SDKs ask every 15
// seconds. An unchanged answer is an empty one (ETag).
const DefaultInterval = 15 * time.Second

// Options say which server, project and environment.
type Options struct {
	Name, Address, Project, Environment string
	// Edge is where applications get their flags from when that is not the
	// server itself: an Unleash Edge or proxy.
	Edge string
	// Token is for the admin API; SDKKey, a backend token, for the API of SDKs.
	Token, SDKKey secret.Value
	// TokenFrom and SDKKeyFrom say where they were read, for errors.
	TokenFrom, SDKKeyFrom string
	CAFile                string
	// Transport is the connection below the write lock; nil for the network.
	Transport http.RoundTripper
	Lock      *action.Lock
	Clock     live.Clock
	// Interval between two looks at the SDK's view; DefaultInterval when 0.
	Interval time.Duration
}

// Provider is one project of an Unleash server.
type Provider struct {
	opts    Options
	admin   *rest.Client
	sdk     *rest.Client // nil without an SDKKey
	planner *toggle.Planner
	base    *http.Transport // to close

	mu      sync.Mutex
	status  flags.ProviderStatus
	me      foreign.Text
	service bool
	known   bool // the project was looked for and found
	sdkEnv  string
	sdkWhy  foreign.Text // why the SDK's view cannot be had
	view    *view
	types   map[string]int // lifetime in days, 0 for ever
}

// New makes the provider. It does no IO.
func New(o Options) (*Provider, error) {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Project == "" {
		o.Project = "default"
	}
	p := &Provider{opts: o, planner: &toggle.Planner{Lock: o.Lock, Clock: o.Clock}}
	p.status = flags.ProviderStatus{Status: flags.StatusNotReady, Since: o.Clock.Now()}
	next := o.Transport
	if next == nil {
		t, err := rest.NewTransport(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("flag provider %s: %w", o.Name, err)
		}
		p.base, next = t, t
	}
	client := func(address string, token secret.Value, from string) *rest.Client {
		locked := action.Transport(next, o.Lock, action.Reads(action.UnleashReads()...), action.BasePath(rest.BasePath(address)))
		return &rest.Client{
			Provider: o.Name, Base: address, Token: token, TokenFrom: from, HTTP: rest.NewHTTP(locked),
			Header: http.Header{"User-Agent": {appName}, "Unleash-Appname": {appName}}, Explain: p.explain, Now: o.Clock.Now,
			Hide: func(s string) string { return o.SDKKey.Scrub(o.Token.Scrub(s)) },
		}
	}
	p.admin = client(o.Address, o.Token, o.TokenFrom)
	if !o.SDKKey.Empty() {
		edge := o.Edge
		if edge == "" {
			edge = o.Address
		}
		p.sdk = client(edge, o.SDKKey, o.SDKKeyFrom)
	}
	return p, nil
}

// Planner is what plans of this provider are made by.
func (p *Provider) Planner() *toggle.Planner { return p.planner }

// Info describes the provider.
func (p *Provider) Info() flags.Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	return flags.Info{
		Name: p.opts.Name, Type: "unleash", Endpoint: p.opts.Address, Project: p.opts.Project, Environment: p.opts.Environment,
		Identity: p.me, Service: p.service, Capabilities: p.capabilities(),
	}
}

func (p *Provider) capabilities() flags.Capabilities {
	has := flags.Can(flags.CanList, flags.CanEvaluate, flags.CanReason, flags.CanWatch, flags.CanToggle, flags.CanRollout,
		flags.CanAudit, flags.CanStats, flags.CanRules, flags.CanCompare, flags.CanSeeSDK, flags.CanExperiments)
	has = has.Without("Unleash keeps no comment with a change", flags.CanComment)
	has = has.Without("Unleash cannot try a change; the preview is worked out here", flags.CanDryRun)
	has = has.Without("change requests are for Unleash Enterprise, in its own pages", flags.CanApprove)
	switch {
	case p.sdk == nil:
		has = has.Without("give a backend token as sdkKey to see what applications get", flags.CanSeeSDK)
	case p.sdkWhy != "":
		has = has.Without(p.sdkWhy, flags.CanSeeSDK)
	}
	return has
}

// Status is the provider's health.
func (p *Provider) Status() flags.ProviderStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// note records how a request went; true when the status changed.
func (p *Provider) note(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opts.Clock.Now()
	s := flags.StatusReady
	switch {
	case err == nil:
		p.status.Heard = now
	case errors.Is(err, flags.ErrToken), errors.Is(err, flags.ErrNoProject):
		s = flags.StatusFatal
	case errors.Is(err, flags.ErrUnreachable):
		s = flags.StatusError
		if !p.status.Heard.IsZero() {
			s = flags.StatusStale
		}
	default: // the server answered; this request was refused
		p.status.Heard = now
		s = p.status.Status
	}
	if err != nil {
		p.status.LastError, p.status.LastErrorAt = foreign.Clean(err.Error()), now
	}
	changed := s != p.status.Status
	if changed {
		p.status.Status, p.status.Since = s, now
	}
	p.status.Why = ""
	if s != flags.StatusReady {
		p.status.Why = p.status.LastError
	}
	return changed
}

// get reads from the admin API.
func (p *Provider) get(ctx context.Context, doing, path string, query map[string][]string, out any) error {
	_, err := p.admin.Do(ctx, rest.Call{Doing: doing, Path: path, Query: query, Out: out})
	p.note(err)
	return err
}

// ready makes sure that the project exists and that it is known who we are. A
// list of a project that does not exist is empty in Unleash, not an error.
func (p *Provider) ready(ctx context.Context) error {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known {
		return nil
	}
	// The answer repeats the token (user.secret); only these fields are read.
	var who struct {
		User struct {
			Username string `json:"username"`
			Email    string `json:"email"`
			Name     string `json:"name"`
			Type     string `json:"type"`
			ID       int64  `json:"id"`
		} `json:"user"`
	}
	if err := p.get(ctx, "ask who the token belongs to", "/api/admin/user", nil, &who); err != nil {
		return err
	}
	var all struct {
		Projects []struct {
			ID string `json:"id"`
		} `json:"projects"`
	}
	if err := p.get(ctx, "list the projects", "/api/admin/projects", nil, &all); err != nil {
		return err
	}
	var names []string
	for _, one := range all.Projects {
		names = append(names, foreign.CleanN(one.ID, 64).String())
	}
	if !slices.Contains(names, p.opts.Project) {
		err := fmt.Errorf("%s: project %q: %w: this token sees %s", p.opts.Name, p.opts.Project, flags.ErrNoProject, listOf(names))
		p.note(err)
		return err
	}
	u := who.User
	p.mu.Lock()
	defer p.mu.Unlock()
	p.service = u.ID == 0 || u.Type != "" && u.Type != "user"
	switch {
	case u.Email != "":
		p.me = foreign.CleanN(u.Email, 100)
	case u.Username != "":
		p.me = foreign.CleanN(u.Username, 100)
	default:
		p.me = foreign.CleanN(u.Name, 100)
	}
	if p.service && p.me != "" {
		p.me = "the API token of " + p.me
	}
	p.known = true
	return nil
}

func listOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names[:min(len(names), 8)], ", ")
}

// Environments lists the environments of the server that are enabled or used
// by the settings.
func (p *Provider) Environments(ctx context.Context) ([]flags.Environment, error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	var all struct {
		Environments []struct {
			Name              string `json:"name"`
			Type              string `json:"type"`
			Enabled           bool   `json:"enabled"`
			RequiredApprovals *int   `json:"requiredApprovals"`
		} `json:"environments"`
	}
	// By project: change requests are set up there.
	path := rest.Path("api", "admin", "environments", "project", p.opts.Project)
	if err := p.get(ctx, "list the environments", path, nil, &all); err != nil {
		return nil, err
	}
	out := make([]flags.Environment, 0, len(all.Environments))
	for _, e := range all.Environments {
		env := flags.Environment{
			Key: foreign.CleanN(e.Name, 100).String(), Name: foreign.CleanN(e.Name, 100), Production: e.Type == "production", Disabled: !e.Enabled,
		}
		env.Confirm, env.RequireComment = env.Production, env.Production
		if e.RequiredApprovals != nil && *e.RequiredApprovals > 0 {
			env.Approval = flags.Approval{Required: true, Min: *e.RequiredApprovals}
		}
		out = append(out, env)
	}
	return out, nil
}

// environment finds one of them.
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
	return flags.Environment{}, fmt.Errorf("%s: environment %q: %w: project %s has %s", p.opts.Name, key, flags.ErrNoEnvironment, p.opts.Project, listOf(names))
}

// Close drops idle connections.
func (p *Provider) Close() error {
	if p.base != nil {
		p.base.CloseIdleConnections()
	}
	return nil
}

// age is the time since in days, at least 0.
func (p *Provider) age(since time.Time) int {
	return max(int(p.opts.Clock.Now().Sub(since).Hours()/24), 0)
}
