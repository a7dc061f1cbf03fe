package hpawatch_test

import (
	"errors"
	"fmt"
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
	"midwatch/k8s/hpa"
	"midwatch/k8s/hpawatch"
	"midwatch/live"
)

var night = time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)

// fixed stands still, but for a millisecond at every look at it.
type fixed struct {
	mu sync.Mutex
	at time.Time
}

func (f *fixed) Now() time.Time { return f.move(time.Millisecond) }

func (f *fixed) move(d time.Duration) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = f.at.Add(d)
	return f.at
}

func (f *fixed) After(d time.Duration) (<-chan time.Time, func()) {
	return live.SystemClock{}.After(d)
}

// shop is the embedded world at a fixed moment, read over its wire.
func shop(t *testing.T) (*hpawatch.Reader, *demo.World, *fixed) {
	t.Helper()
	clock := &fixed{at: night}
	world, err := demo.Open(demo.Options{Seed: 1, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	source := connect.FromRaw(world.RawConfig(), func(c *rest.Config) { world.WrapConfig(c) })
	cluster, err := source.Open(t.Context(), connect.Options{AllNamespaces: true, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return hpawatch.NewReader(cluster, clock, hpa.Flags{}), world, clock
}

func deployment(namespace, name string) k8s.Ref {
	return k8s.Ref{Kind: k8s.Deployment, Namespace: namespace, Name: name}
}

func TestAnAutoscalerIsReadAndExplained(t *testing.T) {
	r, world, clock := shop(t)
	v, err := r.Read(t.Context(), deployment("shop", "fastapi-service"))
	if err != nil {
		t.Fatal(err)
	}
	e := v.Explanation
	if e.Outcome != hpa.Stays || e.Desired != 3 || e.Confidence != hpa.Exact || len(e.Metrics) != 3 {
		t.Fatalf("%+v", e)
	}
	for _, m := range e.Metrics {
		if !m.Computed || m.State != hpa.Live || len(m.Groups.Ready) != 3 {
			t.Errorf("%s: %+v", m.Name, m)
		}
	}
	v, err = r.Read(t.Context(), deployment("shop", "catalog"))
	if err != nil || v.Explanation.LimitedBy != hpa.StepLimits || v.Explanation.Wants <= 8 {
		t.Errorf("catalog: %v, %+v", err, v.Explanation)
	}
	// What the controller does next is what was said.
	for range 12 {
		v, err = r.Read(t.Context(), deployment("payments", "fraud-scorer"))
		if err != nil {
			t.Fatal(err)
		}
		world.Step(clock.move(15 * time.Second))
	}
	if len(v.Wanted) != 12 || len(v.Sizes) == 0 {
		t.Errorf("remembers %d looks, sizes %v", len(v.Wanted), v.Sizes)
	}
	if _, err := r.Read(t.Context(), deployment("shop", "checkout")); !errors.Is(err, hpawatch.ErrNone) {
		t.Errorf("got %v, want none", err)
	}
}

// TestEveryFailureHasItsWords plays what goes wrong with a metrics API.
func TestEveryFailureHasItsWords(t *testing.T) {
	pods := func(body string) *apiserver.Fault {
		return &apiserver.Fault{Code: http.StatusOK, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
	}
	entry := func(cpu string) string {
		return fmt.Sprintf(`{"items":[{"metadata":{"name":"x"},"timestamp":"2026-11-24T03:11:50Z","window":"15s","containers":[{"name":"api","usage":{"cpu":%s,"memory":"1Mi"}}]}]}`, cpu)
	}
	for _, c := range []struct {
		name  string
		fault *apiserver.Fault
		state hpa.Availability
		says  string
	}{
		{"forbidden", apiserver.Denied(), hpa.Forbidden, "you may not read pod metrics from metrics.k8s.io"},
		{"absent", &apiserver.Fault{Code: http.StatusNotFound, Body: "404 page not found"}, hpa.Absent, "the cluster has no metrics.k8s.io"},
		{"down", apiserver.Unavailable(), hpa.Absent, "the server behind it does not answer (503)"},
		{"empty", pods(`{"items":[]}`), hpa.NoData, "no metrics for any of its pods"},
		{"NaN", pods(entry(`"NaN"`)), hpa.Nonsense, `"NaN" is no quantity`},
		{"no JSON", pods(`cpu 12`), hpa.Nonsense, "answered nonsense"},
		{"web page", apiserver.HTML(http.StatusOK, "<html><title>Sign in</title></html>"), hpa.Nonsense, "web page"},
		{"impatient", apiserver.TooManyRequests(0), hpa.Slow, "patience"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, world, _ := shop(t)
			world.Server("demo").Fail(func(req *apiserver.Request) *apiserver.Fault {
				if req.Group == "metrics.k8s.io" {
					return c.fault
				}
				return nil
			})
			v, err := r.Read(t.Context(), deployment("shop", "fastapi-service"))
			if err != nil {
				t.Fatal(err)
			}
			m := v.Explanation.Metrics[0]
			if m.State != c.state || !strings.Contains(m.Problem+m.Note, c.says) {
				t.Errorf("%s: %q %q", m.State, m.Problem, m.Note)
			}
		})
	}
	t.Run("negative and huge", func(t *testing.T) {
		r, world, _ := shop(t)
		world.Server("demo").Fail(func(req *apiserver.Request) *apiserver.Fault {
			switch req.Group {
			case "metrics.k8s.io":
				return pods(entry(`"-4"`))
			case "custom.metrics.k8s.io":
				return pods(`{"items":[{"describedObject":{"name":"x"},"value":"9P"}]}`)
			}
			return nil
		})
		v, err := r.Read(t.Context(), deployment("shop", "fastapi-service"))
		if err != nil {
			t.Fatal(err)
		}
		if e := v.Explanation; !strings.Contains(e.Metrics[0].Odd, "below 0") || !strings.Contains(e.Metrics[2].Odd, "beyond all measure") || e.Desired > e.Max {
			t.Errorf("%+v", e.Metrics)
		}
	})
}

func TestWhoMayReadNothingIsToldWhat(t *testing.T) {
	r, world, _ := shop(t)
	world.Server("demo").Fail(apiserver.On("list", "horizontalpodautoscalers", "", apiserver.Denied()))
	if _, err := r.Read(t.Context(), deployment("shop", "fastapi-service")); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("got %v", err)
	}
	r, world, _ = shop(t)
	world.Server("demo").Fail(func(req *apiserver.Request) *apiserver.Fault {
		if req.Resource == "pods" && req.Group == "" || req.Subresource == "scale" {
			return apiserver.Denied()
		}
		return nil
	})
	v, err := r.Read(t.Context(), deployment("shop", "fastapi-service"))
	if err != nil {
		t.Fatal(err)
	}
	if e := v.Explanation; e.Current != 3 || e.Confidence != hpa.Approximate || !e.Metrics[0].FromStatus {
		t.Errorf("without scale and pods: %d, %s, %+v", e.Current, e.Confidence, e.Metrics[0])
	}
}

// TestTheSourceLooksOnlyWhileWanted holds the reads to those somebody asked
// for, one every fifteen seconds.
func TestTheSourceLooksOnlyWhileWanted(t *testing.T) {
	r, world, clock := shop(t)
	looks := make(chan struct{}, 100)
	world.Server("demo").Fail(func(req *apiserver.Request) *apiserver.Fault {
		if req.Group == "metrics.k8s.io" {
			looks <- struct{}{}
		}
		return nil
	})
	hub := live.NewHub(clock, time.Millisecond)
	s := hpawatch.NewSource(r, hub, clock)
	defer s.Close()
	ref := deployment("shop", "fastapi-service")
	topic := live.Topic{Name: hpawatch.Topic, Key: ref.Key()}
	// next is the snapshot once the look has ended.
	next := func() live.Snapshot {
		for {
			batch, err := hub.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s := batch[topic]; s.State != live.Loading && !s.Recheck.IsZero() {
				return s
			}
		}
	}
	hub.Want(topic)
	snap := next()
	v, _ := snap.Value.(*hpawatch.View)
	if snap.State != live.Ready || v == nil || v.Explanation.Desired != 3 || len(looks) != 1 {
		t.Fatalf("%s %v after %d looks", snap.State, snap.Err, len(looks))
	}
	if want := clock.Now().Add(hpawatch.Every); snap.Recheck.After(want) || snap.Recheck.Before(want.Add(-time.Second)) {
		t.Errorf("looks again at %v, want %v", snap.Recheck, want)
	}
	s.Refresh(ref)
	if next(); len(looks) != 2 {
		t.Errorf("%d looks after a refresh", len(looks))
	}
	hub.Want() // nobody watches
	clock.move(time.Hour)
	if batch, err := hub.Flush(t.Context()); err != nil || len(batch) != 0 || len(looks) != 2 {
		t.Errorf("%v %v: %d looks although nobody watches", batch, err, len(looks))
	}
}
