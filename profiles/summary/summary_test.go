package summary

import (
	"strings"
	"testing"
	"time"

	"midwatch/profiles"
	"midwatch/profiles/decode"
	"midwatch/profiles/diff"
	"midwatch/profiles/tree"
)

// of builds a pprof profile of one type from folded stacks with Go's names.
func of(t *testing.T, typ, unit string, seconds int64, stacks map[string]int64) *profiles.Profile {
	t.Helper()
	b := profiles.NewBuilder(profiles.Pprof, profiles.Sampled, profiles.ValueType{Type: typ, Unit: unit})
	for stack, v := range stacks {
		node := int32(0)
		for f := range strings.SplitSeq(stack, ";") {
			node = b.Child(node, b.Frame(f, "", 0))
		}
		b.Add(node, 0, v)
	}
	b.Profile().Duration = time.Duration(seconds) * time.Second
	return b.Profile()
}

// withCounts adds the column of sample counts that Go's CPU profiles have.
func withCounts(t *testing.T, p *profiles.Profile) *profiles.Profile {
	t.Helper()
	b := profiles.NewBuilder(profiles.Pprof, profiles.Sampled, profiles.ValueType{Type: "samples", Unit: "count"}, p.Types[0])
	for i, e := range p.Entries {
		var path []int32
		for n := e.Node; n > 0; n = p.Nodes[n].Parent {
			path = append([]int32{b.Frame(p.Functions[p.Locations[p.Nodes[n].Location].Lines[0].Function].Name.String(), "", 0)}, path...)
		}
		node := int32(0)
		for _, l := range path {
			node = b.Child(node, l)
		}
		b.Add(node, 0, p.Values(i)[0]/p.Period, p.Values(i)[0])
	}
	out := b.Profile()
	out.Period, out.Duration = p.Period, p.Duration
	return out
}

func lines(p *profiles.Profile) []string { return Lines(p, tree.Build(p, tree.Options{})) }

func TestLinesSayWhereItGoes(t *testing.T) {
	const serve = "net/http.(*conn).serve;github.com/acme/shop/orders.handleOrder;"
	tests := []struct {
		name string
		p    *profiles.Profile
		want []string
	}{
		{
			"cpu", of(t, "cpu", "nanoseconds", 10, map[string]int64{
				serve + "encoding/json.Unmarshal;encoding/json.checkValid": 3e9,
				serve + "encoding/json.Unmarshal;runtime.mallocgc":         2e9,
				serve + "github.com/acme/shop/orders.price":                1e9,
				serve + "encoding/json.Unmarshal;runtime.gcAssistAlloc":    1e8,
				"runtime.gcBgMarkWorker;runtime.gcDrain":                   1.1e9,
				"runtime.mcall;runtime.schedule;runtime.findRunnable":      1e9,
			}),
			[]string{
				"61 % in json.Unmarshal under orders.handleOrder, 12 % in orders.price itself",
				"GC 15 %, scheduling 12 %",
				"0.82 cores for 10 s, 6 samples",
			},
		},
		{
			"goroutines", of(t, "goroutine", "count", 0, map[string]int64{
				serve + "github.com/acme/shop/db.(*Pool).Get;runtime.selectgo;runtime.gopark": 1100,
				"net/http.(*conn).serve;internal/poll.(*FD).Read;runtime.gopark":              100,
				"main.main;net/http.Serve;runtime.gopark":                                     4,
			}),
			[]string{"1,204 goroutines, 1,100 waiting on db.(*Pool).Get, 100 waiting on http.(*conn).serve", "3 stacks"},
		},
		{
			"heap", of(t, "inuse_space", "bytes", 0, map[string]int64{"main.main;main.leak;bytes.Repeat": 3 << 20, "main.main;main.cache": 1 << 20}),
			[]string{"4MB in use: 75 % in bytes.Repeat under main.leak, 25 % in main.cache itself", "sampled by bytes allocated"},
		},
		{
			"locks", of(t, "delay", "nanoseconds", 0, map[string]int64{"main.main;main.save;sync.(*Mutex).Unlock": 2e9}),
			[]string{"2s waited: 100 % in sync.(*Mutex).Unlock under main.save", "1 sample"},
		},
		{"nothing", of(t, "cpu", "nanoseconds", 1, nil), []string{"no samples"}},
		{
			"the runtime alone", of(t, "cpu", "nanoseconds", 1, map[string]int64{"runtime.gcBgMarkWorker": 1e7}),
			[]string{"all of it in the runtime itself", "GC 100 %", "0.01 cores for 1 s, 1 sample"},
		},
	}
	for _, tt := range tests {
		if got := lines(tt.p); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestLinesOfPython(t *testing.T) {
	p, err := decode.File("../decode/testdata/cprofile.pstats", decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	typ, err := p.TypeIndex("")
	if err != nil {
		t.Fatal(err)
	}
	got := Lines(p, tree.Build(p, tree.Options{Type: typ}))
	if !strings.Contains(got[0], "fib itself") || got[len(got)-1] != "flat and cum are exact, stacks are reconstructed" {
		t.Errorf("%q", got)
	}
}

func TestDiffStartsWithTheTotal(t *testing.T) {
	base := of(t, "cpu", "nanoseconds", 10, map[string]int64{"main.main;main.price": 2e9, "main.main;main.other": 6.2e9})
	worse := of(t, "cpu", "nanoseconds", 10, map[string]int64{"main.main;main.price": 4.5e9, "main.main;main.other": 6.2e9})
	base.Period, worse.Period = 1e7, 1e7
	side := func(p *profiles.Profile) diff.Side {
		return diff.Side{Profiles: []*profiles.Profile{withCounts(t, p)}}
	}
	d, err := diff.Compare(side(base), side(worse), diff.Options{Type: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	got := Diff(d)
	want := []string{
		"cpu: 0.82 -> 1.07 cores/pod (+30 %)",
		"worse: main.price 24.4 % -> 42.1 % (+17.7 points)",
		"820 and 1,070 samples of 1 and 1 pods; 2 of 3 functions are noise, new shares judged times 1.30 for what the change takes from all others",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
