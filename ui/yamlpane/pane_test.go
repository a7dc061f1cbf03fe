package yamlpane_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/yamlpane"
)

const text = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    note: "a: b"
  name: checkout-1
spec:
  containers:
  - name: api
    image: registry.example.com/checkout:v2.8.0`

func open(t testing.TB, kind string, err error) *panetest.Bench {
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		return yamlpane.New(pane.YAML, func(context.Context, k8s.Ref) (foreign.Text, error) {
			b.OffUI("the read")
			return text, err
		})
	})
	p, ok := b.Pane.(*yamlpane.Pane)
	if !ok {
		t.Fatalf("%T", b.Pane)
	}
	b.Do(func() tea.Cmd { return p.SetTarget(b.Env, k8s.Ref{Kind: kind, Namespace: "shop", Name: "checkout-1"}) })
	return b
}

func TestGoldens(t *testing.T) {
	b := open(t, "Pod", nil)
	b.GoldenAll("full")
	b.Boxed()
	open(t, "Pod", errors.New("forbidden: get pods in shop")).Golden("forbidden")
	b.SetFilter("image").Golden("searched")
}

func TestSearchGoesFromMatchToMatch(t *testing.T) {
	b := open(t, "Pod", nil).SetFilter("name")
	if !strings.Contains(b.Plain(60, 6), "2 lines match") {
		t.Errorf("got\n%s", b.Plain(60, 6))
	}
	b.Press("n", "N")
	b.Bindings()
	if b.SetFilter("").Press("n"); b.Reason == "" {
		t.Error("n without a search gives no reason")
	}
}

func TestASecretIsNotCopied(t *testing.T) {
	b := open(t, "Secret", nil).Press("Y")
	if b.Reason != "a Secret is not copied" {
		t.Errorf("got %q", b.Reason)
	}
	b = open(t, "Pod", nil).Press("Y")
	if m := panetest.Last[pane.CopyMsg](b); m.Text != text {
		t.Errorf("copied %q", m.Text)
	}
}
