package pane

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/widget"
)

// Draw is what a widget needs to draw itself into a part of the pane.
func (e *Env) Draw(r Rect) widget.Draw {
	return widget.Draw{W: r.W, H: r.H, Now: e.Now, Styles: e.Styles, Focused: e.Focused}
}

// Toast says what failed, in one line.
func (m FailedMsg) Toast() tea.Cmd { return Toast(live.Fail, m.String()) }

// String is what was tried and why it failed, in one clean line.
func (m FailedMsg) String() string {
	why, _, _ := strings.Cut(m.Err.Error(), "\n")
	return foreign.Clean(m.What + ": " + why).String()
}
