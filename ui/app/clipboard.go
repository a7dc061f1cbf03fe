package app

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/ui/pane"
)

// noteWithin bounds recording that a value is copied.
const noteWithin = 10 * time.Second

// copiedMsg says that a copy is on record: now it may be made.
type copiedMsg struct {
	what  string
	value secret.Bytes
	after time.Duration
	err   error
}

// unclipMsg is the moment at which a copied value is taken out of the
// clipboard again.
type unclipMsg struct{ copied int }

// clipboard is what is known of a value in the terminal's clipboard. The
// terminal does not say what lies there by now: something else that was copied
// outside is cleared as well.
type clipboard struct {
	copied int // counts copies
	holds  bool
}

// copySecret records that a value is copied, then copies it.
func (m *Model) copySecret(msg pane.CopySecretMsg) tea.Cmd {
	if m.session == nil || m.session.Gate == nil {
		msg.Value.Zero()
		return m.warn("not copied: there is no journal to record it in")
	}
	gate := m.session.Gate
	return pane.Run(m.tasks, rootID, "copy", "copy "+msg.What, noteWithin, func(ctx context.Context) (tea.Msg, error) {
		err := gate.Note(ctx, action.Note{Verb: "copy", Target: msg.Target, Effect: msg.What + " into the terminal's clipboard"})
		return copiedMsg{what: msg.What, value: msg.Value, after: msg.ClearAfter, err: err}, nil
	})
}

// onCopied copies a value by OSC 52.
func (m *Model) onCopied(msg copiedMsg) tea.Cmd {
	defer msg.value.Zero()
	if msg.err != nil {
		return m.warn("not copied: " + said(msg.err))
	}
	var text string // the terminal library takes nothing else
	msg.value.Expose(func(b []byte) { text = string(b) })
	m.clip.copied++
	m.clip.holds = true
	m.toast(live.OK, fmt.Sprintf("copied %s; the clipboard is cleared in %s, as far as the terminal lets us", msg.what, brief(msg.after)))
	return tea.Batch(tea.SetClipboard(text), m.opts.Waits.After(m.ctx, msg.after, unclipMsg{m.clip.copied}))
}

// onUnclip takes a value out of the clipboard, unless something else was
// copied from here since.
func (m *Model) onUnclip(msg tea.Msg) (tea.Cmd, bool) {
	due, ok := msg.(unclipMsg)
	if !ok || due.copied != m.clip.copied || !m.clip.holds {
		return nil, ok
	}
	m.clip.holds = false
	m.toast(live.Info, "the clipboard is cleared")
	return tea.SetClipboard(""), true
}

// clearClipboard is what the console writes when it ends while a value is in
// the clipboard.
const clearClipboard = "\x1b]52;c;\a"
