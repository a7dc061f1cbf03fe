package try

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"midwatch/action"
	"midwatch/foreign"
)

const (
	// userAgent is what a process sees that treats the kubelet's probes in a
	// way of their own.
	userAgent = "kube-probe/1.37 (midwatch)"
	// maxBody is how much of an answer is read, as the kubelet does.
	maxBody = 10 << 10
)

// http asks as the kubelet does (pkg/probe/http): any certificate is accepted,
// no proxy, no compression, no kept connection; redirects are followed on the
// same host only, and 200 to 399 pass.
func (t *attempt) http() error {
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return t.connect() },
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the kubelet does not verify either (pkg/probe/http)
		DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	req, err := t.request()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: t.readOnly(transport), CheckRedirect: sameHost}
	resp, err := client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it matters
	t.took()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // a body that breaks off changes nothing about the status
	r := t.result
	r.Outcome, r.Answer, r.Line = Failed, foreign.CleanN(resp.Status, maxLine), firstLine(string(body))
	if resp.StatusCode >= 200 && resp.StatusCode < 400 {
		r.Outcome = Passed
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		r.Warning = foreign.CleanN("redirects to another host, which is not followed: that passes, with a ProbeWarning ("+resp.Header.Get("Location")+")", maxErr)
	}
	return nil
}

// readOnly refuses whatever is not one of the requests a probe makes.
func (t *attempt) readOnly(next http.RoundTripper) http.RoundTripper {
	return action.Transport(next, action.NewLock(t.Clock, "", ""), action.Reads(action.Rule{Methods: []string{http.MethodPost}, Path: healthPath}))
}

// plain takes the method and the address off an error: they stand beside it.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (t *attempt) request() (*http.Request, error) {
	s := t.result.Spec
	req, err := http.NewRequestWithContext(t.ctx, http.MethodGet, s.URL(t.podIP).String(), nil)
	if err != nil {
		return nil, err
	}
	for _, h := range s.Headers {
		req.Header.Add(h.Name, h.Value())
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	if _, set := req.Header["Accept"]; !set {
		req.Header.Set("Accept", "*/*")
	} else if req.Header.Get("Accept") == "" {
		req.Header.Del("Accept")
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

// sameHost follows redirects as the kubelet does (pkg/probe/http RedirectChecker).
func sameHost(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// firstLine is the first line that says anything.
func firstLine(body string) foreign.Text {
	for line := range strings.Lines(body) {
		if line = strings.TrimSpace(line); line != "" {
			return foreign.CleanN(line, maxLine)
		}
	}
	return ""
}
