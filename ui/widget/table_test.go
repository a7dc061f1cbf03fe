package widget_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"midwatch/ui/bind"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
	"midwatch/ui/widget"
)

// names is a table of names, each its own key.
func names(list ...string) *widget.Table[string] {
	t := widget.NewTable(func(s string) string { return s },
		widget.Column[string]{
			ID: "name", Title: "name", Min: 4, Max: 20, Middle: true,
			Measure: widget.Width,
			Cell:    func(_ widget.Draw, s string) widget.Rich { return widget.Plain(s) },
		},
		widget.Column[string]{ID: "note", Title: "note", Min: 8, Flex: 1, Cell: func(_ widget.Draw, s string) widget.Rich {
			return widget.Rich{{Token: theme.Warn, Text: "note of "}, {Token: theme.Muted, Text: s}}
		}},
		widget.Column[string]{ID: "n", Title: "n", Min: 3, Right: true, Optional: 1, Cell: func(_ widget.Draw, s string) widget.Rich {
			return widget.Plain(strconv.Itoa(len(s)))
		}})
	t.SetRows(list)
	return t
}

func draw(w, h int) widget.Draw {
	return widget.Draw{W: w, H: h, Now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC), Styles: theme.New(theme.Options{}), Focused: true}
}

func selected(t *testing.T, table *widget.Table[string]) string {
	t.Helper()
	row, ok := table.Selected()
	if !ok {
		t.Fatal("nothing is selected")
	}
	return row
}

func numbered(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("row-%05d", i)
	}
	return rows
}

func TestSelectionByKey(t *testing.T) {
	for _, c := range []struct {
		name  string
		down  int
		after []string
		want  string
	}{
		{"rows above went", 2, []string{"c", "d"}, "c"},
		{"rows came above", 2, []string{"x", "y", "a", "b", "c", "d"}, "c"},
		{"order turned round", 1, []string{"d", "c", "b", "a"}, "b"},
		{"it went, the next is there", 1, []string{"a", "c", "d"}, "c"},
		{"it and the next went, the one before is nearest", 2, []string{"a", "b"}, "b"},
		{"all went", 3, []string{"x", "y"}, "y"},
		{"everything went and nothing came", 3, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := names("a", "b", "c", "d")
			table.Move(c.down)
			table.SetRows(c.after)
			if got, _ := table.Selected(); got != c.want {
				t.Errorf("%q is selected, want %q", got, c.want)
			}
		})
	}
}

func TestSelectionComesBackAfterAnEmptyFilter(t *testing.T) {
	table := names("a", "b", "c")
	table.Move(1)
	table.SetRows(nil)
	table.SetRows([]string{"a", "b", "c"})
	if got := selected(t, table); got != "b" {
		t.Errorf("%s is selected, want b again", got)
	}
}

// TestSelectionUnderChurn: whatever comes and goes, the selected row stays
// selected for as long as it is there.
func TestSelectionUnderChurn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := numbered(200)
	table := names(all...)
	table.Move(100)
	for range 500 {
		var rows []string
		for _, r := range all {
			if random.IntN(10) > 0 {
				rows = append(rows, r)
			}
		}
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		before := selected(t, table)
		table.SetRows(rows)
		table.View(draw(40, 10))
		after := selected(t, table)
		there := false
		for _, r := range rows {
			there = there || r == before
		}
		if there && after != before {
			t.Fatalf("%s was selected and is still there, but %s is selected now", before, after)
		}
		if i := table.Cursor(); rows[i] != after || !strings.Contains(table.View(draw(40, 10)), after[:8]) {
			t.Fatalf("the selected row %s is not on the screen", after)
		}
	}
}

func TestFollowKeepsTheFirstRowUntilSomeoneMoves(t *testing.T) {
	table := names()
	table.Follow(true)
	table.SetRows([]string{"b"})
	table.SetRows([]string{"a", "b"})
	if got := selected(t, table); got != "a" {
		t.Fatalf("%s is selected, want the first", got)
	}
	table.Move(1)
	table.SetRows([]string{"0", "a", "b"})
	if got := selected(t, table); got != "b" {
		t.Errorf("%s is selected, want what the user chose", got)
	}
}

// TestTheWindowStaysStill: rows that come or go above the window do not move
// what is in it, but a list shown from its top stays there.
func TestTheWindowStaysStill(t *testing.T) {
	table := names(numbered(100)...)
	table.Move(50)
	before := table.View(draw(40, 10))
	table.SetRows(append([]string{"first", "second"}, numbered(100)...))
	if after := table.View(draw(40, 10)); after != before {
		t.Errorf("two rows above the window moved it:\n%s\nbefore:\n%s", after, before)
	}
	table = names(numbered(100)...)
	table.Move(3)
	table.View(draw(40, 10))
	table.SetRows(append([]string{"first"}, numbered(100)...))
	if frame := table.View(draw(40, 10)); !strings.Contains(frame, "first") || selected(t, table) != "row-00003" {
		t.Errorf("a list shown from its top hides what came first:\n%s", frame)
	}
}

func TestMovesReachBothEndsAndGoNoFurther(t *testing.T) {
	table := names(numbered(100)...)
	table.View(draw(40, 11)) // ten rows
	list := widget.Moves("x", table, nil)
	press := func(key string) string {
		b, ok := bind.Match(list, key)
		if !ok {
			t.Fatalf("no binding for %s", key)
		}
		b.Do()
		return selected(t, table)
	}
	for _, c := range [][2]string{
		{"k", "row-00000"}, {"j", "row-00001"}, {"down", "row-00002"}, {"up", "row-00001"}, {"ctrl+d", "row-00006"}, {"ctrl+u", "row-00001"},
		{"pgdown", "row-00011"}, {"pgup", "row-00001"}, {"G", "row-00099"}, {"j", "row-00099"}, {"g", "row-00000"}, {"ctrl+u", "row-00000"}, {"end", "row-00099"}, {"home", "row-00000"},
	} {
		if got := press(c[0]); got != c[1] {
			t.Errorf("%s goes to %s, want %s", c[0], got, c[1])
		}
	}
}

func TestColumnsByWidth(t *testing.T) {
	table := names("payments", "a-name-that-is-much-too-long-for-its-column-end")
	for _, c := range []struct {
		w    int
		want string
	}{
		{60, "payments             note of payments                      8"},
		{18, "paym… note of…   8"},
		{16, "paymen… note of…"},
	} {
		lines := strings.Split(uitest.Plain(table.View(draw(c.w, 5))), "\n")
		if lines[1] != c.want {
			t.Errorf("at %d cells: %q, want %q", c.w, lines[1], c.want)
		}
	}
	wide := uitest.Plain(table.View(draw(60, 5)))
	if !strings.Contains(wide, "a-name-th…column-end") {
		t.Errorf("a long name is not cut in its middle:\n%s", wide)
	}
	if narrow := uitest.Plain(table.View(draw(14, 5))); strings.Contains(narrow, " 8") {
		t.Errorf("the optional column does not leave:\n%s", narrow)
	}
}

func TestSortSign(t *testing.T) {
	table := names("a")
	table.SortedBy = "note"
	if head := uitest.Plain(table.View(draw(40, 5))); !strings.Contains(head, "note↑") {
		t.Errorf("no sign of the order:\n%s", head)
	}
	table.Descending = true
	d := draw(40, 5)
	d.Styles = theme.New(theme.Options{ASCII: true})
	if head := uitest.Plain(table.View(d)); !strings.Contains(head, "notev") {
		t.Errorf("no sign of the order in ASCII:\n%s", head)
	}
}

func TestTheSelectedRowIsSeenWithoutColour(t *testing.T) {
	table := names("a", "b")
	d := draw(20, 5)
	focused := strings.Split(table.View(d), "\n")
	if focused[1] == focused[2] || !strings.HasPrefix(focused[1], "\x1b[7m") {
		t.Errorf("the selected row is drawn as %q", focused[1])
	}
	d.Focused = false
	if dim := strings.Split(table.View(d), "\n"); dim[1] == focused[1] || !strings.HasPrefix(dim[1], "\x1b[") {
		t.Errorf("without the focus it is drawn as %q", dim[1])
	}
}

func TestMarksHaveAColumnOfTheirOwn(t *testing.T) {
	table := names("a", "b")
	table.Mark = func(_ widget.Draw, s string) widget.Piece {
		if s == "b" {
			return widget.Piece{Token: theme.Accent, Text: "*"}
		}
		return widget.Piece{}
	}
	lines := strings.Split(uitest.Plain(table.View(draw(30, 4))), "\n")
	if !strings.HasPrefix(lines[0], "  name") || !strings.HasPrefix(lines[1], "  a ") || !strings.HasPrefix(lines[2], "* b ") {
		t.Errorf("marks:\n%s", strings.Join(lines, "\n"))
	}
}

func TestTableKeepsItsBox(t *testing.T) {
	table := names(append(hostile(), numbered(30)...)...)
	table.Mark = func(widget.Draw, string) widget.Piece { return widget.Piece{Text: "日本"} }
	table.Empty = []widget.Rich{widget.Plain("nothing\x1b[2J here")}
	none := names()
	none.Empty = table.Empty
	uitest.Sizes(120, 40, func(w, h int) {
		if !t.Failed() && (!uitest.Boxed(t, table.View(draw(w, h)), w, h) || !uitest.Boxed(t, none.View(draw(w, h)), w, h)) {
			t.Errorf("at %dx%d", w, h)
		}
		table.Move(1)
	})
	if got := table.View(draw(0, 5)); got != "" {
		t.Errorf("a table of no width draws %q", got)
	}
}

func BenchmarkTableView(b *testing.B) {
	table := names(numbered(10_000)...)
	d := draw(120, 40)
	b.ReportAllocs()
	for b.Loop() {
		table.Move(1)
		_ = table.View(d)
	}
}

func BenchmarkTableSetRows(b *testing.B) {
	rows := numbered(10_000)
	table := names(rows...)
	table.Move(5_000)
	b.ReportAllocs()
	for b.Loop() {
		table.SetRows(rows)
	}
}
