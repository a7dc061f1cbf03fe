package widget

import (
	"slices"
	"time"

	"midwatch/live"
	"midwatch/ui/theme"
)

// How many toasts there are at most, how wide one is, and how long it stays.
const (
	maxToasts  = 4
	toastWidth = 64
	toastFor   = 6 * time.Second
	troubleFor = 15 * time.Second
)

// Toasts are short words at the bottom right that go away by themselves.
type Toasts struct{ list []toast }

type toast struct {
	severity live.Severity
	text     string
	until    time.Time
}

// Add shows a toast from now on; the oldest makes room, and one that says the
// same is replaced.
func (t *Toasts) Add(sev live.Severity, text string, now time.Time) {
	stay := toastFor
	if sev == live.Warn || sev == live.Fail {
		stay = troubleFor
	}
	t.list = slices.DeleteFunc(t.list, func(o toast) bool { return o.text == text })
	t.list = append(t.list, toast{sev, text, now.Add(stay)})
	if len(t.list) > maxToasts {
		t.list = slices.Delete(t.list, 0, len(t.list)-maxToasts)
	}
}

// Expire lets go what is over at now, and reports whether anything was.
func (t *Toasts) Expire(now time.Time) bool {
	n := len(t.list)
	t.list = slices.DeleteFunc(t.list, func(o toast) bool { return !o.until.After(now) })
	return len(t.list) != n
}

// Clear removes all of them and reports whether there were any.
func (t *Toasts) Clear() bool {
	had := len(t.list) > 0
	t.list = nil
	return had
}

// Next is when the first one goes away; zero without any.
func (t *Toasts) Next() time.Time {
	var next time.Time
	for _, o := range t.list {
		if next.IsZero() || o.until.Before(next) {
			next = o.until
		}
	}
	return next
}

// Lines draws them, the newest last, in at most w cells and h lines; every
// line of one toast is equally wide.
func (t *Toasts) Lines(s *theme.Styles, w, h int) []string {
	inner := min(toastWidth, w-4)
	if inner < 8 {
		return nil
	}
	var out []string
	for _, o := range slices.Backward(t.list) {
		lines := append(Rich{{theme.Chip, s.Sign(o.severity) + " "}}, Piece{theme.Chip, o.text}).Wrap(inner, 2)
		if len(out)+len(lines) > h {
			break
		}
		wide := 0
		for _, l := range lines {
			wide = max(wide, l.Width())
		}
		block := make([]string, len(lines))
		for i, l := range lines {
			text := ""
			for _, p := range l {
				text += p.Text
			}
			token := theme.Chip
			if o.severity == live.Fail {
				token = theme.Danger
			}
			block[i] = s.Render(token, " "+fitRow(s, text, wide)+" ")
		}
		out = append(block, out...)
	}
	return out
}
