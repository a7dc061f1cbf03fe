package profilepane

import (
	"fmt"

	"midwatch/live"
	"midwatch/profiles/diff"
	"midwatch/profiles/summary"
	"midwatch/profiles/tree"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

func compareColumns(d *diff.Diff) []widget.Column[diff.Row] {
	token := func(r diff.Row) theme.Token {
		switch r.Verdict {
		case diff.Regression:
			return theme.Fail
		case diff.Improvement:
			return theme.OK
		case diff.Through, diff.Within:
			return theme.Warn
		}
		return theme.Faint
	}
	return []widget.Column[diff.Row]{
		{ID: "verdict", Title: "verdict", Min: 13, Max: 24, Measure: func(r diff.Row) int {
			_, word := summary.Verdict(r)
			return 2 + widget.Width(word)
		}, Cell: func(dr widget.Draw, r diff.Row) widget.Rich {
			sign, word := summary.Verdict(r)
			if dr.Styles.Options.ASCII {
				sign = asciiSign(r.Verdict)
			}
			return widget.Say(token(r), sign+" "+word)
		}},
		{ID: "base", Title: "base", Min: 10, Right: true, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Say(theme.Muted, summary.InMode(d, r.BaseCum))
		}},
		{ID: "new", Title: "new", Min: 10, Right: true, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Plain(summary.InMode(d, r.NewCum))
		}},
		{ID: "change", Title: "change", Min: 13, Right: true, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Say(token(r), summary.Signed(d, r.Delta()))
		}},
		{ID: "function", Title: "function", Min: 16, Flex: 1, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Plain(tree.Short(r.Name))
		}},
	}
}

func asciiSign(v diff.Verdict) string {
	switch v {
	case diff.Regression:
		return "^"
	case diff.Improvement:
		return "v"
	case diff.Through, diff.Within:
		return ">"
	case diff.TooFew:
		return "?"
	}
	return "."
}

func (p *Pane) viewComparison(env *pane.Env, r pane.Rect) string {
	c := p.sides
	head := c.head(env, r.W)
	head = head[:min(len(head), max(1, r.H/2), r.H)]
	body := pane.Rect{W: r.W, H: r.H - len(head)}
	top := widget.Lines(env.Styles, head, r.W, len(head))
	if c.diff == nil || body.H <= 0 {
		return widget.Stack(top, widget.Lines(env.Styles, nil, body.W, body.H))
	}
	rows := body.H
	if body.H >= 16 {
		rows = body.H * 45 / 100
	} else if c.onFlame {
		rows = 0
	}
	d := env.Draw(pane.Rect{W: body.W, H: rows})
	d.Focused = d.Focused && !c.onFlame
	c.table.Empty = []widget.Rich{widget.Say(theme.Muted, "no function")}
	out := []string{top}
	if rows > 0 {
		out = append(out, c.table.View(d))
	}
	if left := body.H - rows; left > 0 {
		out = append(out,
			widget.Lines(env.Styles, []widget.Rich{legend(env)}, body.W, 1),
			c.flame.draw(env, pane.Rect{W: body.W, H: left - 1}, c.onFlame, func(int32) bool { return false }))
	}
	return widget.Stack(out...)
}

// legend explains colours and signs.
func legend(env *pane.Env) widget.Rich {
	more, less := "▲ more", "▼ less"
	if env.Styles.Options.ASCII {
		more, less = "^ more", "v less"
	}
	return widget.Rich{
		{Token: theme.Muted, Text: "share of the side: "},
		{Token: theme.Change(-1), Text: " " + less + " "}, {Token: theme.Change(0), Text: " same "}, {Token: theme.Change(1), Text: " " + more + " "},
		{Token: theme.Muted, Text: " + new  - gone  (points)"},
	}
}

func (c *comparison) head(env *pane.Env, w int) []widget.Rich {
	st := env.Styles
	line := widget.NewJoin(st)
	line.Add(theme.Chip, " "+c.title+" ")
	if c.diff != nil {
		if c.diff.Mode == diff.PerRequest {
			line.Add(theme.Text, fmt.Sprintf("per request, %.0f against %.0f", served(c.now), served(c.base)))
		} else {
			line.Add(theme.Text, "by "+c.diff.Mode.String())
		}
		line.Add(theme.Text, c.diff.Type.Type+" in "+c.diff.Type.Unit)
	}
	if c.query != "" {
		line.Add(theme.Chip, " /"+c.query+" ")
	}
	out := []widget.Rich{line.Rich()}
	if c.diff == nil && c.err == "" {
		return append(out, widget.Say(theme.Info, st.Sign(live.Info)+" comparing"))
	}
	if c.err != "" {
		out = append(out, widget.Say(theme.Fail, st.Sign(live.Fail)+" "+c.err).Wrap(max(w, 1), 2)...)
	}
	for i, l := range c.lines {
		token := theme.Text
		if i == 0 {
			token = theme.Title
		}
		out = append(out, widget.Say(token, l).Wrap(max(w, 1), 2)...)
	}
	if c.diff != nil {
		for _, warning := range append(append([]string{}, c.diff.Warnings...), c.notes...) {
			out = append(out, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+warning).Wrap(max(w, 1), 2)...)
		}
	}
	return out
}
