package hangspane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Bindings are the keys for the object under the cursor.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		p.enter(),
		p.open("yaml", "yaml", "Read the YAML of the object under the cursor; of a Secret never a value.", 2, pane.YAML, "y"),
		p.open("events", "events", "Read the events about the object under the cursor.", 3, pane.Events, "e"),
		{
			ID: id + ".again", Keys: []string{"R"}, Title: "read again", Group: "View", Footer: 4,
			Help: "Read everything again; it is read when a workload is selected and when its rollout moves on.",
			Disabled: func() string {
				if p.workload() == nil {
					return "no workload is selected"
				}
				return ""
			},
			Do: p.readAgain,
		},
		{ID: id + ".next-section", Keys: []string{"]"}, Title: "next section", Group: "Move", Help: "Go to the next heading.", Do: func() tea.Cmd { return p.outline.Jump(1) }},
		{ID: id + ".previous-section", Keys: []string{"["}, Title: "previous section", Group: "Move", Help: "Go to the heading before.", Do: func() tea.Cmd { return p.outline.Jump(-1) }},
	}
	return append(list, widget.Moves(id, p.outline, nil)...)
}

func (p *Pane) enter() bind.Binding {
	b := bind.Binding{
		ID: string(p.id) + ".enter", Keys: []string{"enter", "space"}, Title: "open", Group: "Open", Footer: 1,
		Help: "Fold or unfold a section; on an object read its YAML.",
	}
	e, ok := p.outline.Selected()
	switch {
	case ok && e.Section != "":
		b.Title = "fold"
		b.Do = func() tea.Cmd {
			p.outline.Fold()
			p.arrange()
			return nil
		}
	case ok && e.Of != nil:
		ref := e.Of.Ref
		b.Title, b.Do = "yaml", func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: pane.YAML, Ref: ref}) }
	default:
		b.Disabled = func() string { return "there is nothing behind this line" }
		b.Do = func() tea.Cmd { return nil }
	}
	return b
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, keys ...string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			if p.object().IsZero() {
				return "no workload is selected"
			}
			return ""
		},
		Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: to, Ref: p.object()}) },
	}
}

// object is the one under the cursor, else the workload.
func (p *Pane) object() k8s.Ref {
	if it, ok := p.outline.Chosen(); ok && it != nil {
		return it.Ref
	}
	return p.target
}
