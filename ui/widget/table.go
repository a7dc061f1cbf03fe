package widget

import (
	"strings"

	"midwatch/ui/theme"
)

// Table shows rows of type T and keeps one selected. The selection is a row's
// key, not its place: it survives every refresh. Only visible rows are drawn.
//
// The pane filters and sorts; the table scrolls, selects and draws.
type Table[T any] struct {
	columns []Column[T]
	key     func(T) string
	rows    []T
	natural []int // what the rows ask for, by column

	cursor int
	picked string // key of the selected row; kept while there are no rows
	offset int    // first visible row
	height int    // rows visible when last drawn
	follow bool   // the selection is the first row until someone moves it

	// SortedBy is the ID of the column that shows the sort sign, Descending
	// its direction.
	SortedBy   string
	Descending bool
	// NoHeader leaves out the line of titles.
	NoHeader bool
	// Empty is shown where there are no rows.
	Empty []Rich
	// Mark is drawn before every row in a column of its own, one cell wide;
	// nil for no such column.
	Mark func(d Draw, row T) Piece
}

// NewTable makes a table. key names a row; it has to be unique.
func NewTable[T any](key func(T) string, columns ...Column[T]) *Table[T] {
	t := &Table[T]{key: key}
	t.SetColumns(columns...)
	return t
}

// SetColumns replaces the columns.
func (t *Table[T]) SetColumns(columns ...Column[T]) {
	t.columns = columns
	t.measure()
}

func (t *Table[T]) measure() {
	t.natural = make([]int, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		if c.Flex > 0 {
			continue
		}
		n := Width(c.Title)
		if c.Measure != nil {
			for _, row := range t.rows {
				n = max(n, c.Measure(row))
				if c.Max > 0 && n >= c.Max {
					break
				}
			}
		}
		t.natural[i] = n
	}
}

// Rows are the rows as set.
func (t *Table[T]) Rows() []T { return t.rows }

// Len is how many rows there are.
func (t *Table[T]) Len() int { return len(t.rows) }

// Cursor is the place of the selected row.
func (t *Table[T]) Cursor() int { return t.cursor }

// Selected is the row under the cursor.
func (t *Table[T]) Selected() (row T, ok bool) {
	if len(t.rows) == 0 {
		return row, false
	}
	return t.rows[t.cursor], true
}

// Visible are the rows drawn last.
func (t *Table[T]) Visible() []T {
	from := min(t.offset, len(t.rows))
	return t.rows[from:min(from+t.height, len(t.rows))]
}

// Follow keeps the selection on the first row, whatever that becomes, until
// the user moves it or it is switched off. While the first rows arrive nobody
// has chosen anything yet.
func (t *Table[T]) Follow(on bool) { t.follow = on }

// Select moves the selection to the row with this key, now or as soon as
// there is one.
func (t *Table[T]) Select(key string) {
	t.follow, t.picked = false, key
	for i, row := range t.rows {
		if t.key(row) == key {
			t.cursor = i
			return
		}
	}
}

// Reset forgets the selection: what follows are rows of something else.
func (t *Table[T]) Reset() {
	t.rows, t.picked, t.cursor, t.offset = nil, "", 0, 0
}

// SetRows replaces the rows. The selected row stays selected and, as far as
// possible, where it is on the screen; when it is gone, the nearest row that
// was beside it and is still there is selected.
func (t *Table[T]) SetRows(rows []T) {
	old, at := t.rows, t.cursor
	t.rows = rows
	t.measure()
	if len(rows) == 0 {
		t.cursor, t.offset = 0, 0
		return
	}
	if t.follow {
		t.to(0)
		return
	}
	t.cursor = t.find(old, at)
	if t.offset > 0 { // a list shown from its top stays there: that is where news comes in
		t.offset = max(0, t.offset+t.cursor-at)
	}
	t.picked = t.key(rows[t.cursor])
}

// find looks for the selected row, first where it was.
func (t *Table[T]) find(old []T, at int) int {
	if t.picked == "" {
		return 0
	}
	for d := 0; d < len(t.rows) || d <= at; d++ {
		for _, i := range [2]int{at + d, at - d} {
			if i >= 0 && i < len(t.rows) && t.key(t.rows[i]) == t.picked {
				return i
			}
		}
	}
	if at >= len(old) || t.key(old[at]) != t.picked {
		return min(at, len(t.rows)-1)
	}
	place := make(map[string]int, len(t.rows))
	for i, row := range t.rows {
		place[t.key(row)] = i
	}
	for d := 1; d < len(old); d++ {
		for _, i := range [2]int{at + d, at - d} {
			if i < 0 || i >= len(old) {
				continue
			}
			if now, ok := place[t.key(old[i])]; ok {
				return now
			}
		}
	}
	return min(at, len(t.rows)-1)
}

func (t *Table[T]) to(i int) {
	if len(t.rows) == 0 {
		return
	}
	t.cursor = min(max(i, 0), len(t.rows)-1)
	t.picked = t.key(t.rows[t.cursor])
}

// Move moves the selection by rows.
func (t *Table[T]) Move(rows int) {
	t.follow = false
	t.to(t.cursor + rows)
}

// Page moves by halves of the visible rows: 1 half a page down, -2 one up.
func (t *Table[T]) Page(halves int) { t.Move(halves * max(1, t.height/2)) }

// Top selects the first row.
func (t *Table[T]) Top() { t.Move(-len(t.rows)) }

// Bottom selects the last row.
func (t *Table[T]) Bottom() { t.Move(len(t.rows)) }

// View draws the table in exactly d.W by d.H cells.
func (t *Table[T]) View(d Draw) string {
	if d.W <= 0 || d.H <= 0 {
		return ""
	}
	if len(t.rows) == 0 {
		t.height = 0
		return Lines(d.Styles, t.Empty, d.W, d.H)
	}
	w, mark := d.W, ""
	if t.Mark != nil && w > 2 {
		w, mark = w-2, "  "
	}
	widths := layout(t.columns, t.natural, w)
	var b strings.Builder
	b.Grow(d.W * d.H * 2)
	body := d.H
	if !t.NoHeader && d.H > 3 {
		body--
		b.WriteString(mark)
		line(&b, d.Styles, t.header(d.Styles, widths), w, nil)
		b.WriteByte('\n')
	}
	t.scroll(body)
	for i := range body {
		if i > 0 {
			b.WriteByte('\n')
		}
		if at := t.offset + i; at < len(t.rows) {
			t.row(&b, d, widths, at, w)
		} else {
			b.WriteString(blanks(d.W))
		}
	}
	return b.String()
}

// scroll brings the cursor into the body and leaves no room under the last row.
func (t *Table[T]) scroll(body int) {
	t.height = body
	t.offset = min(t.offset, t.cursor, max(0, len(t.rows)-body))
	t.offset = max(t.offset, t.cursor-body+1)
}

func (t *Table[T]) header(st *theme.Styles, widths []int) Rich {
	var out Rich
	for i, n := range widths {
		if n == 0 {
			continue
		}
		c := &t.columns[i]
		token, title := theme.Muted, c.Title
		if c.ID != "" && c.ID == t.SortedBy {
			token, title = theme.Title, title+t.sortSign(st)
		}
		out = appendAligned(out, Say(token, title), n, c.Right, ellipsis(st))
	}
	return out
}

func (t *Table[T]) sortSign(st *theme.Styles) string {
	switch {
	case st.Options.ASCII && t.Descending:
		return "v"
	case st.Options.ASCII:
		return "^"
	case t.Descending:
		return "↓"
	}
	return "↑"
}

// row draws one row: the selected one in one look, so that it is seen.
func (t *Table[T]) row(b *strings.Builder, d Draw, widths []int, at, w int) {
	row := t.rows[at]
	var out Rich
	if t.Mark != nil && w < d.W {
		m := t.Mark(d, row)
		out = append(out, Piece{m.Token, Pad(m.Text, 1, "")}, Piece{theme.Text, " "})
	}
	first := len(out)
	more := ellipsis(d.Styles)
	for i, n := range widths {
		if n == 0 {
			continue
		}
		if len(out) > first {
			out = append(out, Piece{theme.Text, " "})
		}
		cell := t.columns[i].Cell(Draw{W: n, H: 1, Now: d.Now, Styles: d.Styles, Focused: d.Focused}, row)
		if t.columns[i].Middle {
			cell = cell.clipMiddle(n, more)
		}
		out = appendPadded(out, cell, n, t.columns[i].Right, more)
	}
	var over *theme.Token
	if at == t.cursor {
		token := theme.SelectedDim
		if d.Focused {
			token = theme.Selected
		}
		over = &token
	}
	line(b, d.Styles, out, d.W, over)
}

// appendAligned is [appendPadded] with the gap before every column but the first.
func appendAligned(out, c Rich, n int, right bool, more string) Rich {
	if len(out) > 0 {
		out = append(out, Piece{theme.Text, " "})
	}
	return appendPadded(out, c, n, right, more)
}

// appendPadded adds a cell as exactly n cells.
func appendPadded(out, c Rich, n int, right bool, more string) Rich {
	c, used := c.clip(n, more)
	pad := Piece{theme.Text, blanks(n - used)}
	if right && used < n {
		out = append(out, pad)
	}
	out = append(out, c...)
	if !right && used < n {
		out = append(out, pad)
	}
	return out
}
