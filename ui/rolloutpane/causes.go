package rolloutpane

import (
	"fmt"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// causes lists why pods are not available, one after the other, each with what
// to do about it.
func (o *outline) causes(w *k8s.Workload) {
	list := w.Verdict.Causes
	if len(list) == 0 || w.Verdict.Severity == live.OK {
		return
	}
	notes := "1 cause"
	if len(list) > 1 {
		notes = fmt.Sprintf("%d causes, the one to look at first on top", len(list))
	}
	o.heading("why", "why", widget.Say(theme.Muted, notes), false)
	for i := range list {
		o.cause(&list[i], "cause/"+strconv.Itoa(i)+"/"+string(list[i].Kind))
	}
	o.Close()
}

// cause is a line of what it is, a line of when, and what to do.
func (o *outline) cause(c *k8s.Cause, key string) {
	token := theme.Warn
	if !c.Fatal {
		token = theme.Info
	}
	pod := o.p.podNamed(c.Pods)
	for i, part := range (widget.Rich{{Token: theme.Muted, Text: "  " + c.Tally() + "  "}, {Token: token, Text: c.Text.String()}}).Wrap(max(o.Width, 8), 4) {
		l := entry{Key: key + "/" + strconv.Itoa(i), Of: behind{pod: pod}, Draw: func(widget.Draw) widget.Rich { return part }}
		if c.Kind == k8s.CauseOrdered && pod != nil {
			l.Of.says = "delete " + pod.Name
			l.Of.enter = func() tea.Cmd { return o.p.verbs.DeletePod(o.p.env, pod) }
		}
		o.Add(l)
	}
	when := entry{Key: key + "/when", Of: behind{pod: pod}, Draw: func(d widget.Draw) widget.Rich { return causeTimes(d, c) }}
	if !c.Since.IsZero() {
		when.Ages = append(when.Ages, c.Since)
	}
	when.Deadline = c.NextStart
	if !c.Since.IsZero() || !c.NextStart.IsZero() || c.Times > 0 || c.OldToo > 0 {
		o.Add(when)
	}
	if c.Next != "" {
		o.wrapped(key+"/next", widget.Rich{{Token: theme.Muted, Text: "    do  "}, {Token: theme.Text, Text: c.Next}}, 8)
	}
}

// causeTimes is since when, how often, how long the last run was, and when the
// kubelet tries again.
func causeTimes(d widget.Draw, c *k8s.Cause) widget.Rich {
	join := widget.NewJoin(d.Styles)
	if !c.Since.IsZero() {
		join.Add(theme.Muted, "since "+clock(d, c.Since)+", "+widget.Since(d.Now, c.Since)+" ago")
	}
	if c.OldToo > 0 {
		join.Add(theme.Info, "old pods fail the same way: not this rollout")
	}
	if c.Times > 1 {
		join.Add(theme.Muted, "reported "+atLeast(d.Styles, c.Times))
	}
	if c.Exit != nil {
		text := fmt.Sprintf("%d restarts", c.Restarts)
		if c.Restarts == 1 {
			text = "1 restart"
		}
		if c.Exit.Ran > 0 {
			text += ", ran " + c.Exit.Ran.Round(time.Second).String()
		}
		join.Add(theme.Muted, text)
	}
	if c.NextStart.IsZero() {
		return append(widget.Plain("    "), join.Rich()...)
	}
	what, passed := "next start", "is due"
	if c.Kind == k8s.CauseMinReady {
		what, passed = "available", "by now"
	}
	if c.NextStart.After(d.Now) {
		join.Add(theme.Text, what+" in "+widget.Countdown(c.NextStart.Sub(d.Now)))
	} else {
		join.Add(theme.Muted, what+" "+passed)
	}
	return append(widget.Plain("    "), join.Rich()...)
}

func clock(d widget.Draw, t time.Time) string {
	t = t.In(d.Now.Location())
	if d.Now.Sub(t) > 20*time.Hour {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04:05")
}

// podNamed is the row of the first of the names that is there; nil without.
func (p *Pane) podNamed(names []string) *k8s.PodRow {
	if p.detail == nil {
		return nil
	}
	for _, name := range names {
		for _, pod := range p.detail.Pods {
			if pod.Name == name {
				return pod
			}
		}
	}
	return nil
}

// stuckPod is the pod that only deleting moves on, where there is one: D
// offers it wherever the cursor is.
func (p *Pane) stuckPod() *k8s.PodRow {
	w := p.workload()
	if w == nil || len(w.Verdict.Delete) == 0 {
		return nil
	}
	names := make([]string, len(w.Verdict.Delete))
	for i, r := range w.Verdict.Delete {
		names[i] = r.Name
	}
	return p.podNamed(names)
}
