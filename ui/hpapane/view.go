package hpapane

import (
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// View draws the autoscaler, or says why there is none.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if p.outline.SetWidth(r.W) {
		p.arrange() // sentences are wrapped to the width
	}
	var head []widget.Rich
	if p.view != nil && p.view.Explanation != nil && r.H > 3 {
		if state := widget.StateLine(env.Styles, p.snapshot, "this autoscaler", env.Now); state != nil {
			head = append(head, state)
		}
	}
	if busy := p.verbs.Busy(); busy != "" && r.H > 3 {
		head = append(head, widget.Say(theme.Info, busy+" is being made"))
	}
	if p.view != nil && p.view.Explanation == nil && p.outline.Len() > 0 && r.H > 3 {
		head = append(head, p.empty(env)...)
	}
	p.outline.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.outline.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

// empty is what stands where there is no autoscaler, and why.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	switch {
	case p.target.IsZero():
		return []widget.Rich{widget.Say(theme.Muted, "No workload is selected.")}
	case p.snapshot.State == live.Absent:
		return []widget.Rich{
			widget.Say(theme.Muted, "No HorizontalPodAutoscaler targets "+p.target.String()+"."),
			widget.Say(theme.Muted, "It has as many replicas as somebody set."),
		}
	}
	if state := widget.StateLine(st, p.snapshot, "the autoscaler of "+p.target.String(), env.Now); state != nil {
		return []widget.Rich{state}
	}
	return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" loading the autoscaler of "+p.target.String())}
}
