package probespane

import (
	"fmt"
	"strings"
	"time"

	"midwatch/k8s/probe"
	"midwatch/k8s/probe/try"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// member is the lines of one pod's probe.
func (p *Pane) member(g *probe.Group, m *probe.Member) {
	o, pr := p.outline, m.Probe
	of, key := subject{group: g, member: m}, g.Key()+"/"+m.Report.Pod.Key()
	ages := []time.Time{p.shift(m, pr.Since), p.shift(m, pr.LastFailure)}
	o.Add(widget.Entry[subject]{Key: key, Of: of, Ages: ages, Deadline: p.shift(m, pr.Deadline), Draw: func(d widget.Draw) widget.Rich { return p.memberLine(d, m) }})
	if pr.Severity != live.OK || pr.Killed.After(time.Time{}) {
		p.reasons(key, of, m)
	}
	if a := p.tries[tryKey(*m)]; a != nil {
		p.attempt(key, of, m, a)
	}
}

// shift moves a time of the cluster into ours: where its clock is ahead, ages
// would stand still.
func (p *Pane) shift(m *probe.Member, at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-m.Report.Skew)
}

func (p *Pane) memberLine(d widget.Draw, m *probe.Member) widget.Rich {
	pr, sev := m.Probe, m.Probe.Severity
	width := min(max(d.W/3, 16), 40)
	out := widget.Rich{
		{Token: theme.Severity(sev), Text: "    " + d.Styles.Sign(sev) + " "},
		{Token: theme.Text, Text: widget.PadMiddle(d.Styles, m.Report.Pod.Name, width) + "  "},
	}
	line := widget.NewJoin(d.Styles)
	state := string(pr.State)
	if !pr.Since.IsZero() {
		state += " " + widget.Since(d.Now, p.shift(m, pr.Since))
	}
	line.Add(theme.Severity(sev), state)
	if !pr.Deadline.IsZero() {
		line.Add(theme.Warn, act(pr)+" in "+widget.Countdown(p.shift(m, pr.Deadline).Sub(d.Now)))
	}
	if pr.Failures > 0 {
		line.Add(theme.Muted, atLeast(d, pr.Failures)+" failed, last "+widget.Since(d.Now, p.shift(m, pr.LastFailure))+" ago")
	}
	if pr.LastMessage != "" && sev == live.OK {
		line.Add(theme.Muted, pr.LastMessage.String())
	}
	return append(out, line.Rich()...)
}

// act is what will happen, in two words.
func act(pr *probe.Probe) string {
	switch {
	case pr.Spec.Kind == probe.Readiness && pr.State == probe.Starting:
		return "first answer"
	case pr.Spec.Kind == probe.Readiness:
		return "out"
	}
	return "restart"
}

func atLeast(d widget.Draw, n int) string {
	if d.Styles.Options.ASCII {
		return fmt.Sprintf(">=%dx", n)
	}
	return fmt.Sprintf("≥%d×", n)
}

// reasons say what the judgement rests on.
func (p *Pane) reasons(key string, of subject, m *probe.Member) {
	o, pr := p.outline, m.Probe
	if pr.LastMessage != "" {
		o.Text(key+"/message", of, widget.Say(theme.Text, "      "+pr.LastMessage.String()), 8)
	}
	o.Text(key+"/text", of, widget.Say(theme.Muted, "      "+pr.Text.String()), 6)
	var notes []string
	if !pr.Earliest.IsZero() && pr.Earliest.Before(pr.Deadline) {
		notes = append(notes, "the kubelet "+pr.Spec.Act()+" at the earliest at "+clock(p.env, pr.Earliest)+", at the latest at "+clock(p.env, pr.Deadline)+" if it goes on")
	}
	if pr.SeveralRuns {
		notes = append(notes, "the failures began before the container's present run")
	}
	if pr.Combined {
		notes = append(notes, "events were merged: the count is a floor")
	}
	if !pr.Killed.IsZero() {
		notes = append(notes, "last had the container killed at "+clock(p.env, pr.Killed))
	}
	if pr.Warning != "" {
		notes = append(notes, "the kubelet warned: "+pr.Warning.String())
	}
	if c := runs(m.Report, pr.Container); c.Restarts > 0 {
		notes = append(notes, fmt.Sprintf("%d restarts of the container", c.Restarts))
	}
	if len(notes) > 0 {
		o.Text(key+"/notes", of, widget.Say(theme.Muted, "      "+strings.Join(notes, "; ")), 6)
	}
}

func clock(env *pane.Env, at time.Time) string {
	return at.In(env.Now.Location()).Format("15:04:05")
}

// attempt is what a try brought, and what that proves.
func (p *Pane) attempt(key string, of subject, m *probe.Member, a *attempt) {
	o, st := p.outline, p.env.Styles
	key += "/try"
	switch {
	case a.busy:
		o.Text(key, of, widget.Say(theme.Info, "      "+st.Sign(live.Info)+" midwatch asks "+m.Probe.Spec.Words()+" once, through the API server"), 8)
		return
	case a.result == nil:
		o.Text(key, of, widget.Say(theme.Warn, "      "+st.Sign(live.Warn)+" midwatch's own try: "+a.err.String()), 8)
		return
	}
	r := a.result
	sev := r.Severity()
	o.Add(widget.Entry[subject]{Key: key, Of: of, Ages: []time.Time{a.at}, Draw: func(d widget.Draw) widget.Rich {
		line := widget.NewJoin(d.Styles)
		line.Add(theme.Severity(sev), d.Styles.Sign(sev)+" midwatch's own try "+widget.Since(d.Now, a.at)+" ago: "+answer(r))
		return append(widget.Say(theme.Text, "      "), line.Rich()...)
	}})
	if t := timings(r); t != "" {
		o.Text(key+"/timings", of, widget.Say(theme.Muted, "        "+t), 8)
	}
	if r.Err != "" {
		text := r.Err.String()
		if r.Next != "" {
			text += "; " + r.Next.String()
		}
		o.Text(key+"/err", of, widget.Say(theme.Text, "        "+text), 8)
	}
	if r.Line != "" {
		o.Text(key+"/line", of, widget.Rich{{Token: theme.Muted, Text: "        it says: "}, {Token: theme.Text, Text: r.Line.String()}}, 8)
	}
	if r.Warning != "" {
		o.Text(key+"/warning", of, widget.Say(theme.Warn, "        "+r.Warning.String()), 8)
	}
	o.Text(key+"/proves", of, widget.Say(theme.Accent, "        "+strings.Join(try.Explain(r, m.Probe), " ")), 8)
	o.Text(key+"/path", of, widget.Say(theme.Faint, "        asked through the API server, at the pod's localhost: not from the node's network, where the kubelet asks"), 8)
}

func answer(r *try.Result) string {
	if r.Answer != "" {
		return string(r.Outcome) + ", " + r.Answer.String()
	}
	return string(r.Outcome)
}

func timings(r *try.Result) string {
	var parts []string
	if r.Took > 0 {
		parts = append(parts, "answer after "+millis(r.Took))
	}
	if r.Connect > 0 {
		parts = append(parts, "way in "+millis(r.Connect))
	}
	return strings.Join(parts, ", ")
}

func millis(d time.Duration) string {
	if d < time.Millisecond {
		return "<1ms"
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
