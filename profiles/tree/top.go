package tree

import (
	"fmt"
	"io"
	"slices"

	"midwatch/foreign"
	"midwatch/profiles"
)

// Row is one function of the top table.
type Row struct {
	Frame int32 // index in Tree.Frames
	Name  foreign.Text
	File  foreign.Text
	Line  int64
	// Flat is spent in the function itself, Cum in it and all it called.
	Flat, Cum int64
}

// Order is how the table is sorted.
type Order int

// The orders, largest magnitude first; ties by name, as in pprof.
const (
	ByFlat Order = iota
	ByCum
)

// Top returns a row for each function that has any value.
//
// For a reconstructed profile without filters the recorded totals are used,
// which are exact; with filters, or a different kind of profile, the tree is
// summed up.
func (t *Tree) Top(order Order) []Row {
	flat, cum := t.totals()
	rows := make([]Row, 0, len(t.Frames))
	for f := range t.Frames {
		if flat[f] != 0 || cum[f] != 0 {
			fr := &t.Frames[f]
			rows = append(rows, Row{Frame: int32(f), Name: fr.Name, File: fr.File, Line: fr.Line, Flat: flat[f], Cum: cum[f]})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		first, second := [2]int64{a.Flat, b.Flat}, [2]int64{a.Cum, b.Cum}
		if order == ByCum {
			first, second = second, first
		}
		if c := compareMagnitude(first); c != 0 {
			return c
		}
		if c := compareText(a.Name, b.Name); c != 0 {
			return c
		}
		if c := compareMagnitude(second); c != 0 {
			return c
		}
		return int(a.Frame) - int(b.Frame)
	})
	return rows
}

func compareMagnitude(v [2]int64) int {
	a, b := max(v[0], -v[0]), max(v[1], -v[1])
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// totals returns flat and cum by frame.
func (t *Tree) totals() (flat, cum []int64) {
	flat, cum = make([]int64, len(t.Frames)), make([]int64, len(t.Frames))
	if t.exact != nil {
		for _, g := range t.exact {
			f := t.funcs[g.Function]
			flat[f] += g.Flat[t.index]
			cum[f] += g.Cum[t.index]
		}
		return flat, cum
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Frame < 0 {
			continue
		}
		flat[n.Frame] += n.Self
		if !n.Recursive {
			cum[n.Frame] += n.Cum
		}
	}
	return flat, cum
}

// exactTotals keeps the recorded totals of a reconstructed profile for a view
// of the whole.
func (b *builder) exactTotals() {
	g := b.p.Graph
	if g == nil || b.filtered || b.o.NoInlines {
		return
	}
	b.t.funcs = make([]int32, len(b.p.Functions))
	for i := range b.t.funcs {
		f := &b.p.Functions[i]
		b.t.funcs[i] = b.frame(b.key(f), Frame{Name: f.Name, File: f.File, Line: f.StartLine})
	}
	b.t.exact = g.Functions
}

// WriteTop writes the table as `go tool pprof -top` lays it out, at most
// limit rows (0 for all).
func (t *Tree) WriteTop(w io.Writer, order Order, limit int) error {
	rows := t.Top(order)
	shown := rows
	if limit > 0 && len(shown) > limit {
		shown = shown[:limit]
	}
	values := make([]int64, 0, 2*len(shown))
	for _, r := range shown {
		values = append(values, r.Flat, r.Cum)
	}
	unit := profiles.TableUnit(values, t.Type.Unit)
	if _, err := fmt.Fprintf(w, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum"); err != nil {
		return err
	}
	var sum int64
	for _, r := range shown {
		sum += r.Flat
		if _, err := fmt.Fprintf(w, "%10s %s %s %10s %s  %s\n",
			profiles.ScaleTo(r.Flat, t.Type.Unit, unit), profiles.Percent(r.Flat, t.Total), profiles.Percent(sum, t.Total),
			profiles.ScaleTo(r.Cum, t.Type.Unit, unit), profiles.Percent(r.Cum, t.Total), r.Name); err != nil {
			return err
		}
	}
	if len(shown) < len(rows) {
		_, err := fmt.Fprintf(w, "%d more functions\n", len(rows)-len(shown))
		return err
	}
	return nil
}
