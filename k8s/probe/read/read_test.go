package read_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"midwatch/demo"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/read"
)

func now() time.Time { return time.Date(2026, 11, 24, 3, 30, 0, 0, time.UTC) }

func shop(t *testing.T) (*demo.World, *connect.Cluster) {
	t.Helper()
	w, err := demo.Open(demo.Options{Seed: 1, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c, err := connect.FromRaw(w.RawConfig(), func(cfg *rest.Config) { w.WrapConfig(cfg) }).Open(t.Context(), connect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return w, c
}

func checkout() read.Query {
	return read.Query{Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "checkout"}, Selector: "app=checkout"}
}

func TestAWorkloadOverTheWire(t *testing.T) {
	_, c := shop(t)
	a, err := read.Workload(t.Context(), c.Typed(), checkout(), now)
	if err != nil {
		t.Fatal(err)
	}
	reports := a.Assess(now(), nil, nil)
	if a.Pods() != 5 || len(a.Versions()) != 5 || a.EventsErr != "" {
		t.Fatalf("%d pods, events: %s", a.Pods(), a.EventsErr)
	}
	p := reports[0].All()[2] // the worst pod comes first
	if p.Spec.Kind != probe.Readiness || p.State != probe.Failing || p.Failures < 20 || p.LastMessage != "HTTP probe failed with statuscode: 503" {
		t.Errorf("%+v", p)
	}
	// An event the watch saw since counts, and one it has in an older version does not.
	newer := &k8s.Event{
		UID: "new", Reason: probe.ReasonUnhealthy, Message: "Readiness probe failed: context deadline exceeded", FieldPath: "spec.containers{api}",
		Count: 1, First: now(), Last: now(), Involved: reports[0].Pod,
	}
	again := a.Assess(now(), []*k8s.Event{newer}, nil)[0].All()[2]
	if again.Failures != p.Failures+1 || again.LastMessage != "context deadline exceeded" {
		t.Errorf("with a newer event: %d failures after %d, %q", again.Failures, p.Failures, again.LastMessage)
	}
	q := checkout()
	q.Names = []string{reports[1].Pod.Name}
	if a, err = read.Workload(t.Context(), c.Typed(), q, now); err != nil || a.Pods() != 1 {
		t.Errorf("of one name: %d pods, %v", a.Pods(), err)
	}
	if _, err = read.Workload(t.Context(), c.Typed(), read.Query{Workload: q.Workload}, now); err == nil || !strings.Contains(err.Error(), "no selector") {
		t.Errorf("without a selector: %v", err)
	}
}

func TestWhatMayNotBeRead(t *testing.T) {
	w, c := shop(t)
	refuse := func(resource string) {
		w.Server(demo.Context).Fail(apiserver.On("list", resource, "", apiserver.Denied()))
	}
	refuse("events")
	a, err := read.Workload(t.Context(), c.Typed(), checkout(), now)
	if err != nil || !strings.Contains(a.EventsErr.String(), "events") {
		t.Fatalf("%v, events: %q", err, a.EventsErr)
	}
	if p := a.Assess(now(), nil, nil)[0].All()[2]; p.State != probe.Failing || !strings.Contains(p.Text.String(), "could not be read") {
		t.Errorf("%s: %s", p.State, p.Text)
	}
	refuse("pods")
	if _, err := read.Workload(t.Context(), c.Typed(), checkout(), now); err == nil || !strings.Contains(err.Error(), "read the pods of Deployment shop/checkout") {
		t.Errorf("%v", err)
	}
}
