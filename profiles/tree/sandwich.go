package tree

import (
	"slices"

	"midwatch/profiles/internal/pair"
)

// Callees merges what function f calls, wherever it is called from, into one
// tree whose root is f. The root's cum is the function's.
func (t *Tree) Callees(f int32) *Tree {
	g := t.derived(f)
	target := make([]int32, len(t.Nodes))
	for i := range t.Nodes {
		n := &t.Nodes[i]
		target[i] = -1
		switch {
		case n.Parent >= 0 && target[n.Parent] >= 0:
			target[i] = g.child(target[n.Parent], n.Frame)
		case n.Frame == f:
			target[i] = 0
		}
		if target[i] >= 0 {
			g.t.Nodes[target[i]].Self += n.Self
		}
	}
	g.t.finish()
	return g.t
}

// Callers merges the paths that lead to function f into one tree whose root
// is f and whose children are its callers: an inverted tree. Where f calls
// itself, its outermost call counts, so that the root's cum is the function's.
func (t *Tree) Callers(f int32) *Tree {
	g := t.derived(f)
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Frame != f || n.Recursive {
			continue
		}
		at := int32(0)
		for p := n.Parent; p > 0; p = t.Nodes[p].Parent {
			at = g.child(at, t.Nodes[p].Frame)
		}
		g.t.Nodes[at].Self += n.Cum
	}
	g.t.finish()
	return g.t
}

// deriver builds a tree from another's frames.
type deriver struct {
	t        *Tree
	children pair.Map
}

func (t *Tree) derived(root int32) *deriver {
	return &deriver{t: &Tree{
		Type: t.Type, Total: t.Total, Frames: t.Frames, Exactness: t.Exactness,
		Nodes: []Node{{Parent: -1, FirstChild: -1, NextSibling: -1, Frame: root}},
	}}
}

func (d *deriver) child(n, f int32) int32 {
	c, added := d.children.Add(n, f, int32(len(d.t.Nodes)))
	if added {
		d.t.Nodes = append(d.t.Nodes, Node{Parent: n, FirstChild: -1, NextSibling: -1, Frame: f})
	}
	return c
}

// Edge is one neighbour of a function in the graph of calls.
type Edge struct {
	Frame int32
	Value int64
}

// Peek returns who calls function f and whom it calls, with the value that
// flows over each edge, as `go tool pprof -peek` does: a sample counts once
// for an edge however often it repeats, and a call to itself is no edge. For
// an unfiltered reconstructed profile these are the recorded numbers.
func (t *Tree) Peek(f int32) (callers, callees []Edge) {
	in, out := map[int32]int64{}, map[int32]int64{}
	if t.exact != nil {
		for _, e := range t.graph.Edges {
			from, to := t.funcs[e.Caller], t.funcs[e.Callee]
			switch {
			case from == to:
			case to == f:
				in[from] += e.Cum[t.index]
			case from == f:
				out[to] += e.Cum[t.index]
			}
		}
		return t.edges(in), t.edges(out)
	}
	onIn, onOut := make([]int32, len(t.Frames)), make([]int32, len(t.Frames))
	t.Walk(0, func(n int32, enter bool) bool {
		x := &t.Nodes[n]
		if x.Parent <= 0 {
			return true
		}
		from := t.Nodes[x.Parent].Frame
		var on *int32
		var sum map[int32]int64
		other := from
		switch {
		case from == x.Frame:
			return true
		case x.Frame == f:
			on, sum = &onIn[from], in
		case from == f:
			on, sum, other = &onOut[x.Frame], out, x.Frame
		default:
			return true
		}
		if !enter {
			*on--
			return true
		}
		if *on == 0 {
			sum[other] += x.Cum
		}
		*on++
		return true
	})
	return t.edges(in), t.edges(out)
}

// edges sorts the largest first.
func (t *Tree) edges(sum map[int32]int64) []Edge {
	list := make([]Edge, 0, len(sum))
	for f, v := range sum {
		if v != 0 {
			list = append(list, Edge{f, v})
		}
	}
	slices.SortFunc(list, func(a, b Edge) int {
		if c := compareMagnitude([2]int64{a.Value, b.Value}); c != 0 {
			return c
		}
		if c := compareText(t.Frames[a.Frame].Name, t.Frames[b.Frame].Name); c != 0 {
			return c
		}
		return int(a.Frame) - int(b.Frame)
	})
	return list
}
