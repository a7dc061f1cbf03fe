package probespane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/try"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// Bindings are the keys for the probe under the cursor.
func (p *Pane) Bindings() []bind.Binding {
	id := string(p.id)
	list := []bind.Binding{
		{
			ID: id + ".try", Keys: []string{"t"}, Title: "try it now", Group: "View", Footer: 1,
			Help:     "Ask the pod what this probe asks, once, through the API server. On a heading: the pod that is worst off.",
			Disabled: p.cannotTry, Do: p.try,
		},
		p.enter(),
		p.open("logs", "logs", "Follow the logs of the pod under the cursor.", 4, pane.Logs, "", "l"),
		p.open("previous", "previous logs", "Read the logs from before the last restart.", 0, pane.Logs, pane.ArgPrevious, "L"),
		p.open("events", "events", "Read the events about the pod under the cursor.", 3, pane.Events, "", "e"),
		p.open("yaml", "yaml", "Read the YAML of the pod under the cursor.", 5, pane.YAML, "", "y"),
		{
			ID: id + ".command", Keys: []string{"w"}, Title: "copy command", Group: "View",
			Help:     "Copy the command that runs an exec probe by hand.",
			Disabled: p.noCommand, Do: p.copyCommand,
		},
		{
			ID: id + ".again", Keys: []string{"R"}, Title: "read again", Group: "View",
			Help: "Read the pods and their events again; changes of pods come by themselves.",
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
		ID: string(p.id) + ".enter", Keys: []string{"enter", "space"}, Title: "open", Group: "Open", Footer: 2,
		Help: "Fold or unfold a probe; on a pod read its events.",
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
	case ok && e.Of.member != nil:
		b.Title = "events"
		b.Do = func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: pane.Events, Ref: e.Of.member.Report.Pod}) }
	default:
		b.Disabled = func() string { return "there is nothing behind this line" }
		b.Do = func() tea.Cmd { return nil }
	}
	return b
}

// cannotTry says why the chosen probe cannot be run from here.
func (p *Pane) cannotTry() string {
	m, ok := p.chosen()
	switch {
	case !ok:
		return "the cursor is not on a probe"
	case p.reads.Try == nil:
		return "there is no connection to try it over"
	}
	if why := try.Not(m.Probe.Spec); why != "" {
		if m.Probe.Spec.Method == probe.Exec {
			why += "; w copies the command"
		}
		return why
	}
	switch {
	case m.Report.IP == "":
		return "the pod has no address yet"
	case runs(m.Report, m.Probe.Container).Running.IsZero():
		return "the container does not run: there is nobody to ask"
	}
	return ""
}

func runs(r *probe.Report, container string) *probe.Container {
	for i := range r.Containers {
		if r.Containers[i].Name == container {
			return &r.Containers[i]
		}
	}
	return &probe.Container{}
}

func (p *Pane) noCommand() string {
	if m, ok := p.chosen(); !ok || m.Probe.Spec.Method != probe.Exec {
		return "the cursor is not on an exec probe"
	}
	return ""
}

func (p *Pane) copyCommand() tea.Cmd {
	m, ok := p.chosen()
	if !ok {
		return nil
	}
	return pane.Send(pane.CopyMsg{What: "the probe's command", Text: try.Command(m.Report.Pod, m.Probe.Container, m.Probe.Spec)})
}

func (p *Pane) open(id, title, help string, footer int, to pane.ID, arg string, keys ...string) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Open", Footer: footer,
		Disabled: func() string {
			if p.object().IsZero() {
				return "no workload is selected"
			}
			return ""
		},
		Do: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: to, Ref: p.object(), Arg: arg}) },
	}
}

// object is the pod under the cursor, else the workload.
func (p *Pane) object() k8s.Ref {
	if s, ok := p.outline.Chosen(); ok && s.member != nil {
		return s.member.Report.Pod
	}
	return p.target
}
