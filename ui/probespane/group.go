package probespane

import (
	"fmt"
	"strings"

	"midwatch/k8s/probe"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

func (p *Pane) group(g *probe.Group) {
	o := p.outline
	well := g.Severity.Rank() >= live.Info.Rank() && !alarming(g.Lints)
	for i := range g.Members {
		if p.tries[tryKey(g.Members[i])] != nil {
			well = false
		}
	}
	o.Heading(g.Key(), well, widget.Entry[subject]{Of: subject{group: g}, Draw: func(d widget.Draw) widget.Rich { return p.headingLine(d, g) }})
	of := subject{group: g}
	o.Text(g.Key()+"/spec", of, widget.Say(theme.Muted, "    "+g.Spec.Timing()+": "+g.Spec.Promise()), 4)
	if names := headerNames(g.Spec); names != "" {
		o.Text(g.Key()+"/headers", of, widget.Say(theme.Muted, "    sends "+names), 4)
	}
	for i, l := range g.Lints {
		o.Text(fmt.Sprintf("%s/lint/%d", g.Key(), i), of, widget.Say(theme.Severity(l.Severity), "    "+p.env.Styles.Sign(l.Severity)+" "+l.Text.String()), 6)
	}
	shown := 0
	for i := range g.Members {
		m := &g.Members[i]
		if p.filter.Active() && !p.filter.Match(m.Report.Pod.Name, string(m.Probe.State), m.Probe.Text.String(), m.Probe.LastMessage.String(), m.Report.Node) {
			continue
		}
		if shown++; shown > maxMembers {
			continue
		}
		p.member(g, m)
	}
	if rest := shown - maxMembers; rest > 0 {
		o.Text(g.Key()+"/more", of, widget.Say(theme.Muted, fmt.Sprintf("    and %d more pods", rest)), 4)
	}
	if len(g.Members) > 0 {
		o.Text(g.Key()+"/unknown", of, widget.Say(theme.Faint, "    not known: "+strings.Join(g.Members[0].Probe.NotKnown, "; ")), 4)
	}
	o.Close()
}

func alarming(lints []probe.Lint) bool {
	for _, l := range lints {
		if l.Severity.Rank() <= live.Warn.Rank() {
			return true
		}
	}
	return false
}

// headerNames are the headers a probe sends; their values stay where they are.
func headerNames(s probe.Spec) string {
	var names []string
	for _, h := range s.Headers {
		names = append(names, h.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return "headers " + strings.Join(names, ", ") + " (values hidden)"
}

func (p *Pane) headingLine(d widget.Draw, g *probe.Group) widget.Rich {
	sev := g.Severity
	name := g.Container
	if g.Role != probe.Main {
		name += " (" + string(g.Role) + ")"
	}
	out := widget.Rich{
		{Token: theme.Severity(sev), Text: d.Styles.Sign(sev) + " "},
		{Token: theme.Title, Text: widget.Pad(string(g.Spec.Kind), 9, "") + " "},
		{Token: theme.Text, Text: g.Spec.Words() + "  "},
	}
	line := widget.NewJoin(d.Styles)
	for _, s := range []probe.State{probe.Failing, probe.Unknown, probe.Starting, probe.Waiting, probe.Passing} {
		n := g.Count(s)
		if n == 0 {
			continue
		}
		line.Add(theme.Severity(stateSeverity(g, s)), fmt.Sprintf("%d of %d %s", n, len(g.Members), s))
	}
	line.Add(theme.Muted, name)
	return append(out, line.Rich()...)
}

// stateSeverity is the worst of the members in a state.
func stateSeverity(g *probe.Group, s probe.State) live.Severity {
	worst := live.OK
	for _, m := range g.Members {
		if m.Probe.State == s && m.Probe.Severity.Rank() < worst.Rank() {
			worst = m.Probe.Severity
		}
	}
	return worst
}
