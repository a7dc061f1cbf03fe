package flagspane

import (
	"fmt"
	"math"
	"strings"
	"time"

	"midwatch/flags"
	"midwatch/flags/experiment"
	"midwatch/flags/experiment/source"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

func labColumns() []widget.Column[*trial] {
	text := func(id, title string, low, high, optional int, f func(*trial) (theme.Token, string)) widget.Column[*trial] {
		return widget.Column[*trial]{
			ID: id, Title: title, Min: low, Max: high, Optional: optional,
			Measure: func(t *trial) int { _, s := f(t); return widget.Width(s) },
			Cell:    func(_ widget.Draw, t *trial) widget.Rich { tok, s := f(t); return widget.Say(tok, s) },
		}
	}
	return []widget.Column[*trial]{
		{ID: "sign", Min: 1, Cell: func(d widget.Draw, t *trial) widget.Rich {
			sev := live.Info
			if t.own != nil {
				sev = t.own.Severity()
			}
			return widget.Say(theme.Severity(sev), d.Styles.Sign(sev))
		}},
		text("name", "experiment", 20, 32, 0, func(t *trial) (theme.Token, string) { return theme.Text, t.name() }),
		text("in", "let in", 7, 10, 2, func(t *trial) (theme.Token, string) { return theme.Text, t.admitted() }),
		text("users", "users seen", 8, 12, 3, func(t *trial) (theme.Token, string) { return theme.Text, t.users() }),
		text("split", "split", 26, 44, 0, func(t *trial) (theme.Token, string) { return theme.Text, t.split() }),
		text("health", "verdict", 24, 32, 0, func(t *trial) (theme.Token, string) { return t.health() }),
		{
			ID: "changed", Title: "changed", Min: widget.AgeWidth, Right: true, Optional: 4,
			Cell: func(d widget.Draw, t *trial) widget.Rich {
				return widget.Say(theme.Muted, widget.Since(d.Now, t.changed()))
			},
		},
		text("from", "defined in", 20, 60, 5, func(t *trial) (theme.Token, string) { return theme.Muted, t.from() }),
	}
}

func (t *trial) name() string {
	if t.own != nil {
		return t.own.Name
	}
	if n := t.running.x.Name.String(); n != "" {
		return n
	}
	return t.running.x.Key
}

func (t *trial) admitted() string {
	switch {
	case t.running != nil:
		sum := 0.0
		for _, a := range t.running.x.Arms {
			if a.Percent < 0 {
				return "-"
			}
			sum += a.Percent
		}
		return flags.Percent(math.Round(sum*100) / 100)
	case t.own.Definition == nil:
		return "?"
	}
	return share(float64(t.own.Definition.Admitted()) / experiment.Buckets)
}

func (t *trial) users() string {
	switch {
	case t.running != nil:
		return "-"
	case t.own.Exposures == nil:
		return "none"
	}
	return fmt.Sprint(t.own.Exposures.Users)
}

func (t *trial) split() string {
	var parts []string
	switch {
	case t.running != nil:
		for _, a := range t.running.x.Arms {
			parts = append(parts, fmt.Sprintf("%s %g %%", a.Name, a.Percent))
		}
	case t.own.Split != nil && t.own.Split.Users > 0:
		for _, a := range t.own.Split.Arms {
			parts = append(parts, foreign.CleanN(a.Variant, 40).String()+" "+share(float64(a.Users)/float64(t.own.Split.Users)))
		}
	default:
		for _, s := range t.own.Shares {
			parts = append(parts, foreign.CleanN(s.Variant, 40).String()+" "+share(s.Overall))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *trial) health() (theme.Token, string) {
	switch {
	case t.running != nil:
		return theme.Muted, t.running.x.Status.String()
	case t.own.Definition == nil:
		return theme.Warn, "no definition known"
	case t.own.Split == nil:
		if len(t.own.Lints) > 0 {
			return theme.Severity(t.own.Severity()), string(t.own.Lints[0].Pitfall)
		}
		return theme.Muted, "no exposures seen"
	}
	switch t.own.Split.Health {
	case experiment.Mismatch:
		return theme.Fail, "split is wrong, p " + pValue(t.own.Split.P)
	case experiment.TooFew:
		return theme.Muted, "too few users to tell"
	case experiment.Untestable:
		return theme.Muted, "one arm: nothing to test"
	}
	return theme.OK, "split is as meant"
}

func pValue(p float64) string {
	if p < 1e-4 {
		return fmt.Sprintf("%.0e", p)
	}
	return fmt.Sprintf("%.4f", p)
}

func (t *trial) changed() time.Time {
	if t.own != nil {
		return t.own.Changed
	}
	return t.running.x.Since
}

func (t *trial) from() string {
	switch {
	case t.running != nil:
		return t.running.place.Provider + ", flag " + t.running.place.Key
	case t.own.Definition == nil:
		return "seen in logs only"
	}
	return t.own.Definition.From.String()
}

// share is "5 %", "0.11 %".
func share(f float64) string {
	s := fmt.Sprintf("%.2f", 100*f)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " %"
}

// viewLab draws the list of experiments.
func (p *Pane) viewLab(env *pane.Env, r pane.Rect) string {
	st := env.Styles
	var head []widget.Rich
	rep := p.lab.report
	switch {
	case rep.err != "":
		head = append(head, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+rep.err.String()+" (R tries again)"))
	case !rep.done:
		head = append(head, widget.Say(theme.Info, st.Sign(live.Info)+" reading definitions and the pods' logs"))
	}
	if rep.value != nil {
		head = append(head, p.readWords(env, rep.value))
		for _, n := range rep.value.Notes {
			head = append(head, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+n.String()))
		}
	}
	if p.lab.filter.Active() {
		head = append(head, widget.Rich{{Token: theme.Chip, Text: "/" + p.lab.filter.String()}, {Token: theme.Muted, Text: fmt.Sprintf(" %d of %d shown", p.lab.table.Len(), len(p.lab.rows))}})
	}
	if p.busy != "" {
		head = append(head, widget.Say(theme.Info, st.Sign(live.Info)+" "+p.busy))
	}
	head = head[:min(len(head), max(0, r.H/2))]
	p.lab.table.Empty = nil
	if rep.done && len(p.lab.rows) > 0 {
		p.lab.table.Empty = []widget.Rich{
			widget.Plain(fmt.Sprintf("None of %d experiments matches %s", len(p.lab.rows), p.lab.filter)),
			widget.Say(theme.Muted, "/ changes the filter; an empty one shows all."),
		}
	} else if rep.done {
		p.lab.table.Empty = []widget.Rich{
			widget.Plain("No experiments of " + p.target.String() + " are known."),
			widget.Say(theme.Muted, "experiments in the settings names ConfigMaps or files with definitions; exposures are looked for in the pods' logs."),
		}
	}
	return widget.Stack(widget.Lines(st, head, r.W, len(head)), p.lab.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})))
}

func (p *Pane) readWords(env *pane.Env, rep *source.Report) widget.Rich {
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Muted, fmt.Sprintf("exposures in %d lines of %d of %d pods since %s", rep.Lines, rep.Pods, rep.Of, rep.Since.In(env.Now.Location()).Format("15:04")))
	line.Add(theme.Muted, "read "+widget.Since(env.Now, rep.At)+" ago, not watched")
	return line.Rich()
}
