package logspane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s/podlog"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
	"midwatch/ui/widget"
)

// step is by how many cells a key moves clipped lines sideways.
const step = 16

// Bindings are the keys of a log.
func (p *Pane) Bindings() []bind.Binding {
	list := []bind.Binding{
		p.key("follow", "follow", "Keep the newest line in view, or let the window stand still.", 1, p.follow, p.cannotFollow, "f"),
		p.key("previous", "previous", "Read what the containers wrote before their last restart, or what they write now.", 2, p.togglePrevious, p.nothing, "p"),
		p.key("container", "container", "Choose a container of the pods, or all of them.", 3, p.pickContainer, p.noChoice, "C"),
		p.key("since", "since", "Choose how much of the past is read.", 4, p.pickSpan, p.nothing, "T"),
		p.key("timestamps", "time stamps", "Show when each line was written, or hide it.", 5, p.toggleStamps, nil, "t"),
		p.key("wrap", "wrap", "Wrap long lines, or clip them.", 6, p.toggleWrap, nil, "w"),
	}
	list = append(list,
		bind.Binding{
			ID: string(p.id) + ".right", Keys: []string{"right", "l"}, Title: "right", Group: "Move", Help: "Show what long lines have further right.", Disabled: p.wrapped,
			Do: func() tea.Cmd { p.text.Sideways(step); return nil },
		},
		bind.Binding{
			ID: string(p.id) + ".left", Keys: []string{"left", "h"}, Title: "left", Group: "Move", Help: "Go back to the beginning of the lines.", Disabled: p.wrapped,
			Do: func() tea.Cmd { p.text.Sideways(-step); return nil },
		})
	return append(list, widget.Moves(string(p.id), p.text, p.moved)...)
}

func (p *Pane) key(id, title, help string, footer int, do func() tea.Cmd, disabled func() string, keys ...string) bind.Binding {
	return bind.Binding{ID: string(p.id) + "." + id, Keys: keys, Title: title, Help: help, Group: "Logs", Footer: footer, Disabled: disabled, Do: do}
}

func (p *Pane) nothing() string {
	if p.ref.IsZero() {
		return "nothing is selected"
	}
	return ""
}

func (p *Pane) cannotFollow() string {
	if p.previous {
		return "previous logs are complete"
	}
	return p.nothing()
}

func (p *Pane) noChoice() string {
	if len(p.status.Containers) < 2 && p.container == "" {
		return "there is only one container"
	}
	return p.nothing()
}

func (p *Pane) wrapped() string {
	if p.text.Wrapped() {
		return "lines are wrapped"
	}
	return ""
}

// moved forgets the count of unread lines at the end.
func (p *Pane) moved() tea.Cmd {
	if p.text.Following() {
		p.unread = 0
	}
	return nil
}

func (p *Pane) follow() tea.Cmd {
	p.text.SetFollow(!p.text.Following())
	return p.moved()
}

func (p *Pane) togglePrevious() tea.Cmd {
	p.previous = !p.previous
	return p.reopen()
}

func (p *Pane) toggleStamps() tea.Cmd {
	p.stamps = !p.stamps
	return nil
}

func (p *Pane) toggleWrap() tea.Cmd {
	p.text.SetWrap(!p.text.Wrapped())
	return nil
}

// pickContainer offers the containers met so far, all of them, and the default.
func (p *Pane) pickContainer() tea.Cmd {
	names := append([]string{"", podlog.AllContainers}, p.status.Containers...)
	items := []pane.PickItem{{Title: "default", Note: "the one kubectl reads"}, {Title: "all containers"}}
	for _, n := range p.status.Containers {
		items = append(items, pane.PickItem{Title: n})
	}
	for i, n := range names {
		if n == p.container {
			items[i].Note = "now"
		}
	}
	return pane.Send(pane.PickMsg{Title: "Container", Items: items, Done: func(i int) tea.Cmd {
		p.container = names[i]
		return p.reopen()
	}})
}

// pickSpan offers how much of the past is read.
func (p *Pane) pickSpan() tea.Cmd {
	var items []pane.PickItem
	for s := range spans {
		item := pane.PickItem{Title: s.String()}
		if s == p.span {
			item.Note = "now"
		}
		items = append(items, item)
	}
	return pane.Send(pane.PickMsg{Title: "How much of the past", Items: items, Done: func(i int) tea.Cmd {
		p.span = span(i)
		return p.reopen()
	}})
}
