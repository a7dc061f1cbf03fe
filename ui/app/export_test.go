package app

import tea "charm.land/bubbletea/v2"

// Opened is the message of a session that was opened.
func Opened(s *Session) tea.Msg { return openedMsg{where: s.Where, session: s} }
