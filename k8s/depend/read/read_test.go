package read_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"midwatch/demo"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/depend"
	"midwatch/k8s/depend/read"
	"midwatch/live"
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

func fastapi() read.Query {
	return read.Query{Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "fastapi-service"}, Selector: "app=fastapi-service", Desired: 3, Surge: 1, Total: 3}
}

func find(t *testing.T, r *depend.Report, kind, name string) *depend.Item {
	t.Helper()
	for i := range r.Sections {
		for j := range r.Sections[i].Items {
			if it := &r.Sections[i].Items[j]; it.Ref.Kind == kind && it.Ref.Name == name {
				return it
			}
		}
	}
	t.Fatalf("no %s %s in %+v", kind, name, r)
	return nil
}

func TestAWorkloadOverTheWire(t *testing.T) {
	_, c := shop(t)
	in, err := read.Workload(t.Context(), c, fastapi(), now)
	if err != nil {
		t.Fatal(err)
	}
	r := depend.Assess(*in)
	for _, want := range []struct{ kind, name, text string }{
		{"Service", "fastapi-service", "3 of 3 endpoints ready"},
		{"Ingress", "fastapi-service", "api.example.com/ to fastapi-service"},
		{"ConfigMap", "fastapi-config", "4 keys"},
		{"Secret", "fastapi-secrets", "is there"},
		{"ServiceAccount", "fastapi-service", "is there"},
		{"PodDisruptionBudget", "fastapi-service", "allows 1 disruption"},
	} {
		it := find(t, r, want.kind, want.name)
		// The Secret was rotated under the running pods.
		if rotated := want.kind == "Secret"; !strings.Contains(it.Text.String(), want.text) || rotated != (it.Severity == live.Warn) || !rotated && it.Severity.Rank() < live.Unknown.Rank() {
			t.Errorf("%s %s is %s: %s", want.kind, want.name, it.Severity, it.Text)
		}
	}
	if text := fmt.Sprintf("%+v", in); strings.Contains(text, "demo-value-of") {
		t.Error("a Secret's value was fetched")
	}
}

func TestEachPartHasItsOwnFate(t *testing.T) {
	w, c := shop(t)
	for _, resource := range []string{"services", "secrets", "resourcequotas"} {
		for _, verb := range []string{"list", "get"} {
			w.Server(demo.Context).Fail(apiserver.On(verb, resource, "", apiserver.Denied()))
		}
	}
	w.Server(demo.Context).Fail(apiserver.On("list", "ingresses", "", apiserver.Unavailable()))
	in, err := read.Workload(t.Context(), c, fastapi(), now)
	if err != nil {
		t.Fatal(err)
	}
	r := depend.Assess(*in)
	got := fmt.Sprintf("%+v", r.Sections)
	for _, want := range []string{"forbidden: list services in shop", "forbidden: list resourcequotas in shop", "is not known: forbidden: get secrets in shop", "ingresses"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if in.Ingresses.State != live.Unreachable || in.ConfigMaps["fastapi-config"].State != live.Ready {
		t.Errorf("ingresses %s (%s), config %s", in.Ingresses.State, in.Ingresses.Err, in.ConfigMaps["fastapi-config"].State)
	}
	q := fastapi()
	q.Workload.Name = "nonesuch"
	if _, err := read.Workload(t.Context(), c, q, now); err == nil || !strings.Contains(err.Error(), "read Deployment shop/nonesuch") {
		t.Errorf("%v", err)
	}
}
