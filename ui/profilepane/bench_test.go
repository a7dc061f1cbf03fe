package profilepane_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"midwatch/profiles"
	"midwatch/profiles/capture"
	"midwatch/profiles/decode"
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

// fromBytes decodes a profile each time one is taken.
type fromBytes struct {
	source
	raw []byte
	err error
}

func (s *fromBytes) Take(_ context.Context, t capture.Target, req capture.Request, _ *capture.Watch) (*capture.Profile, error) {
	p, err := decode.Bytes(s.raw, decode.Limits{})
	if err != nil {
		s.err = err
		return nil, err
	}
	return &capture.Profile{Profile: p, Target: t, Req: req, At: panetest.Now()}, nil
}

// BenchmarkLastByteToFrame is the compiler's own profile (0.7 MB raw, 8,565
// samples) from the bytes to the frame that shows it. Budget: 50 ms.
func BenchmarkLastByteToFrame(b *testing.B) {
	root, err := exec.CommandContext(b.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "src/cmd/compile/default.pgo"))
	if err != nil {
		b.Fatal(err)
	}
	s := &fromBytes{source: source{found: served()}, raw: raw}
	bench := openWith(b, s, &s.source)
	key := "enter"
	for b.Loop() {
		bench.Press(key)
		if frame := bench.Pane.View(bench.Env, pane.Rect{W: 160, H: 45}); !strings.Contains(frame, "runtime.mallocgc") || s.err != nil {
			b.Fatalf("%v\n%s", s.err, frame)
		}
		key = "R"
	}
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
