package profilepane_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"midwatch/profiles"
	"midwatch/profiles/capture"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

// large is a profile of 50,000 nodes: forty calls deep, wide at every depth.
func large() *profiles.Profile {
	b := profiles.NewBuilder(profiles.Pprof, profiles.Sampled, profiles.ValueType{Type: "cpu", Unit: "nanoseconds"})
	r := rand.New(rand.NewPCG(1, 2))
	nodes := []int32{0}
	for len(nodes) < 50_000 {
		at := nodes[r.IntN(min(len(nodes), 2_000))]
		for range 5 + r.IntN(35) {
			at = b.Child(at, b.Frame(fmt.Sprintf("example.com/shop/pkg%d.(*Thing%d).Do%d", r.IntN(40), r.IntN(200), r.IntN(8)), "/app/x.go", 0))
			nodes = append(nodes, at)
		}
		b.Add(at, 0, int64(1+r.IntN(1000)))
	}
	p := b.Profile()
	p.PeriodType, p.Period = profiles.ValueType{Type: "cpu", Unit: "nanoseconds"}, 1
	return p
}

// bigSource serves it.
type bigSource struct {
	source
	profile *profiles.Profile
}

func (s *bigSource) Take(_ context.Context, t capture.Target, req capture.Request, _ *capture.Watch) (*capture.Profile, error) {
	return &capture.Profile{Profile: s.profile, Target: t, Req: req, At: panetest.Now()}, nil
}

func openLarge(tb testing.TB) *panetest.Bench {
	s := &bigSource{source: source{found: served()}, profile: large()}
	b := openWith(tb, s, &s.source)
	return b.Press("enter", "v")
}

// BenchmarkFlameKey is a new frame after a key in a flame of 50,000 nodes.
func BenchmarkFlameKey(b *testing.B) {
	for name, keys := range map[string][]string{
		"move": {"down", "right", "up", "left"},
		"zoom": {"down", "enter", "backspace", "up"},
	} {
		b.Run(name, func(b *testing.B) {
			bench := openLarge(b)
			_ = bench.Frame(160, 45)
			for i := 0; b.Loop(); i++ {
				bench.Press(keys[i%len(keys)])
				_ = bench.Pane.View(bench.Env, pane.Rect{W: 160, H: 45})
			}
		})
	}
}
