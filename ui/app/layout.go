package app

import (
	"slices"

	"midwatch/ui/pane"
)

// The smallest terminal the console can be used on, and from where on it has
// two columns, and a strip along the bottom.
const (
	minWidth, minHeight = 40, 12
	twoColumns          = 100
	wideScreen          = 160
	wideHeight          = 26
	splitHeight         = 18 // a column lower than that is not split again
	twoLineHeader       = 20 // from this height on the header has a second line
)

// cell is a part of the body and the panes that share it as tabs; the top
// line of a cell is its title.
type cell struct {
	x, y, w, h int
	tiles      []*tile
	// shown is the one of tiles that is drawn.
	shown *tile
}

// inner is the size that remains for the pane.
func (c *cell) inner() pane.Rect { return pane.Rect{W: c.w, H: max(c.h-1, 0)} }

// Place is the part of a large screen a pane of the layout stands in. Panes of
// one place are its tabs; a smaller screen joins places.
type Place int

// The places. [arrange] draws where they are.
const (
	PlaceFirst  Place = iota + 1 // the left column: what is looked through
	PlaceDetail                  // upper right: the selected workload from several sides
	PlaceParts                   // lower right: what the selection is made of
	PlaceStrip                   // along the bottom: what happened
)

// arrange places the panes of the layout in a body of w x h cells. The letters
// are First, Detail, Parts and Strip.
//
//	from 160 columns on     from 100                below
//	┌────────┬─────────┐    ┌────────┬────────┐    ┌──────────────────┐
//	│ F      │ D       │    │ F      │ D      │    │ F D P S          │
//	│        ├─────────┤    │        ├────────┤    │                  │
//	│        │ P       │    │        │ P S    │    │                  │
//	├────────┴─────────┤    │        │        │    │                  │
//	│ S                │    │        │        │    │                  │
//	└──────────────────┘    └────────┴────────┘    └──────────────────┘
func arrange(base []*tile, w, h int) []cell {
	first, detail := placed(base, PlaceFirst), placed(base, PlaceDetail)
	parts, strip := placed(base, PlaceParts), placed(base, PlaceStrip)
	switch {
	case w < twoColumns || len(first) == 0 || len(first) == len(base):
		return []cell{{w: w, h: h, tiles: base}}
	case w >= wideScreen && h >= wideHeight && len(strip) > 0 && len(strip)+len(first) < len(base):
		low := max(h/4, 6)
		cells := columns(first, detail, parts, w, h-low)
		return append(cells, cell{y: h - low, w: w, h: low, tiles: strip})
	}
	return columns(first, detail, append(parts, strip...), w, h)
}

// placed are the panes of one place.
func placed(base []*tile, p Place) []*tile {
	var list []*tile
	for _, t := range base {
		if t.place == p {
			list = append(list, t)
		}
	}
	return list
}

// columns puts the first place left and the others right, in one part or two.
// Between the columns is one cell for the line.
func columns(first, upper, lower []*tile, w, h int) []cell {
	left := w * 52 / 100
	x := left + 1
	cells := []cell{{w: left, h: h, tiles: first}}
	if h < splitHeight || len(upper) == 0 || len(lower) == 0 {
		return append(cells, cell{x: x, w: w - x, h: h, tiles: append(slices.Clone(upper), lower...)})
	}
	at := h * 55 / 100
	return append(cells,
		cell{x: x, w: w - x, h: at, tiles: upper},
		cell{x: x, y: at, w: w - x, h: h - at, tiles: lower})
}

// place decides what stands where now: the layout, with the pane on top of
// the stack over the part that is not the first column, or over everything.
func (m *Model) place() {
	w, h := m.size.W, m.bodyHeight()
	m.cells = m.cells[:0]
	if w < minWidth || m.size.H < minHeight || m.focus == nil {
		return
	}
	top := m.top()
	switch {
	case m.zoomed, top != nil && w < wideScreen:
		m.cells = append(m.cells, m.whole(w, h))
	case top != nil:
		first := arrange(m.base, w, h)[0]
		first.h = h
		over := cell{x: first.w + 1, w: w - first.w - 1, h: h, tiles: []*tile{top}}
		m.cells = append(m.cells, first, over)
	default:
		m.cells = append(m.cells, arrange(m.base, w, h)...)
	}
	for i := range m.cells {
		m.cells[i].shown = m.latest(m.cells[i].tiles)
	}
}

// whole gives the body to one pane. One of the layout keeps the others as its
// tabs.
func (m *Model) whole(w, h int) cell {
	if m.focus.number == 0 || w >= twoColumns {
		return cell{w: w, h: h, tiles: []*tile{m.focus}}
	}
	return cell{w: w, h: h, tiles: m.base}
}

// latest is the one of the tabs that had the focus last.
func (m *Model) latest(tabs []*tile) *tile {
	best, when := tabs[0], -1
	for _, t := range tabs {
		if at := m.focused[t]; at > when {
			best, when = t, at
		}
	}
	return best
}
