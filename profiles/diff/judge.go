package diff

import (
	"math"
	"slices"

	"midwatch/foreign"
	"midwatch/profiles/tree"
)

// leastSamples is how many samples a function needs on both sides together
// before anything is said about it.
const leastSamples = 10

// rows sums up each function: by pod, then by side.
func (c *comparer) rows() {
	c.d.Rows = make([]Row, len(c.d.Frames))
	for i, f := range c.d.Frames {
		c.d.Rows[i] = Row{Frame: int32(i), Name: f.Name, File: f.File, P: 1}
	}
	for side := range c.sides {
		for _, p := range c.sides[side] {
			values := make([]Values, len(c.d.Frames))
			for _, r := range p.t.Top(tree.ByFlat) {
				v := &values[p.frames[r.Frame]]
				v.Flat += r.Flat
				v.Cum += r.Cum
			}
			c.perPod[side] = append(c.perPod[side], values)
			for i, v := range values {
				to := &c.d.Rows[i].Base
				if side == 1 {
					to = &c.d.Rows[i].New
				}
				to.Flat += v.Flat
				to.Cum += v.Cum
			}
		}
	}
	for i := range c.d.Rows {
		r := &c.d.Rows[i]
		r.BaseFlat, r.BaseCum = c.inMode(0, r.Base.Flat), c.inMode(0, r.Base.Cum)
		r.NewFlat, r.NewCum = c.inMode(1, r.New.Flat), c.inMode(1, r.New.Cum)
		r.Samples = c.samples(0, r.Base.Cum) + c.samples(1, r.New.Cum)
	}
}

// InMode converts a side's value into the unit of the mode: per cent of the
// side, cores per pod, per request, or per pod.
func (d *Diff) InMode(ofNew bool, v int64) float64 {
	t, requests := d.Base, d.requests[0]
	if ofNew {
		t, requests = d.New, d.requests[1]
	}
	switch d.Mode {
	case Share:
		return 100 * share(float64(v), float64(t.Value))
	case Cores:
		return share(float64(v), t.Seconds*1e9*float64(t.Pods))
	case PerRequest:
		return share(float64(v), requests)
	}
	return float64(v) / float64(t.Pods)
}

func (c *comparer) inMode(side int, v int64) float64 { return c.d.InMode(side == 1, v) }

// samples returns how many samples a side's value stands for.
func (c *comparer) samples(side int, v int64) float64 {
	t := c.d.Base
	if side == 1 {
		t = c.d.New
	}
	return t.Samples * share(math.Abs(float64(v)), math.Abs(float64(t.Value)))
}

// factor is what the new side's shares are multiplied by before the test. A
// function that grew takes share from all others; without a correction they
// would all count as improved. Most work is taken to be unchanged, so the
// median ratio, weighted by share, is taken as the shift (the way counts of genes
// are normalised, DESeq's median of ratios).
//
// The ratios are of flat values under each function of one's own: what grew
// uses the same allocator as the rest, so that the allocator's flat value as a
// whole says nothing, but under what did not grow it does. Where samples are
// few, all that is under one function is taken together.
//
// The median is robust and wasteful: of a few hundred samples it is off by a
// tenth or more, enough for what did not change to look improved. So it only
// tells which groups kept their cost, and their sums give the factor. How
// uncertain that is enters every test.
func (c *comparer) factor() shift {
	none := shift{factor: 1}
	if c.d.Mode != Share {
		return none
	}
	var ratios, weights []float64
	groups := c.byOwner(true)
	if c.enough(groups) < leastGroups {
		groups = c.byOwner(false)
	}
	for _, v := range groups {
		base, now := c.inMode(0, v.Base.Flat), c.inMode(1, v.New.Flat)
		if c.counts(v) {
			ratios = append(ratios, base/now)
			weights = append(weights, math.Min(base, now))
		}
	}
	s := c.refine(groups, shift{factor: weightedMedian(ratios, weights)})
	// A shift within chance is no shift.
	if math.Abs(s.factor-1) < 0.02 {
		return none
	}
	return s
}

// shift is what the new side's shares are multiplied by, and the variance of
// that as a part of its square.
type shift struct{ factor, variance float64 }

// unchanged is how many standard errors a group may be off to be taken to have
// kept its cost.
const unchanged = 2

// refine adds up the groups that kept their cost by the factor so far, and
// looks again with the factor that gives.
func (c *comparer) refine(groups []Node, s shift) shift {
	for range 4 {
		var base, now, k1, k2 float64
		for _, v := range groups {
			b, n := c.samples(0, v.Base.Flat), c.samples(1, v.New.Flat)
			p1, p2 := share(b, c.d.Base.Samples), share(n, c.d.New.Samples)
			if !c.counts(v) || stdErrors(b, c.d.Base.Samples, n, c.d.New.Samples, s, podSpread) > unchanged {
				continue
			}
			base, now, k1, k2 = base+p1, now+p2, k1+b, k2+n
		}
		if k1 == 0 || k2 == 0 {
			return s
		}
		s = shift{factor: base / now, variance: 1/k1 + 1/k2}
	}
	return s
}

// leastGroups is how many ratios a median needs to mean something.
const leastGroups = 5

// counts reports whether a group has enough samples on both sides.
func (c *comparer) counts(v Node) bool {
	return v.Base.Flat > 0 && v.New.Flat > 0 && c.samples(0, v.Base.Flat)+c.samples(1, v.New.Flat) >= leastSamples
}

func (c *comparer) enough(groups []Node) int {
	n := 0
	for _, v := range groups {
		if c.counts(v) {
			n++
		}
	}
	return n
}

// byOwner adds up what is spent under each function of one's own, as far as no
// other one of one's own is below it, by function where fine; what has no
// owner counts for itself.
func (c *comparer) byOwner(fine bool) []Node {
	type group struct{ owner, frame int32 }
	owner := make([]int32, len(c.d.Nodes)) // frame, or -1
	place := map[group]int{}
	var sums []Node
	owner[0] = -1
	for i := 1; i < len(c.d.Nodes); i++ {
		n := &c.d.Nodes[i]
		owner[i] = owner[n.Parent]
		if tree.Own(c.d.Frames[n.Frame]) {
			owner[i] = n.Frame
		}
		key := group{owner[i], n.Frame}
		if !fine && owner[i] >= 0 {
			key.frame = -1
		}
		at, ok := place[key]
		if !ok {
			at = len(sums)
			place[key] = at
			sums = append(sums, Node{Frame: n.Frame})
		}
		sums[at].Base.Flat += n.Base.Flat
		sums[at].New.Flat += n.New.Flat
	}
	return sums
}

// judge tests each function and keeps what survives the correction for
// looking at many.
func (c *comparer) judge() {
	by := c.factor()
	factor := by.factor
	c.shift = factor
	var tested []int
	var cum, flat []float64
	for i := range c.d.Rows {
		r := &c.d.Rows[i]
		if r.Samples < leastSamples {
			r.Verdict = TooFew
			continue
		}
		r.P = c.test(i, by, func(v Values) int64 { return v.Cum })
		tested = append(tested, i)
		cum = append(cum, r.P)
		flat = append(flat, c.test(i, by, func(v Values) int64 { return v.Flat }))
	}
	c.sig, c.flatSig = make([]bool, len(c.d.Rows)), make([]bool, len(c.d.Rows))
	cumFound, flatFound := benjaminiHochberg(cum, c.o.Rate), benjaminiHochberg(flat, c.o.Rate)
	for k, i := range tested {
		r := &c.d.Rows[i]
		c.flatSig[i] = flatFound[k] && c.large(r.NewFlat*factor-r.BaseFlat)
		change := r.NewCum*factor - r.BaseCum
		if !cumFound[k] || !c.large(change) {
			continue
		}
		c.sig[i] = true
		r.Verdict = Regression
		if change < 0 {
			r.Verdict = Improvement
		}
	}
}

// large reports whether a change is worth a word.
func (c *comparer) large(change float64) bool {
	least := c.o.Least
	if c.d.Mode != Share {
		least *= math.Max(c.inMode(0, c.d.Base.Value), c.inMode(1, c.d.New.Value)) / 100
	}
	return math.Abs(change) >= least
}

// podSpread is how much pods doing the same are taken to differ when they
// were not compared among each other, as a part of the value.
const podSpread = 0.05

// test returns the probability that a function did not change. Counts of
// samples give one answer; with three pods a side Welch's t over the pods
// gives another, and the more careful of both counts: three pods can agree by
// luck.
func (c *comparer) test(row int, by shift, of func(Values) int64) float64 {
	if c.onOneSide(row) {
		return c.byCounts(row, shift{factor: by.factor}, podSpread, of) // no factor makes something of nothing
	}
	if !c.d.Variance {
		return c.byCounts(row, by, podSpread, of)
	}
	return math.Max(c.byCounts(row, by, 0, of), c.byPods(row, by, of))
}

// onOneSide reports a function that every pod of one side ran and none of the
// other: that pods differ among themselves does not explain it, however much
// they differ.
func (c *comparer) onOneSide(row int) bool {
	var ran [2]int
	for side := range c.sides {
		for k := range c.sides[side] {
			if c.perPod[side][k][row].Cum != 0 {
				ran[side]++
			}
		}
	}
	return ran[0] == 0 && ran[1] == len(c.sides[1]) || ran[1] == 0 && ran[0] == len(c.sides[0])
}

func (c *comparer) byPods(row int, by shift, of func(Values) int64) float64 {
	var groups [2][]float64
	for side := range groups {
		for k, p := range c.sides[side] {
			v := float64(of(c.perPod[side][k][row]))
			switch c.d.Mode {
			case Share:
				v = share(v, p.total)
			case Cores:
				v = share(v, p.seconds)
			case PerRequest:
				v = share(v, c.d.requests[side]/float64(len(c.sides[side])))
			}
			if side == 1 {
				v *= by.factor
			}
			groups[side] = append(groups[side], v)
		}
	}
	return welch(groups[0], groups[1], by.variance)
}

func (c *comparer) byCounts(row int, by shift, spread float64, of func(Values) int64) float64 {
	r := &c.d.Rows[row]
	k1, k2 := c.samples(0, of(r.Base)), c.samples(1, of(r.New))
	switch c.d.Mode {
	case Share:
		return twoProportions(k1, c.d.Base.Samples, k2, c.d.New.Samples, by, spread)
	case Cores:
		return twoRates(k1, c.d.Base.Seconds*float64(c.d.Base.Pods), k2, c.d.New.Seconds*float64(c.d.New.Pods), spread)
	case PerRequest:
		return twoRates(k1, c.d.requests[0], k2, c.d.requests[1], spread)
	}
	return twoRates(k1, float64(c.d.Base.Pods), k2, float64(c.d.New.Pods), spread)
}

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
