// Package tree turns a profile into what a person looks at: a tree of calls
// by function name, the table of functions (top), callers and callees, search
// hits, and the layout of a flame in cells. It holds no terminal code.
//
// Flat and cum follow pprof exactly, so that a number read here is the number
// `go tool pprof -top` prints: a function's cum counts a sample once however
// often it recurses, its flat belongs to the innermost frame, and functions
// of one name are one. The rules were taken from google/pprof's
// internal/graph and internal/report and are held by tests against the tool.
package tree

import (
	"regexp"

	"midwatch/foreign"
	"midwatch/profiles"
	"midwatch/profiles/internal/pair"
)

// Options choose the view. The zero value is the first sample type, whole.
type Options struct {
	// Type is the index of the sample type (profiles.Profile.TypeIndex).
	Type int
	// Focus keeps the samples of which some frame matches; Ignore drops those;
	// Hide removes matching frames, giving their flat to what is left of the
	// stack; Show removes all others. Each looks at function names, file names
	// and the binary's name.
	Focus, Ignore, Hide, Show *regexp.Regexp
	// NoInlines puts inlined functions into the function they were inlined in.
	NoInlines bool
	// AllFrames keeps what the profile's own DropFrames would cut.
	AllFrames bool
	// LabelRoot puts the value of this label as a frame above each stack.
	LabelRoot string
	// Own, when set, keeps the frames it accepts and hides the others. A stack
	// without any stays visible as one frame, [Elsewhere].
	Own func(Frame) bool
	// FoldRecursion draws a function that calls itself once. Recursion through
	// others stays: without it their cum would be wrong.
	FoldRecursion bool
}

// Elsewhere is the name of the frame for stacks without a frame of one's own.
const Elsewhere foreign.Text = "(no own code)"

// Frame is one function as shown: functions of the same name are one.
type Frame struct {
	// Name is the function's name; "[binary]" or "<unknown>" when it has none.
	Name foreign.Text
	// File is where the function of this name was seen first; may be empty.
	File foreign.Text
	// Line is where it begins or was seen first; 0 when unknown.
	Line int64
	// Label is the key when the frame is the value of a label, else empty.
	Label foreign.Text
}

// Node is one call path. Its children form a list, the largest first.
type Node struct {
	Parent, FirstChild, NextSibling int32 // -1 for none
	Frame                           int32 // index in Tree.Frames; -1 for the root
	Children                        int32 // how many
	Self, Cum                       int64
	// Weight is what layout divides by: Cum when no value is negative, else
	// the sum of magnitudes, so that a shrinking part keeps its place.
	Weight int64
	// Recursive says that the same function is also an ancestor.
	Recursive bool
}

// Tree is one view of a profile. It does not change once built.
type Tree struct {
	// Type is the sample type shown.
	Type profiles.ValueType
	// Total is what percentages are taken of: the sum of |value| over the
	// whole profile, before any filter, as in pprof.
	Total int64
	// Nodes[0] is the root; a parent comes before its children. The root's Cum
	// is what the filters left.
	Nodes  []Node
	Frames []Frame
	// Exactness is the profile's.
	Exactness profiles.Exactness

	byName bool                     // children are in order of name
	exact  []profiles.GraphFunction // of reconstructed profiles, unfiltered
	graph  *profiles.CallGraph
	index  int     // sample type
	funcs  []int32 // function → frame, for exact
}

// builder builds one tree.
type builder struct {
	p        *profiles.Profile
	o        Options
	t        *Tree
	keys     map[frameKey]int32
	children pair.Map
	places   []place // by location
	filtered bool
	other    int32 // frame Elsewhere, or -1
}

// frameKey is what makes two frames one, as in pprof at the granularity of
// functions.
type frameKey struct {
	name, object foreign.Text
	start        int64
	label        foreign.Text
}

// place is a location with the options applied.
type place struct {
	frames     []int32 // outermost first; empty when hidden
	focused    bool
	ignored    bool
	prune      bool // DropFrames: cut here and below
	pruneBelow bool // DropFrames: cut below
}

// Build makes the tree of one sample type.
func Build(p *profiles.Profile, o Options) *Tree {
	b := &builder{p: p, o: o, keys: map[frameKey]int32{}, other: -1}
	b.t = &Tree{Exactness: p.Exactness, Nodes: make([]Node, 1), graph: p.Graph, index: o.Type}
	b.t.Nodes[0] = Node{Parent: -1, FirstChild: -1, NextSibling: -1, Frame: -1}
	if o.Type < len(p.Types) {
		b.t.Type = p.Types[o.Type]
		b.t.Total = p.Total(o.Type)
	}
	b.filtered = o.Focus != nil || o.Ignore != nil || o.Hide != nil || o.Show != nil || o.Own != nil || o.LabelRoot != ""
	b.resolve()
	switch {
	case o.Type >= len(p.Types):
	case o.LabelRoot != "":
		b.byEntry()
	default:
		b.byNode()
	}
	b.exactTotals()
	b.t.finish()
	return b.t
}

// state is what a stack has gone through on its way from the root.
type state struct {
	at      int32 // node of the tree
	focused bool
	ignored bool
	user    bool // a frame that DropFrames does not match was seen
	cut     bool // DropFrames cut here: what follows adds nothing
}

// step takes a stack one location further. With dry it only follows flags.
func (b *builder) step(s state, location int32, dry bool) state {
	pl := &b.places[location]
	if s.cut {
		return s
	}
	if pl.prune || pl.pruneBelow {
		if s.user {
			s.cut = true
			if pl.prune {
				return s
			}
		}
	} else {
		s.user = true
	}
	s.focused = s.focused || pl.focused
	s.ignored = s.ignored || pl.ignored
	if !dry {
		for _, f := range pl.frames {
			s.at = b.child(s.at, f)
		}
	}
	return s
}

// child returns the tree node for frame f called from node n.
func (b *builder) child(n, f int32) int32 {
	if b.o.FoldRecursion && n > 0 && b.t.Nodes[n].Frame == f {
		return n
	}
	c, added := b.children.Add(n, f, int32(len(b.t.Nodes)))
	if added {
		b.t.Nodes = append(b.t.Nodes, Node{Parent: n, FirstChild: -1, NextSibling: -1, Frame: f})
	}
	return c
}

// keeps reports whether a sample that ended in state s passes the filters.
func (b *builder) keeps(s state) bool {
	return !s.ignored && (b.o.Focus == nil || s.focused)
}

// land adds a sample's value where its stack ended.
func (b *builder) land(at int32, value int64) {
	if at == 0 {
		switch {
		case b.o.Own != nil:
			if b.other < 0 {
				b.other = b.frame(frameKey{name: Elsewhere}, Frame{Name: Elsewhere})
			}
			at = b.child(0, b.other)
		case b.o.Hide != nil || b.o.Show != nil:
			return // nothing of the stack is left: pprof drops the sample too
		}
	}
	b.t.Nodes[at].Self += value
}

// byNode builds by walking the profile's prefix tree once, so that what
// stacks share is looked at once.
func (b *builder) byNode() {
	nodes := b.p.Nodes
	states := make([]state, len(nodes))
	for i := 1; i < len(nodes); i++ {
		states[i] = b.step(states[nodes[i].Parent], nodes[i].Location, true)
	}
	alive := make([]bool, len(nodes))
	kept := make([]int32, 0, len(b.p.Entries))
	for i, e := range b.p.Entries {
		if b.p.Values(i)[b.o.Type] != 0 && b.keeps(states[e.Node]) {
			alive[e.Node] = true
			kept = append(kept, int32(i))
		}
	}
	count := 1
	for i := len(nodes) - 1; i > 0; i-- {
		if alive[i] {
			alive[nodes[i].Parent] = true
			count++
		}
	}
	// Inlined calls add a node here and there, equal lines remove some.
	b.children.Reserve(count)
	b.t.Nodes = append(make([]Node, 0, count+count/8+1), b.t.Nodes...)
	for i := 1; i < len(nodes); i++ {
		if alive[i] {
			states[i] = b.step(states[nodes[i].Parent], nodes[i].Location, false)
		}
	}
	for _, i := range kept {
		b.land(states[b.p.Entries[i].Node].at, b.p.Values(int(i))[b.o.Type])
	}
}

// byEntry builds by walking each stack for itself, which a label root needs.
func (b *builder) byEntry() {
	var path []int32
	for i, e := range b.p.Entries {
		value := b.p.Values(i)[b.o.Type]
		if value == 0 {
			continue
		}
		path = path[:0]
		for n := e.Node; n > 0; n = b.p.Nodes[n].Parent {
			path = append(path, b.p.Nodes[n].Location)
		}
		root, rootState := b.labelFrame(e.Labels)
		s := rootState
		for k := len(path) - 1; k >= 0; k-- {
			s = b.step(s, path[k], true)
		}
		if !b.keeps(s) {
			continue
		}
		s = rootState
		if root >= 0 {
			s.at = b.child(0, root)
		}
		for k := len(path) - 1; k >= 0; k-- {
			s = b.step(s, path[k], false)
		}
		b.land(s.at, value)
	}
}

// finish computes what follows from self values: cum, weights, the lists of
// children, recursion.
func (t *Tree) finish() {
	negative := false
	for i := range t.Nodes {
		n := &t.Nodes[i]
		n.Cum, n.Weight = n.Self, max(n.Self, -n.Self)
		negative = negative || n.Self < 0
	}
	for i := len(t.Nodes) - 1; i > 0; i-- {
		n := &t.Nodes[i]
		p := &t.Nodes[n.Parent]
		p.Cum += n.Cum
		p.Weight += n.Weight
		p.Children++
	}
	t.link(func(a, b *Node) int {
		if a.Weight != b.Weight {
			if a.Weight > b.Weight {
				return -1
			}
			return 1
		}
		return compareText(t.Frames[a.Frame].Name, t.Frames[b.Frame].Name)
	})
	onPath := make([]int32, len(t.Frames))
	t.Walk(0, func(n int32, enter bool) bool {
		f := t.Nodes[n].Frame
		if f < 0 {
			return true
		}
		if !enter {
			onPath[f]--
			return true
		}
		t.Nodes[n].Recursive = onPath[f] > 0
		onPath[f]++
		return true
	})
}

func compareText(a, b foreign.Text) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Walk visits the subtree of n, children in order: enter is true on the way
// in and false on the way out. When visit returns false on the way in, the
// children are left out and there is no way out.
func (t *Tree) Walk(n int32, visit func(n int32, enter bool) bool) {
	at, down := n, true
	for {
		if down {
			if visit(at, true) {
				if c := t.Nodes[at].FirstChild; c >= 0 {
					at = c
					continue
				}
				visit(at, false)
			}
		} else {
			visit(at, false)
		}
		if at == n {
			return
		}
		if s := t.Nodes[at].NextSibling; s >= 0 {
			at, down = s, true
		} else {
			at, down = t.Nodes[at].Parent, false
		}
	}
}

// Name returns the name of node n; the root is "all".
func (t *Tree) Name(n int32) foreign.Text {
	if f := t.Nodes[n].Frame; f >= 0 {
		return t.Frames[f].Name
	}
	return "all"
}

// Path returns the names from below the root to n: the identity of a node
// that survives a new capture.
func (t *Tree) Path(n int32) []foreign.Text {
	var path []foreign.Text
	for ; n > 0; n = t.Nodes[n].Parent {
		path = append(path, t.Name(n))
	}
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return path
}

// Find returns the node that a path leads to, or the deepest node on the way
// and false.
func (t *Tree) Find(path []foreign.Text) (int32, bool) {
	at := int32(0)
	for _, name := range path {
		next := int32(-1)
		for c := t.Nodes[at].FirstChild; c >= 0; c = t.Nodes[c].NextSibling {
			if t.Name(c) == name {
				next = c
				break
			}
		}
		if next < 0 {
			return at, false
		}
		at = next
	}
	return at, true
}
