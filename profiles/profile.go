// Package profiles holds the one model that every profile is decoded into, be
// it from Go's runtime, a Python profiler or a file of folded stacks: typed
// samples on stacks, and how exact they are.
//
// The model is a lossless, compact form of a pprof profile: [FromProto] and
// [Profile.Proto] convert from and to github.com/google/pprof/profile, which
// remains the format of exchange. Stacks are kept as a prefix tree, so that a
// profile of a million samples costs what its distinct stacks cost, and so
// that views (package tree) walk each shared caller once.
//
// Every name in a Profile came from a pod or a file: it is cleaned when it
// enters (package foreign) and its length is bounded.
package profiles

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"midwatch/foreign"
)

// Exactness says what the numbers of a profile can be trusted for.
type Exactness int

// The degrees of exactness, from best to least.
const (
	// Exact: every event was counted (tracemalloc, memray).
	Exact Exactness = iota
	// Sampled: a statistical sample on true stacks (Go's runtime, py-spy).
	Sampled
	// Reconstructed: flat and cum of each function are exact, but only edges
	// between caller and callee were recorded, so that whole stacks are made
	// up in proportion to them (cProfile, yappi, callgrind). A stack shown may
	// never have run.
	Reconstructed
	// FlatOnly: totals by place, without stacks (a top-20 list, objgraph).
	FlatOnly
)

// String returns the word the screen and the JSON show.
func (e Exactness) String() string {
	switch e {
	case Exact:
		return "exact"
	case Sampled:
		return "sampled"
	case Reconstructed:
		return "reconstructed"
	case FlatOnly:
		return "flat-only"
	}
	return fmt.Sprintf("Exactness(%d)", int(e))
}

// Format names what a profile was decoded from.
type Format string

// The formats midwatch reads.
const (
	Pprof               Format = "pprof"
	PprofLegacy         Format = "pprof-legacy"   // Go's debug=1 text, gperftools, Java
	GoroutineDump       Format = "goroutine-dump" // Go's debug=2, SIGQUIT
	Folded              Format = "folded"         // root;…;leaf COUNT
	Speedscope          Format = "speedscope"
	ChromeTrace         Format = "chrometrace" // py-spy record -f chrometrace
	PySpyDump           Format = "py-spy-dump" // py-spy dump --json
	Pstats              Format = "pstats"      // cProfile, yappi
	Callgrind           Format = "callgrind"   // yappi, valgrind
	TracemallocJSON     Format = "tracemalloc-json"
	TracemallocSnapshot Format = "tracemalloc-snapshot"
	Objgraph            Format = "objgraph"
	AsyncioTree         Format = "asyncio-pstree" // python -m asyncio pstree
)

// ValueType is what one column of values measures: "cpu" in "nanoseconds",
// "inuse_space" in "bytes", "goroutine" in "count".
type ValueType struct{ Type, Unit string }

// Function is one function of the profiled program. A function is identified
// by all four fields, as in pprof.
type Function struct {
	// Name is what people call it: "github.com/acme/shop.(*Cart).Total" or,
	// in Python, "handle" or "Cart.total". Empty when unknown.
	Name foreign.Text
	// SystemName is the linker's name. Go writes the same as Name.
	SystemName foreign.Text
	// File is the source file, as the program knew it.
	File foreign.Text
	// StartLine is where the function begins; 0 when unknown.
	StartLine int64
}

// Line is one frame of a location.
type Line struct {
	Function     int32 // index in Profile.Functions
	Line, Column int64 // 0 when unknown
}

// Location is one place in the program. When functions were inlined there it
// stands for several frames: Lines[0] is the innermost.
type Location struct {
	Mapping int32 // index in Profile.Mappings, or -1
	Address uint64
	Lines   []Line // empty when not symbolised
	Folded  bool
}

// Mapping is a binary or library of the profiled process.
type Mapping struct {
	Start, Limit, Offset uint64
	File, BuildID        foreign.Text
	HasFunctions         bool
	HasFilenames         bool
	HasLineNumbers       bool
	HasInlineFrames      bool
}

// Node is one step of a stack: the location called from its parent. Nodes[0]
// is the root, which is no location; a parent always comes before its
// children.
type Node struct {
	Parent   int32
	Location int32 // index in Profile.Locations; -1 for the root
}

// Entry is where samples were taken: all samples whose stack ends at Node and
// that carry the same labels. Its values are Profile.Values(i).
type Entry struct {
	Node   int32
	Labels int32 // index in Profile.LabelSets; 0 is the empty set
}

// Label is one label of a sample: a string, or a number with a unit.
type Label struct {
	Key     foreign.Text
	Str     foreign.Text // when not numeric
	Num     int64
	Unit    foreign.Text // may be empty
	Numeric bool
}

// Profile is one decoded profile. Read it freely from several goroutines; it
// does not change once built.
type Profile struct {
	Format    Format
	Exactness Exactness
	// Source says where it came from, for a title: a file, or pod and endpoint.
	Source string
	// Time is when the profile was begun; zero when unknown.
	Time time.Time
	// Duration is how long was looked at; 0 when unknown or a snapshot.
	Duration time.Duration
	// Types are the columns of values.
	Types []ValueType
	// DefaultType names the column to show first; may be empty.
	DefaultType string
	// Period is the distance between two samples, in PeriodType's unit.
	PeriodType ValueType
	Period     int64
	// DropFrames and KeepFrames are patterns of uninteresting leaf frames, as
	// in pprof; Go's runtime sets none.
	DropFrames, KeepFrames string
	Comments               []foreign.Text
	DocURL                 foreign.Text
	// Warnings are sentences about what was cut or skipped on decoding.
	Warnings []string
	// Records is how many sample records were read, before equal stacks were
	// put together.
	Records int64

	Mappings  []Mapping
	Functions []Function
	Locations []Location
	Nodes     []Node
	Entries   []Entry
	LabelSets [][]Label
	values    []int64
	totals    []int64

	// Graph holds exact totals and edges when the stacks are reconstructed
	// from them; nil otherwise.
	Graph *CallGraph
}

// CallGraph is what a deterministic profiler records: totals of each function
// and of each call from one to another, without whole stacks.
type CallGraph struct {
	Functions []GraphFunction
	Edges     []GraphEdge
}

// GraphFunction holds a function's own totals, one value per sample type.
// Recursive calls are counted once in Cum.
type GraphFunction struct {
	Function  int32 // index in Profile.Functions
	Flat, Cum []int64
}

// GraphEdge holds what callee cost when called from caller, one value per
// sample type.
type GraphEdge struct {
	Caller, Callee int32 // indices in Profile.Functions
	Cum            []int64
}

// Values returns the values of entry i, one per sample type.
func (p *Profile) Values(i int) []int64 {
	k := len(p.Types)
	return p.values[i*k : i*k+k : i*k+k]
}

// Total returns the sum of |value| of sample type t over all samples as they
// were recorded: pprof's total, which percentages are taken of.
func (p *Profile) Total(t int) int64 { return p.totals[t] }

// Sum returns the signed sum of sample type t.
func (p *Profile) Sum(t int) int64 {
	var sum int64
	for i := t; i < len(p.values); i += len(p.Types) {
		sum += p.values[i]
	}
	return sum
}

// Empty reports whether no sample has a value.
func (p *Profile) Empty() bool {
	for _, v := range p.values {
		if v != 0 {
			return false
		}
	}
	return true
}

// TypeIndex finds a sample type by name. "" asks for the default: the one the
// profile names, else the last, as pprof does. "space" and "objects" mean
// inuse_space and inuse_objects in a heap profile, and a number is an index.
func (p *Profile) TypeIndex(name string) (int, error) {
	if len(p.Types) == 0 {
		return 0, fmt.Errorf("the profile has no sample types")
	}
	if name == "" {
		for i, t := range p.Types {
			if p.DefaultType != "" && t.Type == p.DefaultType {
				return i, nil
			}
		}
		return len(p.Types) - 1, nil
	}
	for i, t := range p.Types {
		if t.Type == name || t.Type == "inuse_"+name || t.Type == strings.TrimPrefix(name, "inuse_") || fmt.Sprint(i) == name {
			return i, nil
		}
	}
	names := make([]string, len(p.Types))
	for i, t := range p.Types {
		names[i] = t.Type
	}
	return 0, fmt.Errorf("no sample type %q: this profile has %s", name, strings.Join(names, ", "))
}

// SampleCount returns how many samples stand behind the profile: the count
// column of a CPU, wall, block or mutex profile, else the number of records. It
// is the n of every statistical statement.
func (p *Profile) SampleCount() int64 {
	for i, t := range p.Types {
		if (t.Type == "samples" || t.Type == "contentions") && t.Unit == "count" {
			return p.Total(i)
		}
	}
	return p.Records
}

// HasLabels reports whether any sample carries a label with a string value.
func (p *Profile) HasLabels() bool { return len(p.LabelKeys()) > 0 }

// LabelKeys returns the keys of string labels, in order of appearance.
func (p *Profile) LabelKeys() []string {
	seen := map[foreign.Text]bool{}
	var keys []string
	for _, set := range p.LabelSets {
		for _, l := range set {
			if !l.Numeric && !seen[l.Key] {
				seen[l.Key] = true
				keys = append(keys, l.Key.String())
			}
		}
	}
	return keys
}

const requestsComment = "midwatch: requests "

// SetRequests notes in the profile how many requests were served while it was
// taken, so that a saved one can be compared per request.
func (p *Profile) SetRequests(n float64, metric string) {
	p.Comments = append(p.Comments, foreign.CleanN(fmt.Sprintf("%s%g by %s", requestsComment, n, metric), 300))
}

// Requests is what SetRequests noted; 0 when nothing was.
func (p *Profile) Requests() float64 {
	for _, c := range p.Comments {
		if rest, ok := strings.CutPrefix(c.String(), requestsComment); ok {
			number, _, _ := strings.Cut(rest, " ")
			if n, err := strconv.ParseFloat(number, 64); err == nil && n > 0 && !math.IsInf(n, 0) {
				return n
			}
		}
	}
	return 0
}
