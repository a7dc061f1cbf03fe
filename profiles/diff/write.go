package diff

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteFolded writes the aligned tree as folded stacks with two values, base
// and new: the input of differential flame graph tools.
func (d *Diff) WriteFolded(w io.Writer) error {
	out := bufio.NewWriter(w)
	var path []string
	d.visit(0, 0, func(n int32, depth int) bool {
		path = append(path[:depth], strings.ReplaceAll(d.Frames[d.Nodes[n].Frame].Name.String(), ";", ":"))
		if x := d.Nodes[n]; x.Base.Flat != 0 || x.New.Flat != 0 {
			fmt.Fprintf(out, "%s %d %d\n", strings.Join(path, ";"), x.Base.Flat, x.New.Flat)
		}
		return true
	})
	return out.Flush()
}

// Walk visits the paths whose cum changed enough to matter, from the root
// down, with the change in the unit of the mode.
func (d *Diff) Walk(visit func(n int32, depth int, delta float64)) {
	least := 0.5
	if d.Mode != Share {
		least *= math.Max(d.InMode(false, d.Base.Value), d.InMode(true, d.New.Value)) / 100
	}
	d.visit(0, 0, func(n int32, depth int) bool {
		x := &d.Nodes[n]
		delta := d.InMode(true, x.New.Cum) - d.InMode(false, x.Base.Cum)
		// Below a node that did not change as a whole, parts may cancel out:
		// go on as long as either side is large enough to hide that.
		if math.Abs(delta) >= least {
			visit(n, depth, delta)
		}
		return math.Max(math.Abs(d.InMode(false, x.Base.Cum)), math.Abs(d.InMode(true, x.New.Cum))) >= least
	})
}

// visit walks the children of n in order.
func (d *Diff) visit(n int32, depth int, f func(n int32, depth int) bool) {
	for c := d.Nodes[n].FirstChild; c >= 0; c = d.Nodes[c].NextSibling {
		if f(c, depth) {
			d.visit(c, depth+1, f)
		}
	}
}
