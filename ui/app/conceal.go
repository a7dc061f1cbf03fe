package app

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/ui/pane"
)

// concealed is how long a frame has to reach the terminal before the program
// goes to the background.
const concealed = 50 * time.Millisecond

// conceal masks what was revealed, in every pane: nobody looks any more, the
// screen changes its shape, or the terminal is given back.
func (m *Model) conceal() (any bool) {
	for _, t := range m.tiles() {
		if c, ok := t.pane.(pane.Concealer); ok {
			any = c.Conceal() || any
		}
	}
	return any
}

// suspend goes to the background, after a frame without what was revealed.
func (m *Model) suspend() tea.Cmd {
	if !m.conceal() {
		return tea.Suspend
	}
	return tea.Sequence(m.opts.Waits.After(m.ctx, concealed, nil), tea.Suspend)
}
