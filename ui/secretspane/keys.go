package secretspane

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/secrets"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Bindings are the keys of the list of secrets.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		{
			ID: id + ".detail", Keys: []string{"enter", "d"}, Title: "details", Group: "View", Footer: 1,
			Help: "Show who takes the selected secret and who holds an old version, or only the list.",
			Do: func() tea.Cmd {
				p.detail = !p.detail
				return nil
			},
		},
		p.open("yaml", "yaml", "Read the YAML of what fills the selected secret, or of the Secret with sizes in the place of values.", 4, pane.YAML, "y"),
		p.open("events", "events", "Read what happened to what fills the selected secret.", 5, pane.Events, "e"),
		{
			ID: id + ".again", Keys: []string{"R"}, Title: "read again", Group: "View", Footer: 6,
			Help: "Read the secrets again; it happens by itself when pods come or go.",
			Do:   func() tea.Cmd { p.err = ""; return p.readAgain(0) },
		},
		{
			ID: id + ".sync", Keys: []string{"f"}, Title: "sync now", Group: "Change", Footer: 3, Writes: true,
			Help:     "Have the ExternalSecret behind the selected secret synced now instead of at its next interval.",
			Disabled: p.cannotSync, Do: p.syncNow,
		},
	}
	for _, b := range p.verbs.Workload(p.env, p.workload) {
		if b.ID == id+".restart" {
			b.Footer = 2
			list = append(list, b)
		}
	}
	return append(list, widget.Moves(id, p.table, nil)...)
}

// source is the object behind a row: what fills the Secret, else the Secret.
func (p *Pane) source() k8s.Ref {
	r, ok := p.table.Selected()
	switch {
	case !ok:
		return k8s.Ref{}
	case r.Origin != nil:
		return k8s.Ref{Kind: r.Origin.Kind, Namespace: r.Origin.Namespace, Name: r.Origin.Name}
	case r.Secret != "":
		return k8s.Ref{Kind: "Secret", Namespace: p.ref.Namespace, Name: r.Secret}
	case len(r.Uses) > 0 && r.Uses[0].How == secrets.HowCSI:
		return k8s.Ref{Kind: "SecretProviderClass", Namespace: p.ref.Namespace, Name: r.Uses[0].Secret}
	}
	return k8s.Ref{}
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, key string) bind.Binding {
	ref := p.source()
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: []string{key}, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			if ref.IsZero() {
				return "no secret with an object of its own is selected"
			}
			return ""
		},
		Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: to, Ref: ref}) },
	}
}

func (p *Pane) cannotSync() string {
	r, ok := p.table.Selected()
	switch {
	case p.sync == nil:
		return "there is no cluster to write to"
	case !ok:
		return "no secret is selected"
	case r.Origin == nil:
		return "nothing is known to fill it"
	case r.Origin.Kind != "ExternalSecret":
		return "only an ExternalSecret can be told to"
	case p.verbs.Busy() != "":
		return p.verbs.Busy()
	}
	return ""
}

func (p *Pane) syncNow() tea.Cmd {
	ref, sync := p.source(), p.sync
	return p.verbs.Plan(p.env, "sync "+ref.String(), func(ctx context.Context) (*action.Plan, error) { return sync.PlanForceSync(ctx, ref) })
}
