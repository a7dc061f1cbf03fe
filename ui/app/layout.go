package app

import "midwatch/ui/pane"

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

// arrange places the panes of the layout in a body of w x h cells.
//
//	from 160 columns on     from 100                below
//	┌────────┬─────────┐    ┌────────┬────────┐    ┌──────────────────┐
//	│ 1      │ 2       │    │ 1      │ 2      │    │ 1 2 3 4          │
//	│        ├─────────┤    │        ├────────┤    │                  │
//	│        │ 3       │    │        │ 3 4    │    │                  │
//	├────────┴─────────┤    │        │        │    │                  │
//	│ 4                │    │        │        │    │                  │
//	└──────────────────┘    └────────┴────────┘    └──────────────────┘
func arrange(base []*tile, w, h int) []cell {
	switch {
	case w < twoColumns || len(base) < 2:
		return []cell{{w: w, h: h, tiles: base}}
	case w >= wideScreen && h >= wideHeight && len(base) > 3:
		strip := max(h/4, 6)
		cells := columns(base[:3], w, h-strip)
		return append(cells, cell{y: h - strip, w: w, h: strip, tiles: base[3:]})
	}
	return columns(base, w, h)
}

// columns puts the first pane left and the others right, in one part or two.
// Between the columns is one cell for the line.
func columns(base []*tile, w, h int) []cell {
	left := w * 52 / 100
	x := left + 1
	cells := []cell{{w: left, h: h, tiles: base[:1]}}
	if h < splitHeight || len(base) < 3 {
		return append(cells, cell{x: x, w: w - x, h: h, tiles: base[1:]})
	}
	upper := h * 55 / 100
	return append(cells,
		cell{x: x, w: w - x, h: upper, tiles: base[1:2]},
		cell{x: x, y: upper, w: w - x, h: h - upper, tiles: base[2:]})
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
