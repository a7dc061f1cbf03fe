package rolloutpane

import (
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// View draws the workload, or says why there is none.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if p.outline.SetWidth(r.W) {
		p.arrange() // sentences are wrapped to the width
	}
	var head []widget.Rich
	if p.workload() != nil {
		if state := widget.StateLine(env.Styles, p.snapshot, "this workload", env.Now); state != nil && p.snapshot.State != live.Loading && r.H > 3 {
			head = append(head, state)
		}
		if p.detail.Missing && r.H > 3 {
			head = append(head, widget.Say(theme.Warn, env.Styles.Sign(live.Warn)+" it is gone: this is how it was last"))
		}
	}
	if busy := p.verbs.Busy(); busy != "" && r.H > 3 {
		head = append(head, widget.Say(theme.Info, busy+" is being made"))
	}
	p.outline.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.outline.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}

// empty is what stands where there is no workload, and why.
func (p *Pane) empty(env *pane.Env) []widget.Rich {
	st := env.Styles
	switch {
	case p.target.IsZero():
		return []widget.Rich{widget.Say(theme.Muted, "No workload is selected.")}
	case p.detail != nil && p.detail.Missing:
		return []widget.Rich{widget.Say(theme.Warn, st.Sign(live.Warn)+" "+p.target.String()+" is gone, or not in the scope.")}
	}
	if state := widget.StateLine(st, p.snapshot, p.target.String(), env.Now); state != nil {
		return []widget.Rich{state}
	}
	return []widget.Rich{widget.Say(theme.Info, st.Sign(live.Info)+" loading "+p.target.String())}
}
