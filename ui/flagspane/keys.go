package flagspane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/flags"
	"midwatch/ui/bind"
	"midwatch/ui/widget"
)

// Bindings are the keys of the view that is open.
func (p *Pane) Bindings() []bind.Binding {
	switch p.view {
	case viewDetail:
		list := []bind.Binding{p.back("back", "Go back to the list of flags.", viewList)}
		list = append(list, p.edits()...)
		list = append(list, p.askKey(), p.environmentKey("next", "]", 1), p.environmentKey("previous", "[", -1))
		return append(list, widget.Moves(string(p.id), p.text, nil)...)
	case viewExperiments:
		return append(p.experimentsKeys(), widget.Moves(string(p.id), p.lab.table, nil)...)
	case viewExperiment:
		return append(p.experimentKeys(), widget.Moves(string(p.id), p.text, nil)...)
	}
	list := []bind.Binding{{
		ID: string(p.id) + ".open", Keys: []string{"enter"}, Title: "details", Group: "Open", Footer: 1,
		Help:     "Show the selected flag in full: who gets what, evaluations, history.",
		Disabled: p.noSelection, Do: p.openDetail,
	}}
	if p.acted.visible() {
		list = append(list, bind.Binding{
			ID: string(p.id) + ".close-proofs", Keys: []string{"esc"}, Title: "close", Group: "View",
			Help: "Close the proofs of the last change.",
			Do:   func() tea.Cmd { p.acted.closed = true; return nil },
		})
	}
	list = append(list, p.edits()...)
	list = append(list, p.askKey())
	list = append(list, p.listKeys()...)
	return append(list, widget.Moves(string(p.id), p.table, nil)...)
}

func (p *Pane) noSelection() string {
	if _, _, ok := p.selected(); !ok {
		return "no flag is selected"
	}
	return ""
}

// edits are what changes the selected flag.
func (p *Pane) edits() []bind.Binding {
	return []bind.Binding{
		{
			ID: string(p.id) + ".toggle", Keys: []string{"t"}, Title: p.toggleTitle(), Group: "Change", Footer: 2, Writes: true,
			Help:     "Turn the selected flag on or off in the chosen environment; the plan is shown and confirmed first.",
			Disabled: func() string { return p.cannot(flags.CanToggle) }, Do: p.toggle,
		},
		{
			ID: string(p.id) + ".rollout", Keys: []string{"%"}, Title: "rollout", Group: "Change", Footer: 6, Writes: true,
			Help:     "Set the percentage that gets the feature: 0, 1, 5, 25, 50 or 100.",
			Disabled: func() string { return p.cannot(flags.CanRollout) }, Do: p.pickRollout,
		},
	}
}

func (p *Pane) toggleTitle() string {
	_, x, ok := p.selected()
	switch {
	case !ok || !x.known:
		return "on/off"
	case x.state.On:
		return "turn off"
	}
	return "turn on"
}

func (p *Pane) askKey() bind.Binding {
	return bind.Binding{
		ID: string(p.id) + ".ask", Keys: []string{"a"}, Title: "ask", Group: "View", Footer: 3,
		Help: "Pin somebody: every flag then says what they get, and why. A user key, key=value pairs, or JSON.",
		Disabled: func() string {
			if p.source == nil {
				return "there is no flag provider"
			}
			return ""
		},
		Do: p.askWho,
	}
}

func (p *Pane) listKeys() []bind.Binding {
	return []bind.Binding{
		{
			ID: string(p.id) + ".mark", Keys: []string{"space"}, Title: "mark", Group: "Change",
			Help:     "Mark the selected flag, to switch several together.",
			Disabled: p.noSelection, Do: p.markRow,
		},
		{
			ID: string(p.id) + ".toggle-marked", Keys: []string{"T"}, Title: "switch marked", Group: "Change", Writes: true,
			Help: "Turn all marked flags on or off, as an explicit list that is confirmed once.",
			Disabled: func() string {
				if len(p.marks) == 0 {
					return "no flag is marked: space marks one"
				}
				return p.cannotAll()
			},
			Do: p.toggleMarked,
		},
		{
			ID: string(p.id) + ".unmark", Keys: []string{"-"}, Title: "unmark all", Group: "Change",
			Help: "Take all marks away.",
			Disabled: func() string {
				if len(p.marks) == 0 {
					return "no flag is marked"
				}
				return ""
			},
			Do: func() tea.Cmd { clear(p.marks); return nil },
		},
		p.environmentKey("next", "]", 1), p.environmentKey("previous", "[", -1),
		{
			ID: string(p.id) + ".only", Keys: []string{"w"}, Title: "only the workload's", Group: "View", Footer: 5,
			Help: "Show only the flags that the selected workload uses, or all again.",
			Disabled: func() string {
				if p.target.IsZero() {
					return "no workload is selected"
				}
				return ""
			},
			Do: func() tea.Cmd { p.only = !p.only; p.arrange(); return nil },
		},
		{
			ID: string(p.id) + ".experiments", Keys: []string{"x"}, Title: "experiments", Group: "Open", Footer: 4,
			Help:     "Show the experiments of the selected workload: who is in them, and whether the split is sound.",
			Disabled: p.noExperiments, Do: p.openExperiments,
		},
		{
			ID: string(p.id) + ".refresh", Keys: []string{"R"}, Title: "read again", Group: "View",
			Help: "List everything again; changes come by themselves where the provider tells of them.",
			Disabled: func() string {
				if p.source == nil {
					return "there is no flag provider"
				}
				return ""
			},
			Do: p.refresh,
		},
	}
}

func (p *Pane) cannotAll() string {
	if p.busy != "" {
		return p.busy
	}
	for _, r := range p.marked() {
		if why := p.unable(r.Provider, flags.CanToggle); why != "" {
			return r.Flag.Key + ": " + why
		}
		if x := p.look(r); !x.known {
			return p.unknown(r, x)
		}
	}
	return ""
}

// environmentKey goes to another environment.
func (p *Pane) environmentKey(id, key string, step int) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + "." + id + "-environment", Keys: []string{key}, Title: id + " environment", Group: "View",
		Help: "Act on and ask about another environment; its column stands in brackets.",
		Disabled: func() string {
			if len(p.environments()) < 2 {
				return "there is no other environment"
			}
			return ""
		},
		Do: func() tea.Cmd { return p.toEnvironment(step) },
	}
}

func (p *Pane) toEnvironment(step int) tea.Cmd {
	all := p.environments()
	at := 0
	for i, e := range all {
		if e == p.current() {
			at = i
		}
	}
	p.environment = all[(at+step+len(all))%len(all)]
	p.setColumns()
	p.arrange()
	if p.view == viewDetail {
		if r, ok := p.find(p.opened.row); ok {
			p.opened.place.Environment = p.look(r).env.Key
		}
		return p.readDetail()
	}
	return nil
}

func (p *Pane) back(title, help string, to view) bind.Binding {
	return bind.Binding{
		ID: string(p.id) + ".back", Keys: []string{"esc"}, Title: title, Group: "View", Footer: 1, Help: help,
		Do: func() tea.Cmd {
			p.view = to
			p.compose()
			return nil
		},
	}
}
