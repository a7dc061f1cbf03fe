package connect

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"midwatch/action"
	"midwatch/foreign"
)

// observer is the outermost round tripper. It learns from every answer
// whether the server is there, and turns web pages into errors.
type observer struct {
	next   http.RoundTripper
	health *health
	// plugin is the credential plugin's command; "" without one.
	plugin string
	hint   string // how to install it, by the kubeconfig
	stdio  *Stdio // nil: nobody listens to the plugin
}

// WrappedRoundTripper lets client-go find the transport below.
func (o *observer) WrappedRoundTripper() http.RoundTripper { return o.next }

// RoundTrip sends the request and notes what came of it.
func (o *observer) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := o.health.loginBlocked(); err != nil && ctx.Value(loginKey{}) == nil {
		closeBody(req)
		return nil, err
	}
	resp, err := o.next.RoundTrip(req)
	if err != nil {
		return nil, o.failed(ctx, err)
	}
	if page := notKubernetes(resp); page != nil {
		_ = resp.Body.Close() // the page is of no use
		o.health.fail(page)
		return nil, page
	}
	if resp.StatusCode == http.StatusUnauthorized {
		o.unauthorized(ctx)
		return resp, nil
	}
	o.health.ok()
	o.health.dated(resp.Header.Get("Date"))
	if resp.StatusCode != http.StatusSwitchingProtocols { // whose body is the connection itself
		resp.Body = &heardBody{ReadCloser: resp.Body, ctx: ctx, health: o.health}
	}
	return resp, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the contract of RoundTripper
	}
}

// failed decides what an error says about the connection.
func (o *observer) failed(ctx context.Context, err error) error {
	var refused *action.RefusedError
	switch {
	case errors.As(err, &refused):
		return err // never sent
	case isLoginFailure(err):
		login := o.loginError(err)
		o.health.loginFailed(login)
		return login
	case ctx.Err() != nil:
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			o.health.suspect() // the caller was less patient than we are
		}
		return err
	}
	o.health.fail(err)
	return err
}

// unauthorized notes a 401. client-go has run the credential plugin anew by
// then, or will read the token file again, so only the keeper's next question
// tells whether the login is really gone.
func (o *observer) unauthorized(ctx context.Context) {
	if ctx.Value(askKey{}) != nil || ctx.Value(loginKey{}) != nil {
		o.health.fail(errUnauthorized)
		return
	}
	o.health.suspect()
}

// isLoginFailure recognises errors of client-go's exec plugin round tripper,
// which have no type (client-go plugin/pkg/client/auth/exec/exec.go).
func isLoginFailure(err error) bool {
	return strings.Contains(err.Error(), "getting credentials: ")
}

func (o *observer) loginError(err error) error {
	e := &LoginError{Command: o.plugin, Hint: foreign.CleanN(o.hint, 400), Err: err}
	// A plugin that cannot be started has said nothing.
	if o.stdio != nil && strings.Contains(err.Error(), "failed with exit code") {
		e.Said = o.stdio.lastSaid()
	}
	return e
}

// notKubernetes recognises a web page. What a pod or service answers through
// the API server's proxy is none of our business.
func notKubernetes(resp *http.Response) *NotKubernetesError {
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "text/html") {
		return nil
	}
	e := &NotKubernetesError{Status: resp.StatusCode}
	if resp.Request != nil {
		if strings.Contains(resp.Request.URL.Path, "/proxy/") {
			return nil
		}
		u := *resp.Request.URL
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		e.URL = foreign.CleanN(u.String(), 200).String()
	}
	start, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // as much as there is of it
	if m := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(start); m != nil {
		e.Title = foreign.CleanN(string(bytes.Join(bytes.Fields(m[1]), []byte(" "))), 80)
	}
	return e
}

// heardBody notes the bytes of an answer: for a watch they are the only sign
// of life for hours.
type heardBody struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // to tell a cut from a caller who left
	health *health
}

func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.health.ok()
	}
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() == nil {
		b.health.suspect()
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}
