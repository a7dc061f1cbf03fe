package widget

import (
	"strings"

	"midwatch/ui/theme"
)

// Spark draws values as one row of bars, one cell each, between the lowest
// and the highest; equal ones are drawn half high. At most w cells: of more
// values the last are drawn.
func Spark(st *theme.Styles, token theme.Token, values []int, w int) Rich {
	levels := []rune("▁▂▃▄▅▆▇█")
	if st.Options.ASCII {
		levels = []rune("_.-=^#")
	}
	if len(values) > w {
		values = values[len(values)-max(w, 0):]
	}
	if len(values) == 0 {
		return nil
	}
	low, high := values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	var b strings.Builder
	for _, v := range values {
		at := len(levels) / 2
		if high > low {
			at = (v - low) * (len(levels) - 1) / (high - low)
		}
		b.WriteRune(levels[at])
	}
	return Say(token, b.String())
}

// Gauge draws a value against a target in exactly w cells: filled up to the
// value, with a mark where the target is. The scale ends at twice the target,
// or at the value where that is more.
func Gauge(st *theme.Styles, token theme.Token, value, target float64, w int) Rich {
	if w <= 0 || !(target > 0) {
		return Say(theme.Faint, strings.Repeat(" ", max(w, 0)))
	}
	end := max(2*target, value)
	cell := func(v float64) int { return min(max(int(v/end*float64(w)), 0), w) }
	full, mark := cell(value), min(cell(target), w-1)
	if value > 0 && full == 0 {
		full = 1
	}
	if value > target && full <= mark {
		full = min(mark+1, w)
	}
	if value < target && full > mark {
		full = mark
	}
	on, off, line := Solid.glyph(st), Hollow.glyph(st), "│"
	if st.Options.ASCII {
		line = "|"
	}
	var out Rich
	add := func(t theme.Token, text string) {
		if text != "" {
			out = append(out, Piece{t, text})
		}
	}
	add(token, strings.Repeat(on, min(full, mark)))
	add(theme.Faint, strings.Repeat(off, max(mark-full, 0)))
	add(theme.Title, line)
	add(token, strings.Repeat(on, max(full-mark-1, 0)))
	add(theme.Faint, strings.Repeat(off, w-max(full, mark+1)))
	return out
}
