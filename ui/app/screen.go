package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"

	"midwatch/ui/bind"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// bodyHeight is what header and footer leave.
func (m *Model) bodyHeight() int {
	h := m.size.H - 2
	if m.twoHeaderLines() {
		h--
	}
	return max(h, 0)
}

// compose draws the frame out of what the parts drew before.
func (m *Model) compose() {
	if m.suspendedDrawing() {
		return
	}
	content := m.tooSmall()
	if content == "" {
		lines := append(m.lines[:0], m.headerLines()...)
		lines = m.body(lines)
		lines = append(lines, m.footer())
		m.lines = lines
		content = m.withOverlays(strings.Join(lines, "\n"))
	}
	m.view.Content = content
	m.view.AltScreen, m.view.ReportFocus = true, true
	if title := m.title(); title != m.view.WindowTitle {
		m.view.WindowTitle = title
	}
}

// suspendedDrawing reports whether there is nothing to draw on.
func (m *Model) suspendedDrawing() bool { return m.size.W <= 0 || m.size.H <= 0 }

func (m *Model) title() string {
	return "midwatch " + m.contextName() + "/" + m.scopeText()
}

// tooSmall is the frame of a terminal that is too small; "" when it is not.
func (m *Model) tooSmall() string {
	w, h := m.size.W, m.size.H
	if w >= minWidth && h >= minHeight {
		return ""
	}
	text := fmt.Sprintf("midwatch needs %dx%d, this is %dx%d", minWidth, minHeight, w, h)
	for _, shorter := range []string{fmt.Sprintf("needs %dx%d, is %dx%d", minWidth, minHeight, w, h), fmt.Sprintf("%dx%d!", minWidth, minHeight)} {
		if ansi.StringWidth(text) > w {
			text = shorter
		}
	}
	lines := make([]string, h)
	for i := range lines {
		lines[i] = strings.Repeat(" ", w)
	}
	lines[0] = widget.Plain(text).Draw(m.styles, w)
	return strings.Join(lines, "\n")
}

// body draws the cells row by row.
func (m *Model) body(lines []string) []string {
	h := m.bodyHeight()
	if m.focus == nil || len(m.cells) == 0 {
		return m.emptyBody(lines, h)
	}
	blocks := make([][]string, len(m.cells))
	for i := range m.cells {
		blocks[i] = m.block(&m.cells[i])
	}
	var b strings.Builder
	for y := range h {
		b.Reset()
		x := 0
		for i := range m.cells {
			c := &m.cells[i]
			if y < c.y || y >= c.y+c.h {
				continue
			}
			if c.x > x {
				b.WriteString(m.bar(y, c.y == y))
			}
			b.WriteString(blocks[i][y-c.y])
			x = c.x + c.w
		}
		lines = append(lines, b.String())
	}
	return lines
}

// bar is the line between two columns, joined to the titles beside it.
func (m *Model) bar(y int, title bool) string {
	b := m.styles.Border()
	switch {
	case y == 0:
		return m.styles.Render(theme.Border, b.MiddleTop)
	case title:
		return m.styles.Render(theme.Border, b.MiddleLeft)
	}
	return m.styles.Render(theme.Border, b.Left)
}

// emptyBody is what stands there before there is a session.
func (m *Model) emptyBody(lines []string, h int) []string {
	text := "no cluster is open: c chooses a context, q quits"
	if m.opening != nil {
		text = "opening " + m.opening.where.String()
	}
	for y := range h {
		line := widget.Plain("")
		if y == h/2 {
			line = widget.Say(theme.Muted, "  "+text)
		}
		lines = append(lines, line.Draw(m.styles, m.size.W))
	}
	return lines
}

// block is a cell's title and its pane, exactly c.h lines.
func (m *Model) block(c *cell) []string {
	focused := c.shown == m.focus
	out := make([]string, 0, c.h)
	out = append(out, m.titleLine(c, focused))
	return append(out, c.shown.draw(m.now, m.paneStyles(), focused && len(m.overlays) == 0, c.inner())...)
}

// titleLine names the pane of a cell, or its tabs, in as many words as fit.
func (m *Model) titleLine(c *cell, focused bool) string {
	border := theme.Border
	if focused {
		border = theme.BorderFocus
	}
	edge := m.styles.Border().Top
	var tail widget.Rich
	if c.shown.number == 0 && len(m.stack) > 0 {
		tail = append(tail, widget.Piece{Token: theme.Muted, Text: "esc back "})
	}
	if f := m.filterText(c.shown); f != "" {
		tail = append(tail, widget.Piece{Token: theme.Chip, Text: " /" + f + " "})
	}
	var lines []widget.Rich
	for words := allWords; words >= noWords; words-- {
		r := widget.Rich{{Token: border, Text: edge}}
		for i, t := range c.tiles {
			if i > 0 {
				r = append(r, widget.Piece{Token: border, Text: edge})
			}
			r = append(r, m.tab(t, t == c.shown, focused, words)...)
		}
		lines = append(lines, append(r, tail...))
	}
	r := fitFirst(c.w, lines...)
	if w := r.Width(); w < c.w {
		r = append(r, widget.Piece{Token: border, Text: strings.Repeat(edge, c.w-w)})
	}
	return r.Draw(m.styles, c.w)
}

// How many words tabs have: every name and the title of the shown one; the
// title, the others as numbers; only a name for the shown one.
const (
	noWords = iota
	shownWords
	allWords
)

func (m *Model) tab(t *tile, shown, focused bool, words int) widget.Rich {
	name := string(t.id)
	token := theme.Muted
	if shown {
		if words > noWords {
			name = t.pane.Title()
		}
		if focused {
			token = theme.Title
		}
	}
	switch {
	case t.number == 0:
		return widget.Say(token, " "+name+" ")
	case !shown && words < allWords:
		return widget.Rich{{Token: theme.Accent, Text: fmt.Sprintf(" %d ", t.number)}}
	}
	// In brackets: "4 warnings" would count them.
	return widget.Rich{{Token: theme.Accent, Text: fmt.Sprintf(" [%d]", t.number)}, {Token: token, Text: " " + name + " "}}
}

// footer is the line being typed, what is on its way, or the keys of the
// focused pane.
func (m *Model) footer() string {
	w := m.size.W
	if m.filter != nil {
		return m.filter.line(w).Draw(m.styles, w)
	}
	tail := hints(":", "commands", "?", "help")
	var r widget.Rich
	switch {
	case m.opening != nil:
		r = widget.Rich{
			{Token: theme.Warn, Text: " opening " + m.opening.where.String()},
			{Token: theme.Muted, Text: " " + brief(m.now.Sub(m.opening.since)) + "  "}, {Token: theme.Accent, Text: "esc"}, {Token: theme.Muted, Text: " gives up"},
		}
	case m.progress != "":
		r = widget.Say(theme.Warn, " "+m.progress)
	default:
		r = m.keyHints(w - tail.Width() - 2)
	}
	if gap := w - r.Width() - tail.Width() - 1; gap > 0 {
		r = append(r, widget.Piece{Token: theme.Text, Text: strings.Repeat(" ", gap)})
		r = append(r, tail...)
	}
	return r.Draw(m.styles, w)
}

// keyHints are the most useful bindings of the focused pane, as many as fit.
// One that cannot be used now says why, if there is room.
func (m *Model) keyHints(w int) widget.Rich {
	list := slices.DeleteFunc(slices.Clone(m.focus.bindings()), func(b bind.Binding) bool { return b.Footer == 0 || len(b.Keys) == 0 })
	slices.SortStableFunc(list, func(a, b bind.Binding) int { return cmp.Compare(a.Footer, b.Footer) })
	var r widget.Rich
	used := 0
	for _, b := range list {
		hint := widget.Rich{{Token: theme.Text, Text: " "}, {Token: theme.Accent, Text: b.Keys[0]}, {Token: theme.Muted, Text: " " + b.Title + " "}}
		if why := b.Reason(); why != "" {
			hint = widget.Rich{{Token: theme.Faint, Text: " " + b.Keys[0] + " " + b.Title + " "}}
			if len(why) < 28 {
				hint = append(hint, widget.Piece{Token: theme.Faint, Text: "(" + why + ") "})
			}
		}
		n := hint.Width()
		if used+n > w {
			break
		}
		r, used = append(r, hint...), used+n
	}
	return r
}

// withOverlays lays toasts and then dialogs over the frame.
func (m *Model) withOverlays(frame string) string {
	w, h := m.size.W, m.size.H
	top := h - 1 - m.bodyHeight()
	toasts := m.toasts.Lines(m.styles, w, m.bodyHeight()-1)
	for i, line := range toasts {
		frame = widget.Overlay(frame, line, w, w-1-ansi.StringWidth(line), h-1-len(toasts)+i)
	}
	for _, o := range m.overlays {
		box := o.view(m, w, m.bodyHeight())
		first, _, _ := strings.Cut(box, "\n")
		bw, bh := ansi.StringWidth(first), strings.Count(box, "\n")+1
		frame = widget.Overlay(frame, box, w, max((w-bw)/2, 0), top+max((m.bodyHeight()-bh)/2, 0))
	}
	return frame
}

var _ tea.Model = (*Model)(nil)
