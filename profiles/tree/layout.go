package tree

import "slices"

// LayoutOptions say how much room a flame has.
type LayoutOptions struct {
	Width, Height int // cells and rows
	// Fold, when set, names the frames of which a long chain, each calling
	// only the next, is drawn as one cell (runtime and library glue).
	Fold func(Frame) bool
}

// minChain is the shortest chain worth folding into "┊ 3".
const minChain = 3

// Cell is one box of a flame.
type Cell struct {
	// Node is what the box shows; of a chain its last frame; of a box of
	// leftovers the parent.
	Node     int32
	X, Width int
	// More is how many siblings, each too small for a cell, this box stands
	// for; 0 for an ordinary box. They are the children of Node whose Weight
	// is below Below.
	More  int
	Below int64
	// Chain is how many frames above Node are folded into this box.
	Chain int
}

// Layout is a flame cut into cells: rows from the zoom root down.
type Layout struct {
	Rows [][]Cell
	// Deeper says that rows were left out below.
	Deeper bool
}

// Layout divides the width among the children of zoom, row by row. Each box
// gets its share of its parent's cells by largest remainder, self time being
// an explicit gap at the right, so that the cells of a row never add up to
// more than their parent has and never drift. Siblings of less than one cell
// become one box of leftovers, so that nothing vanishes without a trace.
func (t *Tree) Layout(zoom int32, o LayoutOptions) Layout {
	var out Layout
	if o.Width < 1 || o.Height < 1 || int(zoom) >= len(t.Nodes) {
		return out
	}
	l := layouter{t: t, o: o}
	row := []Cell{{Node: zoom, Width: o.Width}}
	for {
		out.Rows = append(out.Rows, row)
		var next []Cell
		for _, c := range row {
			if c.More == 0 {
				next = l.children(next, c)
			}
		}
		if len(next) == 0 {
			return out
		}
		if len(out.Rows) == o.Height {
			out.Deeper = true
			return out
		}
		row = next
	}
}

// layouter keeps scratch space between nodes.
type layouter struct {
	t     *Tree
	o     LayoutOptions
	parts []part
	order []int
}

// part is one claim to the cells of a parent.
type part struct {
	node   int32 // -1 for self
	more   int
	weight int64
	cells  int
	rest   float64
}

// children appends the boxes below one box.
func (l *layouter) children(row []Cell, of Cell) []Cell {
	t := l.t
	p := &t.Nodes[of.Node]
	if p.FirstChild < 0 || p.Weight <= 0 {
		return row
	}
	below := l.claim(of)
	l.divide(of.Width, p.Weight)
	x := of.X
	for _, c := range l.parts {
		if c.cells == 0 || c.node < 0 {
			continue // self is last: its cells stay free
		}
		cell := Cell{Node: c.node, X: x, Width: c.cells}
		if c.more > 0 {
			cell.More, cell.Below, cell.Node = c.more, below, of.Node
		} else {
			cell.Node, cell.Chain = l.chain(c.node)
		}
		row = append(row, cell)
		x += c.cells
	}
	return row
}

// claim lists who wants cells of a box: children of a cell or more, the
// leftovers together, self. It returns the weight of one cell.
func (l *layouter) claim(of Cell) int64 {
	t := l.t
	p := &t.Nodes[of.Node]
	below := (p.Weight + int64(of.Width) - 1) / int64(of.Width) // one cell, rounded up
	self := max(p.Self, -p.Self)
	l.parts = l.parts[:0]
	rest, count := p.Weight-self, int(p.Children)
	for c := p.FirstChild; c >= 0; c = t.Nodes[c].NextSibling {
		w := t.Nodes[c].Weight
		if w < below {
			if t.byName {
				continue
			}
			break // the largest come first
		}
		l.parts = append(l.parts, part{node: c, weight: w})
		rest -= w
		count--
	}
	if count > 0 {
		leftover := part{node: of.Node, more: count, weight: rest}
		if count == 1 {
			leftover = part{node: l.onlySmall(p, below), weight: rest}
		}
		l.parts = append(l.parts, leftover)
	}
	l.parts = append(l.parts, part{node: -1, weight: self})
	return below
}

// onlySmall returns the one child of p that weighs less than a cell.
func (l *layouter) onlySmall(p *Node, below int64) int32 {
	for c := p.FirstChild; c >= 0; c = l.t.Nodes[c].NextSibling {
		if l.t.Nodes[c].Weight < below {
			return c
		}
	}
	return -1
}

// divide gives width cells to the parts by largest remainder.
func (l *layouter) divide(width int, total int64) {
	left := width
	l.order = l.order[:0]
	for i := range l.parts {
		c := &l.parts[i]
		share := float64(width) * float64(c.weight) / float64(total)
		c.cells = min(int(share), left)
		c.rest = share - float64(c.cells)
		left -= c.cells
		l.order = append(l.order, i)
	}
	if left == 0 {
		return
	}
	slices.SortStableFunc(l.order, func(a, b int) int {
		switch ra, rb := l.parts[a].rest, l.parts[b].rest; {
		case ra > rb:
			return -1
		case ra < rb:
			return 1
		}
		return 0
	})
	for _, i := range l.order {
		if left == 0 {
			return
		}
		l.parts[i].cells++
		left--
	}
}

// chain follows a chain of foldable frames from n down to its last one.
func (l *layouter) chain(n int32) (last int32, folded int) {
	if l.o.Fold == nil {
		return n, 0
	}
	t := l.t
	foldable := func(n int32) bool {
		x := &t.Nodes[n]
		return x.Children == 1 && x.Self == 0 && l.o.Fold(t.Frames[x.Frame])
	}
	last = n
	for foldable(last) {
		next := t.Nodes[last].FirstChild
		if !l.o.Fold(t.Frames[t.Nodes[next].Frame]) {
			break
		}
		last = next
		folded++
	}
	if folded+1 < minChain {
		return n, 0
	}
	return last, folded
}

// Small returns the children of n that a box of leftovers stands for.
func (t *Tree) Small(n int32, below int64) []int32 {
	var small []int32
	for c := t.Nodes[n].FirstChild; c >= 0; c = t.Nodes[c].NextSibling {
		if t.Nodes[c].Weight < below {
			small = append(small, c)
		}
	}
	return small
}
