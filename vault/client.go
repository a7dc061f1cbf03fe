package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-cleanhttp"
	"github.com/hashicorp/vault/api"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secret"
)

// Options say what a [Client] is made with.
type Options struct {
	Settings Settings
	Clock    live.Clock
	// Lock is the session's; nothing is written while it is closed.
	Lock *action.Lock
	// Context is the cluster's context the session belongs to.
	Context string
	// UserAgent is how midwatch appears in audit logs.
	UserAgent string
	// Base replaces the way to the server, for servers in memory.
	Base http.RoundTripper
}

// Client is one server, as one token. It is safe for concurrent use.
type Client struct {
	opts      Options
	shown     string // the address, cleaned
	transport *courteous
	reads     *api.Client // tries a broken connection once more
	writes    *api.Client // never tries twice
	tokenFrom foreign.Text
	minted    bool // midwatch logged in for it, and revokes it at the end
	notices   []foreign.Text
}

// newClient makes the client without a token.
func newClient(opts Options) (*Client, error) {
	c := &Client{opts: opts, shown: foreign.CleanN(opts.Settings.Target(), 200).String(), notices: opts.Settings.Notices}
	base, err := baseTransport(&opts)
	if err != nil {
		return nil, err
	}
	c.transport = newCourteous(base)
	if c.reads, err = c.library(1); err != nil {
		return nil, err
	}
	c.writes, err = c.library(0)
	return c, err
}

// baseTransport is the way to the server, with its certificates.
func baseTransport(opts *Options) (http.RoundTripper, error) {
	if opts.Base != nil {
		return opts.Base, nil
	}
	transport := cleanhttp.DefaultPooledTransport()
	transport.TLSHandshakeTimeout = 10 * time.Second
	config := &api.Config{HttpClient: &http.Client{Transport: transport}}
	transport.TLSClientConfig = tlsDefaults()
	if err := config.ConfigureTLS(&opts.Settings.TLS); err != nil {
		return nil, fmt.Errorf("the certificates for Vault: %w", err)
	}
	if proxy := opts.Settings.HTTPProxy; proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, fmt.Errorf("the proxy for Vault: want a URL: %w", err)
		}
		transport.Proxy = http.ProxyURL(u)
	}
	// A socket's address changes how to dial, which needs the plain transport.
	if _, err := config.ParseAddress(opts.Settings.Target()); err != nil {
		return nil, fmt.Errorf("the address of Vault: %w", err)
	}
	return transport, nil
}

// library makes the api client over our transport.
func (c *Client) library(retries int) (*api.Client, error) {
	s := &c.opts.Settings
	guarded := action.Transport(c.transport, c.opts.Lock,
		action.Reads(append(action.VaultReads(), s.Login.rules()...)...), action.Writes(action.VaultWrites()...),
		action.ForContext(c.opts.Context), action.BasePath(basePath(s.Target())))
	address := s.Target()
	if path, ok := strings.CutPrefix(address, "unix://"); ok && path != "" {
		address = "http://localhost" // the transport dials the socket
	}
	config := &api.Config{
		Address: address, Timeout: longest, MaxRetries: retries,
		MinRetryWait: 200 * time.Millisecond, MaxRetryWait: time.Second,
		CheckRetry: retryBroken, Limiter: s.RateLimit, SRVLookup: s.SRVLookup, DisableRedirects: s.DisableRedirects,
		HttpClient: &http.Client{Transport: guarded, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the library follows one itself, and never to plain HTTP
		}},
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("the settings of Vault's client: %w", err)
	}
	// The library has read the process's environment by now; what counts is
	// in the settings.
	client.ClearToken()
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}, "User-Agent": {c.opts.UserAgent}})
	for name, value := range s.Headers {
		client.AddHeader(name, value)
	}
	if s.Namespace != "" {
		client.SetNamespace(s.Namespace)
	}
	// VAULT_WRAP_TTL would wrap every answer, also those midwatch reads.
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	return client, nil
}

// longest bounds every request in the library; each has a limit of its own
// besides.
const longest = 2 * time.Minute

func basePath(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "unix" {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

// retryBroken tries again what got no answer, and an answer that came too
// early for a replica (412). A sealed or overloaded server is left in peace.
func retryBroken(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		kind, _ := network(err)
		return kind == KindUnreachable && !isRefused(err), err
	}
	return resp.StatusCode == http.StatusPreconditionFailed, nil
}

// setToken makes the client speak as a token.
func (c *Client) setToken(token secret.Value, from string, minted bool) {
	c.tokenFrom, c.minted = foreign.CleanN(from, 300), minted
	c.reads.SetToken(token.Reveal())
	c.writes.SetToken(token.Reveal())
}

// Clock is what the client tells the time by.
func (c *Client) Clock() live.Clock { return c.opts.Clock }

// Target is what a plan writes to, bound to the open context.
func (c *Client) Target(kind, namespace, name, uid string) action.Target {
	context, cluster := c.opts.Lock.Bound()
	return action.Target{Context: context, ClusterUID: cluster, Kind: kind, Namespace: namespace, Name: name, UID: uid}
}

// Address is the server's, cleaned.
func (c *Client) Address() string { return c.shown }

// Traffic is how many requests were sent, and how many were on their way at
// the same time at most.
func (c *Client) Traffic() (sent, peak int) {
	return int(c.transport.sent.Load()), int(c.transport.peak.Load())
}

// Query is one request that reads.
type Query struct {
	// Tried says in words what is attempted: "count the leases".
	Tried string
	// Need is the right it takes, named when the server refuses.
	Need   Right
	Path   string     // without /v1/
	Params url.Values // of a GET
	// Body makes the request a PUT; only the paths that [action.VaultReads]
	// names get past the transport.
	Body any
	// Within bounds the request; the settings' timeout when 0.
	Within time.Duration
	// Root sends it to the root namespace, where the server's own state is.
	Root bool
	// Limit bounds the answer in bytes; [DefaultLimit] when 0.
	Limit int64
}

// DefaultLimit bounds an answer that is decoded as a whole.
const DefaultLimit = 8 << 20

// Read sends a query and decodes the answer's JSON into out.
func (c *Client) Read(ctx context.Context, q Query, out any) error {
	return c.Stream(ctx, q, func(body io.Reader) error {
		limit := q.Limit
		if limit == 0 {
			limit = DefaultLimit
		}
		limited := &io.LimitedReader{R: body, N: limit}
		dec := json.NewDecoder(limited)
		if err := dec.Decode(out); err != nil {
			if limited.N <= 0 {
				return fmt.Errorf("the answer is larger than %d MiB", limit>>20)
			}
			return err
		}
		return nil
	})
}

// Stream sends a query and hands the answer's body to decode.
func (c *Client) Stream(ctx context.Context, q Query, decode func(body io.Reader) error) error {
	client := c.reads
	if q.Root {
		client = client.WithNamespace("")
	}
	req := client.NewRequest(http.MethodGet, "/v1/"+q.Path)
	if q.Body != nil {
		req = client.NewRequest(http.MethodPut, "/v1/"+q.Path)
		if err := req.SetJSONBody(q.Body); err != nil {
			return fmt.Errorf("%s: %w", q.Tried, err)
		}
	}
	if q.Params != nil {
		req.Params = q.Params
	}
	ctx, cancel := context.WithTimeout(ctx, max(q.Within, c.opts.Settings.Timeout))
	defer cancel()
	return c.send(ctx, client, q.Tried, q.Need, req, decode)
}

// Write sends a PUT, once. Without the gate's permit in ctx the transport
// refuses it.
func (c *Client) Write(ctx context.Context, tried string, need Right, path string, body, out any) error {
	return c.write(ctx, http.MethodPut, tried, need, path, body, out)
}

func (c *Client) write(ctx context.Context, method, tried string, need Right, path string, body, out any) error {
	req := c.writes.NewRequest(method, "/v1/"+path)
	if err := req.SetJSONBody(body); err != nil {
		return fmt.Errorf("%s: %w", tried, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Settings.Timeout)
	defer cancel()
	return c.send(ctx, c.writes, tried, need, req, func(r io.Reader) error {
		if out == nil {
			return nil
		}
		return json.NewDecoder(io.LimitReader(r, DefaultLimit)).Decode(out)
	})
}

func (c *Client) send(ctx context.Context, client *api.Client, tried string, need Right, req *api.Request, decode func(io.Reader) error) error {
	resp, err := client.RawRequestWithContext(ctx, req) //nolint:staticcheck // the library's own way to read an answer as a stream
	if resp == nil || resp.Response == nil {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return c.explainTransport(tried, err)
	}
	defer func() { _ = resp.Body.Close() }() // what was read is all there is to know
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.explainAnswer(tried, need, resp.Response)
	}
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := decode(resp.Body); err != nil {
		return c.explainBody(tried, resp.Response, err)
	}
	return nil
}

// explainBody is about an answer of status 200 that could not be understood.
func (c *Client) explainBody(tried string, resp *http.Response, err error) error {
	if kind, _ := network(err); kind == KindTimeout {
		return &Error{Kind: KindTimeout, Tried: tried, Address: c.shown, Err: err}
	}
	e := &Error{Kind: KindNotVault, Tried: tried, Address: c.shown, Status: resp.StatusCode, Err: err}
	if strings.Contains(resp.Header.Get("Content-Type"), "html") {
		e.Detail = foreign.Clean(describeBody(resp, nil))
		return e
	}
	e.Detail = foreign.CleanN(firstLine(err), maxDetail)
	return e
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
