package widget_test

import (
	"fmt"
	"strings"
	"testing"

	"midwatch/ui/theme"
	"midwatch/ui/uitest"
	"midwatch/ui/widget"
)

func text(lines ...string) widget.TextLines {
	out := make(widget.TextLines, len(lines))
	for i, s := range lines {
		out[i] = widget.Plain(s)
	}
	return out
}

func lines(n int) widget.TextLines {
	out := make(widget.TextLines, n)
	for i := range out {
		out[i] = widget.Plain(fmt.Sprintf("line %d", i))
	}
	return out
}

// shown is the text on the screen, without the padding.
func shown(v *widget.TextView, w, h int) []string {
	out := strings.Split(uitest.Plain(v.View(draw(w, h))), "\n")
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	return out
}

func first(v *widget.TextView) string { return shown(v, 20, 5)[0] }

func TestTextViewScrollsAndStopsAtItsEnds(t *testing.T) {
	v := widget.NewTextView(lines(100))
	first(v)
	for _, c := range []struct {
		do   func()
		want string
	}{
		{func() { v.Move(-1) }, "line 0"}, {func() { v.Move(3) }, "line 3"}, {func() { v.Page(1) }, "line 5"}, {func() { v.Page(-2) }, "line 1"},
		{v.Bottom, "line 95"}, {func() { v.Move(1) }, "line 95"}, {v.Top, "line 0"}, {func() { v.Page(1000) }, "line 95"},
	} {
		c.do()
		if got := first(v); got != c.want {
			t.Errorf("at %q, want %q", got, c.want)
		}
	}
}

func TestWrappedLinesScrollByRows(t *testing.T) {
	v := widget.NewTextView(text("one two three four five six", "end"))
	v.SetWrap(true)
	if got := shown(v, 10, 3); got[0] != "one two" || got[1] != "three four" || got[2] != "five six" {
		t.Fatalf("wrapped: %q", got)
	}
	v.Move(1)
	if got := shown(v, 10, 3); got[0] != "three four" || got[2] != "end" {
		t.Errorf("a row further: %q", got)
	}
	v.Move(5)
	if got := shown(v, 10, 3); got[2] != "end" {
		t.Errorf("at the end: %q", got)
	}
}

func TestSidewaysOnlyWhileClipped(t *testing.T) {
	v := widget.NewTextView(text("0123456789abcdef", "日本語テキスト"))
	v.Sideways(3)
	if got := shown(v, 8, 2); got[0] != "3456789…" || got[1] != " 語テキ…" {
		t.Errorf("three cells to the right: %q", got)
	}
	v.Sideways(-99)
	if got := shown(v, 8, 2); got[0] != "0123456…" {
		t.Errorf("all the way back: %q", got)
	}
	v.SetWrap(true)
	v.Sideways(3)
	if got := shown(v, 8, 2); got[0] != "01234567" {
		t.Errorf("wrapped text moved sideways: %q", got)
	}
}

func TestTailFollowsUntilTheUserMovesUp(t *testing.T) {
	source := lines(10)
	v := widget.NewTextView(source)
	v.Tail = true
	v.SetFollow(true)
	last := func() string { return shown(v, 20, 5)[4] }
	if last() != "line 9" {
		t.Fatalf("following shows %q", last())
	}
	v.SetSource(lines(20))
	if last() != "line 19" || !v.Following() {
		t.Errorf("more lines: %q", last())
	}
	v.Move(-2)
	v.SetSource(lines(30))
	if last() != "line 17" || v.Following() {
		t.Errorf("after moving up it shows %q", last())
	}
	v.Bottom()
	if last() != "line 29" || !v.Following() {
		t.Errorf("back at the end it shows %q, following %v", last(), v.Following())
	}
}

func TestLinesThatFallOutDoNotMoveTheWindow(t *testing.T) {
	v := widget.NewTextView(lines(50))
	first(v)
	v.Move(20)
	before := shown(v, 20, 5)
	v.SetSource(lines(50)[7:])
	v.Shift(7)
	if after := shown(v, 20, 5); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the window moved from %q to %q", before, after)
	}
	v.Shift(1000)
	if got := first(v); got != "line 7" {
		t.Errorf("when what was shown fell out the window is at %q", got)
	}
}

func TestSearchGoesRoundAndMarks(t *testing.T) {
	source := lines(100)
	source[30], source[80] = widget.Plain("a Needle here"), widget.Rich{{Token: theme.Muted, Text: "nee"}, {Token: theme.Text, Text: "dle in two pieces"}}
	v := widget.NewTextView(source)
	first(v)
	f, err := widget.ParseFilter("needle")
	if err != nil {
		t.Fatal(err)
	}
	if n := v.Search(f); n != 2 {
		t.Fatalf("%d lines match, want 2", n)
	}
	d := draw(40, 9)
	for _, want := range []string{"a Needle here", "needle in two pieces", "a Needle here"} {
		frame := v.View(d)
		if !strings.Contains(uitest.Plain(frame), want) {
			t.Fatalf("%q is not on the screen:\n%s", want, uitest.Plain(frame))
		}
		if !strings.Contains(frame, "\x1b[4m") {
			t.Errorf("the match is not marked: %q", frame)
		}
		v.Next(1)
	}
	if !v.Next(-1) || !strings.Contains(uitest.Plain(v.View(d)), "a Needle here") {
		t.Errorf("N does not go back:\n%s", uitest.Plain(v.View(d)))
	}
	none, _ := widget.ParseFilter("haystack")
	if v.Search(none) != 0 || v.Next(1) {
		t.Error("found what is not there")
	}
}

func TestTextViewKeepsItsBox(t *testing.T) {
	source := append(text(hostile()...), lines(5)...)
	for _, wrap := range []bool{false, true} {
		v := widget.NewTextView(source)
		v.SetWrap(wrap)
		v.Sideways(1)
		uitest.Sizes(90, 30, func(w, h int) {
			if !t.Failed() && !uitest.Boxed(t, v.View(draw(w, h)), w, h) {
				t.Errorf("at %dx%d, wrap %v", w, h, wrap)
			}
			v.Move(1)
		})
	}
	uitest.Boxed(t, widget.NewTextView(widget.TextLines{}).View(draw(10, 3)), 10, 3)
}

func TestJoinAndList(t *testing.T) {
	j := widget.NewJoin(theme.New(theme.Options{}))
	j.Add(theme.Text, "a")
	j.Add(theme.Text, "")
	j.Add(theme.Warn, "b")
	if got := j.Rich().String(); got != "a · b" {
		t.Errorf("joined: %q", got)
	}
	if got := widget.List([]string{"a", "b", "c", "d"}, 2); got != "a, b and 2 more" {
		t.Errorf("listed: %q", got)
	}
	if got := widget.List([]string{"a", "b"}, 2); got != "a, b" {
		t.Errorf("listed: %q", got)
	}
}

func BenchmarkTextViewWrapped(b *testing.B) {
	source := make(widget.TextLines, 10_000)
	for i := range source {
		source[i] = widget.Plain(strings.Repeat("a line of a log with some words ", 8))
	}
	v := widget.NewTextView(source)
	v.SetWrap(true)
	d := draw(120, 40)
	b.ReportAllocs()
	for b.Loop() {
		v.Move(1)
		_ = v.View(d)
	}
}
