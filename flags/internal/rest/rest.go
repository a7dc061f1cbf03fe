// Package rest is the plain HTTP that flag providers with a JSON API share:
// bounded in time and size, behind the write lock, with errors that are
// sentences and carry neither tokens nor pages.
package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
	"midwatch/secret"
)

// How long one request may take, and how much is read of an answer. A list of
// thousands of flags with their rules is some ten megabytes.
const (
	requestWithin = 20 * time.Second
	maxAnswer     = 128 << 20
	maxErrorBody  = 64 << 10
)

// Client speaks to one server.
type Client struct {
	// Provider is the name errors begin with.
	Provider string
	// Base is the server's address without a slash at the end.
	Base string
	// Token is sent as the Authorization header, after Scheme ("Bearer ").
	Token  secret.Value
	Scheme string
	// TokenFrom says where the token was read from, for errors.
	TokenFrom string
	// Hide takes further tokens out of what a server says: the same account may
	// have more than one. nil when there are none.
	Hide func(string) string
	// Header is sent with every request.
	Header http.Header
	HTTP   *http.Client
	// Explain turns the server's refusal into one of the errors of package
	// flags, or returns nil to leave it to the general rules.
	Explain func(*StatusError) error
	Now     func() time.Time
}

// BasePath is the path of an address, for [action.BasePath].
func BasePath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}

// NewHTTP makes the client below: transport is the one under the write lock.
func NewHTTP(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		// A redirect would carry the token to wherever it leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NewTransport is the connection to a server: the proxy of the environment,
// the system's authorities and those of caFile.
func NewTransport(caFile string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       60 * time.Second,
		ResponseHeaderTimeout: requestWithin,
	}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", caFile)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// Call is one request.
type Call struct {
	// Doing completes "provider: …": "list the flags of project shop".
	Doing  string
	Method string // GET when empty
	// Asks says that the request changes nothing although its method is one
	// that could: without an answer there is nothing to be unsure of.
	Asks bool
	// Path is below Base, already escaped; see [Path].
	Path  string
	Query url.Values
	// Body is sent as JSON, nil for none; ContentType replaces
	// application/json.
	Body        any
	ContentType string
	Header      http.Header
	// Out receives the decoded answer; nil to ignore it.
	Out any
	// Accept304 makes "not modified" no error.
	Accept304 bool
}

// writes reports whether the request may have changed something.
func (c *Call) writes() bool {
	return c.Method != http.MethodGet && c.Method != http.MethodHead && !c.Asks
}

// Path joins escaped segments: Path("api", "v2", key).
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// Answer is what came beside the body.
type Answer struct {
	Status int
	Header http.Header
}

// Do sends one request. The error of a write that nobody answered wraps
// [action.ErrUnsure].
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	if call.Method == "" {
		call.Method = http.MethodGet
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	a, err := c.do(ctx, call)
	if err != nil {
		return a, fmt.Errorf("%s: %s: %w", c.Provider, call.Doing, err)
	}
	return a, nil
}

func (c *Client) do(ctx context.Context, call Call) (Answer, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return Answer{}, c.silence(ctx, call, err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing depends on it any more
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	switch {
	case resp.StatusCode == http.StatusNotModified && call.Accept304:
		return a, nil
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return a, c.refusal(call, resp)
	case call.Out == nil:
		// The request was answered; the body is read so that the connection
		// can be used again.
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody))
		return a, nil
	}
	return a, c.decode(ctx, call, resp)
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	target := c.Base + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	var body io.Reader
	if call.Body != nil {
		b, err := json.Marshal(call.Body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, body)
	if err != nil {
		return nil, errors.New("the address is not a URL")
	}
	for _, h := range []http.Header{c.Header, call.Header} {
		for name, values := range h {
			req.Header[name] = values
		}
	}
	req.Header.Set("Accept", "application/json")
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
		if call.ContentType != "" {
			req.Header.Set("Content-Type", call.ContentType)
		}
	}
	if !c.Token.Empty() {
		req.Header.Set("Authorization", c.Scheme+c.Token.Reveal())
	}
	return req, nil
}

// silence explains why there was no answer.
func (c *Client) silence(ctx context.Context, call Call, err error) error {
	var refused *action.RefusedError
	if errors.As(err, &refused) {
		return refused
	}
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	never := errors.As(err, &op) && op.Op == "dial" || errors.As(err, &certificate) // nothing was sent
	why := c.clean(plain(err))
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		why = "no answer in time"
	} else if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if call.writes() && !never {
		return fmt.Errorf("%w (%s)", action.ErrUnsure, why)
	}
	return fmt.Errorf("%s %w: %s", c.Base, flags.ErrUnreachable, why)
}

// plain is the innermost cause: the outer ones repeat the method and the URL.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// clean makes one harmless line without the token.
func (c *Client) clean(s string) string { return foreign.CleanN(c.scrub(s), 300).String() }

// scrub takes the tokens out.
func (c *Client) scrub(s string) string {
	s = c.Token.Scrub(s)
	if c.Hide != nil {
		s = c.Hide(s)
	}
	return s
}

func (c *Client) decode(ctx context.Context, call Call, resp *http.Response) error {
	limited := &io.LimitedReader{R: resp.Body, N: maxAnswer}
	err := json.NewDecoder(limited).Decode(call.Out)
	switch {
	case err == nil:
		return nil
	case limited.N <= 0:
		return fmt.Errorf("the answer is larger than %d MB", maxAnswer>>20)
	case ctx.Err() != nil:
		return c.silence(ctx, Call{Asks: true}, ctx.Err())
	case isPage(resp.Header):
		return fmt.Errorf("%s answered with a web page instead of data: is it the address of the API?", c.Base)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%s %w: the answer ends too early", c.Base, flags.ErrUnreachable)
	}
	return fmt.Errorf("the answer cannot be read: %s", c.clean(err.Error()))
}

func isPage(h http.Header) bool { return strings.Contains(h.Get("Content-Type"), "text/html") }
