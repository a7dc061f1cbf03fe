package app

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// defaultUnlock is what `:unlock` without a time means.
const defaultUnlock = 10 * time.Minute

// gate is the session's, or nil.
func (m *Model) gate() *action.Gate {
	if m.session == nil {
		return nil
	}
	return m.session.Gate
}

// unlock asks whether the context may be written to for d. The dialog names
// the context, and a protected one has to be typed.
func (m *Model) unlock(d time.Duration) tea.Cmd {
	gate := m.gate()
	if gate == nil {
		return m.warn("nothing can be written here")
	}
	if d <= 0 || d > action.MaxUnlock {
		return m.warn(fmt.Sprintf("unlock for %v: give a time above 0 and up to %v, such as 10m", d, action.MaxUnlock))
	}
	name, uid := gate.Lock().Bound()
	body := []widget.Rich{
		{{Token: theme.Text, Text: "Writes to context "}, {Token: theme.Warn, Text: name}, {Token: theme.Text, Text: " are allowed for " + span(d) + "."}},
		{{Token: theme.Muted, Text: "Each one is still planned, shown and confirmed; the lock closes by itself."}},
	}
	if uid != "" {
		body = append(body, widget.Rich{{Token: theme.Muted, Text: "cluster " + shortID(uid)}})
	}
	danger := action.DangerEnter
	if protected(gate, name) {
		danger = action.DangerName
		body = append(body, widget.Say(theme.Warn, "! This context is protected: every write asks for one thing more."))
	}
	m.push(&ask{
		dialog: widget.Dialog{Title: "Unlock " + name + "?", Border: theme.Fail, Body: body, MinWidth: 40},
		danger: danger, name: name, settled: true,
		yes: func(m *Model, _ action.Confirmation) tea.Cmd {
			if bound, _ := gate.Lock().Bound(); gate != m.gate() || bound != name {
				return m.warn("the context changed: nothing was unlocked")
			}
			if err := gate.Lock().UnlockFor(d); err != nil {
				return m.warn(said(err))
			}
			m.toast(live.Warn, "unlocked "+name+" for "+span(d)+"; :lock closes it")
			return nil
		},
	})
	return nil
}

func (m *Model) lock() tea.Cmd {
	gate := m.gate()
	if gate == nil {
		return nil
	}
	gate.Lock().Lock()
	m.toast(live.OK, "read-only again")
	return nil
}

// protected asks the gate, which alone knows the patterns, with a plan that
// does nothing.
func protected(gate *action.Gate, context string) bool {
	p := &action.Plan{Danger: action.DangerEnter, Target: action.Target{Context: context}}
	return gate.Effective(p) > action.DangerEnter
}

// unlockedFor is how long the lock stays open; forever is true for --write.
func (m *Model) unlockedFor() (left time.Duration, forever bool) {
	gate := m.gate()
	if gate == nil {
		return 0, false
	}
	return gate.Lock().Left(m.now)
}

// span is a time left, coarse where it is long so that the header does not
// change every second: "2h10m", "9m", "1m30s", "45s".
func span(d time.Duration) string {
	switch {
	case d >= time.Hour:
		d = d.Round(time.Minute)
		if d%time.Hour == 0 {
			return fmt.Sprintf("%dh", d/time.Hour)
		}
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d > 2*time.Minute:
		return fmt.Sprintf("%dm", (d+time.Minute-1)/time.Minute)
	case d >= time.Minute:
		if s := d.Truncate(5*time.Second) % time.Minute; s != 0 {
			return fmt.Sprintf("%dm%ds", d/time.Minute, s/time.Second)
		}
		return fmt.Sprintf("%dm", d/time.Minute)
	case d > 10*time.Second:
		return fmt.Sprintf("%ds", d.Truncate(5*time.Second)/time.Second)
	}
	return fmt.Sprintf("%ds", (d+time.Second-1)/time.Second)
}

// spanStep is how long span(d) stays the same at most.
func spanStep(d time.Duration) time.Duration {
	switch {
	case d > 2*time.Minute:
		return max((d-1)%time.Minute+1, time.Second)
	case d > 10*time.Second:
		return max(d%(5*time.Second), time.Second)
	}
	return max((d-1)%time.Second+1, 100*time.Millisecond)
}
