package flagwatch

import (
	"context"
	"errors"
	"strings"
	"testing"

	"midwatch/flags"
	"midwatch/foreign"
	"midwatch/k8s"
)

func TestUsage(t *testing.T) {
	checkout := k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "checkout"}
	u := &Usage{
		Annotation: "midwatch/flags", Tags: []string{"service:{name}", "team:{label:team}", "{namespace}/{name}"},
		Mappings: []Mapping{{Workload: "shop/*", Flags: []string{"maintenance-*"}}, {Workload: "payments/*", Flags: []string{"other"}}},
		Read: func(context.Context, k8s.Ref) (Meta, error) {
			return Meta{Labels: map[string]string{"team": "buy"}, Annotations: map[string]string{"midwatch/flags": "express-pay, checkout-v2\nnew-*"}}, nil
		},
	}
	uses := u.Of(t.Context(), checkout)
	for key, c := range map[string]struct {
		tags []foreign.Text
		want string
	}{
		"express-pay":      {nil, "its annotation midwatch/flags"},
		"checkout-v2":      {nil, "its annotation midwatch/flags"},
		"new-search":       {nil, "its annotation midwatch/flags"},
		"maintenance-mode": {nil, "the settings"},
		"other":            {nil, ""},
		"a":                {[]foreign.Text{"Service:Checkout"}, "its tag Service:Checkout"},
		"b":                {[]foreign.Text{"team:buy"}, "its tag team:buy"},
		"c":                {[]foreign.Text{"team:sell", "shop/checkout"}, "its tag shop/checkout"},
		"d":                {[]foreign.Text{"service:search"}, ""},
	} {
		if got := uses.Why(&Row{Flag: flags.Flag{Key: key, Tags: c.tags}}); got != c.want {
			t.Errorf("%s %v: %q, want %q", key, c.tags, got, c.want)
		}
	}
	u.Read = func(context.Context, k8s.Ref) (Meta, error) { return Meta{}, errors.New("forbidden: get deployments") }
	uses = u.Of(t.Context(), checkout)
	if !strings.Contains(uses.Err.String(), "forbidden: get deployments") || uses.Why(&Row{Flag: flags.Flag{Key: "maintenance-mode"}}) == "" {
		t.Errorf("%+v", uses)
	}
	if uses.Why(&Row{Flag: flags.Flag{Key: "x", Tags: []foreign.Text{"team:"}}}) != "" {
		t.Error("a missing label matches everything")
	}
	var none *Usage
	if none.Of(t.Context(), checkout).Why(&Row{}) != "" {
		t.Error("nothing is known, and something matches")
	}
}
