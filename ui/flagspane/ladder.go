package flagspane

import (
	"time"

	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// acted is what was planned here last; its proofs are shown once it runs.
type acted struct {
	proposals []*flags.Proposal
	batch     *flagwatch.Batch
	closed    bool
}

// begun reports whether anything of a proposal has happened.
func begun(p *flags.Proposal) bool {
	if p.Ladder == nil {
		return false
	}
	for _, s := range p.Ladder.Steps() {
		if s.State != flags.StepWaiting {
			return true
		}
	}
	return false
}

// visible reports whether there is something to show.
func (a *acted) visible() bool {
	if a.closed {
		return false
	}
	if a.batch != nil {
		for _, i := range a.batch.Items {
			if i.Err != "" {
				return true
			}
		}
	}
	for _, p := range a.proposals {
		if begun(p) {
			return true
		}
	}
	return false
}

// until is for how long what is shown stays true: it names no ages, the steps
// say by themselves when they move.
func (a *acted) until(time.Time) time.Duration { return 0 }

// lines are the proofs: one flag step by step, several a line each.
func (p *Pane) ladderLines(env *pane.Env) []widget.Rich {
	a := &p.acted
	if !a.visible() {
		return nil
	}
	if a.batch == nil {
		return append([]widget.Rich{nil}, ladder(env, a.proposals[0])...)
	}
	out := []widget.Rich{nil, widget.Say(theme.Title, "several at once")}
	undoable := true
	for _, i := range a.batch.Items {
		out = append(out, itemLine(env, i))
		undoable = undoable && (i.Proposal == nil || i.Proposal.Latest().Plan.Undoable())
	}
	return append(out, foot(env, undoable))
}

func foot(env *pane.Env, undoable bool) widget.Rich {
	line := widget.NewJoin(env.Styles)
	if undoable {
		line.AddRich(widget.Rich{{Token: theme.Accent, Text: "u"}, {Token: theme.Muted, Text: " undoes"}})
	}
	line.AddRich(widget.Rich{{Token: theme.Accent, Text: "esc"}, {Token: theme.Muted, Text: " closes"}})
	return line.Rich()
}

// ladder is one change with each of its steps; once it is being undone, the
// undo with its own.
func ladder(env *pane.Env, planned *flags.Proposal) []widget.Rich {
	pr, undo := planned.Latest(), ""
	if pr != planned {
		undo = "undo: "
	}
	out := []widget.Rich{{
		{Token: theme.Title, Text: undo + pr.Edit.Verb() + " " + pr.Edit.Key},
		{Token: theme.Muted, Text: " in " + pr.Environment.Key + " of " + pr.Provider},
	}}
	for _, s := range pr.Ladder.Steps() {
		token, sign := stepLook(env, s.State)
		line := widget.Rich{
			{Token: token, Text: sign + " "},
			{Token: theme.Text, Text: widget.Pad(s.Name, 16, "")},
			{Token: token, Text: widget.Pad(stepTime(s), 9, "")},
			{Token: theme.Muted, Text: s.Text.String()},
		}
		out = append(out, line)
	}
	return append(out, foot(env, pr.Plan.Undoable()))
}

// stepTime is when a step was seen, counted from the write; or its state.
func stepTime(s flags.Step) string {
	switch s.State {
	case flags.StepDone, flags.StepFailed, flags.StepUnknown:
		if s.Took > 0 {
			return took(s.Took)
		}
	}
	return string(s.State)
}

func stepLook(env *pane.Env, s flags.StepState) (theme.Token, string) {
	switch s {
	case flags.StepDone:
		return theme.OK, env.Styles.Sign(live.OK)
	case flags.StepRunning:
		return theme.Info, env.Styles.Sign(live.Info)
	case flags.StepUnknown:
		return theme.Warn, env.Styles.Sign(live.Unknown)
	case flags.StepFailed:
		return theme.Fail, env.Styles.Sign(live.Fail)
	}
	return theme.Faint, " "
}

// itemLine is one of several: how it ended, and its ladder in short.
func itemLine(env *pane.Env, i *flagwatch.Item) widget.Rich {
	line := func(sev live.Severity, text string) widget.Rich {
		return widget.Rich{
			{Token: theme.Severity(sev), Text: env.Styles.Sign(sev) + " "},
			{Token: theme.Text, Text: i.Edit.Key + " "}, {Token: theme.Muted, Text: text},
		}
	}
	ended, err := i.Sent()
	switch {
	case i.Err != "":
		return line(live.Warn, "left out: "+i.Err.String())
	case err != "":
		return line(live.Fail, err.String())
	case !ended:
		return line(live.Info, "waiting")
	}
	sev, pr, undo := live.OK, i.Proposal.Latest(), ""
	if pr != i.Proposal {
		undo = "undo: "
	}
	for _, s := range pr.Ladder.Steps() {
		switch s.State {
		case flags.StepFailed:
			sev = live.Fail
		case flags.StepUnknown, flags.StepRunning, flags.StepWaiting:
			if sev == live.OK {
				sev = live.Info
			}
		}
	}
	return line(sev, undo+pr.Ladder.String())
}
