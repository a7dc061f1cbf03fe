package theme

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// reset ends every styled piece of text: lines never leak their look.
const reset = "\x1b[m"

// look is how one token is drawn: colours where the terminal has them, and
// attributes that also carry the meaning without any.
type look struct {
	fg, bg                            string // lipgloss colours; "" for the terminal's own
	bold, faint, reverse, underscored bool
}

// New makes the theme of a terminal.
func New(o Options) *Styles {
	s := &Styles{Options: o, border: lipgloss.RoundedBorder()}
	if o.ASCII {
		s.border = lipgloss.ASCIIBorder()
	}
	looks := looks(o)
	for t := range tokens {
		l := looks[t]
		if o.Stale {
			l = stale(t, l, looks[Faint])
		}
		s.styles[t] = l.style()
		s.open[t] = l.open()
	}
	for i, l := range flameLooks(o) {
		t := flameFirst + Token(i)
		s.styles[t] = l.style()
		s.open[t] = l.open()
	}
	return s
}

// looks chooses the palette that a terminal can show.
func looks(o Options) [tokens]look {
	switch {
	case !o.Color:
		return plainLooks()
	case o.Basic:
		return basicLooks(o.Light)
	case o.Light:
		return paint(lightColors())
	}
	return paint(darkColors())
}

// stale takes the colour out of what may no longer be true. The cursor, the
// header and what warns of danger keep theirs: they are not about the cluster.
func stale(t Token, l, faint look) look {
	switch t {
	case Selected, SelectedDim, Danger, Header, Border, BorderFocus, Chip, Accent, Match:
		return l
	}
	faint.bold = l.bold
	return faint
}

func (l look) style() lipgloss.Style {
	s := lipgloss.NewStyle()
	if l.fg != "" {
		s = s.Foreground(colour(l.fg))
	}
	if l.bg != "" {
		s = s.Background(colour(l.bg))
	}
	// Attributes are set only where they are on: a style that says "not bold"
	// is drawn letter by letter for some of them.
	if l.bold {
		s = s.Bold(true)
	}
	if l.faint {
		s = s.Faint(true)
	}
	if l.reverse {
		s = s.Reverse(true)
	}
	if l.underscored {
		s = s.Underline(true)
	}
	return s
}

// open is the sequence that starts the look.
func (l look) open() string {
	rest := l
	rest.underscored = false
	start, _, _ := strings.Cut(rest.style().Render("x"), "x")
	if l.underscored { // Lip Gloss underlines letter by letter
		start += "\x1b[4m"
	}
	return start
}

func colour(s string) color.Color { return lipgloss.Color(s) }
