package widget_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
	"midwatch/ui/widget"
)

// hostile are texts that try to leave their cell.
func hostile() []string {
	return []string{
		"\x1b[2J\x1b[Hgone", "a\nb\nc", "bell\a\b\b\b", "\x9b31m", "tab\there", "日本語のポッド名",
		"🇩", "🇪🇺🇩🇪", "👩‍👩‍👧‍👦 family", "\u202eevil", "한국어", "ᄀ", "ᅡ", strings.Repeat("wide世", 50), "\xff\xfe", "",
	}
}

func TestClipKeepsTheWidthAndShowsTheCut(t *testing.T) {
	for _, c := range []struct {
		text string
		w    int
		want string
	}{
		{"checkout", 8, "checkout"},
		{"checkout", 7, "checko…"},
		{"checkout", 1, "…"},
		{"checkout", 0, ""},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
	} {
		if got := widget.Clip(c.text, c.w, "…"); got != c.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", c.text, c.w, got, c.want)
		}
	}
}

func TestHostileTextStaysInItsLine(t *testing.T) {
	for _, o := range []theme.Options{{Color: true}, {}, {ASCII: true}} {
		st := theme.New(o)
		for _, a := range hostile() {
			for _, b := range hostile() {
				for w := 1; w < 24; w++ {
					cell := widget.Rich{{Token: theme.Text, Text: a}, {Token: theme.Text, Text: b}}
					if !uitest.Boxed(t, widget.Line(st, cell, w), w, 1) {
						t.Fatalf("%q beside %q in %d cells", a, b, w)
					}
				}
			}
		}
	}
}

func TestCombiningMarksTakeNoCells(t *testing.T) {
	st := theme.New(theme.Options{Color: true})
	for _, a := range []string{"e\u0301\u0301", "\u0301", "cafe\u0301 au lait"} {
		for w := 1; w < 20; w++ {
			cell := widget.Rich{{Token: theme.Fail, Text: "x "}, {Token: theme.Text, Text: a}, {Token: theme.Warn, Text: "\u0301y"}}
			if got := widget.Line(st, cell, w); ansi.StringWidth(got) != w || strings.Contains(got, "\n") {
				t.Fatalf("%q in %d cells takes %d: %q", a, w, ansi.StringWidth(got), got)
			}
		}
	}
}

func TestAgeIsCoarseAndSaysHowLongItHolds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 47 * time.Second: "45s", 59 * time.Second: "55s", 60 * time.Second: "1m", 179 * time.Second: "2m",
		time.Hour: "1h", 2*time.Hour + 19*time.Minute: "2h10m", 9*time.Hour + 59*time.Minute: "9h50m", 10*time.Hour + 59*time.Minute: "10h",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", 800 * 24 * time.Hour: "2y",
	} {
		got, until := widget.AgeFor(d)
		if got != want {
			t.Errorf("Age(%v) = %q, want %q", d, got, want)
		}
		if len(got) > widget.AgeWidth {
			t.Errorf("Age(%v) = %q is wider than AgeWidth", d, got)
		}
		if d < 0 {
			continue
		}
		if before := widget.Age(d + until - time.Nanosecond); before != got {
			t.Errorf("Age(%v) = %q is promised for %v but is %q before", d, got, until, before)
		}
		if after := widget.Age(d + until); after == got {
			t.Errorf("Age(%v) = %q still holds after %v", d, got, until)
		}
	}
}

func TestCountdownNeverPromisesLessTimeThanThereIs(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "now", 0: "now", time.Second: "5s", 58 * time.Second: "1m", 4*time.Minute + 51*time.Second: "4m55s",
		11*time.Minute + time.Second: "12m", 2*time.Hour + time.Minute: "2h10m",
	} {
		got, until := widget.CountdownFor(d)
		if got != want {
			t.Errorf("Countdown(%v) = %q, want %q", d, got, want)
		}
		if d <= 0 {
			continue
		}
		if held := widget.Countdown(d - until + time.Nanosecond); held != got {
			t.Errorf("Countdown(%v) = %q is promised for %v but becomes %q", d, got, until, held)
		}
		if next := widget.Countdown(d - until); next == got {
			t.Errorf("Countdown(%v) = %q still holds after %v", d, got, until)
		}
	}
}

func TestBarIsExactAndHidesNoSegment(t *testing.T) {
	for _, o := range []theme.Options{{Color: true}, {ASCII: true}} {
		st := theme.New(o)
		for _, n := range [][4]int{{3, 0, 0, 0}, {2, 0, 1, 0}, {998, 1, 0, 1}, {0, 0, 0, 0}, {1, 1, 1, 1}} {
			for w := 1; w < 40; w++ {
				bar := widget.Bar(st, []widget.Segment{{N: n[0], Fill: widget.Solid}, {N: n[1], Fill: widget.Dense}, {N: n[2], Fill: widget.Light}, {N: n[3], Fill: widget.Hollow}}, w)
				if bar.Width() != w {
					t.Fatalf("%v in %d cells takes %d", n, w, bar.Width())
				}
				seen := 0
				for _, c := range n {
					if c > 0 {
						seen++
					}
				}
				if seen > 0 && w >= seen && len(bar) != seen {
					t.Errorf("%v in %d cells shows %d of %d segments: %q", n, w, len(bar), seen, bar)
				}
			}
		}
	}
}

func TestFilterBySituation(t *testing.T) {
	for _, c := range []struct {
		name, expr string
		texts      []string
		want       bool
	}{
		{"nothing typed", "", []string{"api"}, true},
		{"text in any column", "shop", []string{"api", "shop"}, true},
		{"case does not count", "CrAsH", []string{"CrashLoopBackOff"}, true},
		{"text nowhere", "web", []string{"api", "shop"}, false},
		{"not this text", "!shop", []string{"api", "shop"}, false},
		{"not that text", "!web", []string{"api", "shop"}, true},
		{"only the sign for not", "!", []string{"api"}, true},
		{"expression", "re:^api-\\d$", []string{"api-7"}, true},
		{"expression keeps case", "re:API", []string{"api"}, false},
		{"not an expression", "!re:^api", []string{"api-7"}, false},
		{"letters beyond ASCII", "größe", []string{"die GRÖSSE", "GRÖßE"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := widget.ParseFilter(c.expr)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(c.texts...); got != c.want {
				t.Errorf("%q on %q: %v, want %v", c.expr, c.texts, got, c.want)
			}
		})
	}
	if _, err := widget.ParseFilter("re:("); err == nil || !strings.Contains(err.Error(), "re:(") {
		t.Errorf("a broken expression: %v, want an error that names it", err)
	}
}

func TestFilterHitsAreWhatMatches(t *testing.T) {
	for expr, want := range map[string]string{"ab": "[ab] x [AB]", "re:[xb]": "a[b] [x] AB", "!ab": "ab x AB", "re:z*": "ab x AB"} {
		f, err := widget.ParseFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		const text = "ab x AB"
		var b strings.Builder
		at := 0
		for _, h := range f.Hits(text) {
			fmt.Fprintf(&b, "%s[%s]", text[at:h[0]], text[h[0]:h[1]])
			at = h[1]
		}
		b.WriteString(text[at:])
		if b.String() != want {
			t.Errorf("%q: %q, want %q", expr, b.String(), want)
		}
	}
}

func FuzzFilterHitsStayInTheText(f *testing.F) {
	f.Add("İstanbul", "i")
	f.Add("größe", "SS")
	f.Fuzz(func(t *testing.T, text, expr string) {
		filter, err := widget.ParseFilter(expr)
		if err != nil {
			return
		}
		at := 0
		for _, h := range filter.Hits(text) {
			if h[0] < at || h[1] <= h[0] || h[1] > len(text) {
				t.Fatalf("hits %v of %q in %q", filter.Hits(text), expr, text)
			}
			at = h[1]
		}
	})
}

func TestStateLineTellsStatesApart(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	st := theme.New(theme.Options{})
	for want, s := range map[string]live.Snapshot{
		"~ loading pods…":                                {State: live.Loading},
		"! pods: stale for 50s: connection refused":      {State: live.Stale, Since: now.Add(-52 * time.Second), Err: "connection refused"},
		"! forbidden: list pods in shop":                 {State: live.Forbidden, Err: "forbidden: list pods in shop"},
		"✗ pods: unreachable for 2m: connection refused": {State: live.Unreachable, Since: now.Add(-2 * time.Minute), Err: "connection refused"},
		"~ pods: this cluster has none":                  {State: live.Absent},
		"":                                               {State: live.Ready},
	} {
		if got := widget.StateLine(st, s, "pods", now).String(); got != want {
			t.Errorf("%v: %q, want %q", s.State, got, want)
		}
	}
}

func TestWidthIsWhatTheTerminalTakes(t *testing.T) {
	for _, s := range []string{"plain", "日本語", "e\u0301", "🇩🇪"} {
		if got, want := widget.Width(s), ansi.StringWidth(s); got != want {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	}
}
