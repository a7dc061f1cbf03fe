package probespane

import (
	"midwatch/ui/uitest"
	"midwatch/ui/widget"
)

// Line is the selected line as it is drawn.
func (p *Pane) Line() string {
	e, ok := p.outline.Selected()
	if !ok {
		return ""
	}
	d := widget.Draw{W: 200, H: 1, Now: p.env.Now, Styles: p.env.Styles}
	return uitest.Plain(e.Draw(d).Draw(p.env.Styles, 200))
}
