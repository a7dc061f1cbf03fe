package flagspane

import (
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// View draws the view that is open, and the proofs of a change below it.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	foot := p.ladderLines(env)
	if room := r.H / 2; len(foot) > room {
		foot = foot[:max(0, room)]
	}
	body := pane.Rect{W: r.W, H: r.H - len(foot)}
	var top string
	switch p.view {
	case viewDetail, viewExperiment:
		p.compose()
		top = p.text.View(env.Draw(body))
	case viewExperiments:
		top = p.viewLab(env, body)
	default:
		top = p.viewList(env, body)
	}
	return widget.Stack(top, widget.Lines(env.Styles, foot, r.W, len(foot)))
}

func (p *Pane) viewList(env *pane.Env, r pane.Rect) string {
	head := p.head(env)
	head = head[:min(len(head), max(0, r.H/2))]
	p.table.Empty = p.empty(env)
	return widget.Stack(
		widget.Lines(env.Styles, head, r.W, len(head)),
		p.table.View(env.Draw(pane.Rect{W: r.W, H: r.H - len(head)})),
	)
}
