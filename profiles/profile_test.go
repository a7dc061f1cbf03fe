package profiles_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midwatch/profiles"
	"midwatch/profiles/decode"
	"midwatch/profiles/internal/proftest"
	"midwatch/profiles/tree"
)

// TestMergeAgreesWithPprof: three files added up give the tool's total and
// table, be they of one build or of two.
func TestMergeAgreesWithPprof(t *testing.T) {
	for seed := range uint64(10) {
		var files []string
		var list []*profiles.Profile
		for i := range uint64(3) {
			path := filepath.Join(t.TempDir(), "p.pb")
			if err := os.WriteFile(path, proftest.Encode(t, proftest.Generated(3*seed+i)), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := decode.File(path, decode.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			files, list = append(files, path), append(list, p)
		}
		m, err := profiles.Merge(list...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := proftest.Pprof(t, append([]string{"-top", "-nodefraction=0", "-nodecount=0", "-unit=nanoseconds"}, files...)...)
		if err != nil {
			t.Fatal(err)
		}
		total := regexp.MustCompile(`of (-?\d+)\S* total`).FindStringSubmatch(out)
		if total == nil || total[1] != fmt.Sprint(m.Total(1)) {
			t.Errorf("seed %d: total %d, pprof says %v", seed, m.Total(1), total)
		}
		for _, r := range tree.Build(m, tree.Options{Type: 1}).Top(tree.ByFlat) {
			row := regexp.MustCompile(fmt.Sprintf(`(?m)^\s*%s\s+\S+%%\s+\S+%%\s+%s\s+\S+%%\s+%s(?: \((?:partial-)?inline\))?$`,
				inNanoseconds(r.Flat), inNanoseconds(r.Cum), regexp.QuoteMeta(r.Name.String())))
			if !row.MatchString(out) {
				t.Errorf("seed %d: pprof has no row %d %d %s", seed, r.Flat, r.Cum, r.Name)
			}
		}
		if m.Duration != 30e9 {
			t.Errorf("three times 10 s became %v", m.Duration)
		}
	}
}

func inNanoseconds(v int64) string {
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%dns", v)
}

func TestMergeRefusesOtherTypes(t *testing.T) {
	cpu := profiles.NewBuilder(profiles.Pprof, profiles.Sampled, profiles.ValueType{Type: "cpu", Unit: "nanoseconds"}).Profile()
	heap := profiles.NewBuilder(profiles.Pprof, profiles.Sampled, profiles.ValueType{Type: "inuse_space", Unit: "bytes"}).Profile()
	_, err := profiles.Merge(cpu, heap)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "inuse_space in bytes") {
		t.Errorf("got %v", err)
	}
	if _, err := profiles.Merge(); err == nil {
		t.Error("nothing was merged")
	}
}

func TestSampleTypesAreFoundAsInPprof(t *testing.T) {
	heap := profiles.NewBuilder(profiles.Pprof, profiles.Sampled,
		profiles.ValueType{Type: "alloc_objects", Unit: "count"}, profiles.ValueType{Type: "alloc_space", Unit: "bytes"},
		profiles.ValueType{Type: "inuse_objects", Unit: "count"}, profiles.ValueType{Type: "inuse_space", Unit: "bytes"}).Profile()
	for name, want := range map[string]int{"": 3, "alloc_space": 1, "space": 3, "objects": 2, "inuse_objects": 2, "0": 0} {
		if got, err := heap.TypeIndex(name); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", name, got, err, want)
		}
	}
	heap.DefaultType = "alloc_space"
	if got, _ := heap.TypeIndex(""); got != 1 {
		t.Errorf("the default is %d, want the one the profile names", got)
	}
	if _, err := heap.TypeIndex("cpu"); err == nil || !strings.Contains(err.Error(), "alloc_objects, alloc_space, inuse_objects, inuse_space") {
		t.Errorf("got %v", err)
	}
}

func TestValuesAreWrittenForReading(t *testing.T) {
	for _, tt := range []struct {
		v          int64
		unit, want string
	}{
		{0, "nanoseconds", "0"}, {10_000_000, "nanoseconds", "10ms"}, {1_170_000_000, "nanoseconds", "1.17s"}, {-2_500_000, "nanoseconds", "-2.50ms"},
		{7200e9, "nanoseconds", "2hrs"}, {512 << 10, "bytes", "512kB"}, {1_363_148, "bytes", "1.30MB"}, {1204, "count", "1204"}, {90_552, "microseconds", "90.55ms"},
	} {
		if got := profiles.FormatValue(tt.v, tt.unit); got != tt.want {
			t.Errorf("%d %s: %q, want %q", tt.v, tt.unit, got, tt.want)
		}
	}
	if u := profiles.TableUnit([]int64{0, 10_000_000, 1_170_000_000}, "nanoseconds"); u != "ms" {
		t.Errorf("a table of 10 ms and 1.17 s is in %q", u)
	}
	if u := profiles.TableUnit([]int64{1, 4_500_000_000_000}, "nanoseconds"); u != "s" {
		t.Errorf("a table of 1 ns and 75 minutes is in %q", u)
	}
	for _, tt := range []struct {
		v, total int64
		want     string
	}{{0, 0, "    0%"}, {1, 3, "33.33%"}, {1000, 1000, "  100%"}, {-1, 3, "33.33%"}, {1, 1000, "  0.1%"}} {
		if got := profiles.Percent(tt.v, tt.total); got != tt.want {
			t.Errorf("%d of %d: %q, want %q", tt.v, tt.total, got, tt.want)
		}
	}
}
