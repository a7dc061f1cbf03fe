package vault

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"midwatch/foreign"
)

// Health is what a server says of itself without a token (sys/health).
type Health struct {
	Initialized bool         `json:"initialized"`
	Sealed      bool         `json:"sealed"`
	Standby     bool         `json:"standby"`
	PerfStandby bool         `json:"performance_standby"`
	Version     foreign.Text `json:"version"`
	Enterprise  bool         `json:"enterprise"`
	Cluster     foreign.Text `json:"cluster_name"`
	// Skew is how far the server's clock is ahead of this machine's; the
	// server tells whole seconds, so less than two mean nothing.
	Skew time.Duration `json:"skew"`
}

// State is the server's state in words: active, standby, sealed.
func (h *Health) State() string {
	switch {
	case !h.Initialized:
		return "not initialised"
	case h.Sealed:
		return "sealed"
	case h.PerfStandby:
		return "performance standby"
	case h.Standby:
		return "standby"
	}
	return "active"
}

// skewMatters is from where on a countdown would mislead.
const skewMatters = 5 * time.Second

// SkewMatters reports a clock that is off by more than countdowns can bear.
func (h *Health) SkewMatters() bool { return h.Skew.Abs() >= skewMatters }

// Health asks the server how it is; a sealed one answers too.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var answer struct {
		Health
		Version    string `json:"version"`
		Cluster    string `json:"cluster_name"`
		ServerTime int64  `json:"server_time_utc"`
	}
	sent := c.opts.Clock.Now()
	// 299 for every state: a sealed server is an answer, not a failure.
	params := url.Values{}
	for _, code := range []string{"uninitcode", "sealedcode", "standbycode", "perfstandbycode", "drsecondarycode"} {
		params.Set(code, "299")
	}
	err := c.Read(ctx, Query{Tried: "ask Vault how it is", Path: "sys/health", Params: params, Root: true}, &answer)
	if err != nil {
		return Health{}, err
	}
	h := answer.Health
	h.Version, h.Cluster = foreign.CleanN(answer.Version, 60), foreign.CleanN(answer.Cluster, 100)
	if answer.ServerTime > 0 {
		got := c.opts.Clock.Now()
		h.Skew = skew(time.Unix(answer.ServerTime, 0), sent, got)
	}
	if h.Version == "" {
		return h, &Error{Kind: KindNotVault, Tried: "ask Vault how it is", Address: c.shown, Detail: "its answer names no version"}
	}
	return h, nil
}

// skew compares the server's whole second with the middle of the request.
func skew(server, sent, got time.Time) time.Duration {
	middle := sent.Add(got.Sub(sent) / 2)
	d := server.Add(500 * time.Millisecond).Sub(middle)
	if d.Abs() < 2*time.Second {
		return 0
	}
	return d.Round(time.Second)
}

// Token is what the server says of the token in use (auth/token/lookup-self).
type Token struct {
	Name     foreign.Text // display_name: "kubernetes-shop-api"
	Policies []foreign.Text
	Type     foreign.Text // service or batch
	// Expires is zero for a token that does not end by itself, such as root.
	Expires   time.Time
	Renewable bool
	// Period is not zero for a token that lives as long as it is renewed.
	Period time.Duration
	// MaxTTL is the end of renewing, counted from the token's creation.
	MaxTTL  time.Duration
	Issued  time.Time
	Role    foreign.Text
	Orphan  bool
	NumUses int
	Entity  foreign.Text
	Meta    map[string]foreign.Text
	// From says where midwatch found it.
	From foreign.Text
	// Minted tokens were got by midwatch's own login.
	Minted bool
}

// Root reports a token that may do everything.
func (t *Token) Root() bool { return slices.Contains(t.Policies, "root") }

// Left is how long the token lives; 0 and false when it does not end.
func (t *Token) Left(now time.Time) (time.Duration, bool) {
	if t.Expires.IsZero() {
		return 0, false
	}
	return t.Expires.Sub(now), true
}

// tokenAnswer is lookup-self's data (vault/token_store.go, handleLookup).
type tokenAnswer struct {
	DisplayName  string            `json:"display_name"`
	Policies     []string          `json:"policies"`
	Identity     []string          `json:"identity_policies"`
	Type         string            `json:"type"`
	ExpireTime   *time.Time        `json:"expire_time"`
	IssueTime    time.Time         `json:"issue_time"`
	Renewable    bool              `json:"renewable"`
	Period       json.Number       `json:"period"`
	ExplicitMax  json.Number       `json:"explicit_max_ttl"`
	Role         string            `json:"role"`
	Orphan       bool              `json:"orphan"`
	NumUses      json.Number       `json:"num_uses"`
	EntityID     string            `json:"entity_id"`
	Meta         map[string]string `json:"meta"`
	CreationTime json.Number       `json:"creation_time"`
}

// Self asks who the token is.
func (c *Client) Self(ctx context.Context) (*Token, error) {
	var answer struct {
		Data tokenAnswer `json:"data"`
	}
	err := c.Read(ctx, Query{
		Tried: "ask Vault who this token is", Path: "auth/token/lookup-self",
		Need: Right{"auth/token/lookup-self", []string{"read"}},
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.Data.token(c.tokenFrom, c.minted), nil
}

func (a *tokenAnswer) token(from foreign.Text, minted bool) *Token {
	t := &Token{
		Name: foreign.CleanN(a.DisplayName, 200), Type: foreign.CleanN(a.Type, 20), Issued: a.IssueTime,
		Renewable: a.Renewable, Period: seconds(a.Period), MaxTTL: seconds(a.ExplicitMax), Role: foreign.CleanN(a.Role, 200),
		Orphan: a.Orphan, Entity: foreign.CleanN(a.EntityID, 80), From: from, Minted: minted,
	}
	if n, err := a.NumUses.Int64(); err == nil {
		t.NumUses = int(n)
	}
	if a.ExpireTime != nil {
		t.Expires = *a.ExpireTime
	}
	for _, p := range append(slices.Clone(a.Policies), a.Identity...) {
		t.Policies = append(t.Policies, foreign.CleanN(p, 100))
	}
	slices.Sort(t.Policies)
	t.Policies = slices.Compact(t.Policies)
	if len(a.Meta) > 0 {
		t.Meta = make(map[string]foreign.Text, len(a.Meta))
		for k, v := range a.Meta {
			t.Meta[foreign.CleanN(k, 100).String()] = foreign.CleanN(v, 300)
		}
	}
	return t
}

func seconds(n json.Number) time.Duration {
	s, err := n.Int64()
	if err != nil {
		return 0
	}
	return time.Duration(s) * time.Second
}

// Capabilities asks in one request what the token may do on every probed path
// and on those of extra.
func (c *Client) Capabilities(ctx context.Context, extra ...Right) (Capabilities, error) {
	var paths []string
	for _, r := range append(Probed(), extra...) {
		paths = append(paths, r.probePath())
	}
	var answer struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	err := c.Read(ctx, Query{
		Tried: "ask Vault what this token may do", Path: "sys/capabilities-self", Body: map[string][]string{"paths": paths},
		Need: Right{"sys/capabilities-self", []string{"update"}},
	}, &answer)
	if err != nil {
		return nil, err
	}
	caps := Capabilities{}
	for _, path := range paths {
		var list []string
		if raw, ok := answer.Data[path]; ok && json.Unmarshal(raw, &list) == nil {
			caps[path] = list
		}
	}
	return caps, nil
}

// Status is everything the header and the leases' first line say.
type Status struct {
	At        time.Time
	Address   string
	Namespace foreign.Text
	// Insecure says what is wrong with the way to the server; "" when nothing.
	Insecure string
	Health   Health
	// Token is nil when it could not be looked up; TokenErr says why.
	Token    *Token
	TokenErr error
	Caps     Capabilities
	CapsErr  error
	// Counts is nil when sys/metrics cannot be read; CountsErr says why.
	Counts    *Counts
	CountsErr error
	Notices   []foreign.Text
}

// Status reads everything at once, at most four requests. Only a server that
// cannot be reached, or is sealed, is an error.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	s := &Status{
		At: c.opts.Clock.Now(), Address: c.shown, Namespace: foreign.CleanN(c.opts.Settings.Namespace, 100),
		Insecure: c.opts.Settings.Insecure(), Notices: c.notices,
	}
	var err error
	if s.Health, err = c.Health(ctx); err != nil {
		return s, err
	}
	switch {
	case !s.Health.Initialized:
		return s, &Error{Kind: KindUninitialized, Tried: "open Vault", Address: c.shown}
	case s.Health.Sealed:
		return s, &Error{Kind: KindSealed, Tried: "open Vault", Address: c.shown}
	}
	if c.opts.Base == nil && strings.HasPrefix(c.opts.Settings.Target(), "unix://") {
		s.Insecure = ""
	}
	var all sync.WaitGroup
	all.Go(func() { s.Token, s.TokenErr = c.Self(ctx) })
	all.Go(func() { s.Caps, s.CapsErr = c.Capabilities(ctx) })
	all.Go(func() { s.Counts, s.CountsErr = c.Counts(ctx) })
	all.Wait()
	if t := s.Token; t != nil {
		// By this machine's clock, as all times are.
		t.Issued = t.Issued.Add(-s.Health.Skew)
		if !t.Expires.IsZero() {
			t.Expires = t.Expires.Add(-s.Health.Skew)
		}
	}
	if s.TokenErr != nil && s.CapsErr != nil {
		return s, s.TokenErr // the token is no good at all
	}
	return s, nil
}
