package connect_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s/connect"
	"midwatch/live"
)

func TestOpenKnowsWhereItIs(t *testing.T) {
	s, config := world(t)
	cl := open(t, config, connect.Options{UserAgent: "midwatch/1.2"})
	id, err := cl.Identified(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if cl.Context != "demo" || cl.Namespace != "shop" || cl.Server != "http://apiserver.invalid" {
		t.Errorf("context %q, namespace %q, server %q", cl.Context, cl.Namespace, cl.Server)
	}
	if id.User != "oncall@example.com" || id.Version != "v1.37.2" || id.UID == "" || id.UIDReason != "" || !id.Ready {
		t.Errorf("identity %+v", id)
	}
	if h := cl.Health(); h.State != live.Ready || h.Heard.IsZero() || h.Err != "" {
		t.Errorf("health %+v", h)
	}
	all := s.Requests()
	if len(all) != 3 || all[0].Resource != "selfsubjectreviews" {
		t.Errorf("want the login first and three requests in all, got %d: %+v", len(all), all)
	}
	for _, r := range all {
		if got := r.HTTP.Header.Get("User-Agent"); got != "midwatch/1.2" {
			t.Errorf("%s: user agent %q", r.HTTP.URL, got)
		}
	}
}

func TestOpenChoosesNamespaceAndContext(t *testing.T) {
	_, config := world(t)
	for _, tc := range []struct {
		name               string
		opts               connect.Options
		context, namespace string
	}{
		{"another context", connect.Options{Context: "demo-eu"}, "demo-eu", "default"},
		{"a namespace", connect.Options{Namespace: "pay"}, "demo", "pay"},
		{"all namespaces", connect.Options{Namespace: "pay", AllNamespaces: true}, "demo", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cl := open(t, config, tc.opts)
			if cl.Context != tc.context || cl.Namespace != tc.namespace {
				t.Errorf("context %q, namespace %q", cl.Context, cl.Namespace)
			}
		})
	}
}

func TestKubeSystemMayBeForbidden(t *testing.T) {
	s, config := world(t)
	s.Fail(apiserver.On("get", "namespaces", "kube-system", apiserver.Denied()))
	cl := open(t, config, connect.Options{})
	id, err := cl.Identified(within(t))
	if err != nil {
		t.Fatal(err)
	}
	want := `forbidden: User "oncall@example.com" cannot get resource "namespaces" in API group "" in the namespace "kube-system"`
	if id.UID != "" || id.UIDReason.String() != want {
		t.Errorf("UID %q, reason %q", id.UID, id.UIDReason)
	}
}

func TestServersBefore128AreAskedForTheirVersion(t *testing.T) {
	s, config := world(t)
	s.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Resource == "selfsubjectreviews" {
			return &apiserver.Fault{Code: http.StatusNotFound, Body: "404 page not found\n", Header: map[string]string{"Content-Type": "text/plain"}}
		}
		return nil
	})
	cl := open(t, config, connect.Options{})
	if cl.Version() != "v1.37.2" || cl.User() != "me" {
		t.Errorf("version %q, user %q", cl.Version(), cl.User())
	}
}

func TestTheWriteLockIsUnderEveryClient(t *testing.T) {
	_, config := world(t)
	seen := make(chan string, 100)
	cl := open(t, config, connect.Options{Wrap: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			seen <- r.URL.Path
			return next.RoundTrip(r)
		})
	}})
	if _, err := cl.Identified(within(t)); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 {
		t.Errorf("%d of 3 requests passed the lock", len(seen))
	}
	if cl.RESTConfig().WrapTransport == nil {
		t.Error("clients made elsewhere would not have the lock")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRightsAreAskedForOnce(t *testing.T) {
	s, config := world(t)
	s.Allow(apiserver.Rule{Namespace: "shop", Verbs: []string{"list"}, Groups: []string{""}, Resources: []string{"pods"}})
	cl := open(t, config, connect.Options{})
	reviews := func() int {
		return s.Count(func(r *apiserver.Request) bool { return r.Resource == "selfsubjectaccessreviews" })
	}
	for range 3 {
		if ok, reason, err := cl.Can(within(t), "list", "", "pods", "shop"); !ok || reason != "" || err != nil {
			t.Fatalf("list pods: %v %q %v", ok, reason, err)
		}
		if ok, reason, err := cl.Can(within(t), "patch", "apps", "deployments/scale", ""); ok || reason != "forbidden: patch deployments/scale.apps in all namespaces" || err != nil {
			t.Fatalf("patch scale: %v %q %v", ok, reason, err)
		}
	}
	if reviews() != 2 {
		t.Errorf("%d reviews, want 2", reviews())
	}
	cl.ForgetRights()
	s.Fail(apiserver.On("create", "selfsubjectaccessreviews", "", apiserver.Unavailable()))
	if _, _, err := cl.Can(within(t), "list", "", "pods", "shop"); err == nil {
		t.Error("a failed question must be an error, not a denial")
	}
}

// Rancher and others put the API server below a path.
func TestServerBelowAPathIsOpenedThroughTheWriteLock(t *testing.T) {
	s, _ := world(t)
	below := httptest.NewServer(http.StripPrefix("/k8s/clusters/c-1", s))
	t.Cleanup(below.Close)
	cfg := s.RESTConfig()
	cfg.Host, cfg.Dial = below.URL+"/k8s/clusters/c-1/", nil
	lock := action.NewLock(live.SystemClock{}, "prod", "")
	cl := open(t, as(cfg), connect.Options{Wrap: func(next http.RoundTripper) http.RoundTripper {
		return action.Transport(next, lock, action.Kubernetes())
	}})
	if cl.User() != "oncall@example.com" || cl.Server != below.URL+"/k8s/clusters/c-1" {
		t.Errorf("user %q, server %q", cl.User(), cl.Server)
	}
}

func TestLockThatRefusesTheReviewDoesNotKeepTheClusterClosed(t *testing.T) {
	_, config := world(t)
	cl := open(t, config, connect.Options{Wrap: func(next http.RoundTripper) http.RoundTripper {
		return action.Transport(next, action.NewLock(live.SystemClock{}, "demo", "")) // knows no reviews
	}})
	if cl.Version() != "v1.37.2" || cl.User() != "me" {
		t.Errorf("version %q, user %q", cl.Version(), cl.User())
	}
	if h := cl.Health(); h.State != live.Ready {
		t.Errorf("%+v", h)
	}
}

func TestPingsAreShortenedUnlessTheUserHasSaidOtherwise(t *testing.T) {
	_, config := world(t)
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "25")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "")
	if err := os.Unsetenv("HTTP2_PING_TIMEOUT_SECONDS"); err != nil {
		t.Fatal(err)
	}
	open(t, config, connect.Options{})
	if idle, ping := os.Getenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS"), os.Getenv("HTTP2_PING_TIMEOUT_SECONDS"); idle != "25" || ping != "5" {
		t.Errorf("idle %q, ping %q", idle, ping)
	}
}

// BenchmarkOpen is what stands in front of the first rows, without a network.
func BenchmarkOpen(b *testing.B) {
	s := apiserver.New(apiserver.Options{Seed: 7})
	b.Cleanup(s.Close)
	config := memory(s.RESTConfig())
	b.ReportAllocs()
	for b.Loop() {
		cl, err := config.Open(b.Context(), connect.Options{})
		if err != nil {
			b.Fatal(err)
		}
		cl.Close()
	}
}
