package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"midwatch/ui/theme"
)

// Piece is text with one meaning. The text is clean and holds no line break.
type Piece struct {
	Token theme.Token
	Text  string
}

// Rich is one line of pieces.
type Rich []Piece

// Plain is a line of ordinary text.
func Plain(text string) Rich { return Rich{{theme.Text, text}} }

// Say is a line with one meaning.
func Say(t theme.Token, text string) Rich { return Rich{{t, text}} }

// Width is the line's in cells.
func (r Rich) Width() int {
	w := 0
	for _, p := range r {
		w += ansi.StringWidth(p.Text)
	}
	return w
}

// Draw makes the line exactly w cells wide: what does not fit ends in "…".
func (r Rich) Draw(s *theme.Styles, w int) string {
	var b strings.Builder
	left := w
	for i, p := range r {
		n := ansi.StringWidth(p.Text)
		if n > left || (n == left && more(r[i+1:])) {
			text := ansi.Truncate(p.Text, left, ellipsis(s))
			b.WriteString(s.Render(p.Token, text))
			left -= ansi.StringWidth(text)
			break
		}
		b.WriteString(s.Render(p.Token, p.Text))
		left -= n
	}
	b.WriteString(strings.Repeat(" ", max(left, 0)))
	return b.String()
}

// more reports whether anything is left to draw.
func more(r Rich) bool {
	for _, p := range r {
		if p.Text != "" {
			return true
		}
	}
	return false
}

func ellipsis(s *theme.Styles) string {
	if s.Options.ASCII {
		return "~"
	}
	return "…"
}

// Wrap breaks the line into lines of at most w cells, between words where it
// can; lines after the first are indented by indent cells.
func (r Rich) Wrap(w, indent int) []Rich {
	if w <= 0 || r.Width() <= w {
		return []Rich{r}
	}
	if indent >= w {
		indent = 0
	}
	b := wrapper{width: w, indent: indent}
	for _, p := range r {
		for word := range strings.SplitAfterSeq(p.Text, " ") {
			b.add(p.Token, word)
		}
	}
	return b.finish()
}

// wrapper lays words into lines.
type wrapper struct {
	width, indent int
	lines         []Rich
	line          Rich
	used          int
}

func (b *wrapper) add(t theme.Token, word string) {
	n := ansi.StringWidth(strings.TrimRight(word, " "))
	if b.used > b.start() && b.used+n > b.width {
		b.next()
	}
	for n > b.width-b.used { // longer than a whole line
		head := ansi.Truncate(word, b.width-b.used, "")
		if head == "" {
			break
		}
		b.put(t, head)
		word = word[len(head):]
		n = ansi.StringWidth(strings.TrimRight(word, " "))
		b.next()
	}
	if room := b.width - b.used; ansi.StringWidth(word) > room {
		word = ansi.Truncate(word, room, "") // only a trailing space goes
	}
	b.put(t, word)
}

// start is how many cells of the present line are indentation.
func (b *wrapper) start() int {
	if len(b.lines) == 0 {
		return 0
	}
	return b.indent
}

func (b *wrapper) put(t theme.Token, text string) {
	if text == "" {
		return
	}
	b.line = append(b.line, Piece{t, text})
	b.used += ansi.StringWidth(text)
}

func (b *wrapper) next() {
	b.lines = append(b.lines, b.line)
	b.line, b.used = nil, 0
	if b.indent > 0 {
		b.line = Rich{{theme.Text, strings.Repeat(" ", b.indent)}}
		b.used = b.indent
	}
}

func (b *wrapper) finish() []Rich {
	if b.used > b.start() || len(b.lines) == 0 {
		b.lines = append(b.lines, b.line)
	}
	return b.lines
}
