package uitest

import (
	"fmt"
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// run is a stretch of one line with one look.
type run struct {
	col, width int
	look       string // "" for the terminal's own
}

// line is one line of a frame: what stands in it, and how it looks.
type line struct {
	text string
	runs []run
}

// layout splits a frame into its lines. The error names a sequence that is not
// an attribute (SGR): a view may not move the cursor or set anything else.
func layout(frame string) ([]line, error) {
	var lines []line
	for i, s := range strings.Split(frame, "\n") {
		l, err := layoutLine(s)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func layoutLine(s string) (line, error) {
	var l line
	var text strings.Builder
	var now attributes
	col := 0
	parser := ansi.NewParser()
	var state byte
	for s != "" {
		seq, width, n, next := ansi.DecodeSequence(s, state, parser)
		state = next
		switch {
		case width > 0:
			text.WriteString(seq)
			l.extend(col, width, now.String())
			col += width
		case strings.HasPrefix(seq, "\x1b[") && strings.HasSuffix(seq, "m"):
			if err := now.apply(seq[2 : len(seq)-1]); err != nil {
				return l, err
			}
		default:
			return l, fmt.Errorf("%q is neither text nor an attribute", seq)
		}
		s = s[n:]
	}
	l.text = text.String()
	if now != (attributes{}) {
		return l, fmt.Errorf("the look %q leaks out of the line", now.String())
	}
	return l, nil
}

func (l *line) extend(col, width int, look string) {
	if look == "" {
		return
	}
	if n := len(l.runs) - 1; n >= 0 && l.runs[n].look == look && l.runs[n].col+l.runs[n].width == col {
		l.runs[n].width += width
		return
	}
	l.runs = append(l.runs, run{col, width, look})
}

// attributes is what SGR sequences have switched on (ECMA-48 8.3.117).
type attributes struct {
	bold, faint, italic, underline, reverse, strike bool
	fg, bg                                          string
}

// apply reads the parameters of one SGR sequence.
func (a *attributes) apply(params string) error {
	p := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(p) == 0 {
		*a = attributes{}
	}
	for i := 0; i < len(p); i++ {
		if p[i] == "38" || p[i] == "48" {
			n, name := extended(p[i+1:])
			if n == 0 {
				return fmt.Errorf("attribute %q is not complete", params)
			}
			if p[i] == "38" {
				a.fg = name
			} else {
				a.bg = name
			}
			i += n
			continue
		}
		if err := a.single(p[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *attributes) single(p string) error {
	var n int
	if _, err := fmt.Sscanf(p, "%d", &n); err != nil {
		return fmt.Errorf("attribute %q: %w", p, err)
	}
	switch {
	case n == 0:
		*a = attributes{}
	case n == 1:
		a.bold = true
	case n == 2:
		a.faint = true
	case n == 3:
		a.italic = true
	case n == 4:
		a.underline = true
	case n == 7:
		a.reverse = true
	case n == 9:
		a.strike = true
	case n >= 30 && n <= 37, n >= 90 && n <= 97:
		a.fg = p
	case n == 39:
		a.fg = ""
	case n >= 40 && n <= 47, n >= 100 && n <= 107:
		a.bg = p
	case n == 49:
		a.bg = ""
	default:
		return fmt.Errorf("attribute %d is not one of ours", n)
	}
	return nil
}

// extended reads what follows 38 or 48 and returns how many parameters it took.
func extended(p []string) (int, string) {
	switch {
	case len(p) >= 2 && p[0] == "5":
		return 2, "@" + p[1]
	case len(p) >= 4 && p[0] == "2":
		var r, g, b uint8
		if _, err := fmt.Sscan(p[1]+" "+p[2]+" "+p[3], &r, &g, &b); err != nil {
			return 0, ""
		}
		return 4, hex(color.RGBA{R: r, G: g, B: b, A: 255})
	}
	return 0, ""
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// String is "bold fg=#ff7b72"; empty for nothing.
func (a attributes) String() string {
	var b []string
	for _, on := range []struct {
		is   bool
		name string
	}{{a.bold, "bold"}, {a.faint, "faint"}, {a.italic, "italic"}, {a.underline, "underline"}, {a.reverse, "reverse"}, {a.strike, "strike"}} {
		if on.is {
			b = append(b, on.name)
		}
	}
	if a.fg != "" {
		b = append(b, "fg="+a.fg)
	}
	if a.bg != "" {
		b = append(b, "bg="+a.bg)
	}
	return strings.Join(b, " ")
}

// Plain is a frame without its looks.
func Plain(frame string) string { return ansi.Strip(frame) }

// size of a frame in cells: the widest line and the number of lines.
func size(frame string) (w, h int) { return lipgloss.Width(frame), strings.Count(frame, "\n") + 1 }
