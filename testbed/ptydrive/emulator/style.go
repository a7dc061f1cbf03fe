package emulator

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"
)

// Style is how a cell is drawn. Colours are "" for the default, "0" to "255"
// for the palette, or "#rrggbb".
type Style struct {
	Foreground, Background                                  string
	Bold, Faint, Italic, Underline, Blink, Reverse, Conceal bool
	Strike                                                  bool
}

// apply returns the style after the parameters of an SGR sequence.
func (s Style) apply(params ansi.Params) Style {
	if len(params) == 0 {
		return Style{}
	}
	for i := 0; i < len(params); i++ {
		n := params[i].Param(0)
		switch {
		case n == 38 || n == 48 || n == 58:
			colour, used := parseColour(params[i:])
			i += used
			switch n {
			case 38:
				s.Foreground = colour
			case 48:
				s.Background = colour
			}
		case n == 4 && params[i].HasMore(): // 4:0 is off, 4:3 a curly line
			i++
			s.Underline = i < len(params) && params[i].Param(0) != 0
		default:
			s = s.set(n)
		}
	}
	return s
}

// set returns the style after one simple SGR parameter; unknown ones change
// nothing.
func (s Style) set(n int) Style {
	switch {
	case n == 0:
		return Style{}
	case n >= 30 && n <= 37:
		s.Foreground = fmt.Sprint(n - 30)
	case n == 39:
		s.Foreground = ""
	case n >= 40 && n <= 47:
		s.Background = fmt.Sprint(n - 40)
	case n == 49:
		s.Background = ""
	case n >= 90 && n <= 97:
		s.Foreground = fmt.Sprint(n - 90 + 8)
	case n >= 100 && n <= 107:
		s.Background = fmt.Sprint(n - 100 + 8)
	case n == 22:
		s.Bold, s.Faint = false, false
	case n == 21:
		s.Underline = true
	default:
		for _, a := range []struct {
			on, off int
			flag    *bool
		}{
			{1, 0, &s.Bold}, {2, 0, &s.Faint}, {3, 23, &s.Italic}, {4, 24, &s.Underline}, {5, 25, &s.Blink},
			{7, 27, &s.Reverse}, {8, 28, &s.Conceal}, {9, 29, &s.Strike},
		} {
			if n == a.on || n == a.off {
				*a.flag = n == a.on
			}
		}
	}
	return s
}

// parseColour reads 38;5;n, 38;2;r;g;b and their forms with colons, in which a
// colour space may stand before r. It returns how many parameters follow the
// first that belong to the colour.
func parseColour(params ansi.Params) (colour string, used int) {
	value := func(i int) int {
		if i >= len(params) {
			return 0
		}
		return params[i].Param(0)
	}
	switch value(1) {
	case 5:
		return fmt.Sprint(value(2)), 2
	case 2:
		first, used := 2, 4
		if colons := countColons(params); colons == 5 {
			first, used = 3, 5
		}
		return fmt.Sprintf("#%02x%02x%02x", value(first), value(first+1), value(first+2)), used
	default:
		return "", 1
	}
}

// countColons returns how many parameters are tied to the first by colons.
func countColons(params ansi.Params) int {
	for i, p := range params {
		if !p.HasMore() {
			return i
		}
	}
	return len(params)
}
