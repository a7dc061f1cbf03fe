package journalpane

import (
	"fmt"

	"midwatch/action"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

func severity(e action.Entry) live.Severity {
	switch e.Phase {
	case action.PhaseFailed, action.PhaseRefused:
		return live.Fail
	case action.PhaseUnverified:
		return live.Warn
	case action.PhaseVerified:
		return live.OK
	}
	return live.Info
}

func columns() []widget.Column[action.Entry] {
	text := func(f func(action.Entry) string) func(widget.Draw, action.Entry) widget.Rich {
		return func(_ widget.Draw, e action.Entry) widget.Rich { return widget.Plain(f(e)) }
	}
	target := func(e action.Entry) string { return e.Target.String() }
	return []widget.Column[action.Entry]{
		{ID: "sign", Min: 1, Cell: func(d widget.Draw, e action.Entry) widget.Rich {
			return widget.Say(theme.Severity(severity(e)), d.Styles.Sign(severity(e)))
		}},
		{ID: "age", Title: "ago", Min: widget.AgeWidth, Right: true, Cell: func(d widget.Draw, e action.Entry) widget.Rich {
			return widget.Say(theme.Muted, widget.Since(d.Now, e.At))
		}},
		{ID: "verb", Title: "verb", Min: 7, Cell: text(func(e action.Entry) string { return e.Verb })},
		{ID: "phase", Title: "phase", Min: 10, Cell: func(_ widget.Draw, e action.Entry) widget.Rich {
			return widget.Say(theme.Severity(severity(e)), string(e.Phase))
		}},
		{
			ID: "target", Title: "target", Min: 12, Max: 44, Cell: text(target),
			Measure: func(e action.Entry) int { return widget.Width(target(e)) },
		},
		{
			ID: "context", Title: "context", Min: 7, Max: 20, Optional: 2,
			Measure: func(e action.Entry) int { return widget.Width(e.Target.Context) },
			Cell:    text(func(e action.Entry) string { return e.Target.Context }),
		},
		{
			ID: "user", Title: "by", Min: 4, Max: 20, Optional: 3,
			Measure: func(e action.Entry) int { return widget.Width(e.User) },
			Cell:    text(func(e action.Entry) string { return e.User }),
		},
		{ID: "what", Title: "what", Min: 10, Flex: 1, Cell: text(what)},
	}
}

// View draws the list, or the entry that is open.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if p.text != nil {
		return p.text.View(env.Draw(r))
	}
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Muted, p.where)
	if p.failed != "" {
		line = widget.NewJoin(env.Styles)
		line.Add(theme.Fail, env.Styles.Sign(live.Fail)+" "+p.failed)
	}
	if p.damaged > 0 {
		line.Add(theme.Warn, fmt.Sprintf("%d damaged lines were left out", p.damaged))
	}
	if p.filter.Active() {
		line.Add(theme.Chip, fmt.Sprintf("/%s: %d of %d shown", p.filter, p.table.Len(), len(p.entries)))
	}
	head := []widget.Rich{line.Rich()}
	if r.H < 4 {
		head = nil
	}
	empty := "nothing has been done from here"
	switch {
	case p.failed != "":
		empty = "the journal could not be read; ctrl+r tries again"
	case !p.loaded:
		empty = "reading…"
	case len(p.entries) > 0:
		empty = "no entry matches the filter; esc clears it"
	}
	p.table.Empty = []widget.Rich{widget.Say(theme.Muted, empty)}
	return widget.Stack(widget.Lines(env.Styles, head, r.W, len(head)), p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})))
}
