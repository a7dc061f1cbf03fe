package flagspane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/pane"
)

// The answers to planning.
type (
	plannedMsg struct{ proposal *flags.Proposal }
	batchMsg   struct{ batch *flagwatch.Batch }
	// planFailedMsg is why an edit could not be planned.
	planFailedMsg struct {
		what string
		edit flagwatch.Edit
		err  error
	}
)

// takePlan shows a plan that is ready, or why there is none.
func (p *Pane) takePlan(msg tea.Msg) tea.Cmd {
	p.busy = ""
	switch msg := msg.(type) {
	case plannedMsg:
		p.acted = acted{proposals: []*flags.Proposal{msg.proposal}}
		return pane.Send(pane.ConfirmMsg{Plan: msg.proposal.Plan})
	case batchMsg:
		p.acted = acted{batch: msg.batch}
		for _, i := range msg.batch.Items {
			if i.Proposal != nil {
				p.acted.proposals = append(p.acted.proposals, i.Proposal)
			}
		}
		if msg.batch.Plan == nil {
			return pane.Toast(live.Warn, "none of the marked flags can be switched: see below the list")
		}
		return pane.Send(pane.ConfirmMsg{Plan: msg.batch.Plan})
	case planFailedMsg:
		if errors.Is(msg.err, flags.ErrPending) && !msg.edit.IgnoreConflicts {
			return p.askToBreak(msg)
		}
		sev := live.Fail
		if errors.Is(msg.err, flags.ErrAlready) {
			sev = live.Info
		}
		return pane.Toast(sev, failure(msg.what, msg.err).String())
	}
	return nil
}

// askToBreak offers to break what waits, which has to be wanted expressly.
func (p *Pane) askToBreak(msg planFailedMsg) tea.Cmd {
	return pane.Send(pane.PickMsg{
		Title: foreign.CleanN(msg.err.Error(), 200).String(),
		Items: []pane.PickItem{
			{Title: "leave it", Note: "nothing is changed"},
			{Title: "plan it all the same", Note: "breaks what is pending"},
		},
		Done: func(i int) tea.Cmd {
			if i != 1 {
				return nil
			}
			e := msg.edit
			e.IgnoreConflicts = true
			return p.plan(e)
		},
	})
}

// plan has an edit planned and confirmed.
func (p *Pane) plan(e flagwatch.Edit) tea.Cmd {
	what := e.Verb() + " " + e.Key + " in " + e.Environment
	p.busy = "planning: " + what
	return pane.Run(p.env.Tasks, p.id, "plan", "plan to "+what, planWithin, func(ctx context.Context) (tea.Msg, error) {
		proposal, err := p.source.Plan(ctx, e)
		if err != nil {
			return planFailedMsg{what, e, err}, nil
		}
		return plannedMsg{proposal}, nil
	})
}

// toggle switches the selected flag to what it is not.
func (p *Pane) toggle() tea.Cmd {
	r, x, ok := p.selected()
	if !ok {
		return nil
	}
	return p.plan(editOf(r, x, kindFor(x.state)))
}

func kindFor(s flags.EnvState) flags.EditKind {
	if s.On {
		return flags.TurnOff
	}
	return flags.TurnOn
}

func editOf(r *flagwatch.Row, x row, kind flags.EditKind) flagwatch.Edit {
	return flagwatch.Edit{Provider: r.Provider, Edit: flags.Edit{Kind: kind, Environment: x.env.Key, Key: r.Flag.Key}}
}

// pickRollout offers the percentages.
func (p *Pane) pickRollout() tea.Cmd {
	r, x, ok := p.selected()
	if !ok {
		return nil
	}
	items := make([]pane.PickItem, len(flags.Presets))
	for i, percent := range flags.Presets {
		items[i] = pane.PickItem{Title: flags.Percent(percent)}
		switch percent {
		case 0:
			items[i].Note = "nobody by this rule; the flag stays on"
		case 100:
			items[i].Note = "everybody"
		}
	}
	return pane.Send(pane.PickMsg{
		Title: "Rollout of " + r.Flag.Key + " in " + x.env.Key + "; it serves " + x.state.Serves.String(), Items: items,
		Done: func(i int) tea.Cmd {
			e := editOf(r, x, flags.SetRollout)
			e.Percent = flags.Presets[i]
			return p.plan(e)
		},
	})
}

// markRow marks the selected flag for being switched with others.
func (p *Pane) markRow() tea.Cmd {
	r, _, ok := p.selected()
	if !ok {
		return nil
	}
	if p.marks[r.ID()] {
		delete(p.marks, r.ID())
	} else {
		p.marks[r.ID()] = true
	}
	p.table.Move(1)
	return nil
}

// marked are the marked flags in the order of the list.
func (p *Pane) marked() []*flagwatch.Row {
	var out []*flagwatch.Row
	if p.board == nil {
		return nil
	}
	for _, r := range p.board.Rows {
		if p.marks[r.ID()] {
			out = append(out, r)
		}
	}
	return out
}

// toggleMarked asks which way, and then plans each of the marked.
func (p *Pane) toggleMarked() tea.Cmd {
	var on, off []string
	for _, r := range p.marked() {
		if p.look(r).state.On {
			on = append(on, r.Flag.Key)
		} else {
			off = append(off, r.Flag.Key)
		}
	}
	item := func(title string, keys []string) pane.PickItem {
		i := pane.PickItem{Title: fmt.Sprintf("%s %d", title, len(keys)), Note: strings.Join(keys, ", ")}
		if len(keys) == 0 {
			i.Disabled = "all marked flags are so already"
		}
		return i
	}
	return pane.Send(pane.PickMsg{
		Title: fmt.Sprintf("%d marked flags in %s", len(p.marks), p.current()),
		Items: []pane.PickItem{item("turn off", on), item("turn on", off)},
		Done: func(i int) tea.Cmd {
			kind, keys := flags.TurnOff, on
			if i == 1 {
				kind, keys = flags.TurnOn, off
			}
			return p.planMarked(kind, keys)
		},
	})
}

func (p *Pane) planMarked(kind flags.EditKind, keys []string) tea.Cmd {
	var edits []flagwatch.Edit
	for _, r := range p.marked() {
		if x := p.look(r); slices.Contains(keys, r.Flag.Key) && x.known {
			edits = append(edits, editOf(r, x, kind))
		}
	}
	what := fmt.Sprintf("turn %s %d flags", kind, len(edits))
	p.busy = "planning: " + what
	return pane.Run(p.env.Tasks, p.id, "plan", "plan to "+what, planWithin, func(ctx context.Context) (tea.Msg, error) {
		b, err := p.source.PlanAll(ctx, edits)
		if err != nil {
			return nil, err
		}
		return batchMsg{b}, nil
	})
}

// cannot says why the selected flag cannot be edited with a capability.
func (p *Pane) cannot(c flags.Capability) string {
	r, x, ok := p.selected()
	switch {
	case p.source == nil:
		return "there is no flag provider"
	case !ok && p.view == viewDetail:
		return "this flag is gone"
	case !ok:
		return "no flag is selected"
	case p.busy != "":
		return p.busy
	case !x.known:
		return p.unknown(r, x)
	}
	return p.unable(r.Provider, c)
}

// unknown says why there is no state of a flag in the chosen environment: the
// environments of a provider are listed one by one, and a flag stands in the
// list as soon as one of them has it.
func (p *Pane) unknown(r *flagwatch.Row, x row) string {
	if x.env.Key == "" {
		return "the environments of " + r.Provider + " are not known yet"
	}
	pr, ok := p.board.Provider(r.Provider)
	if !ok {
		return "the provider is gone"
	}
	why, unlisted := pr.Unlisted[x.env.Key]
	switch {
	case !unlisted:
		return r.Flag.Key + " does not exist in " + x.env.Key
	case why != "":
		return r.Flag.Key + " is not known in " + x.env.Key + ": " + why.String()
	}
	return r.Flag.Key + " is not known yet in " + x.env.Key + ": its flags are still being read"
}

// unable says why a provider cannot do something.
func (p *Pane) unable(provider string, c flags.Capability) string {
	pr, ok := p.board.Provider(provider)
	if !ok {
		return "the provider is gone"
	}
	if able := pr.Info.Capabilities.Of(c); !able.OK {
		return able.Why.String()
	}
	return ""
}
