package widget_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
	"midwatch/ui/widget"
)

func dark() *theme.Styles { return theme.New(theme.Options{Color: true}) }

func TestOverlayKeepsTheBox(t *testing.T) {
	s := dark()
	row := s.Render(theme.Fail, "日本語") + s.Render(theme.Text, " is 6 wide ") + s.Render(theme.OK, "ok ")
	base := strings.Join([]string{row, row, row, row}, "\n")
	box := s.Render(theme.Danger, "box") + "\n" + s.Render(theme.Title, "日本日")
	for x := 0; x < 20; x++ {
		for y := -1; y < 5; y++ {
			if !uitest.Boxed(t, widget.Overlay(base, box, 20, x, y), 20, 4) {
				t.Fatalf("at %d,%d", x, y)
			}
		}
	}
	got := uitest.Plain(widget.Overlay(base, "XX", 20, 1, 1))
	want := "日本語 is 6 wide ok \n XX 語 is 6 wide ok \n日本語 is 6 wide ok \n日本語 is 6 wide ok "
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRichLinesFitAndWrap(t *testing.T) {
	s := dark()
	r := widget.Rich{{Token: theme.Title, Text: "blast "}, {Token: theme.Text, Text: "3 pods of 日本語 are replaced one at a time; averyveryverylongwordwithoutanyspace"}}
	for w := 1; w < 90; w++ {
		uitest.Boxed(t, r.Draw(s, w), w, 1)
		joined := ""
		for _, l := range r.Wrap(w, 2) {
			if l.Width() > w && w > 4 {
				t.Errorf("width %d: line %v is %d wide", w, l, l.Width())
			}
			for _, p := range l {
				joined += p.Text
			}
		}
		if w > 4 {
			squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
			if squeeze(joined) != squeeze("blast 3 pods of 日本語 are replaced one at a time; averyveryverylongwordwithoutanyspace") {
				t.Errorf("width %d loses text: %q", w, joined)
			}
		}
	}
}

func TestDialogFitsEveryScreen(t *testing.T) {
	s := dark()
	d := widget.Dialog{
		Title: "Restart Deployment shop/checkout?", Border: theme.Danger,
		Body: []widget.Rich{widget.Plain(strings.Repeat("word ", 40)), widget.Plain("a"), widget.Plain("b"), widget.Plain("c"), widget.Plain("d")},
		Foot: []widget.Rich{widget.Say(theme.Accent, "enter confirms, esc cancels")},
	}
	uitest.Sizes(140, 30, func(w, h int) {
		view := d.View(s, w, h)
		lines := strings.Split(view, "\n")
		if len(lines) > h {
			t.Errorf("%dx%d: %d lines", w, h, len(lines))
		}
		first := -1
		for _, l := range lines {
			n := len([]rune(uitest.Plain(l)))
			if first < 0 {
				first = n
			}
			if n > w || n != first {
				t.Errorf("%dx%d: line of %d cells, the first has %d: %q", w, h, n, first, uitest.Plain(l))
			}
		}
	})
	view := uitest.Plain(d.View(s, 60, 8))
	if !strings.Contains(view, "enter confirms") || !strings.Contains(view, " of ") || !d.Overflows() {
		t.Errorf("the foot or the position is missing:\n%s", view)
	}
	d.Scroll(100)
	if view := uitest.Plain(d.View(s, 60, 8)); !strings.Contains(view, " d ") {
		t.Errorf("the end cannot be reached:\n%s", view)
	}
}

func TestInputEdits(t *testing.T) {
	var in widget.Input
	press := func(keys ...string) {
		for _, name := range keys {
			k, err := uitest.Key(name)
			if err != nil {
				t.Fatal(err)
			}
			in.Key(k)
		}
	}
	press("a", "b", "space", "c", "left", "left", "X")
	if in.Text() != "abX c" {
		t.Errorf("got %q", in.Text())
	}
	press("end", "backspace", "home", "delete", "ctrl+e", "ctrl+w")
	if in.Text() != "" {
		t.Errorf("got %q", in.Text())
	}
	in.Paste("one\ntwo\x1b[31m\n")
	if in.Text() != "one two␛[31m" {
		t.Errorf("pasted as %q", in.Text())
	}
	press("ctrl+u")
	if k, _ := uitest.Key("enter"); in.Key(k) || in.Text() != "" {
		t.Error("enter is taken for text")
	}
	in.Set(strings.Repeat("0123456789", 9))
	for w := 1; w < 40; w++ {
		if got := in.Rich(w).Width(); got > w {
			t.Errorf("width %d: %d", w, got)
		}
	}
}

func TestPickerNarrowsAndKeepsItsPlace(t *testing.T) {
	p := widget.Picker{}
	p.SetChoices([]widget.Choice{{Title: "all namespaces"}, {Title: "kube-system"}, {Title: "payments"}, {Title: "shop"}, {Title: "workshop"}})
	p.Input.Set("shop")
	if p.Selected() != 3 || p.Matches() != 2 {
		t.Errorf("selected %d of %d", p.Selected(), p.Matches())
	}
	p.SetChoices([]widget.Choice{{Title: "a-shop"}, {Title: "shop"}})
	if p.Selected() != 1 {
		t.Errorf("the cursor left its row: %d", p.Selected())
	}
	p.Input.Set("nothing like it")
	if p.Selected() != -1 {
		t.Errorf("selected %d", p.Selected())
	}
}

func TestFuzzyPrefersPrefixesAndWords(t *testing.T) {
	best := func(query string, texts ...string) string {
		top, name := -1<<30, ""
		for _, text := range texts {
			if score, ok := widget.Fuzzy(query, text); ok && score > top {
				top, name = score, text
			}
		}
		return name
	}
	for _, c := range []struct{ query, want string }{
		{"po", "pods"}, {"log", "logs"}, {"rero", "restart rollout"}, {"zz", ""}, {"PODS", "pods"},
	} {
		if got := best(c.query, "support", "pods", "logs of all pods", "logs", "restart rollout", "error"); got != c.want {
			t.Errorf("%q finds %q, want %q", c.query, got, c.want)
		}
	}
}

func TestToastsAreBoundedAndGoAway(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 30, 0, 0, time.UTC)
	var ts widget.Toasts
	for _, text := range []string{"one", "two", "three", "four", "five", "five"} {
		ts.Add(live.Info, text, now)
	}
	ts.Add(live.Fail, "six", now)
	if n := len(ts.Lines(dark(), 80, 20)); n != 4 {
		t.Errorf("%d lines", n)
	}
	if !ts.Expire(now.Add(7*time.Second)) || len(ts.Lines(dark(), 80, 20)) != 1 || ts.Expire(now.Add(8*time.Second)) {
		t.Error("only trouble stays longer")
	}
	if got := ts.Next().Sub(now); got != 15*time.Second {
		t.Errorf("the next one goes after %v", got)
	}
	if len(ts.Lines(dark(), 8, 20)) != 0 {
		t.Error("drawn where there is no room")
	}
}
