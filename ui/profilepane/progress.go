package profilepane

import (
	"cmp"
	"fmt"
	"time"

	"midwatch/profiles"
	"midwatch/profiles/capture"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// viewProgress shows a capture on its way.
func (p *Pane) viewProgress(env *pane.Env, r pane.Rect) string {
	at := p.run.watch.Progress()
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Title, p.run.what)
	line.Add(theme.Info, cmp.Or(p.run.says, string(at.Stage)))
	if at.Attempt > 1 {
		line.Add(theme.Warn, fmt.Sprintf("attempt %d", at.Attempt))
	}
	out := []widget.Rich{line.Rich(), nil, p.bar(env, at, min(r.W, 60))}
	if at.Note != "" {
		out = append(out, nil)
		out = append(out, widget.Say(theme.Warn, "being profiled already: "+at.Note+"; trying again in the gap").Wrap(max(r.W, 1), 0)...)
	}
	pause := p.run.req.Pause()
	out = append(out, nil, widget.Say(theme.Muted, "The profiler "+pause.String()+". esc stops it at once."))
	if s, ok := capture.Of(p.run.req.Kind); ok && s.Note != "" {
		out = append(out, nil)
		out = append(out, widget.Say(theme.Muted, s.Note).Wrap(max(r.W, 1), 0)...)
	}
	return widget.Lines(env.Styles, out, r.W, r.H)
}

func (p *Pane) bar(env *pane.Env, at capture.Progress, w int) widget.Rich {
	if at.Bytes > 0 {
		return widget.Say(theme.Muted, profiles.FormatValue(at.Bytes, "bytes")+" received")
	}
	if at.Lasts == 0 || at.Stage != capture.Sampling {
		return widget.Say(theme.Muted, fmt.Sprintf("for %d s", int(env.Now.Sub(p.run.began)/time.Second)))
	}
	gone := min(max(env.Now.Sub(at.Since), 0), at.Lasts)
	text := fmt.Sprintf(" %d of %d s", int(gone/time.Second), int(at.Lasts/time.Second))
	room := max(w-len(text), 4)
	out := widget.Bar(env.Styles, []widget.Segment{
		{N: int(gone / time.Millisecond), Token: theme.OK, Fill: widget.Solid},
		{N: int((at.Lasts - gone) / time.Millisecond), Token: theme.Faint, Fill: widget.Hollow},
	}, room)
	return append(out, widget.Piece{Token: theme.Text, Text: text})
}
