package app

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// ask is a dialog that wants a yes: for a plan, or for unlocking a context.
// What it asks for grows with the danger: enter, a name, a reason.
type ask struct {
	dialog widget.Dialog
	danger action.Danger
	// name is what has to be typed from [action.DangerName] on.
	name string
	// barred says why there can be no yes now, in sentences; empty when there
	// can. It is asked again for every frame and every key.
	barred func(m *Model) []string
	yes    func(m *Model, c action.Confirmation) tea.Cmd

	typed, reason widget.Input
	onReason      bool
	settled       bool // it listens
	wrong         string
}

// unready swallows what was typed before the dialog came up by itself.
func (a *ask) unready(pause time.Duration) bool {
	a.settled = a.settled || pause >= quiet
	return !a.settled
}

func (*ask) refresh(*Model) {}

// paste never confirms, and types nothing: a name that has to be typed is
// there to slow the hand down.
func (a *ask) paste(*Model, string) tea.Cmd {
	a.wrong = "pasting is off in this dialog: type it"
	return nil
}

func (a *ask) why(m *Model) []string {
	if a.barred == nil {
		return nil
	}
	return a.barred(m)
}

func (a *ask) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	a.wrong = ""
	name := k.String()
	switch {
	case name == "esc":
		return m.closeOverlay()
	case name == "up", name == "down", name == "pgup", name == "pgdown":
		scroll(&a.dialog, name)
	case len(a.why(m)) > 0:
		if name == "enter" {
			return m.warn(a.why(m)[0])
		}
		scroll(&a.dialog, name)
	case a.danger <= action.DangerEnter:
		if name == "enter" || name == "y" {
			return a.accept(m)
		}
		scroll(&a.dialog, name)
	case name == "enter", name == "tab":
		return a.next(m, name == "enter")
	default:
		a.field().Key(k)
	}
	return nil
}

func (a *ask) field() *widget.Input {
	if a.onReason {
		return &a.reason
	}
	return &a.typed
}

// next goes from the name to the reason, and from the last field to yes.
func (a *ask) next(m *Model, enter bool) tea.Cmd {
	switch {
	case !enter:
		a.onReason = a.danger >= action.DangerReason && !a.onReason
	case strings.TrimSpace(a.typed.Text()) != a.name:
		a.wrong, a.onReason = "type "+a.name, false
	case a.danger >= action.DangerReason && strings.TrimSpace(a.reason.Text()) == "":
		if a.onReason {
			a.wrong = "give a reason: it goes into the journal"
		}
		a.onReason = true
	default:
		return a.accept(m)
	}
	return nil
}

func (a *ask) accept(m *Model) tea.Cmd {
	c := action.Confirmation{Typed: strings.TrimSpace(a.typed.Text()), Reason: strings.TrimSpace(a.reason.Text())}
	return tea.Batch(m.closeOverlay(), a.yes(m, c))
}

func (a *ask) view(m *Model, w, h int) string {
	a.dialog.Foot = a.foot(m, min(60, w-6))
	return a.dialog.View(m.styles, w, h)
}

func (a *ask) foot(m *Model, w int) []widget.Rich {
	foot := []widget.Rich{nil}
	if why := a.why(m); len(why) > 0 {
		for _, line := range why {
			foot = append(foot, widget.Say(theme.Danger, line))
		}
		return append(foot, hints("esc", "closes"))
	}
	if a.danger >= action.DangerName {
		foot = append(foot, a.line("type "+a.name, &a.typed, !a.onReason, w))
	}
	if a.danger >= action.DangerReason {
		foot = append(foot, a.line("reason", &a.reason, a.onReason, w))
	}
	if a.wrong != "" {
		foot = append(foot, widget.Say(theme.Fail, a.wrong))
	}
	if a.danger >= action.DangerName {
		return append(foot, hints("enter", "confirms", "esc", "cancels"))
	}
	return append(foot, hints("enter/y", "confirms", "esc", "cancels"))
}

func (a *ask) line(label string, in *widget.Input, active bool, w int) widget.Rich {
	r := widget.Rich{{Token: theme.Accent, Text: label + ": "}}
	room := max(w-r.Width(), 8)
	if active {
		return append(r, in.Rich(room)...)
	}
	return append(r, widget.Piece{Token: theme.Text, Text: in.Text()})
}

// confirm asks for a plan. then, which may be nil, is for what follows once it
// was carried out.
func (m *Model) confirm(p *action.Plan, then func() tea.Cmd) {
	if p == nil {
		return
	}
	if m.session == nil || m.session.Gate == nil {
		m.toast(live.Warn, "nothing can be written here")
		return
	}
	gate := m.session.Gate
	a := &ask{
		dialog: widget.Dialog{Title: p.Title, Border: theme.Fail, Body: describePlan(p), MinWidth: 40},
		danger: gate.Effective(p),
		name:   p.Target.Name,
		barred: func(m *Model) []string { return readOnly(m, gate, p.Target.Context) },
		yes:    func(m *Model, c action.Confirmation) tea.Cmd { return m.carryOut(gate, p, c, then) },
		// Opened by the user's own last key: nothing else can be meant by the next.
		settled: m.planned > 0 && m.planned == m.keySeq,
	}
	m.push(a)
}

// readOnly says why nothing can be confirmed while the lock is closed.
func readOnly(m *Model, gate *action.Gate, context string) []string {
	if left, forever := gate.Lock().Left(m.now); left > 0 || forever {
		return nil
	}
	return []string{
		fmt.Sprintf("read-only: context %s is locked, so this cannot be confirmed", context),
		"esc, then :unlock 10m (or start with --write), then ask for it again",
	}
}

// describePlan is what a plan will do, in the order a careful reader wants it.
func describePlan(p *action.Plan) []widget.Rich {
	where := "context " + p.Target.Context
	if uid := shortID(p.Target.ClusterUID); uid != "" {
		where += " (cluster " + uid + ")"
	}
	body := []widget.Rich{
		{{Token: theme.Title, Text: p.Target.String()}},
		{{Token: theme.Muted, Text: "in "}, {Token: theme.Warn, Text: where}},
	}
	for _, w := range p.Warnings {
		body = append(body, widget.Say(theme.Warn, "! "+w))
	}
	if p.Blast != "" {
		body = append(body, widget.Plain(p.Blast))
	}
	if len(p.Changes) > 0 {
		body = append(body, nil)
	}
	for _, c := range p.Changes {
		body = append(body, widget.Rich{
			{Token: theme.Muted, Text: c.Path + "  "},
			{Token: theme.Removed, Text: orNone(c.Before.String())},
			{Token: theme.Muted, Text: " -> "},
			{Token: theme.Added, Text: orNone(c.After.String())},
		})
	}
	if p.Diff != "" {
		body = append(append(body, nil), diffLines(p.Diff.String())...)
	}
	body = append(body, nil)
	if p.Undo != "" {
		body = append(body, widget.Rich{{Token: theme.Muted, Text: "undo  "}, {Token: theme.Text, Text: p.Undo}})
	}
	if p.Equivalent != "" {
		body = append(body, widget.Rich{{Token: theme.Muted, Text: "same as  "}, {Token: theme.Text, Text: p.Equivalent}})
	}
	return body
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// diffLines gives a unified diff its tokens.
func diffLines(diff string) []widget.Rich {
	var lines []widget.Rich
	for l := range strings.SplitSeq(strings.TrimRight(diff, "\n"), "\n") {
		token := theme.Muted
		switch {
		case strings.HasPrefix(l, "+++"), strings.HasPrefix(l, "---"), strings.HasPrefix(l, "@@"):
			token = theme.Faint
		case strings.HasPrefix(l, "+"):
			token = theme.Added
		case strings.HasPrefix(l, "-"):
			token = theme.Removed
		}
		lines = append(lines, widget.Say(token, l))
	}
	return lines
}

// shortID is enough of a UID to tell two clusters apart at a glance.
func shortID(uid string) string {
	if len(uid) > 8 {
		return uid[:8]
	}
	return uid
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
