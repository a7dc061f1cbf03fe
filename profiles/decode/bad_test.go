package decode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"midwatch/profiles"
	"midwatch/profiles/internal/proftest"
)

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadInputGivesOneClearLine: each kind of broken input, its kind and a
// word the line must say.
func TestBadInputGivesOneClearLine(t *testing.T) {
	cpu := read(t, "go.cpu.pb.gz")
	raw := proftest.Encode(t, proftest.Generated(1))
	small := Limits{Raw: 1 << 20, Samples: 10}
	tests := []struct {
		name   string
		data   []byte
		limits Limits
		kind   Kind
		says   string
	}{
		{"nothing", nil, Limits{}, EmptyFile, "empty"},
		{"gzip of nothing", gzipped(t, nil), Limits{}, EmptyFile, "empty"},
		{"truncated gzip", cpu[:len(cpu)*9/10], Limits{}, Cut, "ends early"},
		{"truncated gzip header", cpu[:5], Limits{}, Cut, "gzip header"},
		{"damaged gzip", append(append([]byte{}, cpu[:len(cpu)-6]...), 1, 2, 3, 4, 5, 6), Limits{}, Damaged, "gzip data is damaged"},
		{"bombed gzip", gzipped(t, make([]byte, 8<<20)), small, TooLarge, "unpacks to more than 1 MB"},
		{"bombed gzip within the limits", gzipped(t, make([]byte, 80<<20)), Limits{}, TooLarge, "unpacks to more than 64 MB"},
		{"large file", make([]byte, 2<<20), small, TooLarge, "larger than 1 MB"},
		{"compressed too large", gzipped(t, raw), Limits{Compressed: 100}, TooLarge, "compressed profile is larger than 100 B"},
		{"too many samples", raw, small, TooLarge, "more than 10"},
		{"truncated protobuf", raw[:len(raw)-20], Limits{}, Cut, "ends early"},
		{"login page", []byte("<!DOCTYPE html>\n<html><head><title>Sign in\x1b[31m</title></head></html>"), Limits{}, HTML, "Sign in"},
		{"proxy error", []byte("<html><body>502 Bad Gateway</body></html>"), Limits{}, HTML, "web page"},
		{"prose", []byte("Could not enable CPU profiling: cpu profiling already in use\n"), Limits{}, Unknown, "Could not enable CPU profiling"},
		{"binary noise", []byte{0, 1, 2, 3, 250, 251, 252, 0, 0, 9, 200}, Limits{}, Unknown, "binary data"},
		{"image", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), Limits{}, Unknown, "known format"},
		{"framework error", []byte(`{"detail":"Forbidden"}`), Limits{}, Unknown, "Forbidden"},
		{"other JSON", []byte(`{"a":1}`), Limits{}, Unknown, "JSON object"},
		{"other JSON list", []byte(`[{"a":1}]`), Limits{}, Unknown, "JSON list"},
		{"empty list", []byte(`[]`), Limits{}, EmptyFile, "list is empty"},
		{"cut JSON", read(t, "py-spy.speedscope.json")[:300], Limits{}, Cut, "ends early"},
		{"cut JSON list", read(t, "py-spy.dump.json")[:600], Limits{}, Cut, "ends early"},
		{"other pickle", []byte("\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02ls\x94\x85\x94R\x94."), Limits{}, Damaged, "posix.system"},
		{"cut snapshot", read(t, "tracemalloc.snapshot")[:900], Limits{}, Cut, "ends early"},
		{"marshal of something else", []byte("{(\x01\x00\x00\x00i\x01\x00\x00\x00i\x02\x00\x00\x000"), Limits{}, Unknown, "known format"},
		{"two profiles in a row", append(append([]byte{}, raw...), raw...), Limits{}, Damaged, "several profiles"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Bytes(tt.data, tt.limits)
			if err == nil {
				t.Fatalf("read as %s with %d entries", p.Format, len(p.Entries))
			}
			var e *Error
			if !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %#v: %v; want kind %d saying %q", e, err, tt.kind, tt.says)
			}
			if s := err.Error(); strings.ContainsAny(s, "\n\x1b") || len(s) > 400 {
				t.Errorf("not one clean line: %q", s)
			}
		})
	}
}

// TestWhatIsValidIsKept: damage that leaves something to show.
func TestWhatIsValidIsKept(t *testing.T) {
	folded := strings.Repeat("main;work;json 5\n", 4000) + "main;io 7\n"
	cut := gzipped(t, []byte(folded))
	cut = cut[:len(cut)-30]
	tests := []struct {
		name string
		data []byte
		warn string
	}{
		{"cut folded stacks", cut, "ends early"},
		{"cut stats", read(t, "cprofile.pstats")[:1400], "ends early"},
		{"folded stacks with noise", []byte("main;a 3\nnot a stack\nmain;b 4\n" + strings.Repeat("main;c 1\n", 20)), "1 lines are no stacks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Bytes(tt.data, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Entries) == 0 || !strings.Contains(strings.Join(p.Warnings, "\n"), tt.warn) {
				t.Errorf("%d entries, warnings %q", len(p.Entries), p.Warnings)
			}
		})
	}
}

// TestEmptyProfilesSayWhy: a profile without samples is a result, and the
// reason depends on its type.
func TestEmptyProfilesSayWhy(t *testing.T) {
	for typ, want := range map[string]string{"contentions": "SetBlockProfileRate", "cpu": "no CPU", "widgets": "nothing was recorded"} {
		p := &profile.Profile{SampleType: []*profile.ValueType{{Type: typ, Unit: "count"}}, PeriodType: &profile.ValueType{}}
		got, err := Bytes(proftest.Encode(t, p), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Empty() || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], want) {
			t.Errorf("%s: %q", typ, got.Warnings)
		}
	}
}

// TestUnknownSampleTypesAreShownAsTheyAre: a profiler of one's own may count
// what it likes.
func TestUnknownSampleTypesAreShownAsTheyAre(t *testing.T) {
	p := proftest.Generated(1)
	p.SampleType = []*profile.ValueType{{Type: "sheep", Unit: "flocks"}, {Type: "wool\x1b[2J", Unit: "fur\nlongs"}}
	got, err := Bytes(proftest.Encode(t, p), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Types) != 2 || got.Types[0] != (profiles.ValueType{Type: "sheep", Unit: "flocks"}) || got.Total(0) == 0 {
		t.Errorf("%+v, %d", got.Types, got.Total(0))
	}
	if text := got.Types[1].Type + got.Types[1].Unit; strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("%q reaches the screen", text)
	}
}

// TestHostileSymbols: escape sequences are made visible, ten kilobytes are
// cut, and two names that differ only behind the cut stay two.
func TestHostileSymbols(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	p, err := Bytes([]byte("main;\x1b]0;owned\x07 3\nmain;"+long+"1 4\nmain;"+long+"2 5\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range p.Functions {
		s := f.Name.String()
		names[s] = true
		if strings.ContainsAny(s, "\x1b\x07") || len(s) > profiles.MaxSymbol+20 {
			t.Errorf("name %.80q of %d bytes", s, len(s))
		}
	}
	if len(names) != len(p.Functions) || len(names) < 4 {
		t.Errorf("%d names of %d functions", len(names), len(p.Functions))
	}
}

// TestDeepStacksLoseTheirMiddle: callers and the leaf stay, so that flat is
// right and the tree does not fan out.
func TestDeepStacksLoseTheirMiddle(t *testing.T) {
	p := proftest.Generated(2)
	s := &profile.Sample{Value: []int64{1, 10}, Location: []*profile.Location{p.Location[1]}}
	for range 500 {
		s.Location = append(s.Location, p.Location[0])
	}
	p.Sample = []*profile.Sample{s}
	folded := "a" + strings.Repeat(";b", 500) + ";leaf 3\n"
	for name, data := range map[string][]byte{"pprof": proftest.Encode(t, p), "folded": []byte(folded)} {
		got, err := Bytes(data, Limits{Depth: 50})
		if err != nil {
			t.Fatal(err)
		}
		depth := 0
		for n := got.Entries[0].Node; n > 0; n = got.Nodes[n].Parent {
			depth++
		}
		if depth != 50 || !strings.Contains(fmt.Sprint(got.Warnings), "deeper than 50") {
			t.Errorf("%s: depth %d, warnings %q", name, depth, got.Warnings)
		}
	}
}

// TestTooManyPathsLoseTheirLines: what does not fit with lines is read without
// them; what does not fit at all is refused.
func TestTooManyPathsLoseTheirLines(t *testing.T) {
	p := proftest.Generated(2)
	p.Location, p.Sample = p.Location[:0:0], p.Sample[:0:0]
	for i := range 600 {
		l := &profile.Location{ID: uint64(i + 1), Mapping: p.Mapping[0], Address: uint64(0x400000 + i), Line: []profile.Line{{Function: p.Function[i%3], Line: int64(i)}}}
		p.Location = append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Value: []int64{1, 10}, Location: []*profile.Location{l, p.Location[0]}})
	}
	data := proftest.Encode(t, p)
	got, err := Bytes(data, Limits{Paths: 100})
	if err != nil {
		t.Fatal(err)
	}
	if got.Total(0) != 600 || len(got.Nodes) > 10 || !strings.Contains(fmt.Sprint(got.Warnings), "lines and addresses were left out") {
		t.Errorf("%d samples, %d nodes, %q", got.Total(0), len(got.Nodes), got.Warnings)
	}
	var e *Error
	if _, err := Bytes(data, Limits{Paths: 2}); !errors.As(err, &e) || e.Kind != TooLarge {
		t.Errorf("with two paths: %v", err)
	}
	if _, err := Bytes([]byte("a;b 1\na;c 1\na;d 1\na;e 1\n"), Limits{Paths: 2}); !errors.As(err, &e) || e.Kind != TooLarge {
		t.Errorf("folded: %v", err)
	}
}

// FuzzBytes: whatever comes, there is a profile or one clean line.
func FuzzBytes(f *testing.F) {
	for _, name := range []string{"go.cpu.pb.gz", "go.heap.debug1.txt", "go.goroutine.debug2.txt", "py-spy.raw", "py-spy.speedscope.json", "py-spy.dump.json",
		"py-spy.chrometrace.json", "cprofile.pstats", "yappi.callgrind", "valgrind.callgrind", "tracemalloc.json",
		"tracemalloc.snapshot", "objgraph.txt", "evented.speedscope.json", "memray.speedscope.json"} {
		f.Add(read(f, name))
	}
	limits := Limits{Raw: 1 << 20, Samples: 10_000, Depth: 200}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Bytes(data, limits)
		if err != nil {
			if s := err.Error(); s == "" || strings.ContainsAny(s, "\n\x1b\x00") {
				t.Fatalf("not one clean line: %q", s)
			}
			return
		}
		for i, n := range p.Nodes {
			if i > 0 && (n.Parent < 0 || int(n.Parent) >= i || int(n.Location) >= len(p.Locations)) {
				t.Fatalf("node %d: %+v", i, n)
			}
		}
		for i, e := range p.Entries {
			if int(e.Node) >= len(p.Nodes) || int(e.Labels) >= len(p.LabelSets) || len(p.Values(i)) != len(p.Types) {
				t.Fatalf("entry %d: %+v", i, e)
			}
		}
		if err := p.Proto().CheckValid(); err != nil {
			t.Fatalf("cannot be saved: %v", err)
		}
	})
}
