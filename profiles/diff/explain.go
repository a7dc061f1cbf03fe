package diff

import (
	"math"
	"slices"

	"midwatch/foreign"
	"midwatch/profiles/tree"
)

// carries is the part of a change that one callee must explain for the
// caller to be only on the way.
const carries = 0.7

// explain tells where a change comes from: it follows it from where it
// appears, at the root or below calls that did not change as a whole, down as
// long as one callee carries most of it. Functions on the way only pass it
// on. The last one that is one's own code is the culprit.
func (c *comparer) explain() {
	through := map[int32]int32{} // row on the way → culprit
	culprits := map[int32]bool{}
	for _, n := range c.starts() {
		path := c.follow(n)
		end := c.culprit(path)
		culprits[c.d.Nodes[path[end]].Frame] = true
		for _, above := range path[:end] {
			through[c.d.Nodes[above].Frame] = c.d.Nodes[path[end]].Frame
		}
	}
	c.dropUnseen()
	for f, culprit := range through {
		r := &c.d.Rows[f]
		if !culprits[f] && !c.flatSig[f] && changed(r) && changed(&c.d.Rows[culprit]) {
			r.Verdict, r.Via = Through, c.d.Rows[culprit].Name
		}
	}
	c.attribute(culprits)
	for f := range culprits {
		if c.d.Rows[f].Verdict == Regression {
			c.d.Culprits = append(c.d.Culprits, c.d.Rows[f])
		}
	}
	slices.SortFunc(c.d.Culprits, byDelta)
}

// attribute gives a culprit what changed only because of it: most of the
// change of what it calls is found below it, wherever it is called.
func (c *comparer) attribute(culprits map[int32]bool) {
	owner := make([]int32, len(c.d.Nodes)) // the culprit above, or -1
	owner[0] = -1
	type part struct{ frame, culprit int32 }
	parts := map[part]float64{}
	var inOrder []part
	for i := int32(1); int(i) < len(c.d.Nodes); i++ {
		n := &c.d.Nodes[i]
		owner[i] = owner[n.Parent]
		if owner[i] >= 0 && c.sig[n.Frame] && !c.below(i, n.Frame) {
			p := part{n.Frame, owner[i]}
			if _, ok := parts[p]; !ok {
				inOrder = append(inOrder, p)
			}
			parts[p] += c.delta(i)
		}
		if culprits[n.Frame] {
			owner[i] = n.Frame
		}
	}
	for _, p := range inOrder {
		v, r := parts[p], &c.d.Rows[p.frame]
		whole := r.NewCum*c.shift - r.BaseCum
		if !culprits[p.frame] && changed(r) && changed(&c.d.Rows[p.culprit]) && v*whole >= carries*whole*whole {
			r.Verdict, r.Via = Within, c.d.Rows[p.culprit].Name
		}
	}
}

func changed(r *Row) bool { return r.Verdict == Regression || r.Verdict == Improvement }

// dropUnseen takes verdicts back that contradict the numbers beside them: a
// function that grew a little while another one grew much has a smaller share
// than before, and a row that says "26 % -> 22 %, regression" helps nobody.
func (c *comparer) dropUnseen() {
	for i := range c.d.Rows {
		r := &c.d.Rows[i]
		if r.Verdict == Regression && r.Delta() <= 0 || r.Verdict == Improvement && r.Delta() >= 0 {
			r.Verdict = Noise
		}
	}
}

// delta is a node's change in the unit of the mode, corrected for the shift
// of shares: a root that has all of it on both sides still passes a change on.
func (c *comparer) delta(n int32) float64 {
	x := &c.d.Nodes[n]
	return c.inMode(1, x.New.Cum)*c.shift - c.inMode(0, x.Base.Cum)
}

// partOfChange is the least part of its function's change that a place must
// have to be followed.
const partOfChange = 0.3

// starts returns the nodes at which a change appears: those that changed
// enough to matter and whose caller did not. In shares, what grew takes from
// what did not, so that a caller of both may stay as it was. A change that a
// caller shares, but too rarely sampled to be sure of by itself, appeared
// further up. A place that has little part in its function's change, such as
// one of an allocator's callers that stayed, is none; nor is one of a function
// whose change is known already from below others.
func (c *comparer) starts() []int32 {
	moves := make([]bool, len(c.d.Nodes))
	var found []int32
	explained := map[int32]float64{} // by function: its change at places below one that changed
	for i := int32(1); int(i) < len(c.d.Nodes); i++ {
		n := &c.d.Nodes[i]
		moves[i] = c.sig[n.Frame] && c.large(c.delta(i))
		switch {
		case !moves[i]:
		case !c.within(moves, i):
			found = append(found, i)
		case !c.below(i, n.Frame):
			explained[n.Frame] += c.delta(i)
		}
	}
	return slices.DeleteFunc(found, func(n int32) bool {
		frame := c.d.Nodes[n].Frame
		r := &c.d.Rows[frame]
		whole := r.NewCum*c.shift - r.BaseCum
		return c.delta(n)*whole < partOfChange*whole*whole || explained[frame]*whole >= carries*whole*whole
	})
}

// below reports whether a function is among a node's callers: what it costs
// there is part of what it costs further up.
func (c *comparer) below(n, frame int32) bool {
	for at := c.d.Nodes[n].Parent; at > 0; at = c.d.Nodes[at].Parent {
		if c.d.Nodes[at].Frame == frame {
			return true
		}
	}
	return false
}

// within reports whether a change is part of one further up: the caller
// changed for sure, or changed by as much on the way to one that did.
func (c *comparer) within(moves []bool, n int32) bool {
	own := c.delta(n)
	for at := c.d.Nodes[n].Parent; at > 0; at = c.d.Nodes[at].Parent {
		if moves[at] {
			return true
		}
		if d := c.delta(at); d*own <= 0 || math.Abs(d) < carries*math.Abs(own) {
			return false
		}
	}
	return false
}

// follow goes down from a node as long as one child carries most of the
// change, and returns the nodes on the way, the last of which changed for
// sure. Between them there may be one that is within chance as a whole.
func (c *comparer) follow(n int32) []int32 {
	path, sure := []int32{n}, 1
	for n >= 0 {
		whole, next := c.delta(n), int32(-1)
		for k := c.d.Nodes[n].FirstChild; k >= 0; k = c.d.Nodes[k].NextSibling {
			if d := c.delta(k); d*whole > 0 && c.large(d) && math.Abs(d) >= carries*math.Abs(whole) {
				next = k
			}
		}
		if next >= 0 {
			path = append(path, next)
			if c.sig[c.d.Nodes[next].Frame] {
				sure = len(path)
			}
		}
		n = next
	}
	return path[:sure]
}

// culprit returns which of the nodes on the way to name: the last own one, or
// the last when none is.
func (c *comparer) culprit(path []int32) int {
	for i := len(path) - 1; i >= 0; i-- {
		if f := c.d.Nodes[path[i]].Frame; c.sig[f] && tree.Own(c.d.Frames[f]) {
			return i
		}
	}
	return len(path) - 1
}

// rank orders verdicts for reading.
func rank(v Verdict) int {
	switch v {
	case Regression:
		return 0
	case Improvement:
		return 1
	case Through:
		return 2
	case Within:
		return 3
	case Noise:
		return 4
	}
	return 5
}

func byDelta(a, b Row) int {
	switch x, y := math.Abs(a.Delta()), math.Abs(b.Delta()); {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	// Of what did not change the largest is the most interesting.
	switch x, y := math.Max(a.BaseCum, a.NewCum), math.Max(b.BaseCum, b.NewCum); {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return compare(a.Name, b.Name)
}

func compare(a, b foreign.Text) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// order sorts the rows: culprits, then by verdict, then by change.
func (c *comparer) order() {
	first := map[int32]bool{}
	for _, r := range c.d.Culprits {
		first[r.Frame] = true
	}
	slices.SortStableFunc(c.d.Rows, func(a, b Row) int {
		if first[a.Frame] != first[b.Frame] {
			if first[a.Frame] {
				return -1
			}
			return 1
		}
		if x, y := rank(a.Verdict), rank(b.Verdict); x != y {
			return x - y
		}
		return byDelta(a, b)
	})
}

// link puts children in order of name.
func (c *comparer) link() {
	kids := make([][]int32, len(c.d.Nodes))
	for i := 1; i < len(c.d.Nodes); i++ {
		p := c.d.Nodes[i].Parent
		kids[p] = append(kids[p], int32(i))
	}
	for p, list := range kids {
		slices.SortFunc(list, func(a, b int32) int {
			return compare(c.d.Frames[c.d.Nodes[a].Frame].Name, c.d.Frames[c.d.Nodes[b].Frame].Name)
		})
		for k := len(list) - 1; k >= 0; k-- {
			c.d.Nodes[list[k]].NextSibling = c.d.Nodes[p].FirstChild
			c.d.Nodes[p].FirstChild = list[k]
		}
	}
}
