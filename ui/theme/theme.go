// Package theme turns tokens into styles. Panes name what a piece of text
// means; the theme decides how that looks on this terminal: dark or light
// background, true colour, 256, 16 or none, Unicode or ASCII.
package theme

import (
	"charm.land/lipgloss/v2"

	"midwatch/live"
)

// Token is what a piece of text means.
type Token uint8

// The tokens.
const (
	Text        Token = iota // ordinary text
	Muted                    // secondary: labels, ages
	Faint                    // stale, disabled, guides
	Title                    // headings
	Accent                   // keys in the footer, links
	Border                   // pane borders
	BorderFocus              // the focused pane's border
	Selected                 // the row under the cursor
	SelectedDim              // the same in a pane without focus
	OK                       // severities
	Info
	Warn
	Fail
	Unknown
	Danger  // a confirm dialog, an unlocked header
	Chip    // filters, modes
	Added   // diff
	Removed // diff
	Match   // search hits
	Header  // the top line
	tokens
)

// Options describe the terminal.
type Options struct {
	// Light is true on a light background.
	Light bool
	// Color is false for NO_COLOR and dumb terminals: attributes only.
	Color bool
	// Basic keeps to the 16 colours of the terminal's own palette.
	Basic bool
	// ASCII draws borders and signs without Unicode.
	ASCII bool
	// Stale dims everything: what is shown is not fresh.
	Stale bool
}

// Styles is a theme made for one terminal. It is immutable.
type Styles struct {
	Options Options
	styles  [allTokens]lipgloss.Style
	open    [allTokens]string // what starts a token's look; [reset] ends it
	border  lipgloss.Border
}

// Style is the style of a token.
func (s *Styles) Style(t Token) lipgloss.Style { return s.styles[t] }

// Render draws text as t. The text must hold no line break and no style of its
// own. It is called for every cell of every frame, so it only joins strings.
func (s *Styles) Render(t Token, text string) string {
	if s.open[t] == "" || text == "" {
		return text
	}
	return s.open[t] + text + reset
}

// Border is the box-drawing set in force.
func (s *Styles) Border() lipgloss.Border { return s.border }

// Severity is the token of a severity.
func Severity(sev live.Severity) Token {
	switch sev {
	case live.OK:
		return OK
	case live.Info:
		return Info
	case live.Warn:
		return Warn
	case live.Fail:
		return Fail
	}
	return Unknown
}

// Sign is the one-cell sign of a severity: state is never colour alone.
func (s *Styles) Sign(sev live.Severity) string {
	ok, fail := "✓", "✗"
	if s.Options.ASCII {
		ok, fail = ".", "x"
	}
	switch sev {
	case live.OK:
		return ok
	case live.Info:
		return "~"
	case live.Warn:
		return "!"
	case live.Fail:
		return fail
	}
	return "?"
}
