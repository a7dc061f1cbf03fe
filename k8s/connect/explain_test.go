package connect_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"midwatch/k8s/connect"
)

// status answers every request with an error of the API server.
func status(err *apierrors.StatusError) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s := err.Status()
		s.APIVersion, s.Kind = "v1", "Status"
		w.Header().Set("Content-Type", "application/json")
		if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
			w.Header().Set("Retry-After", "0")
		}
		w.WriteHeader(int(s.Code))
		_ = json.NewEncoder(w).Encode(s)
	}
}

func page(code int, html string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(html))
	}
}

// tlsServer is an HTTPS server and a configuration that trusts it.
func tlsServer(t *testing.T, h http.Handler, change ...func(*httptest.Server)) (*httptest.Server, *rest.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	for _, c := range change {
		c(s)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: pemOf(s)}}
}

func as(cfg *rest.Config) *connect.Config {
	raw := clientcmdapi.NewConfig()
	raw.Clusters["c"] = &clientcmdapi.Cluster{Server: cfg.Host}
	raw.Contexts["prod"] = &clientcmdapi.Context{Cluster: "c"}
	raw.CurrentContext = "prod"
	return connect.FromRaw(*raw, func(c *rest.Config) { *c = *rest.CopyConfig(cfg) })
}

func TestEachFailureHasItsOwnWords(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for _, tc := range []struct {
		name string
		h    http.HandlerFunc
		kind connect.Kind
		says []string
	}{
		{"401", status(apierrors.NewUnauthorized("Unauthorized")), connect.KindLogin, []string{"login failed", `(context "prod")`, "expired"}},
		{"429", status(apierrors.NewTooManyRequests("Too many requests, please try again later.", 1)), connect.KindBusy, []string{"too busy (HTTP 429)"}},
		{"503", status(apierrors.NewServiceUnavailable("apiserver is shutting down")), connect.KindBusy, []string{"HTTP 503", "apiserver is shutting down"}},
		{"500", status(apierrors.NewInternalError(errors.New("etcdserver: no leader"))), connect.KindOther, []string{"etcdserver: no leader"}},
		{
			"a login page", page(200, "<html><title>\n Sign in </title><body>…</body></html>"), connect.KindNotKubernetes,
			[]string{"is not a Kubernetes API server", `"Sign in"`, "login page"},
		},
		{"a proxy's error page", page(502, "<html><body><h1>502 Bad Gateway</h1></body></html>"), connect.KindUnreachable, []string{"proxy", "502 Bad Gateway"}},
		{"a hostile title", page(200, "<title>\x1b[2J\u202eevil</title>"), connect.KindNotKubernetes, []string{"␛[2J⟨U+202E⟩evil"}},
		{
			"a redirect to a portal", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/portal" {
					http.Redirect(w, r, "/portal?token=secret", http.StatusFound)
					return
				}
				page(200, "<title>Portal</title>")(w, r)
			},
			connect.KindNotKubernetes, []string{"/portal is not a Kubernetes API server"},
		},
		{"something else that speaks JSON", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/version") {
				_, _ = w.Write([]byte(`{"app":"grafana"}`))
				return
			}
			http.NotFound(w, r)
		}, connect.KindNotKubernetes, []string{"is not a Kubernetes API server"}},
		{"the connection is cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, connect.KindUnreachable, []string{"cannot reach https://127.0.0.1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, cfg := tlsServer(t, tc.h)
			_, err := as(cfg).Open(within(t), connect.Options{})
			p := connect.Explain(err)
			says(t, p, tc.kind, tc.says...)
			if strings.Contains(p.Line()+p.Next, "secret") {
				t.Errorf("the query must not be shown: %+v", p)
			}
		})
	}
	t.Run("403", func(t *testing.T) {
		err := apierrors.NewForbidden(pods, "", errors.New(`User "jane" cannot list resource "pods" in API group "" in the namespace "shop"`))
		says(t, connect.Explain(err), connect.KindForbidden, `forbidden: User "jane" cannot list resource "pods"`, "-n NAMESPACE")
	})
	t.Run("404", func(t *testing.T) {
		says(t, connect.Explain(apierrors.NewNotFound(pods, "api-1")), connect.KindNotFound, `pods "api-1" not found`)
	})
	t.Run("409", func(t *testing.T) {
		says(t, connect.Explain(apierrors.NewConflict(pods, "api-1", errors.New("it was modified"))), connect.KindOther, "it was modified")
	})
	t.Run("410", func(t *testing.T) {
		says(t, connect.Explain(apierrors.NewResourceExpired("too old resource version")), connect.KindOther, "too old resource version")
	})
}

func TestForbiddenIsAnAnswerToSomebodyKnown(t *testing.T) {
	_, cfg := tlsServer(t, status(apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no"))))
	open(t, as(cfg), connect.Options{})
}

func TestUnreachableServersAreExplained(t *testing.T) {
	trusted, cfg := tlsServer(t, http.NotFoundHandler())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	change := func(f func(*rest.Config)) *rest.Config {
		c := rest.CopyConfig(cfg)
		f(c)
		return c
	}
	for _, tc := range []struct {
		name string
		cfg  *rest.Config
		kind connect.Kind
		says []string
	}{
		{"nobody listens", &rest.Config{Host: closed.URL}, connect.KindUnreachable, []string{"cannot reach " + closed.URL, `context "prod"`, "connection refused", "VPN"}},
		{"another authority", change(func(c *rest.Config) { c.CAData = otherCA(t) }), connect.KindTLS, []string{"cannot trust " + trusted.URL, "authority the kubeconfig does not know"}},
		{"another name", change(func(c *rest.Config) { c.ServerName = "api.prod.invalid" }), connect.KindTLS, []string{"another name", "api.prod.invalid"}},
		{"plain HTTP", &rest.Config{Host: "https" + strings.TrimPrefix(plain.URL, "http"), TLSClientConfig: rest.TLSClientConfig{Insecure: true}}, connect.KindNotKubernetes, []string{"plain HTTP"}},
		{"the proxy is away", change(func(c *rest.Config) {
			c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(closed.URL) }
		}), connect.KindUnreachable, []string{"the proxy could not be used", "connection refused", "HTTPS_PROXY"}},
		{"no such host", &rest.Config{Host: "https://api.invalid:6443", Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.invalid", IsNotFound: true}}
		}}, connect.KindUnreachable, []string{`"api.invalid" could not be resolved (no such host)`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			_, err := as(tc.cfg).Open(within(t), connect.Options{})
			says(t, connect.Explain(err), tc.kind, tc.says...)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestExpiredCertificateOfTheServer(t *testing.T) {
	cert, ca := expiredCertificate(t)
	s, _ := tlsServer(t, http.NotFoundHandler(), func(s *httptest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	})
	_, err := as(&rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}).Open(within(t), connect.Options{})
	says(t, connect.Explain(err), connect.KindTLS, "valid from 2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z only", "clock")
}

func TestOtherErrorsKeepTheirFirstLine(t *testing.T) {
	p := connect.Explain(errors.New("boom\ngoroutine 1 [running]"))
	if p.Line() != "boom" || p.Kind != connect.KindOther {
		t.Errorf("got %+v", p)
	}
	if p := connect.Explain(fmt.Errorf("login: %w", context.Canceled)); p.Line() != "interrupted" {
		t.Errorf("ctrl-c during a login: %+v", p)
	}
	cut := errors.New(`Post "https://api.invalid": http2: client conn could not be established`)
	says(t, connect.Explain(cut), connect.KindUnreachable, "ended the connection at once", "client certificate")
	if p := connect.Explain(nil); p != (connect.Problem{}) {
		t.Errorf("nil explained: %+v", p)
	}
}
