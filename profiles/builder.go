package profiles

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"midwatch/foreign"
	"midwatch/profiles/internal/pair"
)

// MaxSymbol is the longest name kept, in bytes. What is longer is cut and
// ends in a short hash of the whole, so that two long names stay two.
const MaxSymbol = 1024

// Symbol cleans a name that came from outside and bounds its length.
func Symbol(s string) foreign.Text {
	if len(s) <= MaxSymbol {
		return foreign.CleanN(s, MaxSymbol)
	}
	h := fnv.New32a()
	h.Write([]byte(s)) // never fails
	return foreign.CleanN(s, MaxSymbol) + foreign.Text(fmt.Sprintf("#%08x", h.Sum32()))
}

// Builder puts a [Profile] together: tables of what occurs, each thing once,
// then stacks from the root to the leaf with [Builder.Child], then values at
// their ends with [Builder.Add].
type Builder struct {
	p         *Profile
	children  pair.Map
	functions map[functionKey]int32
	locations map[string]int32
	mappings  map[Mapping]int32
	labels    map[string]int32
	head      []int32 // first entry of a node, or -1
	next      []int32 // next entry of the same node
	scratch   []byte
	limit     int // of nodes
	full      bool
}

// MaxPaths is how many call paths a profile may have unless told otherwise:
// about half a gigabyte of them.
const MaxPaths = 8_000_000

// functionKey identifies a function before cleaning.
type functionKey struct {
	name, system, file string
	start              int64
}

// NewBuilder begins a profile of the given columns.
func NewBuilder(format Format, exactness Exactness, types ...ValueType) *Builder {
	p := &Profile{
		Format: format, Exactness: exactness, Types: types, totals: make([]int64, len(types)),
		Nodes:     []Node{{Parent: -1, Location: -1}},
		LabelSets: [][]Label{nil},
	}
	return &Builder{
		p: p, functions: map[functionKey]int32{}, locations: map[string]int32{},
		mappings: map[Mapping]int32{}, labels: map[string]int32{"": 0}, head: []int32{-1},
		limit: MaxPaths,
	}
}

// LimitPaths bounds how many call paths are kept.
func (b *Builder) LimitPaths(n int) *Builder {
	b.limit = n
	return b
}

// Full reports whether there were more call paths than may be kept: stacks
// read since then end at the last node that was there.
func (b *Builder) Full() bool { return b.full }

// Reserve makes room for that many functions, locations and samples.
func (b *Builder) Reserve(functions, locations, samples int) {
	b.functions = make(map[functionKey]int32, functions)
	b.locations = make(map[string]int32, locations)
	b.p.Functions = slices.Grow(b.p.Functions, functions)
	b.p.Locations = slices.Grow(b.p.Locations, locations)
	// Few samples share their stacks wholly, few share nothing.
	b.p.Entries = slices.Grow(b.p.Entries, min(samples, 1<<16))
	b.p.values = slices.Grow(b.p.values, len(b.p.Types)*min(samples, 1<<16))
	b.next = slices.Grow(b.next, min(samples, 1<<16))
	nodes := min(6*samples, 1<<17)
	b.p.Nodes = slices.Grow(b.p.Nodes, nodes)
	b.head = slices.Grow(b.head, nodes)
	b.children.Reserve(nodes)
}

// Profile returns what was built. Head fields may be set on it at any time.
func (b *Builder) Profile() *Profile { return b.p }

// Warn adds a sentence about something that was cut or skipped.
func (b *Builder) Warn(format string, args ...any) {
	b.p.Warnings = append(b.p.Warnings, fmt.Sprintf(format, args...))
}

// Function adds a function, raw, and returns its index.
func (b *Builder) Function(name, system, file string, start int64) int32 {
	key := functionKey{name, system, file, start}
	if i, ok := b.functions[key]; ok {
		return i
	}
	i := int32(len(b.p.Functions))
	f := Function{Name: Symbol(name), File: Symbol(file), StartLine: start}
	f.SystemName = f.Name
	if system != name {
		f.SystemName = Symbol(system)
	}
	b.functions[key] = i
	b.p.Functions = append(b.p.Functions, f)
	return i
}

// Mapping adds a mapping and returns its index.
func (b *Builder) Mapping(m Mapping) int32 {
	if i, ok := b.mappings[m]; ok {
		return i
	}
	i := int32(len(b.p.Mappings))
	b.mappings[m] = i
	b.p.Mappings = append(b.p.Mappings, m)
	return i
}

// Location adds a location and returns its index. Two that agree in mapping,
// address and lines are one.
func (b *Builder) Location(l Location) int32 {
	key := binary.AppendVarint(b.scratch[:0], int64(l.Mapping))
	key = binary.AppendUvarint(key, l.Address)
	for _, ln := range l.Lines {
		key = binary.AppendVarint(key, int64(ln.Function))
		key = binary.AppendVarint(key, ln.Line)
		key = binary.AppendVarint(key, ln.Column)
	}
	if l.Folded {
		key = append(key, 1)
	}
	b.scratch = key
	if i, ok := b.locations[string(key)]; ok {
		return i
	}
	i := int32(len(b.p.Locations))
	b.locations[string(key)] = i
	b.p.Locations = append(b.p.Locations, l)
	return i
}

// Frame adds a location of one frame, for formats that know no inlining, and
// returns its index.
func (b *Builder) Frame(name, file string, line int64) int32 {
	return b.Location(Location{Mapping: -1, Lines: []Line{{Function: b.Function(name, name, file, 0), Line: line}}})
}

// Labels adds a set of labels and returns its index.
func (b *Builder) Labels(set []Label) int32 {
	if len(set) == 0 {
		return 0
	}
	var key strings.Builder
	for _, l := range set {
		fmt.Fprintf(&key, "%q %q %d %q %t,", l.Key, l.Str, l.Num, l.Unit, l.Numeric)
	}
	if i, ok := b.labels[key.String()]; ok {
		return i
	}
	i := int32(len(b.p.LabelSets))
	b.labels[key.String()] = i
	b.p.LabelSets = append(b.p.LabelSets, set)
	return i
}

// Child returns the node for location called from node parent; 0 is the root.
func (b *Builder) Child(parent, location int32) int32 {
	if len(b.p.Nodes) > b.limit {
		if n, ok := b.children.Get(parent, location); ok {
			return n
		}
		b.full = true
		return parent
	}
	n, added := b.children.Add(parent, location, int32(len(b.p.Nodes)))
	if added {
		b.p.Nodes = append(b.p.Nodes, Node{Parent: parent, Location: location})
		b.head = append(b.head, -1)
	}
	return n
}

// Add adds values, one per sample type, to the samples that end at node with
// the given set of labels.
func (b *Builder) Add(node, labels int32, values ...int64) {
	b.p.Records++
	for i := range b.p.Types {
		b.p.totals[i] += max(values[i], -values[i])
	}
	for e := b.head[node]; e >= 0; e = b.next[e] {
		if b.p.Entries[e].Labels == labels {
			for i, v := range b.p.Values(int(e)) {
				b.p.values[int(e)*len(b.p.Types)+i] = v + values[i]
			}
			return
		}
	}
	b.next = append(b.next, b.head[node])
	b.head[node] = int32(len(b.p.Entries))
	b.p.Entries = append(b.p.Entries, Entry{Node: node, Labels: labels})
	b.p.values = append(b.p.values, values[:len(b.p.Types)]...)
}
