package tree

import (
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"midwatch/profiles/decode"
)

// printStats is what Python prints of a stats file: a row for each function.
var printStats = regexp.MustCompile(`(?m)^\s*(\d+)(?:/\d+)?\s+([\d.]+)\s+(?:[\d.]+\s+)?([\d.]+)\s+(?:[\d.]+\s+)?(.+)$`)

// TestTotalsAgreeWithPstats: calls, own and cumulative time of every function
// of every stats file, as pstats prints them.
func TestTotalsAgreeWithPstats(t *testing.T) {
	for _, file := range []string{"cprofile.pstats", "profile.pstats", "yappi.pstat"} {
		t.Run(file, func(t *testing.T) {
			name := "../decode/testdata/" + file
			cmd := exec.CommandContext(t.Context(), "python3", "-c", "import pstats, sys; pstats.Stats(sys.argv[1]).print_stats()", name)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("python3: %v (this test needs python3): %s", err, out)
			}
			p, err := decode.File(name, decode.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			calls, times := Build(p, Options{Type: 0}), Build(p, Options{Type: 1})
			count := map[int32]int64{}
			for _, r := range calls.Top(ByFlat) {
				count[r.Frame] = r.Flat
			}
			for _, r := range times.Top(ByFlat) {
				f := times.Frames[r.Frame]
				// yappi swaps the two counts of calls, so that pstats prints the
				// primitive ones of it in front: compare those by time alone.
				n := fmt.Sprint(count[r.Frame])
				if file == "yappi.pstat" {
					n = "-"
				}
				key := fmt.Sprintf("%s:%d(%s)", f.File, f.Line, f.Name)
				if f.File == "~" {
					key = "{" + strings.Trim(f.Name.String(), "<>") + "}"
				}
				got[key] = fmt.Sprintf("%s %.3f %.3f", n, float64(r.Flat)/1e9, float64(r.Cum)/1e9)
			}
			_, table, ok := strings.Cut(string(out), "filename:lineno(function)")
			if !ok {
				t.Fatalf("no table:\n%s", out)
			}
			checked := 0
			for _, m := range printStats.FindAllStringSubmatch(table, -1) {
				n := m[1]
				if file == "yappi.pstat" {
					n = "-"
				}
				if m[1] == "0" {
					continue // the profiler itself
				}
				want := fmt.Sprintf("%s %s %s", n, m[2], m[3])
				have, ok := got[m[4]]
				if !ok {
					have = got[path.Base(m[4])]
				}
				if have != want {
					t.Errorf("%s: %s, pstats prints %s", m[4], have, want)
				}
				checked++
			}
			if checked < 10 {
				t.Errorf("only %d rows were compared:\n%s", checked, out)
			}
		})
	}
}

// TestReconstructedFlameKeepsTheTotal: the made-up stacks spend what was
// recorded, function by function within a few per cent.
func TestReconstructedFlameKeepsTheTotal(t *testing.T) {
	for _, file := range []string{"cprofile.pstats", "yappi.pstat", "yappi.callgrind", "valgrind.callgrind"} {
		p, err := decode.File("../decode/testdata/"+file, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		typ, err := p.TypeIndex("")
		if err != nil {
			t.Fatal(err)
		}
		var recorded int64
		for _, f := range p.Graph.Functions {
			recorded += f.Flat[typ]
		}
		tr := Build(p, Options{Type: typ})
		if d := float64(tr.Nodes[0].Cum-recorded) / float64(recorded); d > 0.02 || d < -0.02 {
			t.Errorf("%s: the flame holds %d of %d", file, tr.Nodes[0].Cum, recorded)
		}
	}
}
