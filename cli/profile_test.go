package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"midwatch/report"
)

const fixtures = "../profiles/decode/testdata/"

// foldedFile writes folded stacks of a shop whose discount has a weight.
func foldedFile(t *testing.T, name string, discount int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	text := fmt.Sprintf("net/http.serve;main.handle;main.discount %d\nnet/http.serve;main.handle;encoding/json.Unmarshal 1500\n"+
		"net/http.serve;main.health 300\nruntime.gcBgMarkWorker 400\n", discount)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// profileJSON runs a command line and checks its JSON against the schema.
func profileJSON(t *testing.T, args ...string) report.Profile {
	t.Helper()
	r := run(t, append([]string{"profile", "-o", "json"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/profile.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.out))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Fatalf("%v\n%.2000s", err, r.out)
	}
	var p report.Profile
	if err := json.Unmarshal([]byte(r.out), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProfileOfEveryFixtureMatchesTheSchema(t *testing.T) {
	files, err := filepath.Glob(fixtures + "*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		switch filepath.Ext(f) {
		case ".md", ".totals", "":
			continue
		}
		read++
		p := profileJSON(t, f)
		if len(p.Functions) == 0 || len(p.Summary) == 0 || p.Source != f {
			t.Errorf("%s: %d functions, summary %q, source %s", f, len(p.Functions), p.Summary, p.Source)
		}
	}
	if read < 25 {
		t.Errorf("only %d fixtures", read)
	}
}

func TestProfileFileAsTextFlameFoldedAndPprof(t *testing.T) {
	heap := fixtures + "go.heap.pb.gz"
	top := run(t, "profile", heap, "--sample-index", "inuse_space")
	if top.code != 0 || !strings.Contains(top.out, "in use: ") || !strings.Contains(top.out, "bytes.Repeat under main.leak") || !strings.Contains(top.out, "flat%") {
		t.Errorf("exit %d\n%s%s", top.code, top.out, top.err)
	}
	flame := run(t, "profile", heap, "-o", "flame", "--width", "100")
	for _, line := range strings.Split(flame.out, "\n")[3:] {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("a row of %d cells: %q", n, line)
		}
	}
	if !strings.Contains(flame.out, "▏main.leak") {
		t.Errorf("no flame:\n%s", flame.out)
	}
	folded := run(t, "profile", heap, "-o", "folded", "--focus", "main.leak")
	if !strings.Contains(folded.out, "main.main;main.leak;bytes.Repeat;") || strings.Contains(folded.out, "handleOrder") {
		t.Errorf("folded:\n%s", folded.out)
	}
	saved := filepath.Join(t.TempDir(), "saved.pb.gz")
	if r := run(t, "profile", fixtures+"py-spy.speedscope.json", "-o", "pprof", "--out", saved); r.code != 0 || r.out != "" {
		t.Fatalf("exit %d: %s%s", r.code, r.out, r.err)
	}
	if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("saved as %v, %v: want a file for its owner only", info, err)
	}
	if p := profileJSON(t, saved); p.Format != "pprof" || p.Type != "cpu" || p.Total != 140_000_000 {
		t.Errorf("read back: %s %s %d", p.Format, p.Type, p.Total)
	}
}

func TestProfileDiffNamesTheRegression(t *testing.T) {
	base, worse := foldedFile(t, "old.folded", 200), foldedFile(t, "new.folded", 900)
	p := profileJSON(t, worse, "--base", base)
	if p.Base == nil || p.Base.Mode != "share" || p.Functions[0].Name != "main.discount" || p.Functions[0].Verdict != "regression" {
		t.Fatalf("%+v", p)
	}
	if f := p.Functions[0]; f.Base.Cum != 200 || f.Cum != 900 || f.Delta.Cum != 700 {
		t.Errorf("%+v", f)
	}
	for _, f := range p.Functions[1:] {
		switch f.Name {
		case "net/http.serve", "main.handle":
			if f.Verdict == "regression" || f.Verdict == "improvement" {
				t.Errorf("%s is only on the way: %s", f.Name, f.Verdict)
			}
		default:
			if f.Verdict != "noise" {
				t.Errorf("%s did not change: %s", f.Name, f.Verdict)
			}
		}
	}
	for _, output := range []string{"top", "flame", "folded"} {
		r := run(t, "profile", worse, "--base", base, "-o", output, "--exit-code")
		if r.code != 1 || !strings.Contains(r.out, "main.discount") {
			t.Errorf("-o %s: exit %d\n%s%s", output, r.code, r.out, r.err)
		}
	}
	if r := run(t, "profile", base, "--base", base, "--exit-code"); r.code != 0 || !strings.Contains(r.out, "no function changed beyond chance") {
		t.Errorf("a profile against itself: exit %d\n%s", r.code, r.out)
	}
}

// TestProfileDiffPerRequest: twice the work for twice the requests is no change.
func TestProfileDiffPerRequest(t *testing.T) {
	base, worse := foldedFile(t, "old.folded", 200), foldedFile(t, "new.folded", 900)
	p := profileJSON(t, worse, "--base", base, "--per-request", "1000", "--base-requests", "1000")
	if p.Base == nil || p.Base.Mode != "per request" || p.Functions[0].Name != "main.discount" {
		t.Fatalf("%+v", p)
	}
	p = profileJSON(t, base, "--base", base, "--per-request", "2000", "--base-requests", "1000")
	if f := p.Functions[0]; f.Verdict != "improvement" {
		t.Errorf("the same work for twice the requests: %+v", f)
	}
}

func TestProfileRefusesInOneLine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	html := write("login.pb.gz", "<!DOCTYPE html><title>Sign in</title>")
	empty := write("empty.pb.gz", "")
	cpu := fixtures + "go.cpu.pb.gz"
	for _, tt := range []struct {
		args []string
		says string
	}{
		{nil, "want a FILE or a TARGET"},
		{[]string{html}, "Sign in"},
		{[]string{empty}, "empty (0 bytes)"},
		{[]string{"./nowhere.pb.gz"}, `no file "./nowhere.pb.gz"`},
		{[]string{dir}, "is a directory"},
		{[]string{cpu, "-o", "svg"}, "want top, flame"},
		{[]string{cpu, "--focus", "("}, "no regular expression"},
		{[]string{cpu, "--sample-index", "inuse_space"}, "this profile has samples, cpu"},
		{[]string{cpu, "--label-root", "tenant"}, "has the labels route"},
		{[]string{cpu, "--seconds", "5"}, "--sample-index picks a column"},
		{[]string{cpu, "--base", fixtures + "go.heap.pb.gz"}, "measure different things"},
		{[]string{cpu, "--mode", "share"}, "--mode needs --base"},
		{[]string{cpu, "--base", cpu, "--mode", "per-request"}, "needs the number of requests of both sides, which is not known: a counter"},
		{[]string{cpu, "--base", cpu, "--per-request", "1000"}, "which is not known of the base"},
		{[]string{cpu, "--base", cpu, "--per-request", "http_requests_total"}, "for FILEs want how many requests they stand for"},
		{[]string{cpu, "--base", cpu, "--base-requests", "7"}, "beside --per-request"},
		{[]string{"deploy/shop", "--pid", "-3"}, "want the number of a process"},
		{[]string{cpu, fixtures + "go.heap.pb.gz"}, "only profiles of one type"},
		{[]string{cpu, "deploy/shop"}, "several FILEs or one TARGET"},
	} {
		r := run(t, append([]string{"profile"}, tt.args...)...)
		first, _, _ := strings.Cut(r.err, "\n")
		if r.code != 2 || r.out != "" || !strings.Contains(first, tt.says) {
			t.Errorf("%v: exit %d, out %.200q, says %q; want %q", tt.args, r.code, r.out, r.err, tt.says)
		}
	}
}
