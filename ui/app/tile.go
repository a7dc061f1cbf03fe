package app

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
)

// tile is a pane on the screen: the pane, what it is told with every call,
// and the block it drew last.
type tile struct {
	id     pane.ID
	number int // 1..9 for a pane of the layout, 0 for one on the stack
	place  Place
	pane   pane.Pane
	env    pane.Env
	// onScreen is what the pane was told last; see [pane.Viewer].
	onScreen bool
	// ref and arg are what a pane on the stack was opened on.
	ref k8s.Ref
	arg string
	// fresh keeps what the block was drawn for; a change of any draws again.
	fresh struct {
		rect    pane.Rect
		focused bool
		styles  *theme.Styles
		until   time.Time // zero: for ever
		valid   bool
	}
	block []string
	// topics are those it asked for last.
	topics []live.Topic
}

// touch says that the pane may look different now.
func (t *tile) touch() { t.fresh.valid = false }

// prepare brings what the pane is told up to date.
func (t *tile) prepare(now time.Time, s *theme.Styles, focused bool) *pane.Env {
	t.env.Now, t.env.Styles, t.env.Focused = now, s, focused
	return &t.env
}

// draw returns the pane's lines, as drawn before when nothing changed.
func (t *tile) draw(now time.Time, s *theme.Styles, focused bool, r pane.Rect) []string {
	f := &t.fresh
	if f.valid && f.rect == r && f.focused == focused && f.styles == s && (f.until.IsZero() || now.Before(f.until)) {
		return t.block
	}
	t.block = boxed(t.pane.View(t.prepare(now, s, focused), r), r)
	f.rect, f.focused, f.styles, f.valid, f.until = r, focused, s, true, time.Time{}
	if ticker, ok := t.pane.(pane.Ticker); ok {
		if d := ticker.Until(now); d > 0 {
			f.until = now.Add(d)
		}
	}
	return t.block
}

// boxed splits a view into exactly r.H lines of exactly r.W cells. A pane that
// does not keep its box spoils only its own.
func boxed(view string, r pane.Rect) []string {
	lines := strings.Split(view, "\n")
	if len(lines) > r.H {
		lines = lines[:r.H]
	}
	for len(lines) < r.H {
		lines = append(lines, "")
	}
	for i, l := range lines {
		if ansi.StringWidth(l) != r.W {
			l = ansi.Truncate(l, r.W, "")
			lines[i] = l + "\x1b[m" + strings.Repeat(" ", max(r.W-ansi.StringWidth(l), 0))
		}
	}
	return lines
}

// own keeps the part of a batch the pane asked for; nil when there is none.
func (t *tile) own(batch live.Batch) live.Batch {
	var part live.Batch
	for _, topic := range t.pane.Topics() {
		if s, ok := batch[topic]; ok {
			if part == nil {
				part = make(live.Batch, len(batch))
			}
			part[topic] = s
		}
	}
	return part
}

func (t *tile) capturing() bool {
	c, ok := t.pane.(pane.Capturer)
	return ok && c.Capturing()
}

func (t *tile) bindings() []bind.Binding {
	if t == nil {
		return nil
	}
	return t.pane.Bindings()
}

// close ends what the pane owns.
func (t *tile) close() {
	if c, ok := t.pane.(pane.Closer); ok {
		c.Close()
	}
}
