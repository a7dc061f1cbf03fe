package flags

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"midwatch/action"
	"midwatch/foreign"
)

// EditKind is what an edit does.
type EditKind string

// The kinds. There is none that deletes or archives a flag.
const (
	TurnOn     EditKind = "on"
	TurnOff    EditKind = "off"
	SetRollout EditKind = "rollout" // the percentage that gets the feature
)

// Presets are the rollout percentages that are offered.
var Presets = [...]float64{0, 1, 5, 25, 50, 100}

// Edit is one change of one flag in one environment.
type Edit struct {
	Kind             EditKind
	Environment, Key string
	// Percent is what [SetRollout] sets, 0 to 100.
	Percent float64
	// Variation is the ID or name of the variation that gets the percentage;
	// empty for the one that means "the feature", true.
	Variation string
	// RuleID is the rule whose percentage is set; empty for the default, or
	// the only rule there is.
	RuleID string
	// IgnoreConflicts also breaks scheduled changes and open approvals. It
	// has to be asked for apart.
	IgnoreConflicts bool
}

// Validate says what is wrong with the edit itself.
func (e Edit) Validate() error {
	switch {
	case e.Key == "":
		return errors.New("which flag? give its key")
	case e.Kind != TurnOn && e.Kind != TurnOff && e.Kind != SetRollout:
		return fmt.Errorf("%q is nothing that can be done to a flag: want on, off or rollout", e.Kind)
	case e.Kind == SetRollout && (math.IsNaN(e.Percent) || e.Percent < 0 || e.Percent > 100):
		return fmt.Errorf("rollout %v: want a percentage from 0 to 100", e.Percent)
	}
	return nil
}

// Verb is the word for it in plans and the journal: "on", "off",
// "rollout 25 %".
func (e Edit) Verb() string {
	if e.Kind == SetRollout {
		return "rollout " + Percent(e.Percent)
	}
	return "turn " + string(e.Kind)
}

// Percent writes a percentage: "5 %", "0.1 %".
func Percent(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) + " %" }

// Proposal is an edit that was planned: everything to be known before it is
// confirmed. Plan goes to the gate; the rest is for the screen.
type Proposal struct {
	Edit        Edit
	Provider    string
	Environment Environment
	Plan        *action.Plan
	// Flag is the flag as it was read for the plan.
	Flag *Detail
	// Pinned is whom Now and After are about; nil when nobody is pinned. After
	// is what they will get; its Unsure says where that is a guess.
	Pinned     *EvalContext
	Now, After *Evaluation
	// Traffic is how often each variation is served at present; nil when not
	// known, and TrafficWhy says why.
	Traffic    *Stats
	TrafficWhy foreign.Text
	// Ladder fills while the plan is carried out and verified.
	Ladder *Ladder
}

// UndoneBy says that undo is the way back from p. Whoever listens to p's ladder
// then hears of that one's steps.
func (p *Proposal) UndoneBy(undo *Proposal) {
	l := p.Ladder
	l.mu.Lock()
	l.undo = undo
	changed := l.changed
	l.mu.Unlock()
	undo.Ladder.OnChange(changed)
}

// Latest is the undo of p once it is being carried out (or the undo of that
// one), else p itself: what a screen that shows p's proofs goes on with.
func (p *Proposal) Latest() *Proposal {
	l := p.Ladder
	if l == nil {
		return p
	}
	l.mu.Lock()
	undo := l.undo
	l.mu.Unlock()
	if undo == nil || !undo.Ladder.begun() {
		return p
	}
	return undo.Latest()
}
