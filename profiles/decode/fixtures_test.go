package decode

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"

	"midwatch/profiles"
)

func decodeFixture(t *testing.T, name string) *profiles.Profile {
	t.Helper()
	p, err := Bytes(read(t, name), Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// stacks writes a profile as "root;…;leaf value" lines of one type, sorted.
func stacks(p *profiles.Profile, typ int) []string {
	var lines []string
	for i, e := range p.Entries {
		var path []string
		for n := e.Node; n > 0; n = p.Nodes[n].Parent {
			for _, ln := range p.Locations[p.Nodes[n].Location].Lines {
				path = append([]string{p.Functions[ln.Function].Name.String()}, path...)
			}
		}
		lines = append(lines, fmt.Sprintf("%s %d", strings.Join(path, ";"), p.Values(i)[typ]))
	}
	sort.Strings(lines)
	return lines
}

// TestEveryFormatIsRecognisedAndRead: each fixture, whatever it is called.
// Where each comes from is said in testdata/README.md.
func TestEveryFormatIsRecognisedAndRead(t *testing.T) {
	tests := []struct {
		file      string
		format    profiles.Format
		exactness profiles.Exactness
		types     string
		contains  string // of some stack of the last type
	}{
		{"python314.pstree", profiles.AsyncioTree, profiles.Exact, "tasks/count", "(task);album;TaskGroup.__aexit__;TaskGroup._aexit;(task);play;sleep"},
		{"go.cpu.pb.gz", profiles.Pprof, profiles.Sampled, "samples/count cpu/nanoseconds", "main.handleOrder;encoding/json.Unmarshal"},
		{"go.heap.pb.gz", profiles.Pprof, profiles.Sampled, "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes", "main.leak"},
		{"go.allocs.pb.gz", profiles.Pprof, profiles.Sampled, "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes", "main.handleOrder"},
		{"go.goroutine.pb.gz", profiles.Pprof, profiles.Exact, "goroutine/count", "main.(*pool).Get"},
		{"go.mutex.pb.gz", profiles.Pprof, profiles.Sampled, "contentions/count delay/nanoseconds", "sync.(*Mutex).Unlock"},
		{"go.block.pb.gz", profiles.Pprof, profiles.Sampled, "contentions/count delay/nanoseconds", "sync.(*WaitGroup).Wait"},
		{"go.threadcreate.pb.gz", profiles.Pprof, profiles.Exact, "threadcreate/count", ""},
		{"go.heap.debug1.txt", profiles.PprofLegacy, profiles.Sampled, "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes", "main.leak"},
		{"go.goroutine.debug1.txt", profiles.PprofLegacy, profiles.Exact, "goroutine/count", "main.(*pool).Get"},
		{"go.mutex.debug1.txt", profiles.PprofLegacy, profiles.Sampled, "contentions/count delay/nanoseconds", "sync.(*Mutex).Unlock"},
		{"go.block.debug1.txt", profiles.PprofLegacy, profiles.Sampled, "contentions/count delay/nanoseconds", "sync.(*WaitGroup).Wait"},
		{"go.threadcreate.debug1.txt", profiles.PprofLegacy, profiles.Exact, "threadcreate/count", ""},
		{"go.goroutine.debug2.txt", profiles.GoroutineDump, profiles.Exact, "goroutine/count", "main.(*pool).Get 40"},
		{"fgprof.folded", profiles.Folded, profiles.Sampled, "samples/count", "runtime.goexit;runtime.main;main.main;main.handleOrder;encoding/json.Unmarshal"},
		{"py-spy.raw", profiles.Folded, profiles.Sampled, "samples/count", "<module>;handle;price 3"},
		{"python315.collapsed", profiles.Folded, profiles.Sampled, "samples/count", "<module>;handle;price 12"},
		{"py-spy.speedscope.json", profiles.Speedscope, profiles.Sampled, "samples/count cpu/nanoseconds", "<module>;handle;price 60000000"},
		{"py-spy.chrometrace.json", profiles.ChromeTrace, profiles.Sampled, "time/nanoseconds", "<module>;handle;price 30000000"},
		{"py-spy.dump.json", profiles.PySpyDump, profiles.Exact, "threads/count", "<module>;handle;price 1"},
		{"evented.speedscope.json", profiles.Speedscope, profiles.Sampled, "samples/count time/nanoseconds", "a;b;c 5000000"},
		{"memray.speedscope.json", profiles.Speedscope, profiles.Exact, "inuse_objects/count inuse_space/bytes", "<module>;load;decode 2097152"},
		{"cprofile.pstats", profiles.Pstats, profiles.Reconstructed, "calls/count time/nanoseconds", "handle;total;total"},
		{"profile.pstats", profiles.Pstats, profiles.Reconstructed, "calls/count time/nanoseconds", "handle;total;total"},
		{"yappi.pstat", profiles.Pstats, profiles.Reconstructed, "calls/count time/nanoseconds", "handle"},
		{"yappi.callgrind", profiles.Callgrind, profiles.Reconstructed, "time/nanoseconds", "handle;Order.total;Cart.total"},
		{"valgrind.callgrind", profiles.Callgrind, profiles.Reconstructed, "Ir/count", "main;cart;price"},
		{"tracemalloc.json", profiles.TracemallocJSON, profiles.FlatOnly, "inuse_objects/count inuse_space/bytes", "shop.py:11 9120"},
		{"tracemalloc.snapshot", profiles.TracemallocSnapshot, profiles.Exact, "inuse_objects/count inuse_space/bytes", "shop.py:11"},
		{"objgraph-common.txt", profiles.Objgraph, profiles.FlatOnly, "inuse_objects/count", "dict "},
		{"objgraph.txt", profiles.Objgraph, profiles.FlatOnly, "inuse_objects/count growth/count", "Cart 50"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			p := decodeFixture(t, tt.file)
			var types []string
			for _, ty := range p.Types {
				types = append(types, ty.Type+"/"+ty.Unit)
			}
			if p.Format != tt.format || p.Exactness != tt.exactness || strings.Join(types, " ") != tt.types {
				t.Errorf("got %s, %s, %v; want %s, %s, %s", p.Format, p.Exactness, types, tt.format, tt.exactness, tt.types)
			}
			all := strings.Join(stacks(p, len(p.Types)-1), "\n")
			if !strings.Contains(all, tt.contains) {
				t.Errorf("no stack has %q:\n%s", tt.contains, all)
			}
			if strings.Contains(all, "Wrote") {
				t.Error("the recorder's talk was read as a stack")
			}
		})
	}
}

// TestDebug1TextEqualsTheProtobuf: the same heap and goroutines, written by
// the runtime in both ways, come out alike, with names.
func TestDebug1TextEqualsTheProtobuf(t *testing.T) {
	text, binary := decodeFixture(t, "go.goroutine.debug1.txt"), decodeFixture(t, "go.goroutine.pb.gz")
	pick := func(p *profiles.Profile) (n int64) {
		for _, s := range stacks(p, 0) {
			if strings.Contains(s, "main.(*pool).Get") {
				v, _ := digits(s[strings.LastIndexByte(s, ' ')+1:])
				n += v
			}
		}
		return n
	}
	if a, b := pick(text), pick(binary); a != b || a < 39 {
		t.Errorf("%d goroutines wait in the text, %d in the protobuf; want the same and 39 or more", a, b)
	}
}

// TestSnapshotTotals: Python summed the same snapshot.
func TestSnapshotTotals(t *testing.T) {
	p := decodeFixture(t, "tracemalloc.snapshot")
	var want struct{ Count, Size int64 }
	if err := json.Unmarshal(read(t, "tracemalloc.snapshot.totals"), &want); err != nil {
		t.Fatal(err)
	}
	if p.Total(0) != want.Count || p.Total(1) != want.Size {
		t.Errorf("%d objects, %d bytes; Python says %+v", p.Total(0), p.Total(1), want)
	}
}

// TestLabels: what formats know about threads and routes becomes labels.
func TestLabels(t *testing.T) {
	for file, want := range map[string]string{
		"go.cpu.pb.gz": "route", "py-spy.speedscope.json": "thread", "py-spy.dump.json": "state thread",
		"python315.collapsed": "thread", "go.goroutine.debug2.txt": "state", "py-spy.chrometrace.json": "thread", "py-spy.raw": "",
	} {
		if got := strings.Join(decodeFixture(t, file).LabelKeys(), " "); got != want {
			t.Errorf("%s: labels %q, want %q", file, got, want)
		}
	}
}
