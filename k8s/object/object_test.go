package object

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"midwatch/demo"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/connect"
)

func shop(t *testing.T) (*demo.World, *connect.Cluster) {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 24, 3, 30, 0, 0, time.UTC) }
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

func TestYAMLOfAWorkload(t *testing.T) {
	_, c := shop(t)
	text, err := YAML(t.Context(), c, k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "checkout"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Deployment", "name: checkout", "maxSurge", "\n      containers:"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text.String(), "managedFields") {
		t.Error("managedFields are shown")
	}
}

func TestYAMLOfAKindThatHasToBeAskedFor(t *testing.T) {
	_, c := shop(t)
	text, err := YAML(t.Context(), c, k8s.Ref{Kind: "PodDisruptionBudget", Namespace: "shop", Name: "fastapi-service"})
	if err != nil || !strings.Contains(text.String(), "kind: PodDisruptionBudget") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := YAML(t.Context(), c, k8s.Ref{Kind: "Unicorn", Namespace: "shop", Name: "x"}); err == nil || !strings.Contains(err.Error(), "no kind Unicorn") {
		t.Errorf("got %v", err)
	}
}

func TestYAMLOfASecretHoldsNoValue(t *testing.T) {
	_, c := shop(t)
	secrets, err := c.Typed().CoreV1().Secrets("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(secrets.Items) == 0 {
		t.Fatalf("no secret to look at: %v", err)
	}
	checked := 0
	for _, s := range secrets.Items {
		text, err := YAML(t.Context(), c, k8s.Ref{Kind: "Secret", Namespace: "shop", Name: s.Name})
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range s.Data {
			checked++
			if strings.Contains(text.String(), string(value)) || !strings.Contains(text.String(), key+": <") {
				t.Errorf("%s of %s is not masked:\n%s", key, s.Name, text)
			}
		}
	}
	if checked == 0 {
		t.Error("no value was there to be masked")
	}
}

func TestYAMLSaysWhatIsForbidden(t *testing.T) {
	w, c := shop(t)
	w.Server(demo.Context).Fail(apiserver.On("get", "deployments", "shop", apiserver.Denied()))
	_, err := YAML(t.Context(), c, k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "checkout"})
	if p := connect.Explain(err); p.Kind != connect.KindForbidden {
		t.Errorf("got %+v of %v", p, err)
	}
}

func TestEventsOfOneObject(t *testing.T) {
	_, c := shop(t)
	events, more, err := Events(t.Context(), c, k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "checkout"})
	if err != nil || more || len(events) == 0 {
		t.Fatalf("%d events, more %v, %v", len(events), more, err)
	}
	for i, e := range events {
		if e.Involved.Name != "checkout" || e.Involved.Kind != "Deployment" {
			t.Errorf("an event about %s", e.Involved)
		}
		if i > 0 && e.Last.After(events[i-1].Last) {
			t.Error("not the newest first")
		}
	}
}
