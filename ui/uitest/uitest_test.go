package uitest

import (
	"strings"
	"testing"
	"time"
)

// spy is a testing.TB that remembers whether it was failed.
type spy struct {
	testing.TB
	failed bool
}

func (s *spy) Helper()               {}
func (s *spy) Errorf(string, ...any) { s.failed = true }
func (s *spy) Error(...any)          { s.failed = true }

func TestBoxedFindsWhatBreaksTheBox(t *testing.T) {
	for name, c := range map[string]struct {
		view string
		ok   bool
	}{
		"exact":            {"abc\n\x1b[1mde\x1b[mf", true},
		"wide signs":       {"日a\n日b", true},
		"too few lines":    {"abc", false},
		"too many lines":   {"abc\nabc\nabc", false},
		"short line":       {"abc\nab", false},
		"long line":        {"abc\nabcd", false},
		"cursor movement":  {"abc\n\x1b[2Cabc", false},
		"title":            {"abc\n\x1b]0;x\x07abc", false},
		"control":          {"abc\nab\x07c", false},
		"look leaks":       {"abc\n\x1b[1mabc", false},
		"blink is not our": {"abc\n\x1b[5mabc\x1b[m", false},
	} {
		s := &spy{TB: t}
		if got := Boxed(s, c.view, 3, 2); got != c.ok || s.failed == c.ok {
			t.Errorf("%s: %v, failed %v", name, got, s.failed)
		}
	}
}

func TestFramesAreDescribedForPeople(t *testing.T) {
	got, err := describe("ab \x1b[1;38;2;255;0;16mc\x1b[m\n\x1b[7m日\x1b[m\x1b[38;5;9m!\x1b[m ")
	if err != nil {
		t.Fatal(err)
	}
	want := "4x2\n|ab c|\n|日! |\n-- looks\n1: 3+1 bold fg=#ff0010\n2: 0+2 reverse; 2+1 fg=@9\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if difference(want, got) != "" || !strings.Contains(difference("a\nb", "a\nc"), "2 - b") {
		t.Error("the difference is not told")
	}
}

func TestKeysHaveTheNamesBubbleTeaGivesThem(t *testing.T) {
	for _, name := range []string{"enter", "esc", "tab", "shift+tab", "space", "ctrl+r", "ctrl+c", "?", "G", "g", "/", ":", "é", "+", "up", "pgdown", "backspace", "0"} {
		k, err := Key(name)
		if err != nil || k.String() != name {
			t.Errorf("%q is %q, %v", name, k.String(), err)
		}
	}
	for _, name := range []string{"", "entr", "hyper+x"} {
		if _, err := Key(name); err == nil {
			t.Errorf("%q is taken for a key", name)
		}
	}
}

func TestClockWakesInTime(t *testing.T) {
	c := NewClock(time.Time{})
	start := c.Now()
	early, stopEarly := c.After(time.Second)
	defer stopEarly()
	late, stopLate := c.After(time.Minute)
	stopLate()
	c.Advance(2 * time.Second)
	select {
	case at := <-early:
		if at.Sub(start) != 2*time.Second {
			t.Errorf("woken at %v", at)
		}
	default:
		t.Error("not woken")
	}
	c.Advance(time.Hour)
	select {
	case <-late:
		t.Error("a stopped timer fired")
	default:
	}
}

func TestSizesReachTheCorners(t *testing.T) {
	seen := map[[2]int]bool{}
	Sizes(120, 40, func(w, h int) { seen[[2]int{w, h}] = true })
	for _, c := range [][2]int{{1, 1}, {120, 40}, {1, 12}, {12, 1}, {120, 40}} {
		if !seen[c] {
			t.Errorf("%v is not tried", c)
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d sizes", len(seen))
	}
}
