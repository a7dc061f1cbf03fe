package eventspane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Bindings are the keys of the list, or of the event that is open.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	if p.text != nil {
		return append([]bind.Binding{{
			ID: id + ".close", Keys: []string{"enter", "backspace"}, Title: "back to the list", Group: "Open", Footer: 1,
			Help: "Close the event and go back to the list.",
			Do:   func() tea.Cmd { p.text = nil; return nil },
		}}, widget.Moves(id, p.text, nil)...)
	}
	list := []bind.Binding{
		{
			ID: id + ".open", Keys: []string{"enter", "d"}, Title: "message", Group: "Open", Footer: 1,
			Help: "Read the selected event in full.", Disabled: p.nothing,
			Do: func() tea.Cmd { p.openText(); return nil },
		},
		p.open("object", "object", "Read the YAML of what the selected event speaks of.", 2, pane.YAML, "y"),
		p.open("logs", "logs", "Follow the logs of the pod that the selected event speaks of.", 3, pane.Logs, "l"),
	}
	return append(list, widget.Moves(id, p.table, nil)...)
}

func (p *Pane) nothing() string {
	if p.table.Len() == 0 {
		return "no event is selected"
	}
	return ""
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, key string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: []string{key}, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			e, ok := p.table.Selected()
			switch {
			case !ok:
				return "no event is selected"
			case to == pane.Logs && e.Involved.Kind != "Pod":
				return "a " + e.Involved.Kind + " has no logs"
			}
			return ""
		},
		Do: func() tea.Cmd {
			e, _ := p.table.Selected()
			return pane.Send(pane.OpenMsg{Pane: to, Ref: involved(e)})
		},
	}
}

// involved is the object an event speaks of. Events about cluster-scoped
// objects carry no namespace.
func involved(e *k8s.Event) k8s.Ref { return e.Involved }
