package flagspane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// freshFor is how long a change in production is worth a sign of its own: who
// is on call looks for what changed just before the trouble.
const freshFor = time.Hour

// mark stands before a row: "+" for one of several to be switched together,
// ">" for a flag of the selected workload.
func (p *Pane) mark(d widget.Draw, r *flagwatch.Row) widget.Piece {
	switch {
	case p.marks[r.ID()]:
		return widget.Piece{Token: theme.Chip, Text: "+"}
	case p.shown[r.ID()].why != "":
		sign := "›"
		if d.Styles.Options.ASCII {
			sign = ">"
		}
		return widget.Piece{Token: theme.Accent, Text: sign}
	}
	return widget.Piece{Token: theme.Text, Text: " "}
}

// setColumns makes the columns anew when environments or the pinned changed.
func (p *Pane) setColumns() {
	environments := p.environments()
	current := p.current()
	pinned := p.board != nil && p.board.Asked != nil
	many := p.board != nil && len(p.board.Providers) > 1
	made := strings.Join(environments, ",") + "|" + current + fmt.Sprint(pinned, many)
	if made == p.columnsFor {
		return
	}
	p.columnsFor = made
	columns := []widget.Column[*flagwatch.Row]{
		{ID: "sign", Min: 1, Cell: p.signCell},
		{
			ID: "key", Title: "flag", Min: 20, Max: 44, Middle: true,
			Measure: func(r *flagwatch.Row) int { return widget.Width(r.Flag.Key) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				return widget.Plain(r.Flag.Key)
			},
		},
	}
	for i, key := range environments {
		columns = append(columns, p.environmentColumn(key, key == current, i))
	}
	if pinned {
		columns = append(columns, p.askColumns()...)
	}
	columns = append(columns, p.restColumns(pinned)...)
	if many {
		columns = append(columns, widget.Column[*flagwatch.Row]{
			ID: "provider", Title: "from", Min: 4, Max: 16, Optional: 7,
			Measure: func(r *flagwatch.Row) int { return widget.Width(r.Provider) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				return widget.Say(theme.Muted, r.Provider)
			},
		})
	}
	p.table.SetColumns(columns...)
}

// current is the chosen environment by name, for the title of its column.
func (p *Pane) current() string {
	if p.board == nil || len(p.board.Providers) == 0 {
		return p.environment
	}
	e, _ := p.chosen(p.board.Providers[0].Info.Name)
	if p.environment != "" {
		return p.environment
	}
	return e.Key
}

// signCell says at a glance what deserves a look.
func (p *Pane) signCell(d widget.Draw, r *flagwatch.Row) widget.Rich {
	x := p.shown[r.ID()]
	switch {
	case x.has && x.eval.Code != flags.ErrorNone && x.eval.Code != flags.ErrorGeneral:
		return widget.Say(theme.Fail, d.Styles.Sign(live.Fail))
	case r.Live && d.Now.Sub(r.Changed) < freshFor:
		return widget.Say(theme.Warn, d.Styles.Sign(live.Warn))
	case r.Flag.Stale:
		return widget.Say(theme.Muted, d.Styles.Sign(live.Info))
	}
	return nil
}

func (p *Pane) environmentColumn(key string, chosen bool, i int) widget.Column[*flagwatch.Row] {
	title, optional := foreign.CleanN(key, 20).String(), i+2
	if chosen {
		title, optional = "["+title+"]", 0
	}
	return widget.Column[*flagwatch.Row]{
		ID: "env/" + key, Title: title, Min: min(12, widget.Width(title)), Max: 14, Optional: optional,
		Cell: func(d widget.Draw, r *flagwatch.Row) widget.Rich {
			s, ok := r.Flag.In(key)
			switch {
			case !ok && p.unlisted(r.Provider, key):
				return widget.Say(theme.Faint, dots(d.Styles))
			case !ok:
				return widget.Say(theme.Faint, "-")
			case s.On:
				return widget.Say(theme.OK, "on")
			}
			return widget.Say(theme.Muted, "off")
		},
	}
}

// unlisted reports that an environment's flags were never read so far: what is
// not known there is not the same as what is not there.
func (p *Pane) unlisted(provider, environment string) bool {
	pr, ok := p.board.Provider(provider)
	if !ok {
		return false
	}
	_, un := pr.Unlisted[environment]
	return un
}

func dots(st *theme.Styles) string {
	if st.Options.ASCII {
		return "..."
	}
	return "…"
}

// askColumns say what the pinned gets, and why.
func (p *Pane) askColumns() []widget.Column[*flagwatch.Row] {
	return []widget.Column[*flagwatch.Row]{
		{
			ID: "gets", Title: "gets", Min: 8, Max: 24,
			Measure: func(r *flagwatch.Row) int { return widget.Width(gets(p.shown[r.ID()])) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				x := p.shown[r.ID()]
				token := theme.Text
				switch {
				case x.eval.Code != flags.ErrorNone:
					token = theme.Fail
				case x.eval.Unsure != "":
					token = theme.Warn
				case !x.has:
					token = theme.Faint
				}
				return widget.Say(token, gets(x))
			},
		},
		{
			ID: "why", Title: "why", Min: len(flags.ReasonTargetingMatch), Max: 20, Optional: 1,
			Measure: func(r *flagwatch.Row) int { return widget.Width(reason(p.shown[r.ID()])) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				return widget.Say(theme.Muted, reason(p.shown[r.ID()]))
			},
		},
	}
}

// gets is what the pinned gets, in a word: a variant's name, or a value.
func gets(x row) string {
	switch {
	case !x.has:
		return "-"
	case x.eval.Code != flags.ErrorNone:
		return "error"
	}
	text := x.eval.Value.String()
	if name := x.eval.Variant.String(); name != "" {
		text = name
	}
	if x.eval.Unsure != "" {
		text += "?"
	}
	return text
}

// reason is the normalised one; errors say their code.
func reason(x row) string {
	if x.eval.Code != flags.ErrorNone {
		return string(x.eval.Code)
	}
	return string(x.eval.Reason)
}

func (p *Pane) restColumns(pinned bool) []widget.Column[*flagwatch.Row] {
	serves := widget.Column[*flagwatch.Row]{
		ID: "serves", Title: "serves", Min: 16, Want: 24, Flex: 1, Optional: 4,
		Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
			return widget.Plain(p.shown[r.ID()].state.Serves.String())
		},
	}
	if pinned {
		serves.Optional = 8
	}
	return []widget.Column[*flagwatch.Row]{
		{
			ID: "changed", Title: "changed", Min: len("changed"), Right: true,
			Cell: func(d widget.Draw, r *flagwatch.Row) widget.Rich {
				token := theme.Muted
				if r.Live && d.Now.Sub(r.Changed) < freshFor {
					token = theme.Warn
				}
				return widget.Say(token, widget.Since(d.Now, r.Changed))
			},
		},
		{
			ID: "by", Title: "by", Min: 10, Max: 18, Optional: 3,
			Measure: func(r *flagwatch.Row) int { return widget.Width(r.ChangedBy.String()) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				return widget.Say(theme.Muted, r.ChangedBy.String())
			},
		},
		serves,
		{
			ID: "served", Title: "evaluations", Min: 16, Max: 26, Optional: 6,
			Measure: func(r *flagwatch.Row) int { return len(served(p.shown[r.ID()].state.Served)) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				return widget.Say(theme.Muted, served(p.shown[r.ID()].state.Served))
			},
		},
		{
			ID: "kind", Title: "kind", Min: 8, Max: 12, Optional: 9,
			Measure: func(r *flagwatch.Row) int { return widget.Width(kindOf(r)) },
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				return widget.Say(theme.Muted, kindOf(r))
			},
		},
		{
			ID: "stale", Title: "stale", Min: 5, Optional: 10,
			Cell: func(_ widget.Draw, r *flagwatch.Row) widget.Rich {
				if r.Flag.Stale {
					return widget.Say(theme.Muted, "stale")
				}
				return nil
			},
		},
	}
}

// kindOf is what the flag is for where the provider says it, else its type.
func kindOf(r *flagwatch.Row) string {
	if r.Flag.Type != "" {
		return r.Flag.Type.String()
	}
	return string(r.Flag.Kind)
}

// served is how much a flag is evaluated and what for: "640/min true 95%".
func served(s *flags.Stats) string {
	total := s.Total()
	if total == 0 {
		return ""
	}
	best := flags.Count{}
	for _, c := range s.Counts {
		if c.N > best.N {
			best = c
		}
	}
	return fmt.Sprintf("%s/min %s %d%%", amount(s.PerMinute()), best.Variant, 100*best.N/total)
}

// amount is a number in few signs: 0.4, 12, 640, 1.2k, 3.4M.
func amount(f float64) string {
	switch {
	case f < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
	case f < 1000:
		return fmt.Sprintf("%.0f", f)
	case f < 1e6:
		return strings.Replace(fmt.Sprintf("%.1fk", f/1e3), ".0k", "k", 1)
	}
	return strings.Replace(fmt.Sprintf("%.1fM", f/1e6), ".0M", "M", 1)
}
