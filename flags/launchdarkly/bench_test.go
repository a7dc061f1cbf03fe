package launchdarkly

import (
	"fmt"
	"testing"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/live"
	"midwatch/secret"
)

func benchProvider(b *testing.B, flags int) *Provider {
	b.Helper()
	a := ldtest.New(b)
	a.Many(flags)
	clock := live.SystemClock{}
	p, err := New(Options{Name: "ld", Address: a.URL, Stream: a.URL, Project: "shop", Environment: "production", Token: secret.New(ldtest.APIToken), Lock: action.NewLock(clock, "c", ""), Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// BenchmarkEvaluate500 is a changed context: budget 10 ms.
func BenchmarkEvaluate500(b *testing.B) {
	p := benchProvider(b, 500)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		who := flags.EvalContext{TargetingKey: fmt.Sprint("u", i), Attributes: map[string]any{"region": "us", "version": "1.3.0"}}
		if got, err := p.Evaluate(b.Context(), "production", who); err != nil || len(got) != 500 {
			b.Fatal(len(got), err)
		}
	}
}

// BenchmarkList2000 is a list of 2,000 flags in pages of a hundred: budget 1 s.
func BenchmarkList2000(b *testing.B) {
	p := benchProvider(b, 2000)
	for b.Loop() {
		if got, err := p.List(b.Context(), "production", flags.Query{}); err != nil || len(got) != 2000 {
			b.Fatal(len(got), err)
		}
	}
}
