package widget

import (
	"cmp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"midwatch/ui/theme"
)

// Choice is one row of a [Picker].
type Choice struct {
	Title string
	// Note stands muted behind the title.
	Note string
	// Search is what else the row is found by.
	Search string
	// Disabled says why it cannot be chosen; "" when it can.
	Disabled string
	// Current marks the row that is in force now.
	Current bool
	// Writes marks what ends in the gate.
	Writes bool
}

// Picker is a list to choose from, narrowed while typing.
type Picker struct {
	Input   Input
	Choices []Choice

	matches []int // indexes into Choices, in the order shown
	cursor  int   // index into matches
	top     int
	query   string
	fresh   bool
}

// SetChoices replaces the rows and keeps the cursor on the row of that title.
func (p *Picker) SetChoices(choices []Choice) {
	title := ""
	if i := p.Selected(); i >= 0 {
		title = p.Choices[i].Title
	}
	p.Choices, p.fresh = choices, false
	p.narrow()
	for n, i := range p.matches {
		if p.Choices[i].Title == title {
			p.cursor = n
		}
	}
}

// Point puts the cursor on a row.
func (p *Picker) Point(choice int) {
	p.narrow()
	if n := slices.Index(p.matches, choice); n >= 0 {
		p.cursor = n
	}
}

// Selected is the index of the row under the cursor; -1 when none matches.
func (p *Picker) Selected() int {
	p.narrow()
	if p.cursor >= len(p.matches) {
		return -1
	}
	return p.matches[p.cursor]
}

// Matches is how many rows the typed text leaves.
func (p *Picker) Matches() int {
	p.narrow()
	return len(p.matches)
}

// narrow keeps the rows that match what is typed, the best first.
func (p *Picker) narrow() {
	query := strings.TrimSpace(p.Input.Text())
	if p.fresh && query == p.query {
		return
	}
	type hit struct{ index, score int }
	var hits []hit
	for i, c := range p.Choices {
		score, ok := Fuzzy(query, c.Title)
		if !ok && c.Search != "" {
			if score, ok = Fuzzy(query, c.Search); ok {
				score -= 200
			}
		}
		if ok {
			hits = append(hits, hit{i, score})
		}
	}
	if query != "" {
		slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	}
	p.matches = p.matches[:0]
	for _, h := range hits {
		p.matches = append(p.matches, h.index)
	}
	if query != p.query {
		p.cursor, p.top = 0, 0
	}
	p.cursor = min(p.cursor, max(len(p.matches)-1, 0))
	p.query, p.fresh = query, true
}

// Key moves the cursor or edits the text; it reports whether it took the key.
func (p *Picker) Key(k tea.KeyPressMsg) bool {
	p.narrow()
	last := max(len(p.matches)-1, 0)
	switch k.String() {
	case "up", "ctrl+p", "shift+tab":
		p.cursor = max(p.cursor-1, 0)
	case "down", "ctrl+n", "tab":
		p.cursor = min(p.cursor+1, last)
	case "pgup":
		p.cursor = max(p.cursor-10, 0)
	case "pgdown":
		p.cursor = min(p.cursor+10, last)
	default:
		return p.Input.Key(k)
	}
	return true
}

// Lines draws the input and at most rows rows, w cells wide.
func (p *Picker) Lines(s *theme.Styles, w, rows int) []Rich {
	p.narrow()
	rows = max(rows, 1)
	p.top = min(p.top, p.cursor)
	p.top = max(p.top, p.cursor-rows+1)
	p.top = max(min(p.top, len(p.matches)-rows), 0)
	lines := []Rich{append(Rich{{theme.Accent, "> "}}, p.Input.Rich(w-2)...)}
	for n := p.top; n < min(p.top+rows, len(p.matches)); n++ {
		lines = append(lines, p.row(s, n, w))
	}
	return lines
}

func (p *Picker) row(s *theme.Styles, n, w int) Rich {
	c := p.Choices[p.matches[n]]
	sign := "  "
	switch {
	case c.Current:
		sign = "* "
	case c.Writes:
		sign = "! "
	}
	note := c.Note
	if c.Disabled != "" {
		note = c.Disabled
	}
	if n == p.cursor {
		text := sign + c.Title
		if note != "" {
			text += "  " + note
		}
		return Say(theme.Selected, fitRow(s, text, w))
	}
	title := theme.Text
	if c.Disabled != "" {
		title = theme.Faint
	}
	r := Rich{{theme.Accent, sign}, {title, c.Title}}
	if note != "" {
		r = append(r, Piece{theme.Muted, "  " + note})
	}
	return r
}

// fitRow makes text exactly w cells wide.
func fitRow(s *theme.Styles, text string, w int) string {
	text = ansi.Truncate(text, w, ellipsis(s))
	return text + strings.Repeat(" ", max(w-ansi.StringWidth(text), 0))
}
