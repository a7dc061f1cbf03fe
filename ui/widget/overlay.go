package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// reset ends every look, so that neither part leaks into the other.
const reset = "\x1b[m"

// Overlay draws box over base with its top left corner at column x of line y.
// Base is a box of w cells a line and stays one; what of the box would stand
// outside is cut.
func Overlay(base, box string, w, x, y int) string {
	lines := strings.Split(base, "\n")
	for i, over := range strings.Split(box, "\n") {
		if n := y + i; n >= 0 && n < len(lines) {
			lines[n] = overLine(lines[n], over, w, x)
		}
	}
	return strings.Join(lines, "\n")
}

func overLine(base, over string, w, x int) string {
	over = ansi.Truncate(over, max(w-x, 0), "")
	end := x + ansi.StringWidth(over)
	left := ansi.Truncate(base, x, "")
	right := ansi.TruncateLeft(base, end, "")
	if ansi.StringWidth(right) > w-end { // a wide character stands across the cut
		right = ansi.TruncateLeft(base, end+1, "")
	}
	// A wide character cut in half leaves a gap.
	padLeft := strings.Repeat(" ", max(x-ansi.StringWidth(left), 0))
	padRight := strings.Repeat(" ", max(w-end-ansi.StringWidth(right), 0))
	return left + reset + padLeft + over + reset + padRight + right
}
