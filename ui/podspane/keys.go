package podspane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// Bindings are the keys of the list of pods.
func (p *Pane) Bindings() []bind.Binding {
	var selected *k8s.PodRow
	if r, ok := p.table.Selected(); ok {
		selected = r.PodRow
	}
	list := []bind.Binding{
		p.open("open", "events", "Read what happened to the selected pod: its containers and events.", 1, pane.Events, "", "enter", "d", "e"),
		p.open("logs", "logs", "Follow the selected pod's logs.", 2, pane.Logs, "", "l"),
		p.open("previous", "previous logs", "Read the logs of the selected pod's containers from before their last restart.", 3, pane.Logs, pane.ArgPrevious, "L"),
		p.open("yaml", "yaml", "Read the selected pod's YAML.", 4, pane.YAML, "", "y"),
	}
	list = append(list, verbs.Profile(p.id, "the selected pod", 4, func() (k8s.Ref, string) {
		if selected == nil {
			return k8s.Ref{}, "no pod is selected"
		}
		return selected.Ref(), ""
	}))
	list = append(list, p.verbs.Pod(p.env, selected)...)
	list = append(list, bind.Binding{
		ID: string(p.id) + ".sort", Keys: []string{"s"}, Title: "sort", Group: "View", Footer: 7,
		Help: "Sort by trouble, name, restarts, age, or node.",
		Do: func() tea.Cmd {
			p.order = (p.order + 1) % orders
			p.arrange()
			return nil
		},
	})
	return append(list, widget.Moves(string(p.id), p.table, nil)...)
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, arg string, keys ...string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			if p.table.Len() == 0 {
				return "no pod is selected"
			}
			return ""
		},
		Do: func() tea.Cmd {
			r, _ := p.table.Selected()
			return pane.Send(pane.OpenMsg{Pane: to, Ref: r.Ref(), Arg: arg})
		},
	}
}
