package uitest

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// Boxed checks that a view is a box: exactly h lines of exactly w cells, no
// escape sequence but attributes, none of them leaking out of its line, and no
// control character. It reports the first thing that is wrong.
func Boxed(t testing.TB, view string, w, h int) bool {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) != h {
		t.Errorf("the view has %d lines, want %d\n%s", len(lines), h, Plain(view))
		return false
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != w {
			t.Errorf("line %d is %d cells wide, want %d: %q", i+1, got, w, l)
			return false
		}
	}
	if _, err := layout(view); err != nil {
		t.Errorf("%v\n%s", err, Plain(view))
		return false
	}
	return true
}

// Sizes calls f with every size a view has to keep: all widths and heights
// from 1 up to w and h, in steps that grow with the size.
func Sizes(w, h int, f func(w, h int)) {
	step := func(n int) int {
		switch {
		case n < 12:
			return n + 1
		case n < 48:
			return n + 5
		}
		return n + 17
	}
	for y := 1; y <= h; y = step(y) {
		for x := 1; x <= w; x = step(x) {
			f(x, y)
		}
	}
	f(w, h)
}
