package pane

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/bind"
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

// Press does what a key is bound to in p. The root dispatches keys itself; a
// pane gets one in Update while a filter is being typed, to move about.
func Press(p Pane, k tea.KeyPressMsg) tea.Cmd {
	b, ok := bind.Match(p.Bindings(), k.String())
	if !ok || b.Writes || b.Reason() != "" {
		return nil
	}
	return b.Do()
}
