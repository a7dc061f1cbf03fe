package app

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// filterLine is the filter of the focused pane being typed.
type filterLine struct {
	tile   *tile
	pane   pane.Filterer
	input  widget.Input
	before string // what esc brings back
	wrong  string
}

// startFilter opens the line at the bottom.
func (m *Model) startFilter() tea.Cmd {
	if m.focus == nil {
		return nil
	}
	f, ok := m.focus.pane.(pane.Filterer)
	if !ok {
		return m.warn("this pane has no filter")
	}
	m.filter = &filterLine{tile: m.focus, pane: f, before: f.Filter()}
	m.filter.input.Set(f.Filter())
	return nil
}

// onFilter gives keys and pasted text to the line being typed.
func (m *Model) onFilter(msg tea.Msg) (tea.Cmd, bool) {
	f := m.filter
	if f == nil {
		return nil, false
	}
	switch msg := msg.(type) {
	case tea.PasteMsg:
		f.input.Paste(msg.Content)
		return f.apply(m, f.input.Text()), true
	case tea.KeyPressMsg:
		switch msg.String() {
		case "esc":
			m.filter = nil
			return f.apply(m, f.before), true
		case "enter":
			m.filter = nil
			if why := f.wrong; why != "" {
				m.toast(live.Warn, why)
				return f.apply(m, f.before), true
			}
		case "up", "down", "pgup", "pgdown":
			return m.deliver(f.tile, msg), true
		default:
			if f.input.Key(msg) {
				return f.apply(m, f.input.Text()), true
			}
		}
		return nil, true
	}
	return nil, false
}

// apply narrows the pane while typing; an expression that is not complete
// leaves it as it was.
func (f *filterLine) apply(m *Model, expr string) tea.Cmd {
	cmd, err := m.setFilter(f.tile, expr)
	f.wrong = ""
	if err != nil {
		f.wrong = err.Error()
	}
	return cmd
}

// setFilter narrows a pane, and lets it say what is selected now.
func (m *Model) setFilter(t *tile, expr string) (tea.Cmd, error) {
	f, ok := t.pane.(pane.Filterer)
	if !ok {
		return nil, nil
	}
	t.touch()
	if err := f.SetFilter(expr); err != nil {
		return nil, err //nolint:wrapcheck // the pane's own words, for the user
	}
	return m.deliver(t, pane.FilteredMsg{}), nil
}

func (f *filterLine) line(w int) widget.Rich {
	r := append(widget.Rich{{Token: theme.Accent, Text: "/"}}, f.input.Rich(max(w/2, 8))...)
	if f.wrong != "" {
		return append(r, widget.Piece{Token: theme.Fail, Text: "  " + f.wrong})
	}
	return append(r, widget.Piece{Token: theme.Muted, Text: "  text, re:expression or !not · enter keeps, esc restores"})
}

// filterText is the filter in force in a pane.
func (m *Model) filterText(t *tile) string {
	if f, ok := t.pane.(pane.Filterer); ok {
		return f.Filter()
	}
	return ""
}
