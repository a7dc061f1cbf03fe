package flagspane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// head are the lines above the list: what is wrong with the providers, who is
// pinned, which flags come first.
func (p *Pane) head(env *pane.Env) []widget.Rich {
	st := env.Styles
	var out []widget.Rich
	if p.board == nil {
		return nil
	}
	for i := range p.board.Providers {
		if line := p.providerLine(env, &p.board.Providers[i]); line != nil {
			out = append(out, line)
		}
	}
	if line := p.askedLine(env); line != nil {
		out = append(out, line)
	}
	line := widget.NewJoin(st)
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
		line.Add(theme.Muted, fmt.Sprintf("%d of %d shown", p.table.Len(), len(p.board.Rows)))
	}
	if n := len(p.marks); n > 0 {
		line.Add(theme.Chip, fmt.Sprintf("%d marked", n))
	}
	p.usesWords(line)
	if r := line.Rich(); len(r) > 0 {
		out = append(out, r)
	}
	if p.busy != "" {
		out = append(out, widget.Say(theme.Info, st.Sign(live.Info)+" "+p.busy))
	}
	return out
}

// usesWords says which flags stand first, and why there may be none.
func (p *Pane) usesWords(line *widget.Join) {
	if p.target.IsZero() || len(p.board.Rows) == 0 {
		return
	}
	who := k8s.ShortKind(p.target.Kind) + "/" + p.target.Name
	n := 0
	for _, r := range p.board.Rows {
		if p.uses.Why(r) != "" {
			n++
		}
	}
	switch {
	case p.uses == nil:
		line.Add(theme.Info, "finding the flags of "+who)
	case p.uses.Err != "":
		line.Add(theme.Warn, p.uses.Err.String())
	case n == 0 && p.only:
		line.Add(theme.Muted, "no flag is known to be used by "+who+" · w shows all")
	case n == 0:
		line.Add(theme.Muted, "no flag is known to be used by "+who)
	case p.only:
		line.Add(theme.Text, fmt.Sprintf("only the %d of %s", n, who))
	case n == 1:
		line.Add(theme.Text, "the first one is used by "+who)
	default:
		line.Add(theme.Text, fmt.Sprintf("the first %d are used by %s", n, who))
	}
}

// providerLine is nil for a provider that is simply well.
func (p *Pane) providerLine(env *pane.Env, pr *flagwatch.Provider) widget.Rich {
	sev, text := live.OK, ""
	switch pr.Status.Status {
	case flags.StatusStale:
		sev, text = live.Warn, "values may be old"
	case flags.StatusError:
		sev, text = live.Fail, "does not answer"
	case flags.StatusFatal:
		sev, text = live.Fail, "cannot be used"
	case flags.StatusNotReady:
		sev, text = live.Info, "has not answered yet"
	}
	why := pr.Status.Why
	if pr.Err != "" && sev != live.Fail {
		sev, text, why = live.Warn, "could not be read", pr.Err
	}
	if sev == live.OK {
		return nil
	}
	if !pr.Status.Since.IsZero() && pr.Status.Status != flags.StatusNotReady && pr.Status.Status != flags.StatusReady {
		text += " for " + widget.Since(env.Now, pr.Status.Since)
	}
	line := pr.Info.Name + " " + text
	if why != "" {
		line += ": " + strings.TrimPrefix(why.String(), pr.Info.Name+": ")
	}
	return widget.Say(theme.Severity(sev), env.Styles.Sign(sev)+" "+line)
}

func (p *Pane) providerUntil(pr *flagwatch.Provider, now time.Time) time.Duration {
	if pr.Status.Status == flags.StatusReady || pr.Status.Since.IsZero() {
		return 0
	}
	return widget.SinceUntil(now, pr.Status.Since)
}

// askedLine says who is pinned.
func (p *Pane) askedLine(env *pane.Env) widget.Rich {
	a := p.board.Asked
	if a == nil {
		return nil
	}
	line := widget.NewJoin(env.Styles)
	line.AddRich(widget.Rich{{Token: theme.Chip, Text: "ask"}, {Token: theme.Text, Text: " " + a.Who.String() + " in " + p.current()}})
	switch {
	case a.Pending:
		line.Add(theme.Info, "evaluating")
	case a.Took > 0:
		line.Add(theme.Muted, "answered in "+took(a.Took))
	}
	for place, err := range a.Errs {
		if e, ok := p.chosen(place.Provider); ok && e.Key == place.Environment {
			line.Add(theme.Fail, place.Provider+": "+strings.TrimPrefix(err.String(), place.Provider+": "))
		}
	}
	return line.Rich()
}

// took is a duration for the screen: "0.3ms", "12ms", "1.4s".
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// empty is what stands where there are no flags, and why there are none.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	if p.source == nil {
		return []widget.Rich{
			widget.Plain("No flag provider is named in the settings."),
			widget.Say(theme.Muted, "flags: in the settings file names LaunchDarkly, Unleash, an OFREP server or a flag file."),
		}
	}
	if p.board != nil && len(p.board.Rows) > 0 {
		if p.only && !p.filter.Active() {
			return []widget.Rich{widget.Plain("No flag is known to be used by " + p.target.String() + "."), widget.Say(theme.Muted, "w shows all flags; flagUse in the settings, an annotation or a flag's tag says who uses what.")}
		}
		return []widget.Rich{
			widget.Plain(fmt.Sprintf("None of %d flags matches %s", len(p.board.Rows), p.filter)),
			widget.Say(theme.Muted, "/ changes the filter, esc drops it. is:on, is:off, is:stale and gets:VALUE work, too."),
		}
	}
	if state := widget.StateLine(st, p.snapshot, "flags", env.Now); state != nil {
		if p.snapshot.State == live.Absent {
			return []widget.Rich{
				widget.Plain("No flag provider is named in the settings."),
				widget.Say(theme.Muted, "flags: in the settings file names LaunchDarkly, Unleash, an OFREP server or a flag file."),
			}
		}
		return []widget.Rich{state}
	}
	return []widget.Rich{widget.Plain("There are no flags.")}
}
