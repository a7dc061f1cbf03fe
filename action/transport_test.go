package action

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// wire counts what would have been sent.
type wire struct{ sent []string }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.sent = append(w.sent, r.Method+" "+r.URL.Path)
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

type closeNoter struct {
	io.Reader
	closed bool
}

func (c *closeNoter) Close() error { c.closed = true; return nil }

const (
	reviewPath  = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	podPath     = "/api/v1/namespaces/shop/pods/api-0"
	forwardPath = podPath + "/portforward"
)

// requests by situation: whether a locked transport lets them through.
func transportCases() map[string]struct {
	method, url string
	header      http.Header
	pass        bool
} {
	type c = struct {
		method, url string
		header      http.Header
		pass        bool
	}
	ws := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	return map[string]c{
		"GET":                         {method: "GET", url: podPath, pass: true},
		"GET without a method":        {method: "", url: podPath, pass: true},
		"GET that watches":            {method: "GET", url: "/api/v1/pods?watch=true", pass: true},
		"HEAD":                        {method: "HEAD", url: podPath, pass: true},
		"OPTIONS":                     {method: "OPTIONS", url: podPath, pass: true},
		"POST":                        {method: "POST", url: "/api/v1/namespaces/shop/pods"},
		"PUT":                         {method: "PUT", url: podPath},
		"PATCH":                       {method: "PATCH", url: podPath},
		"DELETE":                      {method: "DELETE", url: podPath},
		"DELETE as a dry run":         {method: "DELETE", url: podPath + "?dryRun=All"},
		"CONNECT":                     {method: "CONNECT", url: podPath},
		"TRACE":                       {method: "TRACE", url: podPath},
		"LIST is Vault's":             {method: "LIST", url: "/v1/secret/metadata"},
		"method in lower case":        {method: "delete", url: podPath},
		"get in lower case":           {method: "get", url: podPath},
		"review":                      {method: "POST", url: reviewPath, pass: true},
		"rules review":                {method: "POST", url: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", pass: true},
		"who am I":                    {method: "POST", url: "/apis/authentication.k8s.io/v1/selfsubjectreviews", pass: true},
		"review with a query":         {method: "POST", url: reviewPath + "?pretty=true", pass: true},
		"review of someone else":      {method: "POST", url: "/apis/authorization.k8s.io/v1/subjectaccessreviews"},
		"token review":                {method: "POST", url: "/apis/authentication.k8s.io/v1/tokenreviews"},
		"review by PUT":               {method: "PUT", url: reviewPath},
		"review by post":              {method: "post", url: reviewPath},
		"review with a longer path":   {method: "POST", url: reviewPath + "/x"},
		"review, trailing slash":      {method: "POST", url: reviewPath + "/"},
		"review, double slash":        {method: "POST", url: "/" + reviewPath},
		"review, inner double slash":  {method: "POST", url: "/apis//authorization.k8s.io/v1/selfsubjectaccessreviews"},
		"review, dot segment":         {method: "POST", url: "/apis/x/../authorization.k8s.io/v1/selfsubjectaccessreviews"},
		"review, encoded letter":      {method: "POST", url: "/apis/authorization.k8s.io/v1/selfsubjectaccessreview%73"},
		"review, encoded slash":       {method: "POST", url: "/apis/authorization.k8s.io/v1%2fselfsubjectaccessreviews"},
		"review, path parameter":      {method: "POST", url: reviewPath + ";x=y"},
		"review behind a proxy":       {method: "POST", url: "/api/v1/namespaces/shop/services/web/proxy" + reviewPath},
		"review in the query":         {method: "POST", url: "/api/v1/namespaces/shop/pods?" + reviewPath},
		"review, opaque URL":          {method: "POST", url: "http:" + reviewPath},
		"GET, override to DELETE":     {method: "GET", url: podPath, header: http.Header{"X-Http-Method-Override": {"DELETE"}}},
		"POST, override to GET":       {method: "POST", url: podPath, header: http.Header{"X-Http-Method-Override": {"GET"}}},
		"override in unusual case":    {method: "GET", url: podPath, header: http.Header{"x-http-method-OVERRIDE": {"DELETE"}}},
		"exec by POST":                {method: "POST", url: podPath + "/exec?command=sh", header: ws},
		"exec by GET":                 {method: "GET", url: podPath + "/exec?command=sh", header: ws},
		"exec without upgrade":        {method: "GET", url: podPath + "/exec?command=sh"},
		"exec, encoded":               {method: "GET", url: podPath + "/%65xec?command=sh"},
		"exec, double slash":          {method: "GET", url: "/api/v1//namespaces/shop/pods/api-0//exec"},
		"exec, dot segment":           {method: "GET", url: podPath + "/log/../exec"},
		"attach":                      {method: "GET", url: podPath + "/attach", header: ws},
		"kubelet's exec":              {method: "GET", url: "/api/v1/nodes/n1/proxy/exec/shop/api-0/api?command=sh"},
		"kubelet's run":               {method: "POST", url: "/api/v1/nodes/n1/proxy/run/shop/api-0/api"},
		"kubelet's metrics":           {method: "GET", url: "/api/v1/nodes/n1/proxy/metrics", pass: true},
		"port-forward by GET":         {method: "GET", url: forwardPath, header: ws, pass: true},
		"port-forward by POST, SPDY":  {method: "POST", url: forwardPath, header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}, pass: true},
		"port-forward, no upgrade":    {method: "POST", url: forwardPath},
		"port-forward, extra segment": {method: "POST", url: forwardPath + "/x", header: ws},
		"port-forward, encoded":       {method: "GET", url: podPath + "/portforwar%64", header: ws},
		"upgrade of something else":   {method: "GET", url: podPath + "/proxy/", header: ws},
		"upgrade in unusual case":     {method: "GET", url: podPath + "/proxy/", header: http.Header{"uPGRADE": {"websocket"}}},
		"ephemeral container":         {method: "PATCH", url: podPath + "/ephemeralcontainers"},
		"eviction":                    {method: "POST", url: podPath + "/eviction"},
		"logs":                        {method: "GET", url: podPath + "/log?follow=true", pass: true},
	}
}

func TestLockedTransportSendsOnlyReads(t *testing.T) {
	for name, c := range transportCases() {
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			rt := Transport(w, NewLock(newClock(), testContext, testCluster), Kubernetes())
			body := &closeNoter{Reader: strings.NewReader("{}")}
			_, err := rt.RoundTrip(request(t, t.Context(), c.method, c.url, c.header, body))
			var refused *RefusedError
			switch {
			case c.pass && (err != nil || len(w.sent) != 1):
				t.Errorf("got %v, sent %q; want it sent", err, w.sent)
			case !c.pass && (!errors.As(err, &refused) || !refused.Locked || !errors.Is(err, ErrLocked) || len(w.sent) != 0):
				t.Errorf("got %v, sent %q; want it refused as read-only", err, w.sent)
			case !c.pass && !body.closed:
				t.Error("the body was not closed")
			}
		})
	}
}

func TestUnlockedTransportSendsWritesOfTheGateOnly(t *testing.T) {
	for name, c := range transportCases() {
		if c.pass {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := &wire{}
			lock := NewLock(newClock(), testContext, testCluster)
			lock.Open()
			rt := Transport(w, lock, Kubernetes())
			_, err := rt.RoundTrip(request(t, t.Context(), c.method, c.url, c.header, nil))
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Locked || len(w.sent) != 0 {
				t.Errorf("without a permit: got %v, sent %q", err, w.sent)
			}
			permitted, end := withPermit(t.Context(), lock, false)
			if _, err := rt.RoundTrip(request(t, permitted, c.method, c.url, c.header, nil)); err != nil || len(w.sent) != 1 {
				t.Errorf("with a permit: got %v, sent %q", err, w.sent)
			}
			end()
			if _, err := rt.RoundTrip(request(t, permitted, c.method, c.url, c.header, nil)); !errors.As(err, &refused) || len(w.sent) != 1 {
				t.Errorf("with a permit that has ended: got %v, sent %q", err, w.sent)
			}
		})
	}
}

func TestPermitIsNarrow(t *testing.T) {
	clock := newClock()
	lock := NewLock(clock, testContext, testCluster)
	other := NewLock(clock, testContext, testCluster)
	for name, c := range map[string]struct {
		url      string
		permit   *Lock
		dry      bool
		opts     []TransportOption
		prepare  func()
		wantWhy  string
		wantLock bool
	}{
		"of the gate":                         {url: podPath, permit: lock},
		"of another lock":                     {url: podPath, permit: other, wantWhy: "it did not come through the action gate"},
		"a dry run that says so":              {url: podPath + "?dryRun=All", permit: lock, dry: true},
		"a dry run that would write":          {url: podPath, permit: lock, dry: true, wantWhy: "a dry run has to carry dryRun=All"},
		"a dry run with an empty value":       {url: podPath + "?dryRun=", permit: lock, dry: true, wantWhy: "a dry run has to carry dryRun=All"},
		"a dry run of another server":         {url: podPath + "?dryRun=true", permit: lock, dry: true, opts: []TransportOption{DryRunBy("dryRun", "true")}},
		"a dry run in another's words":        {url: podPath + "?dryRun=All", permit: lock, dry: true, opts: []TransportOption{DryRunBy("dryRun", "true")}, wantWhy: "a dry run has to carry dryRun=true"},
		"a dry run that says both":            {url: podPath + "?dryRun=All&dryRun=false", permit: lock, dry: true, wantWhy: "a dry run has to carry dryRun=All"},
		"over the context's own connection":   {url: podPath, permit: lock, opts: []TransportOption{ForContext(testContext)}},
		"over another context's connection":   {url: podPath, permit: lock, opts: []TransportOption{ForContext("prod")}, wantWhy: `the connection belongs to context "prod", open is "kind-shop"`},
		"the time ran out since it was given": {url: podPath, permit: lock, prepare: func() { _ = lock.UnlockFor(time.Minute); clock.advance(time.Hour) }, wantLock: true},
	} {
		t.Run(name, func(t *testing.T) {
			lock.Open()
			if c.prepare != nil {
				c.prepare()
			}
			w := &wire{}
			ctx, end := withPermit(t.Context(), c.permit, c.dry)
			defer end()
			_, err := Transport(w, lock, c.opts...).RoundTrip(request(t, ctx, "PATCH", c.url, nil, nil))
			var refused *RefusedError
			if c.wantWhy == "" && !c.wantLock {
				if err != nil || len(w.sent) != 1 {
					t.Fatalf("got %v, sent %q", err, w.sent)
				}
				return
			}
			if !errors.As(err, &refused) || refused.Why != c.wantWhy || refused.Locked != c.wantLock || len(w.sent) != 0 {
				t.Errorf("got %v, sent %q; want %q", err, w.sent, c.wantWhy)
			}
		})
	}
}

func TestRulesBelowABasePath(t *testing.T) {
	const base = "/k8s/clusters/c-1"
	for name, c := range map[string]struct {
		base, method, url string
		pass              bool
	}{
		"given":                          {base, "POST", base + reviewPath, true},
		"given, another cluster":         {base, "POST", "/k8s/clusters/c-2" + reviewPath, false},
		"given, half a segment":          {base, "POST", base + "x" + reviewPath, false},
		"given, climbing out of it":      {base, "POST", base + "/.." + reviewPath, false},
		"given, exec":                    {base, "GET", base + podPath + "/exec", false},
		"given, a pod":                   {base, "GET", base + podPath, true},
		"found":                          {"", "POST", base + reviewPath, true},
		"found, climbing out of it":      {"", "POST", base + "/.." + reviewPath, false},
		"found, exec":                    {"", "GET", base + podPath + "/exec", false},
		"found, exec, climbing":          {"", "GET", "/x/api/.." + podPath + "/exec", false},
		"found, double slash before it":  {"", "POST", "/k8s/" + reviewPath, false},
		"found, encoded before it":       {"", "POST", "/k8%73" + reviewPath, false},
		"found, a pod":                   {"", "GET", base + podPath, true},
		"found, a write":                 {"", "DELETE", base + podPath, false},
		"found, a Service's own review":  {"", "POST", base + "/api/v1/namespaces/shop/services/web/proxy" + reviewPath, false},
		"found, an address below /api/":  {"", "POST", "/api/proxy" + reviewPath, false},
		"given, an address below /api/":  {"/api/proxy", "POST", "/api/proxy" + reviewPath, true},
		"found, only half of the prefix": {"", "POST", "/myapis/authorization.k8s.io/v1/selfsubjectaccessreviews", false},
	} {
		t.Run(name, func(t *testing.T) {
			rt := Transport(&wire{}, NewLock(newClock(), testContext, ""), Kubernetes(), BasePath(c.base+"/"))
			_, err := rt.RoundTrip(request(t, t.Context(), c.method, c.url, nil, nil))
			if (err == nil) != c.pass {
				t.Errorf("got %v, want passed %v", err, c.pass)
			}
		})
	}
}

func TestRulesOfOtherServers(t *testing.T) {
	for name, c := range map[string]struct {
		rules       []Rule
		method, url string
		pass        bool
	}{
		"vault: capabilities":          {VaultReads(), "POST", "/v1/sys/capabilities-self", true},
		"vault: look a lease up":       {VaultReads(), "PUT", "/v1/sys/leases/lookup", true},
		"vault: look under a prefix":   {VaultReads(), "LIST", "/v1/sys/leases/lookup/database/creds/shop%20api", true},
		"vault: revoke a lease":        {VaultReads(), "PUT", "/v1/sys/leases/revoke", false},
		"vault: renew a lease":         {VaultReads(), "POST", "/v1/sys/leases/renew", false},
		"vault: write a secret":        {VaultReads(), "POST", "/v1/secret/data/api", false},
		"unleash: playground":          {UnleashReads(), "POST", "/api/admin/playground/advanced", true},
		"unleash: switch a flag on":    {UnleashReads(), "POST", "/api/admin/projects/default/features/x/environments/production/on", false},
		"ofrep: one flag":              {OFREPReads(), "POST", "/ofrep/v1/evaluate/flags/checkout-v2", true},
		"ofrep: another path":          {OFREPReads(), "POST", "/ofrep/v1/configuration", false},
		"no rules: a read stays a GET": {nil, "POST", "/v1/sys/capabilities-self", false},
	} {
		t.Run(name, func(t *testing.T) {
			rt := Transport(&wire{}, NewLock(newClock(), testContext, ""), Reads(c.rules...))
			_, err := rt.RoundTrip(request(t, t.Context(), c.method, c.url, nil, nil))
			if (err == nil) != c.pass {
				t.Errorf("got %v, want passed %v", err, c.pass)
			}
		})
	}
}

func TestRefusalReachesTheCallerOfAClient(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	defer srv.Close()
	client := &http.Client{Transport: Transport(http.DefaultTransport, NewLock(newClock(), testContext, ""))}
	req := request(t, t.Context(), "DELETE", srv.URL+"/x?token=s3cr3t", nil, nil)
	resp, err := client.Do(req)
	if resp != nil {
		_ = resp.Body.Close()
	}
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	if want := "refused DELETE /x: read-only: type :unlock 10m, or start with --write"; refused.Error() != want {
		t.Errorf("got %q, want %q", refused, want)
	}
}

func request(t *testing.T, ctx context.Context, method, rawURL string, header http.Header, body io.ReadCloser) *http.Request {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Host == "" && strings.HasPrefix(rawURL, "http:") {
		u = &url.URL{Scheme: "http", Host: "server", Opaque: strings.TrimPrefix(rawURL, "http:")}
	} else if u.Host == "" || strings.HasPrefix(rawURL, "//") {
		path, query, _ := strings.Cut(rawURL, "?")
		decoded, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		u = &url.URL{Scheme: "http", Host: "server", Path: decoded, RawPath: path, RawQuery: query}
	}
	return (&http.Request{Method: method, URL: u, Header: header, Body: body}).WithContext(ctx)
}
