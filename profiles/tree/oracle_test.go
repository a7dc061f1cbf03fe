package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/pprof/profile"

	"midwatch/profiles"
	"midwatch/profiles/decode"
	"midwatch/profiles/internal/proftest"
)

// oracleRow is one line of `go tool pprof -top`.
type oracleRow struct {
	flat, cum int64
	name      string
}

var rowPattern = regexp.MustCompile(`^\s*(-?\d+)\S*\s+\S+%\s+\S+%\s+(-?\d+)\S*\s+\S+%\s+(.*?)(?: \((?:partial-)?inline\))?$`)

// pprofTop runs the tool on a file and returns its rows in base units, and
// the total it prints.
func pprofTop(t *testing.T, p *profiles.Profile, typ int, args ...string) ([]oracleRow, int64) {
	t.Helper()
	unit := p.Types[typ].Unit
	args = append([]string{"-top", "-nodefraction=0", "-nodecount=0", "-unit=" + unit, fmt.Sprintf("-sample_index=%d", typ)}, args...)
	out, err := proftest.Pprof(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	var rows []oracleRow
	var total int64
	_, table, ok := strings.Cut(out, "flat%")
	if !ok {
		t.Fatalf("no table in:\n%.500s", out)
	}
	if m := regexp.MustCompile(`of (-?\d+)\S* total`).FindStringSubmatch(out); m != nil {
		total, _ = strconv.ParseInt(m[1], 10, 64)
	}
	lines := strings.Split(strings.TrimRight(table, "\n"), "\n")
	for _, line := range lines[1:] {
		m := rowPattern.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("cannot read %q", line)
		}
		flat, err1 := strconv.ParseInt(m[1], 10, 64)
		cum, err2 := strconv.ParseInt(m[2], 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("cannot read %q", line)
		}
		rows = append(rows, oracleRow{flat, cum, m[3]})
	}
	return rows, total
}

// sameRows compares our table with the tool's, including the order.
func sameRows(t *testing.T, tr *Tree, order Order, want []oracleRow, total int64) {
	t.Helper()
	rows := tr.Top(order)
	for i := range rows {
		// Where pprof says <unknown>, we say which label is missing.
		if tr.Frames[rows[i].Frame].Label != "" && strings.HasPrefix(rows[i].Name.String(), "(no ") {
			rows[i].Name = "<unknown>"
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		if order == ByFlat && a.Flat == b.Flat {
			return strings.Compare(a.Name.String(), b.Name.String())
		}
		return 0
	})
	if tr.Total != total {
		t.Errorf("total %d, pprof says %d", tr.Total, total)
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows, pprof has %d", len(rows), len(want))
	}
	bad := 0
	for i := range min(len(rows), len(want)) {
		got := oracleRow{rows[i].Flat, rows[i].Cum, rows[i].Name.String()}
		// Names the tool rewrites for people (C++) are compared by value only.
		if got.name != want[i].name && !strings.ContainsAny(want[i].name, "(<:") {
			got.name += " "
		} else {
			got.name = want[i].name
		}
		if got != want[i] {
			if bad++; bad < 8 {
				t.Errorf("row %d: %+v, pprof has %+v", i, got, want[i])
			}
		}
	}
}

// publishedProfiles is how many there are: those of google/pprof's profile,
// driver and proftest packages, and the compiler's default.pgo.
const publishedProfiles = 22

// TestTopAgreesWithPprofOnPublishedProfiles: flat, cum, total and order of
// every sample type of every published profile.
func TestTopAgreesWithPprofOnPublishedProfiles(t *testing.T) {
	read := 0
	for _, file := range proftest.Published(t) {
		p, err := decode.File(file, decode.Limits{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		read++
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(file)))+"/"+filepath.Base(file), func(t *testing.T) {
			for typ := range p.Types {
				if p.Total(typ) == 0 {
					continue
				}
				want, total := pprofTop(t, p, typ, file)
				sameRows(t, Build(p, Options{Type: typ}), ByFlat, want, total)
				if typ == len(p.Types)-1 {
					want, total = pprofTop(t, p, typ, "-cum", file)
					sameRows(t, Build(p, Options{Type: typ}), ByCum, want, total)
					want, total = pprofTop(t, p, typ, "-noinlines", file)
					sameRows(t, Build(p, Options{Type: typ, NoInlines: true}), ByFlat, want, total)
				}
			}
		})
	}
	if read != publishedProfiles {
		t.Errorf("%d published profiles were compared, want %d", read, publishedProfiles)
	}
}

// TestFiltersAgreeWithPprofOnPublishedProfiles: the compiler's own profile,
// pprof's large one and a Java one under each filter.
func TestFiltersAgreeWithPprofOnPublishedProfiles(t *testing.T) {
	re := regexp.MustCompile
	views := []struct {
		args []string
		o    Options
	}{
		{[]string{"-focus=ssa|malloc"}, Options{Focus: re("ssa|malloc")}},
		{[]string{"-ignore=runtime|java"}, Options{Ignore: re("runtime|java")}},
		{[]string{"-hide=^runtime|sun"}, Options{Hide: re("^runtime|sun")}},
		{[]string{"-show=compile|com|main"}, Options{Show: re("compile|com|main")}},
		{[]string{"-focus=types|java", "-ignore=mallocgc", "-hide=Walk|run$", "-noinlines"},
			Options{Focus: re("types|java"), Ignore: re("mallocgc"), Hide: re("Walk|run$"), NoInlines: true}},
	}
	checked := 0
	for _, file := range proftest.Published(t) {
		switch filepath.Base(file) {
		case "default.pgo", "large.cpu", "java.cpu", "go.crc32.cpu", "gobench.heap":
		default:
			continue
		}
		p, err := decode.File(file, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			o := v.o
			o.Type = len(p.Types) - 1
			want, total := pprofTop(t, p, o.Type, append(append([]string{}, v.args...), file)...)
			sameRows(t, Build(p, o), ByFlat, want, total)
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("only %d views compared", checked)
	}
}

// TestSavedProfilesAreReadByPprof: what was decoded from other formats and
// saved as pprof means the same to the tool.
func TestSavedProfilesAreReadByPprof(t *testing.T) {
	for _, name := range []string{"py-spy.speedscope.json", "memray.speedscope.json", "tracemalloc.snapshot", "fgprof.folded", "go.goroutine.debug2.txt"} {
		p, err := decode.File("../decode/testdata/"+name, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "saved.pb.gz")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Proto().Write(f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := decode.File(path, decode.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want, total := pprofTop(t, again, len(p.Types)-1, path)
		sameRows(t, Build(again, Options{Type: len(p.Types) - 1}), ByFlat, want, total)
		if again.Total(0) != p.Total(0) {
			t.Errorf("%s: %d, saved %d", name, p.Total(0), again.Total(0))
		}
	}
}

// saved writes a generated profile where the tool can read it.
func saved(t *testing.T, p *profile.Profile) (string, *profiles.Profile) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.pb")
	if err := os.WriteFile(path, proftest.Encode(t, p), 0o600); err != nil {
		t.Fatal(err)
	}
	ours, err := decode.File(path, decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return path, ours
}

// generatedProfiles is how many generated profiles are compared with pprof.
const generatedProfiles = 200

// TestTopAgreesWithPprofOnGeneratedProfiles: 200 profiles that hold samples,
// each whole and under one of the views, so that every filter meets recursion,
// inlining and negative values.
func TestTopAgreesWithPprofOnGeneratedProfiles(t *testing.T) {
	re := regexp.MustCompile
	views := []struct {
		args []string
		o    Options
	}{
		{nil, Options{}},
		{[]string{"-focus=json"}, Options{Focus: re("json")}},
		{[]string{"-ignore=runtime"}, Options{Ignore: re("runtime")}},
		{[]string{"-hide=cart|f3\\.go"}, Options{Hide: re(`cart|f3\.go`)}},
		{[]string{"-show=main|json"}, Options{Show: re("main|json")}},
		{[]string{"-focus=main", "-ignore=f5", "-hide=fn1"}, Options{Focus: re("main"), Ignore: re("f5"), Hide: re("fn1")}},
		{[]string{"-noinlines", "-focus=db"}, Options{NoInlines: true, Focus: re("db")}},
		{[]string{"-hide=bin/shop"}, Options{Hide: re("bin/shop")}},
		{[]string{"-tagroot=route"}, Options{LabelRoot: "route"}},
		{[]string{"-tagroot=route", "-focus=/cart", "-hide=main"}, Options{LabelRoot: "route", Focus: re("/cart"), Hide: re("main")}},
	}
	var compared atomic.Int32
	t.Run("all", func(t *testing.T) {
		for seed, found := uint64(0), 0; found < generatedProfiles; seed++ {
			generated := proftest.Generated(seed)
			if !hasValues(generated) {
				continue // the tool prints no table of nothing
			}
			view := views[found%len(views)]
			found++
			t.Run(fmt.Sprint(seed, view.args), func(t *testing.T) {
				t.Parallel()
				path, ours := saved(t, generated)
				whole, total := pprofTop(t, ours, 1, path)
				sameRows(t, Build(ours, Options{Type: 1}), ByFlat, whole, total)
				if len(view.args) > 0 {
					o := view.o
					o.Type = 1
					want, total := pprofTop(t, ours, 1, append(append([]string{}, view.args...), path)...)
					sameRows(t, Build(ours, o), ByFlat, want, total)
				}
				compared.Add(1)
			})
		}
	})
	if n := compared.Load(); n != generatedProfiles {
		t.Errorf("%d generated profiles were compared, want %d", n, generatedProfiles)
	}
}

func hasValues(p *profile.Profile) bool {
	return slices.ContainsFunc(p.Sample, func(s *profile.Sample) bool { return s.Value[1] != 0 })
}
