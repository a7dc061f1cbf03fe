package flagspane

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"midwatch/flags"
	"midwatch/flags/experiment/source"
	"midwatch/flags/flagwatch"
	"midwatch/ui/bind"
	"midwatch/ui/pane"
)

func (p *Pane) experimentsKeys() []bind.Binding {
	open := bind.Binding{
		ID: string(p.id) + ".open", Keys: []string{"enter"}, Title: "details", Group: "Open", Footer: 2,
		Help: "Show the selected experiment in full: shares, exposures, pitfalls, how to end it.",
		Disabled: func() string {
			if p.trial() == nil {
				return "no experiment is selected"
			}
			return ""
		},
		Do: func() tea.Cmd {
			p.lab.opened = p.trial().id()
			p.view = viewExperiment
			p.text.Top()
			p.compose()
			return nil
		},
	}
	return append([]bind.Binding{p.back("flags", "Go back to the list of flags.", viewList), open}, p.trialKeys()...)
}

func (p *Pane) experimentKeys() []bind.Binding {
	return append([]bind.Binding{p.back("back", "Go back to the list of experiments.", viewExperiments)}, p.trialKeys()...)
}

func (p *Pane) trialKeys() []bind.Binding {
	return []bind.Binding{
		{
			ID: string(p.id) + ".assign", Keys: []string{"s"}, Title: "who gets what", Group: "View", Footer: 3,
			Help: "Look up which variant a user is given by the application's own arithmetic.", Disabled: p.cannotAssign, Do: p.askUser,
		},
		{
			ID: string(p.id) + ".end", Keys: []string{"K"}, Title: "end it", Group: "Change", Footer: 4, Writes: true,
			Help: "Plan the one action that ends the experiment: its flag, or its traffic in the ConfigMap.", Disabled: p.cannotKill, Do: p.kill,
		},
		{
			ID: string(p.id) + ".refresh", Keys: []string{"R"}, Title: "read again", Group: "View", Footer: 5,
			Help: "Read definitions and exposures again; they are not watched.", Do: p.refresh,
		},
	}
}

func (p *Pane) cannotAssign() string {
	t := p.trial()
	switch {
	case t == nil:
		return "no experiment is selected"
	case t.own == nil:
		return "the provider assigns: pin the user with a, in the list of flags"
	case t.own.Definition == nil:
		return "its definition is not known"
	}
	return ""
}

func (p *Pane) askUser() tea.Cmd {
	return pane.Send(pane.PromptMsg{
		Title: "Which user? The key as the application hashes it", Initial: p.lab.user,
		Check: func(string) string { return "" },
		Done: func(text string) tea.Cmd {
			p.lab.user = text
			if p.view == viewExperiments {
				p.lab.opened = p.trial().id()
				p.view = viewExperiment
				p.text.Top()
			}
			p.compose()
			return nil
		},
	})
}

func (p *Pane) cannotKill() string {
	t := p.trial()
	switch {
	case t == nil:
		return "no experiment is selected"
	case p.busy != "":
		return p.busy
	case t.running != nil:
		return p.unable(t.running.place.Provider, flags.CanToggle)
	case t.own.Kill.By == source.KillByFlag:
		r, x, ok := p.flagOf(t.own.Kill.Flag)
		switch {
		case !ok:
			return "the flag " + t.own.Kill.Flag + " is not known here"
		case x.known && !x.state.On:
			return "its flag " + t.own.Kill.Flag + " is off already"
		}
		return p.unable(r.Provider, flags.CanToggle)
	case t.own.Kill.By == source.KillByHand:
		return t.own.Kill.Text
	}
	return ""
}

func (p *Pane) flagOf(key string) (*flagwatch.Row, row, bool) {
	if p.board == nil {
		return nil, row{}, false
	}
	for _, r := range p.board.Rows {
		if r.Flag.Key == key {
			return r, p.look(r), true
		}
	}
	return nil, row{}, false
}

// kill plans the one action that ends the experiment.
func (p *Pane) kill() tea.Cmd {
	t := p.trial()
	if t.running != nil {
		e := editOf(t.running.row, p.look(t.running.row), flags.TurnOff)
		return p.plan(e)
	}
	if t.own.Kill.By == source.KillByFlag {
		if r, x, ok := p.flagOf(t.own.Kill.Flag); ok {
			return p.plan(editOf(r, x, flags.TurnOff))
		}
		return nil
	}
	e := t.own
	p.busy = "planning: end " + e.Name
	return pane.Run(p.env.Tasks, p.id, "plan", "plan to end "+e.Name, planWithin, func(ctx context.Context) (tea.Msg, error) {
		plan, err := p.experiments.PlanKill(ctx, e)
		if err != nil {
			return nil, err
		}
		return killMsg{plan}, nil
	})
}
