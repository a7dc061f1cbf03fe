package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/ui/pane"
)

// rootID is the root's own address for the results of its tasks.
const rootID pane.ID = "app"

// How long the parts of a write may take; the gate has limits of its own
// within these.
const (
	runWithin    = 2 * time.Minute
	verifyExtra  = 15 * time.Second
	verifyAtMost = 30 * time.Minute
	undoWithin   = 20 * time.Second
)

// ranMsg is how the gate ended with a plan.
type ranMsg struct {
	gate    *action.Gate
	plan    *action.Plan
	outcome action.Outcome
	err     error
	then    func() tea.Cmd
}

// verifiedMsg is what was seen of a write's effect.
type verifiedMsg struct {
	plan *action.Plan
	text string
	took time.Duration
	err  error
}

// undoMsg is the plan that undoes the last write.
type undoMsg struct {
	plan *action.Plan
	err  error
}

// carryOut runs a confirmed plan off the UI goroutine.
func (m *Model) carryOut(gate *action.Gate, p *action.Plan, c action.Confirmation, then func() tea.Cmd) tea.Cmd {
	m.writes++
	m.progress = fmt.Sprintf("%s %s: checking and sending", p.Verb, p.Target)
	slot := "write-" + strconv.Itoa(m.keySeq)
	return pane.Run(m.tasks, rootID, slot, p.Verb+" "+p.Target.String(), runWithin, func(ctx context.Context) (tea.Msg, error) {
		out, err := gate.Run(ctx, p, c)
		return ranMsg{gate, p, out, err, then}, nil
	})
}

// onRan tells how a write went and waits for its effect.
func (m *Model) onRan(msg ranMsg) tea.Cmd {
	m.writes--
	m.progress = ""
	if msg.err != nil {
		sev := live.Fail
		if errors.Is(msg.err, action.ErrLocked) {
			sev = live.Warn
		}
		m.toast(sev, said(msg.err))
		return m.quitIfDone()
	}
	if msg.outcome.Warning != "" {
		m.toast(live.Warn, msg.outcome.Warning)
	}
	what := msg.plan.Verb + " " + msg.plan.Target.String()
	m.progress = what + ": accepted, waiting for the effect" + undoHint(msg.plan)
	limit := min(max(msg.plan.VerifyWithin, time.Minute)+verifyExtra, verifyAtMost)
	slot := "verify-" + msg.outcome.ID
	verify := pane.Run(m.tasks, rootID, slot, "verify "+what, limit, func(ctx context.Context) (tea.Msg, error) {
		text, took, err := msg.gate.Verify(ctx, msg.outcome)
		return verifiedMsg{msg.plan, text, took, err}, nil
	})
	var next tea.Cmd
	if msg.then != nil {
		next = msg.then()
		for _, t := range m.tiles() {
			t.touch() // whichever it was changed
		}
	}
	return tea.Batch(verify, next, m.quitIfDone())
}

func (m *Model) onVerified(msg verifiedMsg) tea.Cmd {
	if m.writes == 0 {
		m.progress = ""
	}
	what := msg.plan.Verb + " " + msg.plan.Target.String()
	switch {
	case msg.err != nil:
		m.toast(live.Warn, said(msg.err)+undoHint(msg.plan))
	case msg.text == "":
		m.toast(live.OK, what+": done"+undoHint(msg.plan))
	default:
		m.toast(live.OK, fmt.Sprintf("%s: %s after %s%s", what, msg.text, brief(msg.took), undoHint(msg.plan)))
	}
	return m.tellWritten(msg.plan.Target)
}

// tellWritten lets the panes read again what was written to, whether its
// effect was seen or not.
func (m *Model) tellWritten(target action.Target) tea.Cmd {
	var cmds []tea.Cmd
	for _, t := range m.tiles() {
		cmds = append(cmds, m.deliver(t, pane.WroteMsg{Target: target}))
	}
	return tea.Batch(cmds...)
}

func undoHint(p *action.Plan) string {
	if p.Undoable() && p.UndoOf() == "" {
		return " · u undoes"
	}
	return ""
}

// said is an error for a toast: cleaned, on one line.
func said(err error) string { return foreign.CleanN(err.Error(), 400).String() }

// undo plans the inverse of the last write; it is confirmed like any other.
func (m *Model) undo() tea.Cmd {
	if m.session == nil || m.session.Gate == nil {
		return m.warn(said(action.ErrNothingToUndo))
	}
	gate := m.session.Gate
	if _, ok := gate.Last(); !ok {
		return m.warn(said(action.ErrNothingToUndo))
	}
	m.planned = m.keySeq
	return pane.Run(m.tasks, rootID, "undo", "plan the undo", undoWithin, func(ctx context.Context) (tea.Msg, error) {
		p, err := gate.Undo(ctx)
		return undoMsg{p, err}, nil
	})
}

func (m *Model) onUndo(msg undoMsg) tea.Cmd {
	if msg.err != nil {
		m.toast(live.Fail, said(msg.err))
		return nil
	}
	m.confirm(msg.plan, nil)
	return nil
}

// onResult takes the result of one of the root's own tasks.
func (m *Model) onResult(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case ranMsg:
		return m.onRan(msg)
	case verifiedMsg:
		return m.onVerified(msg)
	case undoMsg:
		return m.onUndo(msg)
	case copiedMsg:
		return m.onCopied(msg)
	case openedMsg:
		return m.onOpened(msg)
	case contextsMsg:
		return m.onContexts(msg)
	case closedMsg:
		m.closing--
		return m.quitIfDone()
	case pane.FailedMsg:
		m.opening = nil
		m.toast(live.Fail, failure(msg))
	}
	return nil
}

// brief is a duration for people: "0.4s", "12s", "3m20s".
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		s := d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(s.Minutes()), int(s.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// quit ends the console. A write that is on its way is waited for; asking
// again does not wait.
func (m *Model) quit() tea.Cmd {
	if m.writes > 0 && !m.quitting {
		m.quitting = true
		return m.warn("a write is waiting for its answer; quitting once it came (again quits now)")
	}
	return tea.Quit
}

func (m *Model) quitIfDone() tea.Cmd {
	if m.quitting && m.writes == 0 {
		return tea.Quit
	}
	return nil
}
