package file

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/ld"
	"midwatch/flags/toggle"
	"midwatch/foreign"
)

// How long the steps of a change may take. A file is seen at once; traffic is
// counted by whoever counts, if anybody does.
const (
	seenWithin    = 5 * time.Second
	trafficWithin = 20 * time.Second
	trafficEvery  = 500 * time.Millisecond
)

// Plan reads the file fresh and plans an edit of one flag.
func (p *Provider) Plan(ctx context.Context, e flags.Edit, pinned *flags.EvalContext) (*flags.Proposal, error) {
	d, err := p.draft(ctx, e, pinned)
	if err != nil {
		return nil, err
	}
	return p.o.Planner.Plan(d)
}

func (p *Provider) draft(ctx context.Context, e flags.Edit, pinned *flags.EvalContext) (*toggle.Draft, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if p.o.Planner == nil {
		return nil, fmt.Errorf("%w: this session changes nothing", flags.ErrUnsupported)
	}
	detail, err := p.Get(ctx, e.Environment, e.Key)
	if err != nil {
		return nil, err
	}
	f, before, err := p.current(e.Environment)
	if err != nil {
		return nil, err
	}
	if why := f.stale(); why != "" {
		return nil, fmt.Errorf("%w: %s: mend the file first", flags.ErrConflict, why)
	}
	entry := before.flags[e.Key]
	if entry == nil {
		return nil, fmt.Errorf("%w: %s in %s", flags.ErrNotFound, foreign.CleanN(e.Key, 80), f.Store)
	}
	if entry.value {
		return nil, fmt.Errorf("%w: %s is a plain value of flagValues: it has no targeting and cannot be switched", flags.ErrUnsupported, e.Key)
	}
	if e.Kind != flags.SetRollout && entry.flag.On == (e.Kind == flags.TurnOn) {
		return nil, fmt.Errorf("%w: %s is %s", flags.ErrAlready, e.Key, onOff(entry.flag.On))
	}
	set, err := entry.assignments(e)
	if err != nil {
		return nil, err
	}
	after, err := f.changed(before, e.Key, set)
	if err != nil {
		return nil, err
	}
	return p.drafted(&edit{provider: p, file: f, edit: e, before: before, after: after, set: set, pinned: pinned}, detail)
}

// changed is the file's next reading, checked like any other.
func (w *watched) changed(before *data, key string, set []assignment) (*data, error) {
	text, err := rewrite(before.raw, key, set)
	if err != nil {
		return nil, fmt.Errorf("change flag %s in %s: %w", key, w.Store, err)
	}
	after, err := parse(text, w.clock.Now())
	if err != nil {
		return nil, fmt.Errorf("change flag %s in %s: the file would not be readable: %w", key, w.Store, err)
	}
	if len(difference("", before.flags[key].doc, after.flags[key].doc)) == 0 {
		return nil, fmt.Errorf("%w: %s", flags.ErrAlready, key)
	}
	for k, e := range before.flags {
		if now := after.flags[k]; k != key && (now == nil || now.version != e.version) {
			return nil, fmt.Errorf("change flag %s in %s: flag %s would change with it", key, w.Store, foreign.CleanN(k, 80))
		}
	}
	return after, nil
}

// stale says why the newest reading is of no use; "" when it is good.
func (w *watched) stale() foreign.Text {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// edit is one change of one file on its way.
type edit struct {
	provider      *Provider
	file          *watched
	edit          flags.Edit
	before, after *data
	set           []assignment
	pinned        *flags.EvalContext
	undo          bool
}

// drafted describes the edit.
func (p *Provider) drafted(x *edit, detail *flags.Detail) (*toggle.Draft, error) {
	a, b := x.before.flags[x.edit.Key], x.after.flags[x.edit.Key]
	d := &toggle.Draft{
		Edit: x.edit, Provider: p.Info(), Environment: x.file.Environment.Environment, Flag: detail, Pinned: x.pinned,
		Changes: difference("", a.doc, b.doc), Effect: x.effect(b),
		Equivalent: fmt.Sprintf("$EDITOR %s", x.file.Store),
		Undo:       "Undo writes the flag as it was, unless it was changed again since.",
		TrafficWhy: "nobody counts the evaluations of a flag file",
	}
	if p.o.Stats != nil {
		d.Traffic, d.TrafficWhy = p.o.Stats(x.file.Key, x.edit.Key), ""
	}
	if x.pinned != nil {
		who, err := ld.Context(*x.pinned)
		if err != nil {
			return nil, err
		}
		now, then := x.before.evaluate(x.edit.Key, who), x.after.evaluate(x.edit.Key, who)
		d.Now, d.After = &now, &then
	}
	if !isJSON(x.before.raw) {
		d.Warnings = append(d.Warnings, "the YAML file is written again: comments stay, indentation may change")
	}
	d.Steps = toggle.Steps{
		Check: x.check, Apply: x.apply, ReadBack: x.readBack,
		AwaitSDK: x.awaitSDK, SDKWithin: seenWithin,
		TrafficWhy: "nobody counts the evaluations of a flag file",
	}
	if p.o.Stats != nil {
		d.Steps.AwaitTraffic, d.Steps.TrafficWithin, d.Steps.TrafficWhy = x.awaitTraffic, trafficWithin, ""
	}
	if x.undo {
		d.Undo = "By hand: an undo is not undone."
	} else {
		d.Steps.Undo = x.back
	}
	return d, nil
}

func (x *edit) effect(b *entry) string {
	if !b.flag.On {
		return "Everyone gets " + string(b.off()) + "."
	}
	return "It serves " + string(b.serves()) + "."
}

// current reads the file, and fails when the flag is not the one that the plan
// was made for. Other flags may have changed meanwhile.
func (x *edit) current(ctx context.Context) (*data, error) {
	raw, modified, err := x.file.Store.Read(ctx)
	if err != nil {
		return nil, errors.New(unreadable(x.file.Store.String(), err))
	}
	if hashOf(raw) == x.before.hash {
		return x.before, nil
	}
	now, err := parse(raw, modified)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.file.Store, err)
	}
	e := now.flags[x.edit.Key]
	if e == nil || e.version != x.before.flags[x.edit.Key].version {
		return nil, fmt.Errorf("%w: the flag was edited in %s", action.ErrChanged, x.file.Store)
	}
	return now, nil
}

func (x *edit) check(ctx context.Context) error {
	_, err := x.current(ctx)
	return err
}

// apply replaces the file in one step, if it still is the one that was read
// just before.
func (x *edit) apply(ctx context.Context, reason string) (string, error) {
	now, err := x.current(ctx)
	if err != nil {
		return "", err
	}
	if now != x.before {
		if x.after, err = x.file.changed(now, x.edit.Key, x.set); err != nil {
			return "", err
		}
	}
	x.file.expect(x.after.hash, author{by: x.provider.identity(), comment: foreign.CleanN(reason, 400)})
	err = x.file.Store.replace(now.hash, x.after.raw)
	if errors.Is(err, errReplaced) {
		return "", fmt.Errorf("%w: %s is being edited", action.ErrChanged, x.file.Store)
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", x.file.Store, err)
	}
	return "the file was replaced", nil
}

// readBack reads the file again.
func (x *edit) readBack(ctx context.Context) (toggle.Outcome, string, error) {
	raw, modified, err := x.file.Store.Read(ctx)
	if err != nil {
		return 0, "", errors.New(unreadable(x.file.Store.String(), err))
	}
	now, err := parse(raw, modified)
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", x.file.Store, err)
	}
	e := now.flags[x.edit.Key]
	switch {
	case e == nil:
		return toggle.Other, "the flag is gone from the file", nil
	case e.version == x.after.flags[x.edit.Key].version:
		return toggle.AsWanted, fmt.Sprintf("version %d", e.flag.Version), nil
	case e.version == x.before.flags[x.edit.Key].version:
		return toggle.AsBefore, "unchanged", nil
	}
	return toggle.Other, "the flag was edited since", nil
}

// awaitSDK waits until the watch has put the new text in force, as an SDK with
// a file data source does.
func (x *edit) awaitSDK(ctx context.Context) (string, error) {
	for {
		x.file.mu.Lock()
		now, next := x.file.data, x.file.read
		x.file.mu.Unlock()
		if e := now.flags[x.edit.Key]; e != nil && e.version == x.after.flags[x.edit.Key].version {
			return "reloaded, it serves " + string(e.serves()), nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return "", errors.New("the file was not read again")
		}
	}
}

// awaitTraffic waits until what is served has moved to what the flag says now.
func (x *edit) awaitTraffic(ctx context.Context) (string, error) {
	clock, stats := x.provider.o.Clock, x.provider.o.Stats
	off := x.after.flags[x.edit.Key].off()
	before := stats(x.file.Key, x.edit.Key)
	for {
		again, stop := clock.After(trafficEvery)
		select {
		case <-again:
			stop()
		case <-ctx.Done():
			stop()
			return "", errors.New("the counts have not moved yet")
		}
		now := stats(x.file.Key, x.edit.Key)
		if text, ok := shifted(before, now, off, x.edit.Kind); ok {
			return text, nil
		}
		before = now
	}
}

// shifted looks at what was served between two counts. Turning off shows when
// only the off variation is served any more, turning on when another one is.
func shifted(before, now *flags.Stats, off foreign.Text, kind flags.EditKind) (string, bool) {
	var grown, grownOff int64
	for _, c := range now.Counts {
		g := c.N - before.Of(c.Variant)
		grown += g
		if c.Variant == off {
			grownOff += g
		}
	}
	switch {
	case grown <= 0, kind == flags.TurnOff && grownOff < grown, kind == flags.TurnOn && grownOff == grown:
		return "", false
	case kind == flags.TurnOff:
		return fmt.Sprintf("the newest evaluations (%d) are all %s", grown, off), true
	case kind == flags.TurnOn:
		return fmt.Sprintf("%.0f %% of the newest evaluations (%d) are no longer %s", 100*float64(grown-grownOff)/float64(grown), grown, off), true
	}
	return fmt.Sprintf("the newest evaluations (%d) are %.0f %% %s", grown, 100*float64(grownOff)/float64(grown), off), true
}

// back drafts the way back: the flag as it was, other flags as they are now.
func (x *edit) back(ctx context.Context) (*toggle.Draft, error) {
	p, key := x.provider, x.edit.Key
	detail, err := p.Get(ctx, x.file.Key, key)
	if err != nil {
		return nil, err
	}
	_, now, err := p.current(x.file.Key)
	if err != nil {
		return nil, err
	}
	e := now.flags[key]
	if e == nil || e.version != x.after.flags[key].version {
		return nil, fmt.Errorf("%w: %s was edited since: compare its history before you change it again", action.ErrChanged, key)
	}
	set := restore(x.before.flags[key].doc, e.doc)
	set = append(set, assignment{[]string{"version"}, e.flag.Version + 1})
	after, err := x.file.changed(now, key, set)
	if err != nil {
		return nil, err
	}
	reverse := x.edit
	switch x.edit.Kind {
	case flags.TurnOn:
		reverse.Kind = flags.TurnOff
	case flags.TurnOff:
		reverse.Kind = flags.TurnOn
	case flags.SetRollout:
		reverse.Percent = max(0, x.before.flags[key].rolloutAt(x.edit.RuleID))
	}
	return p.drafted(&edit{provider: p, file: x.file, edit: reverse, before: now, after: after, set: set, pinned: x.pinned, undo: true}, detail)
}

// restore sets the members of a flag that differ back to what they were.
func restore(was, is map[string]any) []assignment {
	var out []assignment
	names := map[string]bool{}
	for k := range was {
		names[k] = true
	}
	for k := range is {
		names[k] = true
	}
	var sorted []string
	for k := range names {
		sorted = append(sorted, k)
	}
	slices.Sort(sorted)
	for _, k := range sorted {
		if k != "version" && len(difference("x", was[k], is[k])) > 0 {
			out = append(out, assignment{[]string{k}, was[k]})
		}
	}
	return out
}

// rolloutAt is the percentage of the feature in the default or a rule.
func (e *entry) rolloutAt(rule string) float64 {
	if rule == "" {
		return e.rollout(e.flag.Fallthrough)
	}
	for i := range e.flag.Rules {
		if e.flag.Rules[i].ID == rule {
			return e.rollout(e.flag.Rules[i].VariationOrRollout)
		}
	}
	return 0
}

// expect puts what the watch will find down to somebody.
func (w *watched) expect(hash string, who author) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.authors) > 64 { // of writes that failed
		clear(w.authors)
	}
	w.authors[hash] = who
}

// identity is who changes the file: whoever runs midwatch.
func (p *Provider) identity() foreign.Text {
	if p.o.Identity != "" {
		return p.o.Identity
	}
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return foreign.CleanN(u.Username, 80)
}
