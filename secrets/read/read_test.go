package read

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"midwatch/demo"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/live"
	"midwatch/secrets"
)

func demoTime() time.Time { return time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC) }

// seen records the requests a read makes.
type seen struct {
	mu   sync.Mutex
	urls []string
	next http.RoundTripper
}

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.urls = append(s.urls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Accept"))
	s.mu.Unlock()
	return s.next.RoundTrip(r)
}

func shop(t *testing.T) (*demo.World, *connect.Cluster, *seen) {
	t.Helper()
	w, err := demo.Open(demo.Options{Seed: 1, Now: demoTime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	s := &seen{}
	c, err := connect.FromRaw(w.RawConfig(), func(cfg *rest.Config) { w.WrapConfig(cfg) }).Open(t.Context(), connect.Options{
		Wrap: func(next http.RoundTripper) http.RoundTripper { s.next = next; return s },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return w, c, s
}

func row(t *testing.T, r *Report, secret string) secrets.Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Secret == secret {
			return row
		}
	}
	t.Fatalf("no row for %s in %+v", secret, r.Rows)
	return secrets.Row{}
}

func TestPodsFromBeforeTheRotation(t *testing.T) {
	_, c, s := shop(t)
	r, err := Workload(t.Context(), c, k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "fastapi-service"}, demoTime())
	if err != nil {
		t.Fatal(err)
	}
	got := row(t, r, "fastapi-secrets")
	if got.State != "stale" || len(got.StalePods) != 3 || !strings.Contains(string(got.Message), "3/3 pods run env from before the change at 02:02 UTC: restart") {
		t.Errorf("%s: %s", got.State, got.Message)
	}
	if got.Origin == nil || got.Origin.State != secrets.SyncOK || got.Store == nil || got.Store.Server != "https://vault.example.com" {
		t.Errorf("origin %+v, store %+v", got.Origin, got.Store)
	}
	for _, src := range r.Sources {
		if src.State != live.Ready {
			t.Errorf("%s is %s: %s", src.Name, src.State, src.Err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := 0
	for _, u := range s.urls {
		if strings.Contains(u, "/api/v1/namespaces/shop/secrets") {
			asked++
			if !strings.Contains(u, "as=PartialObjectMetadata") || strings.HasSuffix(strings.Fields(u)[1], "/secrets") {
				t.Errorf("asked for more than the metadata of one Secret: %s", u)
			}
		}
	}
	if asked == 0 {
		t.Error("no Secret was asked for")
	}
}

func TestTheProvidersWordsOfAFailedSync(t *testing.T) {
	_, c, _ := shop(t)
	r, err := Workload(t.Context(), c, k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "checkout"}, demoTime())
	if err != nil {
		t.Fatal(err)
	}
	got := row(t, r, "checkout-secrets")
	if got.Severity != live.Fail || !strings.Contains(string(got.Message), "permission denied") || !strings.Contains(string(got.Message), "services/checkout") {
		t.Errorf("%s: %s", got.Severity, got.Message)
	}
}

func TestWhatMayNotBeReadIsSaid(t *testing.T) {
	w, c, _ := shop(t)
	w.Server(demo.Context).Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Resource == "secrets" || r.Resource == "externalsecrets" {
			return apiserver.Denied()
		}
		return nil
	})
	r, err := Workload(t.Context(), c, k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "fastapi-service"}, demoTime())
	if err != nil {
		t.Fatal(err)
	}
	got := row(t, r, "fastapi-secrets")
	if got.State != "forbidden" || got.Severity != live.Unknown || got.Message != "forbidden: get secrets in shop" {
		t.Errorf("%s %s: %s", got.Severity, got.State, got.Message)
	}
	if _, err := Workload(t.Context(), c, k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "x"}, demoTime()); err == nil || !strings.Contains(err.Error(), "a Pod has no pod template") {
		t.Errorf("of a pod: %v", err)
	}
}
