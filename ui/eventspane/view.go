package eventspane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// columns of the list; objects says whether events of several are in it.
func columns(objects bool) []widget.Column[*k8s.Event] {
	list := []widget.Column[*k8s.Event]{
		{
			ID: "sign", Min: 1,
			Cell: func(d widget.Draw, e *k8s.Event) widget.Rich {
				sev := severity(e)
				return widget.Say(theme.Severity(sev), d.Styles.Sign(sev))
			},
		},
		{
			ID: "age", Title: "last", Min: widget.AgeWidth, Right: true,
			Cell: func(d widget.Draw, e *k8s.Event) widget.Rich {
				return widget.Say(theme.Muted, widget.Since(d.Now, e.Last))
			},
		},
		{
			ID: "count", Title: "count", Min: 5, Right: true, Optional: 2,
			Cell: func(d widget.Draw, e *k8s.Event) widget.Rich {
				return widget.Say(theme.Muted, count(e, d.Styles.Options.ASCII))
			},
		},
		{
			ID: "reason", Title: "reason", Min: 8, Max: 20, Optional: 1,
			Measure: func(e *k8s.Event) int { return len(e.Reason) },
			Cell: func(_ widget.Draw, e *k8s.Event) widget.Rich {
				return widget.Say(theme.Severity(severity(e)), e.Reason)
			},
		},
	}
	if objects {
		list = append(list, widget.Column[*k8s.Event]{
			ID: "object", Title: "object", Min: 12, Max: 44,
			Measure: func(e *k8s.Event) int { return widget.Width(object(e)) },
			Cell: func(_ widget.Draw, e *k8s.Event) widget.Rich {
				return widget.Say(theme.Text, object(e))
			},
		})
	}
	return append(list, widget.Column[*k8s.Event]{
		ID: "message", Title: "message", Min: 10, Flex: 1,
		Cell: func(_ widget.Draw, e *k8s.Event) widget.Rich { return widget.Say(theme.Text, e.Message.String()) },
	})
}

func severity(e *k8s.Event) live.Severity {
	if e.Type == "Warning" {
		return live.Warn
	}
	return live.Info
}

// View draws the list, or the event that is open.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if p.text != nil {
		return p.text.View(env.Draw(r))
	}
	st := env.Styles
	var head []widget.Rich
	if state := widget.StateLine(st, p.snapshot, "events", env.Now); state != nil && p.events != nil {
		head = append(head, state)
	}
	if p.filter.Active() {
		line := widget.NewJoin(st)
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.events)))
		head = append(head, line.Rich())
	}
	if p.dropped > 0 {
		head = append(head, widget.Say(theme.Muted, fmt.Sprintf("%d older ones were let go", p.dropped)))
	}
	return p.body(env, r, head, p.empty(env))
}

func (p *Pane) body(env *pane.Env, r pane.Rect, head, empty []widget.Rich) string {
	head = head[:max(0, min(len(head), r.H-2))]
	p.table.Empty = empty
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

// empty is what stands where there are no rows, and why there are none.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	if p.events == nil {
		if state := widget.StateLine(env.Styles, p.snapshot, "events", env.Now); state != nil {
			return []widget.Rich{state}
		}
	}
	switch {
	case len(p.events) > 0:
		return []widget.Rich{widget.Say(theme.Muted, "no event matches the filter; esc clears it")}
	case p.loading:
		return []widget.Rich{widget.Say(theme.Muted, "reading events…")}
	}
	return []widget.Rich{widget.Say(theme.Muted, "no warnings: the cluster keeps events for an hour, so older trouble leaves none")}
}

// View draws the object's events, and says when they were read.
func (o *Object) View(env *pane.Env, r pane.Rect) string {
	o.env = env
	if o.text != nil {
		return o.text.View(env.Draw(r))
	}
	var head []widget.Rich
	if o.failed != "" {
		head = append(head, widget.Say(theme.Fail, env.Styles.Sign(live.Fail)+" "+o.failed))
	}
	if o.filter.Active() {
		head = append(head, widget.Say(theme.Chip, fmt.Sprintf("/%s: %d of %d shown", o.filter, o.table.Len(), len(o.events))))
	}
	if o.more {
		head = append(head, widget.Say(theme.Muted, fmt.Sprintf("only the first %d were read", len(o.events))))
	}
	empty := "no events about it: the cluster keeps them for an hour"
	switch {
	case o.failed != "":
		empty = "nothing could be read; ctrl+r tries again"
	case len(o.events) > 0:
		empty = "no event matches the filter; esc clears it"
	case o.loading:
		empty = "reading events…"
	}
	return o.body(env, r, head, []widget.Rich{widget.Say(theme.Muted, empty)})
}

// openText shows the selected event in full.
func (p *Pane) openText() {
	e, ok := p.table.Selected()
	if !ok {
		return
	}
	line := func(name, value string) widget.Rich {
		return widget.Rich{{Token: theme.Muted, Text: fmt.Sprintf("%-10s", name)}, {Token: theme.Text, Text: value}}
	}
	lines := widget.TextLines{
		{{Token: theme.Severity(severity(e)), Text: e.Type + " " + e.Reason}},
		line("object", e.Involved.String()),
		line("part", e.FieldPath),
		line("said by", e.Source),
		line("first", stamp(e.First)),
		line("last", stamp(e.Last)),
		line("count", fmt.Sprintf("at least %d", e.Count)),
		{},
	}
	for _, l := range strings.Split(e.Message.String(), "\n") {
		lines = append(lines, widget.Plain(l))
	}
	p.text = widget.NewTextView(lines)
	p.text.SetWrap(true)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}
