package eventspane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Bindings are the keys of the list of events.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		{
			ID: id + ".message", Keys: []string{"enter"}, Title: "message", Group: "View", Footer: 1,
			Help:     "Show the selected event in full, or close it again.",
			Disabled: p.nothing,
			Do: func() tea.Cmd {
				p.detail = !p.detail
				return nil
			},
		},
		p.open("open-events", "its events", "Read everything that happened to the object of the selected event.", 2, pane.Events, "e"),
		p.open("logs", "logs", "Follow the logs of the pod.", 3, pane.Logs, "l"),
		p.open("yaml", "yaml", "Read the YAML of the object of the selected event.", 4, pane.YAML, "y"),
	}
	if p.detail {
		list = append(list, bind.Binding{
			ID: id + ".close-message", Keys: []string{"esc"}, Title: "close message", Group: "View",
			Help: "Close the message.",
			Do: func() tea.Cmd {
				p.detail = false
				return nil
			},
		})
	}
	if !p.ref.IsZero() {
		list = append(list, bind.Binding{
			ID: id + ".again", Keys: []string{"R"}, Title: "read again", Group: "View", Footer: 5,
			Help: "Read the events of every type and the containers again; warnings come by themselves.",
			Do:   p.readAgain,
		})
	}
	return append(list, widget.Moves(id, p.table, nil)...)
}

func (p *Pane) nothing() string {
	if p.table.Len() == 0 {
		return "no event is selected"
	}
	return ""
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, keys ...string) bind.Binding {
	ref := p.object()
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			switch {
			case ref.IsZero():
				return "no event is selected"
			case to == pane.Logs && !hasLogs(ref.Kind):
				return "a " + ref.Kind + " has no logs"
			case to == pane.Events && ref.Key() == p.ref.Key():
				return "these are its events"
			}
			return ""
		},
		Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: to, Ref: ref}) },
	}
}

func hasLogs(kind string) bool {
	switch kind {
	case "Pod", k8s.Deployment, k8s.StatefulSet, k8s.DaemonSet, k8s.Rollout:
		return true
	}
	return false
}

// object is what the selected event speaks of, or what the pane shows.
func (p *Pane) object() k8s.Ref {
	if e, ok := p.table.Selected(); ok {
		return e.Involved
	}
	return p.ref
}
