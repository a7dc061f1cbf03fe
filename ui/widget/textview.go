package widget

import (
	"strings"

	"midwatch/ui/theme"
)

// LineSource is text by lines. Line is asked for visible lines only.
type LineSource interface {
	Len() int
	Line(i int) Rich
}

// TextLines is a [LineSource] in memory.
type TextLines []Rich

// Len is how many lines there are.
func (l TextLines) Len() int { return len(l) }

// Line is line i.
func (l TextLines) Line(i int) Rich { return l[i] }

// TextView scrolls through lines: clipped and moved sideways, or wrapped.
type TextView struct {
	source LineSource
	top    place
	left   int // cells scrolled off on the left; only while lines are clipped
	wrap   bool
	follow bool
	w, h   int // as drawn last

	search Filter
	hit    int // line of the present hit; -1 for none

	// Tail keeps the last line in view while lines are added, from when the
	// user reaches it until he moves up.
	Tail bool
	// Highlight marks matches without searching; the search takes over.
	Highlight Filter
}

// place is a row on the screen: a line, and which of its wrapped rows.
type place struct{ line, row int }

func (p place) before(q place) bool { return p.line < q.line || p.line == q.line && p.row < q.row }

// NewTextView makes a view of a source.
func NewTextView(source LineSource) *TextView {
	return &TextView{source: source, hit: -1}
}

// SetSource replaces the text; the window stays where it was as far as there
// are that many lines.
func (v *TextView) SetSource(source LineSource) {
	v.source, v.hit = source, -1
	v.clamp()
}

// Shift says that n lines fell out at the front, so that what is on the
// screen stays there.
func (v *TextView) Shift(n int) {
	v.top.line -= n
	if v.hit >= 0 {
		v.hit = max(-1, v.hit-n)
	}
	if v.top.line < 0 {
		v.top = place{}
	}
}

// Wrapped reports whether long lines are wrapped.
func (v *TextView) Wrapped() bool { return v.wrap }

// SetWrap wraps long lines or clips them.
func (v *TextView) SetWrap(on bool) {
	v.wrap, v.left = on, 0
	v.top.row = 0
	v.clamp()
}

// Following reports whether the last line is kept in view.
func (v *TextView) Following() bool { return v.Tail && v.follow }

// SetFollow keeps the last line in view, or lets go of it.
func (v *TextView) SetFollow(on bool) {
	if !on && v.follow {
		v.top = v.lowest()
	}
	v.follow = on
}

// Move goes down by rows on the screen, up when negative.
func (v *TextView) Move(rows int) {
	if v.Following() {
		v.top = v.lowest()
	}
	for ; rows > 0; rows-- {
		if v.top.row+1 < v.rowsOf(v.top.line) {
			v.top.row++
		} else {
			v.top = place{v.top.line + 1, 0}
		}
	}
	for ; rows < 0; rows++ {
		switch {
		case v.top.row > 0:
			v.top.row--
		case v.top.line > 0:
			v.top = place{v.top.line - 1, v.rowsOf(v.top.line-1) - 1}
		}
	}
	low := v.lowest()
	v.follow = v.Tail && !v.top.before(low)
	if low.before(v.top) {
		v.top = low
	}
}

// Page goes down by halves of the window.
func (v *TextView) Page(halves int) { v.Move(halves * max(1, v.h/2)) }

// Top goes to the first line.
func (v *TextView) Top() {
	v.top, v.left = place{}, 0
	v.follow = v.Tail && !v.top.before(v.lowest())
}

// Bottom goes to the last line.
func (v *TextView) Bottom() {
	v.top = v.lowest()
	v.follow = v.Tail
}

// Sideways moves the window by cells to the right while lines are clipped.
func (v *TextView) Sideways(cells int) {
	if !v.wrap {
		v.left = max(0, v.left+cells)
	}
}

// Position is the first visible line, counted from 1, and how many there are.
func (v *TextView) Position() (line, of int) {
	if v.source.Len() == 0 {
		return 0, 0
	}
	return v.top.line + 1, v.source.Len()
}

// rowsOf is how many rows line i takes on the screen.
func (v *TextView) rowsOf(i int) int {
	if !v.wrap || v.w <= 0 || i < 0 || i >= v.source.Len() {
		return 1
	}
	return len(v.rows(i))
}

// lowest is the top of the window that shows the last line at its bottom.
func (v *TextView) lowest() place {
	left := max(v.h, 1)
	for i := v.source.Len() - 1; i >= 0; i-- {
		n := v.rowsOf(i)
		if n >= left {
			return place{i, n - left}
		}
		left -= n
	}
	return place{}
}

func (v *TextView) clamp() {
	if low := v.lowest(); v.Following() || low.before(v.top) {
		v.top = low
	}
}

// View draws the text in exactly d.W by d.H cells.
func (v *TextView) View(d Draw) string {
	if d.W <= 0 || d.H <= 0 {
		return ""
	}
	if v.w != d.W {
		v.top.row = 0 // its rows were counted for another width
	}
	v.w, v.h = d.W, d.H
	v.clamp()
	var b strings.Builder
	b.Grow(d.W * d.H * 2)
	at := v.top
	for n := 0; n < d.H; at = (place{at.line + 1, 0}) {
		if at.line >= v.source.Len() {
			if n > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(blanks(d.W))
			n++
			continue
		}
		rows := v.rows(at.line)
		for _, row := range rows[min(at.row, len(rows)-1):] {
			if n == d.H {
				break
			}
			if n > 0 {
				b.WriteByte('\n')
			}
			line(&b, d.Styles, row, d.W, nil)
			n++
		}
	}
	return b.String()
}

// rows are the rows of line i on the screen, never none.
func (v *TextView) rows(i int) []Rich {
	text := v.source.Line(i)
	f := v.search
	if !f.Active() {
		f = v.Highlight
	}
	text = text.highlight(f)
	if v.wrap {
		return text.Wrap(v.w, 0)
	}
	return []Rich{text.after(v.left)}
}

// highlight gives what the filter matches the look of a match.
func (r Rich) highlight(f Filter) Rich {
	hits := f.Hits(r.String())
	if len(hits) == 0 {
		return r
	}
	out := make(Rich, 0, len(r)+2*len(hits))
	at := 0
	for _, p := range r {
		end := at + len(p.Text)
		from := at
		for _, h := range hits {
			start, stop := max(h[0], from), min(h[1], end)
			if start >= stop {
				continue
			}
			if start > from {
				out = append(out, Piece{p.Token, p.Text[from-at : start-at]})
			}
			out = append(out, Piece{theme.Match, p.Text[start-at : stop-at]})
			from = stop
		}
		if from < end {
			out = append(out, Piece{p.Token, p.Text[from-at:]})
		}
		at = end
	}
	return out
}

// after is the line without its first cells.
func (r Rich) after(cells int) Rich {
	for i, p := range r {
		if cells <= 0 {
			return r[i:]
		}
		n := Width(p.Text)
		if n <= cells {
			cells -= n
			continue
		}
		head := prefix(p.Text, cells)
		rest := p.Text[len(head):]
		if short := cells - Width(head); short > 0 { // a wide character is cut in two
			wide := prefix(rest, short+1)
			rest = blanks(Width(wide)-short) + rest[len(wide):]
		}
		return append(Rich{{p.Token, rest}}, r[i+1:]...)
	}
	return nil
}

// Search finds a text: what matches is marked, and the first match from the
// window on is brought into view. It returns how many lines match.
func (v *TextView) Search(f Filter) (lines int) {
	v.search, v.hit = f, -1
	if !f.Active() {
		return 0
	}
	for i := range v.source.Len() {
		if f.Match(v.source.Line(i).String()) {
			lines++
			if v.hit < 0 && i >= v.top.line {
				v.hit = i
			}
		}
	}
	if v.hit < 0 && lines > 0 {
		v.Next(1)
		return lines
	}
	v.show(v.hit)
	return lines
}

// Next goes to the next match, or with -1 to the one before, around the end.
// It reports whether there is one.
func (v *TextView) Next(step int) bool {
	n := v.source.Len()
	if !v.search.Active() || n == 0 {
		return false
	}
	at := v.hit
	if at < 0 {
		at = v.top.line - step
	}
	for range n {
		at = ((at+step)%n + n) % n
		if v.search.Match(v.source.Line(at).String()) {
			v.hit = at
			v.show(at)
			return true
		}
	}
	return false
}

// show brings a line into the window, a third down from its top.
func (v *TextView) show(i int) {
	if i < 0 || i >= v.top.line && i < v.top.line+v.h && !v.wrap {
		return
	}
	v.top = place{max(0, i-v.h/3), 0}
	v.follow = false
	v.clamp()
}
