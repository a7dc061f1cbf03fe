package widget

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"midwatch/ui/theme"
)

// Dialog is a box in the middle of the screen: a title in its border, a body
// that scrolls when it is too long, and a foot that is always there.
type Dialog struct {
	Title string
	// Border is the token of the frame: [theme.BorderFocus] or [theme.Danger].
	Border theme.Token
	Body   []Rich
	Foot   []Rich
	// Offset is the first line of the body that is shown.
	Offset int
	// MinWidth keeps a box from shrinking while its body changes, in cells.
	MinWidth int
	// MinBody does the same for the height of the body, in lines.
	MinBody int

	shown, total int // body lines shown and there, as last drawn
}

// Scroll moves the body by n lines; what is out of range is put right when
// the dialog is drawn.
func (d *Dialog) Scroll(n int) { d.Offset = min(max(d.Offset+n, 0), max(d.total-d.shown, 0)) }

// Page is how far a page key scrolls.
func (d *Dialog) Page() int { return max(d.shown-1, 1) }

// Overflows reports whether the body was last drawn with a part out of sight.
func (d *Dialog) Overflows() bool { return d.total > d.shown }

// View draws the box in at most w x h cells, as small as its text allows. A
// screen too small for a frame gets the lines alone.
func (d *Dialog) View(s *theme.Styles, w, h int) string {
	inner := min(max(d.widest(), d.MinWidth, ansi.StringWidth(d.Title)+2), 100, w-4)
	if inner < 8 || h < 5 {
		return d.bare(s, w, h)
	}
	body, foot := wrapAll(d.Body, inner), wrapAll(d.Foot, inner)
	room := h - 2
	if len(foot) > room-1 {
		foot = foot[len(foot)-(room-1):]
	}
	room -= len(foot)
	d.total, d.shown = len(body), min(max(len(body), d.MinBody), room)
	d.Offset = min(max(d.Offset, 0), max(d.total-d.shown, 0))
	for len(body) < d.shown {
		body = append(body, nil)
	}
	visible := body[d.Offset : d.Offset+d.shown]
	return d.frame(s, inner, visible, foot)
}

// bare draws without a frame: the foot matters most.
func (d *Dialog) bare(s *theme.Styles, w, h int) string {
	lines := append(append([]Rich{Say(theme.Title, d.Title)}, d.Body...), d.Foot...)
	if len(lines) > h {
		foot := min(len(d.Foot), max(h-1, 0))
		lines = append(lines[:h-foot:h-foot], d.Foot[len(d.Foot)-foot:]...)
	}
	d.shown, d.total = 1, 1
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Draw(s, w)
	}
	return strings.Join(out, "\n")
}

func (d *Dialog) widest() int {
	w := 0
	for _, l := range d.Body {
		w = max(w, l.Width())
	}
	for _, l := range d.Foot {
		w = max(w, l.Width())
	}
	return w
}

func wrapAll(lines []Rich, w int) []Rich {
	var out []Rich
	for _, l := range lines {
		out = append(out, l.Wrap(w, 2)...)
	}
	return out
}

func (d *Dialog) frame(s *theme.Styles, inner int, body, foot []Rich) string {
	b := s.Border()
	edge := func(text string) string { return s.Render(d.Border, text) }
	title := ansi.Truncate(d.Title, inner-2, ellipsis(s))
	lines := make([]string, 0, len(body)+len(foot)+2)
	lines = append(lines, edge(b.TopLeft+b.Top)+s.Render(theme.Title, " "+title+" ")+
		edge(strings.Repeat(b.Top, inner-1-ansi.StringWidth(title))+b.TopRight))
	for _, l := range append(body[:len(body):len(body)], foot...) {
		lines = append(lines, edge(b.Left)+" "+l.Draw(s, inner)+" "+edge(b.Right))
	}
	mark := ""
	if d.total > d.shown {
		mark = fmt.Sprintf(" %d-%d of %d ", d.Offset+1, d.Offset+d.shown, d.total)
	}
	if ansi.StringWidth(mark) > inner {
		mark = ""
	}
	lines = append(lines, edge(b.BottomLeft+strings.Repeat(b.Bottom, inner+1-ansi.StringWidth(mark)))+
		s.Render(theme.Muted, mark)+edge(b.Bottom+b.BottomRight))
	return strings.Join(lines, "\n")
}
