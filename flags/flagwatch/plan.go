package flagwatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/foreign"
)

// Edit is an edit of a flag of one provider.
type Edit struct {
	Provider string
	flags.Edit
}

// Plan plans an edit for the pinned context. The screen hears of every step
// of its verification.
func (s *Session) Plan(ctx context.Context, e Edit) (*flags.Proposal, error) {
	p, err := s.Provider(e.Provider)
	if err != nil {
		return nil, err
	}
	proposal, err := p.Plan(ctx, e.Edit, s.Pinned())
	if err != nil {
		return nil, err
	}
	if proposal.Ladder != nil {
		// The list follows our own change at once, whatever the provider's watch
		// takes to notice.
		proposal.Ladder.OnChange(func() {
			s.again(e.Provider, e.Environment)
			s.o.Hub.Notable(Topic)
		})
	}
	return proposal, nil
}

// Batch is several edits that are confirmed together, as an explicit list.
type Batch struct {
	Items []*Item
	// Plan carries out those that could be planned; nil when none could.
	Plan *action.Plan

	mu sync.Mutex
}

// Item is one of a batch.
type Item struct {
	Edit     Edit
	Proposal *flags.Proposal
	// Err is why it could not be planned.
	Err foreign.Text

	batch *Batch
	ended bool
	err   foreign.Text
}

// Sent reports whether the change was sent, and what the server said if it
// refused it.
func (i *Item) Sent() (ended bool, err foreign.Text) {
	i.batch.mu.Lock()
	defer i.batch.mu.Unlock()
	return i.ended, i.err
}

// PlanAll plans several edits of one kind. Those that cannot be planned are
// left out, and say why; the batch has no plan when none can.
func (s *Session) PlanAll(ctx context.Context, edits []Edit) (*Batch, error) {
	return NewBatch(edits, func(e Edit) (*flags.Proposal, error) { return s.Plan(ctx, e) }, func() { s.o.Hub.Notable(Topic) })
}

// NewBatch plans each of several edits with plan; changed, which may be nil,
// hears when one of them has been sent.
func NewBatch(edits []Edit, plan func(Edit) (*flags.Proposal, error), changed func()) (*Batch, error) {
	switch {
	case len(edits) == 0:
		return nil, errors.New("no flag is marked")
	case len(edits) > action.MaxBatch:
		return nil, fmt.Errorf("%d flags are marked: at most %d at once", len(edits), action.MaxBatch)
	}
	b := &Batch{}
	var parts []*action.Plan
	var items []*Item
	for _, e := range edits {
		item := &Item{Edit: e, batch: b}
		b.Items = append(b.Items, item)
		proposal, err := plan(e)
		if err != nil {
			item.Err = foreign.CleanN(err.Error(), 300)
			continue
		}
		item.Proposal = proposal
		parts, items = append(parts, proposal.Plan), append(items, item)
	}
	if len(parts) == 0 {
		return b, nil
	}
	var err error
	b.Plan, err = action.All(whole(b, items), parts, func(part int, err error) {
		b.mu.Lock()
		items[part].ended = true
		if err != nil {
			items[part].err = foreign.CleanN(err.Error(), 300)
		}
		b.mu.Unlock()
		if changed != nil {
			changed()
		}
	})
	return b, err
}

// whole describes the batch for its dialog: every flag by name, nothing else.
func whole(b *Batch, items []*Item) action.Plan {
	first := items[0].Proposal
	p := action.Plan{
		Verb: first.Plan.Verb, Danger: action.DangerName,
		Title:  fmt.Sprintf("%s: %d flags in %s?", upper(first.Plan.Verb), len(items), first.Environment.Key),
		Target: first.Plan.Target,
		Undo:   "u takes all of them back, together",
	}
	p.Target.Kind, p.Target.Name, p.Target.UID = "flags", first.Environment.Key, ""
	var names, commands []string
	for _, i := range items {
		names = append(names, i.Edit.Key)
		commands = append(commands, i.Proposal.Plan.Equivalent)
		for _, c := range i.Proposal.Plan.Changes {
			c.Path = i.Edit.Key + " " + c.Path
			p.Changes = append(p.Changes, c)
		}
		for _, w := range i.Proposal.Plan.Warnings {
			p.Warnings = append(p.Warnings, i.Edit.Key+": "+w)
		}
	}
	for _, i := range b.Items {
		if i.Err != "" {
			p.Warnings = append(p.Warnings, i.Edit.Key+" is left out: "+i.Err.String())
		}
	}
	p.Blast = "Exactly these: " + strings.Join(names, ", ") + ". One that fails does not stop the others."
	p.Equivalent = strings.Join(commands, "\n")
	return p
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
