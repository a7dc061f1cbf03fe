package probespane

import (
	"fmt"
	"time"

	"midwatch/k8s/probe"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// maxMembers is how many pods are listed under one probe.
const maxMembers = 30

// View draws the probes, or says why there are none.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if p.outline.SetWidth(r.W) || p.outdated(env.Now) {
		p.arrange()
	}
	head := p.head(env, r.W)
	head = head[:min(len(head), max(0, r.H/2))]
	p.outline.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.outline.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

// outdated reports whether time alone has changed a judgement.
func (p *Pane) outdated(now time.Time) bool {
	for _, r := range p.reports {
		if !r.Recheck.IsZero() && !r.Recheck.After(now) {
			return true
		}
	}
	return false
}

// arrange judges what was read and makes the lines.
func (p *Pane) arrange() {
	if p.env == nil {
		return
	}
	p.reports, p.groups = nil, nil
	if p.answer != nil && p.detail != nil {
		p.reports = p.answer.Assess(p.env.Now, p.detail.Events, p.detail.Flaps)
		p.groups = probe.Groups(p.reports)
	}
	o := p.outline
	o.Begin()
	for _, g := range p.groups {
		p.group(g)
	}
	p.gates()
	p.flaps()
	p.bare()
	o.End()
}

// head is what stands above the list.
func (p *Pane) head(env *pane.Env, w int) []widget.Rich {
	var head []widget.Rich
	if p.answer != nil && len(p.reports) > 0 {
		head = append(head, p.summary(env))
	}
	if p.answer != nil && p.snapshot.State != live.Loading {
		if state := widget.StateLine(env.Styles, p.snapshot, "this workload", env.Now); state != nil {
			head = append(head, state)
		}
	}
	warn := func(text string) {
		head = append(head, widget.Say(theme.Warn, env.Styles.Sign(live.Warn)+" "+text).Wrap(max(w, 8), 2)...)
	}
	if p.err != "" && p.answer != nil {
		warn(p.err.String() + " (R tries again)")
	}
	if p.answer != nil && p.answer.EventsErr != "" {
		warn(p.answer.EventsErr.String() + ": failures may be missing")
	}
	for _, r := range p.reports {
		if r.Skew > 0 {
			warn("the cluster's clock is at least " + widget.Age(r.Skew) + " ahead of this machine's: its times are judged by its own clock")
			break
		}
	}
	return head
}

func (p *Pane) summary(env *pane.Env) widget.Rich {
	line := widget.NewJoin(env.Styles)
	failing := 0
	for _, g := range p.groups {
		if g.Count(probe.Failing) > 0 {
			failing++
		}
	}
	if failing > 0 {
		line.Add(theme.Fail, fmt.Sprintf("%d of %d probes fail somewhere", failing, len(p.groups)))
	} else if len(p.groups) > 0 {
		line.Add(theme.OK, fmt.Sprintf("%d probes, none is known to fail", len(p.groups)))
	}
	pods := fmt.Sprintf("%d pods", len(p.reports))
	if len(p.reports) == 1 {
		pods = "1 pod"
	}
	if p.answer.More {
		pods = fmt.Sprintf("the first %d pods of %d", len(p.reports), len(p.detail.Pods))
	}
	line.Add(theme.Muted, pods)
	if p.filter.Active() {
		line.Add(theme.Chip, "/"+p.filter.String())
	}
	if p.reading {
		line.Add(theme.Info, "reading again")
	} else {
		line.Add(theme.Muted, "as of "+widget.Since(env.Now, p.answer.At)+" ago")
	}
	return line.Rich()
}

// empty is what stands where there are no probes, and why there are none.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	switch {
	case p.target.IsZero():
		return []widget.Rich{widget.Say(theme.Muted, "No workload is selected.")}
	case p.detail != nil && p.detail.Missing:
		return []widget.Rich{widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.target.String()+" is gone, or not in the scope.")}
	case p.err != "":
		return widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.err.String()+" (R tries again)").Wrap(max(p.outline.Width, 8), 2)
	}
	if p.answer == nil {
		if state := widget.StateLine(st, p.snapshot, p.target.String(), env.Now); state != nil {
			return []widget.Rich{state}
		}
		return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" reading the pods of "+p.target.String())}
	}
	if len(p.reports) == 0 {
		return []widget.Rich{widget.Plain(p.target.String() + " has no pods, and so no probes.")}
	}
	return []widget.Rich{widget.Plain("No container of " + p.target.String() + " has a probe.")}
}
