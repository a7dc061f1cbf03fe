package connect

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// How long is waited for a server. A request may take as long as it needs
// while bytes arrive: a list of ten thousand pods over a slow link is no
// failure. Watches and followed logs may also be silent; a dead connection
// under them is noticed by HTTP/2's own pings.
const (
	connectWithin = 3 * time.Second
	silentFor     = 30 * time.Second
)

// patience is the round tripper that gives up. It sits inside the
// credentials, so the time a user takes to log in does not count.
type patience struct {
	next    http.RoundTripper
	connect time.Duration // to have a connection, TLS included
	silence time.Duration // without an answer, or between two parts of it
	total   time.Duration // of a whole request (--request-timeout); 0: no limit
}

// WrappedRoundTripper lets client-go find the transport below.
func (p *patience) WrappedRoundTripper() http.RoundTripper { return p.next }

// RoundTrip sends the request with a watchdog on it.
func (p *patience) RoundTrip(req *http.Request) (*http.Response, error) {
	if isUpgrade(req) {
		return p.next.RoundTrip(req) //nolint:wrapcheck // a round tripper hands errors on as they are
	}
	streams := isStream(req)
	ctx, cancel := context.WithCancelCause(req.Context())
	dog := &watchdog{cancel: cancel, host: req.URL.Host}
	dog.arm(p.connect, false)
	if p.total > 0 && !streams {
		dog.limit = time.AfterFunc(p.total, func() { cancel(&TimeoutError{Host: req.URL.Host, After: p.total, Connected: true}) })
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if streams {
			dog.stop()
		} else {
			dog.arm(p.silence, true)
		}
	}})
	resp, err := p.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		dog.end()
		return nil, reason(ctx, err)
	}
	b := &watchedBody{ReadCloser: resp.Body, ctx: ctx, dog: dog}
	if streams {
		dog.stop()
	} else {
		b.silence = p.silence
		dog.arm(p.silence, true)
	}
	resp.Body = b
	return resp, nil
}

// reason prefers why the watchdog bit to what the transport made of it.
func reason(ctx context.Context, err error) error {
	var timeout *TimeoutError
	if errors.As(context.Cause(ctx), &timeout) {
		return timeout
	}
	return err
}

// watchdog ends a request after too long a silence.
type watchdog struct {
	cancel context.CancelCauseFunc
	host   string
	timer  *time.Timer
	limit  *time.Timer
}

// arm starts waiting anew. It is never called by two goroutines at a time:
// GotConn comes before RoundTrip returns, reads come after.
func (d *watchdog) arm(after time.Duration, connected bool) {
	d.stop()
	d.timer = time.AfterFunc(after, func() {
		d.cancel(&TimeoutError{Host: d.host, After: after, Connected: connected})
	})
}

func (d *watchdog) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *watchdog) end() {
	d.stop()
	if d.limit != nil {
		d.limit.Stop()
	}
	d.cancel(nil)
}

// watchedBody keeps the watchdog quiet while bytes arrive.
type watchedBody struct {
	io.ReadCloser
	ctx     context.Context //nolint:containedctx // the request's own, for the reason it ended
	dog     *watchdog
	silence time.Duration // 0: may be silent
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return n, reason(b.ctx, err)
	case b.silence > 0 && n > 0:
		b.dog.timer.Reset(b.silence)
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

func (b *watchedBody) Close() error {
	b.dog.end()
	return b.ReadCloser.Close() //nolint:wrapcheck // as above
}

// isStream reports requests whose answer may be silent for long: watches and
// followed logs.
func isStream(req *http.Request) bool {
	q := req.URL.Query()
	return isTrue(q.Get("watch")) || isTrue(q.Get("follow")) && strings.HasSuffix(req.URL.Path, "/log")
}

func isTrue(s string) bool { return s == "true" || s == "1" }

func isUpgrade(req *http.Request) bool {
	return req.Header.Get("Upgrade") != "" || strings.Contains(strings.ToLower(req.Header.Get("Connection")), "upgrade")
}
