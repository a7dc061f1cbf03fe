package rolloutpane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/verbs"
	"midwatch/ui/widget"
)

// Bindings are the keys for the workload and for the line under the cursor.
func (p *Pane) Bindings() []bind.Binding {
	l, _ := p.outline.Chosen()
	list := []bind.Binding{p.enter(l), p.fold()}
	list = append(list,
		p.open("logs", "logs", "Follow the logs of the pod under the cursor, or of all pods.", 2, pane.Logs, "", "l"),
		p.open("previous", "previous logs", "Read the logs from before the last restart.", 0, pane.Logs, pane.ArgPrevious, "L"),
		p.open("yaml", "yaml", "Read the YAML of what the line under the cursor stands for.", 7, pane.YAML, "", "y"),
		verbs.Profile(p.id, "the pod under the cursor, or one of the workload's", 5, func() (k8s.Ref, string) {
			if l.pod != nil {
				return l.pod.Ref(), ""
			}
			if p.target.IsZero() {
				return k8s.Ref{}, "no workload is selected"
			}
			return p.target, ""
		}),
		p.open("events", "events", "Read the events about what the line under the cursor stands for.", 3, pane.Events, "", "e"),
		bind.Binding{
			ID: string(p.id) + ".diff", Keys: []string{"x"}, Title: "what differs", Group: "View", Footer: 8,
			Help:     "Read what differs between the templates of the two revisions.",
			Disabled: p.nothingToCompare,
			Do:       func() tea.Cmd { return p.compare(true) },
		},
		bind.Binding{ID: string(p.id) + ".next-section", Keys: []string{"]"}, Title: "next section", Group: "Move", Help: "Go to the next heading.", Do: func() tea.Cmd { return p.outline.Jump(1) }},
		bind.Binding{ID: string(p.id) + ".previous-section", Keys: []string{"["}, Title: "previous section", Group: "Move", Help: "Go to the heading before.", Do: func() tea.Cmd { return p.outline.Jump(-1) }},
	)
	for _, b := range p.verbs.Workload(p.env, p.workload()) {
		if b.ID == string(p.id)+".undo" && l.revision != nil && p.canUndoTo(l.revision) {
			r := l.revision
			b.Do = func() tea.Cmd { return p.verbs.Undo(p.env, p.workload(), r.Number) }
		}
		list = append(list, b)
	}
	pod := l.pod
	if pod == nil {
		pod = p.stuckPod()
	}
	list = append(list, p.verbs.Pod(p.env, pod)...)
	return append(list, widget.Moves(string(p.id), p.outline, nil)...)
}

func (p *Pane) canUndoTo(r *k8s.Revision) bool { return !r.New && r.Number > 0 }

func (p *Pane) enter(l behind) bind.Binding {
	b := bind.Binding{
		ID: string(p.id) + ".enter", Keys: []string{"enter"}, Title: "open", Group: "Open", Footer: 1,
		Help: "Open what the line stands for: a pod's events, a piece of evidence; fold a section; go back to a revision.",
	}
	if l.enter == nil {
		b.Disabled = func() string { return "there is nothing behind this line" }
		b.Do = func() tea.Cmd { return nil }
		return b
	}
	b.Title, b.Do, b.Writes = l.says, l.enter, l.revision != nil
	return b
}

func (p *Pane) fold() bind.Binding {
	return bind.Binding{
		ID: string(p.id) + ".fold", Keys: []string{"space"}, Title: "fold", Group: "View",
		Help: "Fold or unfold the section under the cursor.",
		Disabled: func() string {
			if e, ok := p.outline.Selected(); !ok || e.Section == "" {
				return "the cursor is not on a heading"
			}
			return ""
		},
		Do: p.foldHere,
	}
}

// open opens a pane on the object of the line under the cursor, or on the
// workload.
func (p *Pane) open(id, title, help string, footer int, to pane.ID, arg string, keys ...string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			if p.target.IsZero() {
				return "no workload is selected"
			}
			return ""
		},
		Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: to, Ref: p.object(to), Arg: arg}) },
	}
}

// object is what the line under the cursor stands for. Only pods and
// workloads have logs.
func (p *Pane) object(to pane.ID) k8s.Ref {
	l, _ := p.outline.Chosen()
	switch {
	case l.pod != nil:
		return l.pod.Ref()
	case !l.ref.IsZero() && (to != pane.Logs || l.ref.Kind == "Pod"):
		return l.ref
	}
	return p.target
}

func (p *Pane) nothingToCompare() string {
	if _, _, _, ok := p.revisions(); !ok {
		return "there is no earlier revision to compare with"
	}
	if p.diff == nil {
		return "templates cannot be read here"
	}
	return ""
}
