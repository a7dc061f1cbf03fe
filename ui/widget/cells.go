package widget

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"midwatch/foreign"
	"midwatch/ui/theme"
)

// Draw is what a widget needs to know to draw itself: the box it has to fill
// exactly, the theme, and the time ages are counted to.
type Draw struct {
	W, H    int
	Now     time.Time
	Styles  *theme.Styles
	Focused bool
}

// Width is how many terminal cells a text without escape sequences takes.
func Width(s string) int {
	if isPlain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// isPlain reports printable ASCII: one byte, one cell.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return true
}

// safe returns s without anything that could leave its cell. Foreign text is
// cleaned where it enters; this is the second lock, for whoever forgot.
func safe(s string) string {
	if isPlain(s) {
		return s
	}
	return foreign.CleanN(s, 0).String()
}

// String is the text without its looks.
func (r Rich) String() string {
	if len(r) == 1 {
		return r[0].Text
	}
	var b strings.Builder
	for _, p := range r {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Clip cuts s to at most w cells; more marks the cut and is one cell wide.
func Clip(s string, w int, more string) string {
	switch {
	case w <= 0:
		return ""
	case isPlain(s):
		if len(s) <= w {
			return s
		}
		return s[:w-1] + more
	case ansi.StringWidth(s) <= w:
		return s
	}
	return prefix(s, w-1) + more
}

// clipMiddle cuts s to at most w cells in its middle.
func clipMiddle(s string, w int, more string) string {
	if !isPlain(s) || len(s) <= w || w < 8 {
		return Clip(s, w, more)
	}
	tail := min(w/2, 12)
	return s[:w-1-tail] + more + s[len(s)-tail:]
}

// clipMiddle cuts the last piece, the name, in its middle.
func (r Rich) clipMiddle(w int, more string) Rich {
	n := len(r) - 1
	if n < 0 || r.Width() <= w {
		return r
	}
	before := r[:n].Width()
	if before >= w {
		return r
	}
	out := append(make(Rich, 0, len(r)), r...)
	out[n].Text = clipMiddle(safe(r[n].Text), w-before, more)
	return out
}

// prefix is the longest start of s that takes at most w cells.
func prefix(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if isPlain(s) {
		return s[:min(len(s), w)]
	}
	return ansi.Truncate(s, w, "")
}

// Pad makes s exactly w cells wide: clipped, or filled with spaces on the right.
func Pad(s string, w int, more string) string {
	s = Clip(safe(s), w, more)
	return s + blanks(w-Width(s))
}

// PadMiddle makes a name exactly w cells wide; one that is too long is cut in
// its middle.
func PadMiddle(st *theme.Styles, name string, w int) string {
	more := ellipsis(st)
	return Pad(clipMiddle(safe(name), w, more), w, more)
}

const spaces = "                                                                                                                                "

// blanks is n spaces.
func blanks(n int) string {
	switch {
	case n <= 0:
		return ""
	case n <= len(spaces):
		return spaces[:n]
	}
	return strings.Repeat(" ", n)
}

// clip cuts a cell to at most w cells and says how many it takes.
func (r Rich) clip(w int, more string) (Rich, int) {
	used := 0
	for i, p := range r {
		text := safe(p.Text)
		n := Width(text)
		if used+n <= w && text == p.Text {
			used += n
			continue
		}
		return r[i:].clipInto(append(make(Rich, 0, len(r)), r[:i]...), used, w, more)
	}
	return r, used
}

// clipInto appends the pieces to out, of which used of w cells are taken.
func (r Rich) clipInto(out Rich, used, w int, more string) (Rich, int) {
	for _, p := range r {
		text := safe(p.Text)
		n := Width(text)
		if used+n <= w {
			out, used = append(out, Piece{p.Token, text}), used+n
			continue
		}
		if used == w && used > 0 { // no room left to show that it was cut
			return cutLast(out, more)
		}
		text = Clip(text, w-used, more)
		return append(out, Piece{p.Token, text}), used + Width(text)
	}
	return out, used
}

// cutLast puts the mark of a cut on the last cell.
func cutLast(r Rich, more string) (Rich, int) {
	for ; len(r) > 0; r = r[:len(r)-1] {
		last := &r[len(r)-1]
		if n := Width(last.Text); n > 0 {
			last.Text = prefix(last.Text, n-1) + more
			break
		}
	}
	return r, r.Width()
}

// line writes one line of exactly w cells. With over set everything takes
// that token's look, the padding too: that is the row under the cursor.
func line(b *strings.Builder, st *theme.Styles, c Rich, w int, over *theme.Token) {
	c, used := c.clip(w, ellipsis(st))
	if over != nil || !isPlain(c.String()) {
		// Neighbouring spans may melt into one character (combining marks,
		// flags), so what is drawn is measured as a whole.
		text := c.String()
		if Width(text) != used {
			text = prefix(ascii(text), w)
			c, used = Say(theme.Text, text), len(text)
		}
		if over != nil {
			b.WriteString(st.Render(*over, text+blanks(w-used)))
			return
		}
	}
	for _, s := range c {
		b.WriteString(st.Render(s.Token, s.Text))
	}
	b.WriteString(blanks(w - used))
}

// ascii replaces every character whose width depends on its neighbours.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x7f || r < 0x20 {
			return '?'
		}
		return r
	}, s)
}

// Line is one line of exactly w cells, without a line break.
func Line(st *theme.Styles, c Rich, w int) string {
	var b strings.Builder
	line(&b, st, c, w, nil)
	return b.String()
}

// Lines draws cells as the lines of a box of exactly w by h cells: what is
// too much is left out, what is missing is blank.
func Lines(st *theme.Styles, cells []Rich, w, h int) string {
	var b strings.Builder
	for i := range h {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i < len(cells) {
			line(&b, st, cells[i], w, nil)
		} else {
			b.WriteString(blanks(w))
		}
	}
	return b.String()
}

// Stack puts drawn blocks under each other. Empty blocks take no line.
func Stack(blocks ...string) string {
	kept := blocks[:0:0]
	for _, s := range blocks {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "\n")
}
