package app

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/live"
	"midwatch/ui/bind"
)

// Opened is the message of a session that was opened.
func Opened(s *Session) tea.Msg { return openedMsg{where: s.Where, session: s} }

// GlobalKeys are the bindings that work everywhere.
func (m *Model) GlobalKeys() []bind.Binding { return m.keys }

// Batch is a batch of the session on the screen.
func Batch(m *Model, b live.Batch) tea.Msg { return batchMsg{session: m.session, batch: b} }
