package decode

import (
	"slices"

	"midwatch/profiles"
)

// graph collects what deterministic profilers record, totals of functions and
// of calls, and makes up stacks from them for the flame.
type graph struct {
	b     *profiles.Builder
	types int
	rows  map[int32]*graphRow
	order []int32 // of appearance
	edges map[[2]int32][]int64
	pairs [][2]int32
}

type graphRow struct {
	flat, cum []int64
	callees   []int32
	called    int64 // cum that comes in over edges, in the last type
}

func newGraph(limits Limits, format profiles.Format, types ...profiles.ValueType) *graph {
	return &graph{
		b: newBuilder(limits, format, profiles.Reconstructed, types...), types: len(types),
		rows: map[int32]*graphRow{}, edges: map[[2]int32][]int64{},
	}
}

// function returns the function of that name, file and line.
func (g *graph) function(name, file string, line int64) int32 {
	return g.b.Function(name, name, file, line)
}

func (g *graph) row(f int32) *graphRow {
	r := g.rows[f]
	if r == nil {
		r = &graphRow{flat: make([]int64, g.types), cum: make([]int64, g.types)}
		g.rows[f] = r
		g.order = append(g.order, f)
	}
	return r
}

func add(to []int64, values []int64) {
	for i, v := range values {
		if i < len(to) {
			to[i] += v
		}
	}
}

func (g *graph) flat(f int32, values ...int64) { add(g.row(f).flat, values) }
func (g *graph) cum(f int32, values ...int64)  { add(g.row(f).cum, values) }

// edge adds what callee cost, all included, when called from caller.
func (g *graph) edge(caller, callee int32, values ...int64) {
	key := [2]int32{caller, callee}
	e := g.edges[key]
	if e == nil {
		e = make([]int64, g.types)
		g.edges[key] = e
		g.pairs = append(g.pairs, key)
	}
	add(e, values)
	g.row(caller)
	g.row(callee)
}

// profile returns the recorded totals and edges, and stacks made from them.
func (g *graph) profile(limits Limits) *profiles.Profile {
	p := g.b.Profile()
	c := &profiles.CallGraph{}
	for _, f := range g.order {
		c.Functions = append(c.Functions, profiles.GraphFunction{Function: f, Flat: g.rows[f].flat, Cum: g.rows[f].cum})
	}
	last := g.types - 1
	for _, key := range g.pairs {
		e := g.edges[key]
		c.Edges = append(c.Edges, profiles.GraphEdge{Caller: key[0], Callee: key[1], Cum: e})
		if key[0] != key[1] {
			g.rows[key[0]].callees = append(g.rows[key[0]].callees, key[1])
			g.rows[key[1]].called += e[last]
		}
	}
	p.Graph = c
	g.stacks(limits)
	return p
}

// stacks walks the graph from its roots. Where a function has several
// callers, each gets of what it calls the share that it caused itself; a
// function is followed to its second time on a stack only. This is the way speedscope and gprof2dot
// show such profiles, and it can show stacks that never ran: hence
// profiles.Reconstructed. Branches below half a thousandth of the whole end where
// they are, with their time, so that the walk stays small.
func (g *graph) stacks(limits Limits) {
	last := g.types - 1
	var total int64
	for _, f := range g.order {
		total += g.rows[f].flat[last]
	}
	w := &graphWalk{g: g, least: float64(total) / 2000, onPath: map[int32]int{}, budget: 200_000, depth: min(limits.Depth, 500)}
	for _, f := range g.order {
		r := g.rows[f]
		slices.SortStableFunc(r.callees, func(a, b int32) int {
			x, y := g.edges[[2]int32{f, a}][last], g.edges[[2]int32{f, b}][last]
			switch {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
	}
	for _, f := range g.order {
		r := g.rows[f]
		if r.cum[last] == 0 && r.called == 0 {
			// The profiler itself, which is listed without time.
			for _, c := range r.callees {
				r.cum[last] += g.edges[[2]int32{f, c}][last]
			}
			if r.cum[last] > 0 {
				w.visit(0, f, 1, float64(r.cum[last]))
				r.cum[last] = 0
			}
			continue
		}
		if own := r.cum[last] - r.called; own > 0 {
			w.visit(0, f, float64(own)/float64(max(r.cum[last], 1)), float64(own))
		}
	}
	g.settle(w, total)
}

// settle gives what the walk could not place (recursion, rounding) to the
// functions it belongs to, so that the flame's total is the recorded one.
func (g *graph) settle(w *graphWalk, total int64) {
	last := g.types - 1
	missing := total
	for i := range g.b.Profile().Entries {
		missing -= g.b.Profile().Values(i)[last]
	}
	if missing <= 0 || total == 0 || missing < total/200 {
		return
	}
	for _, f := range g.order {
		if w.reached[f] || g.rows[f].flat[last] <= 0 {
			continue
		}
		g.b.Add(w.node(0, f), 0, g.rows[f].flat...)
	}
}

// graphWalk is the state of one walk.
type graphWalk struct {
	g       *graph
	least   float64
	onPath  map[int32]int // how often
	reached map[int32]bool
	budget  int
	depth   int
	deep    int // now
}

func (w *graphWalk) node(parent, f int32) int32 {
	loc := w.g.b.Location(profiles.Location{Mapping: -1, Lines: []profiles.Line{{Function: f}}})
	return w.g.b.Child(parent, loc)
}

// visit places share of function f, which costs cum in all, below parent.
func (w *graphWalk) visit(parent, f int32, share, cum float64) {
	r := w.g.rows[f]
	last := w.g.types - 1
	if w.reached == nil {
		w.reached = map[int32]bool{}
	}
	w.reached[f] = true
	w.budget--
	n := w.node(parent, f)
	if cum < w.least || w.budget <= 0 || w.deep >= w.depth {
		w.add(n, share, r, cum)
		return
	}
	w.onPath[f]++
	w.deep++
	defer func() { w.onPath[f]--; w.deep-- }()
	rest := cum
	for _, c := range r.callees {
		// A function may come twice, for everything goes through map and sum;
		// below the second time only what is new is followed.
		if w.onPath[c] > 1 || w.onPath[c] > 0 && w.onPath[f] > 1 {
			continue
		}
		cost := float64(w.g.edges[[2]int32{f, c}][last])
		if w.onPath[f] == 1 {
			cost *= share
		}
		cost = min(cost, rest)
		if cost <= 0 {
			continue
		}
		rest -= cost
		w.visit(n, c, cost/float64(max(w.g.rows[c].cum[last], 1)), cost)
	}
	w.add(n, share, r, rest)
}

// add puts the rest of a function's time on its node.
func (w *graphWalk) add(n int32, share float64, r *graphRow, value float64) {
	values := make([]int64, w.g.types)
	for i := range values {
		values[i] = round(float64(r.flat[i]) * share)
	}
	values[w.g.types-1] = round(value)
	for _, v := range values {
		if v != 0 {
			w.g.b.Add(n, 0, values...)
			return
		}
	}
}
