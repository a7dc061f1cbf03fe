package boardpane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// Bindings are the board's keys.
func (p *Pane) Bindings() []bind.Binding {
	selected, _ := p.table.Selected()
	list := []bind.Binding{
		p.open("open", "details", "Open the rollout of the selected workload: why, what changed, its pods.", 1, pane.Rollout, "enter", "d"),
		p.open("logs", "logs", "Follow the logs of all pods of the selected workload.", 2, pane.Logs, "l"),
		p.open("yaml", "yaml", "Read the selected workload's YAML.", 7, pane.YAML, "y"),
		verbs.Profile(p.id, "a pod of the selected workload", 4, func() (k8s.Ref, string) { w, _ := p.table.Selected(); return refOf(w), p.nothing() }),
		p.open("events", "events", "Read the events about the selected workload and its pods.", 3, pane.Events, "e"),
	}
	list = append(list, p.verbs.Workload(p.env, selected)...)
	list = append(list,
		bind.Binding{
			ID: string(p.id) + ".sort", Keys: []string{"s"}, Title: "sort", Group: "View", Footer: 8,
			Help: "Sort by trouble, name, namespace, what is missing, or how long it is so.",
			Do: func() tea.Cmd {
				p.order = (p.order + 1) % orders
				if p.order == byNamespace && !p.namespace {
					p.order++
				}
				p.arrange()
				return p.announce()
			},
		},
		bind.Binding{
			ID: string(p.id) + ".hide-ok", Keys: []string{"o"}, Title: "hide ok", Group: "View", Footer: 9,
			Help: "Hide the workloads that are as they should be, or show them again.",
			Do: func() tea.Cmd {
				p.hideOK = !p.hideOK
				p.arrange()
				return p.announce()
			},
		})
	return append(list, widget.Moves(string(p.id), p.table, p.announce)...)
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, keys ...string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: p.nothing,
		Do: func() tea.Cmd {
			w, _ := p.table.Selected()
			return pane.Send(pane.OpenMsg{Pane: to, Ref: refOf(w)})
		},
	}
}

func refOf(w *k8s.Workload) k8s.Ref {
	if w == nil {
		return k8s.Ref{}
	}
	return w.Ref
}

func (p *Pane) nothing() string {
	if p.table.Len() == 0 {
		return "no workload is selected"
	}
	return ""
}
