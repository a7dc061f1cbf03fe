// Package bind holds key bindings as data. One list feeds dispatch, the
// footer, the help overlay, the command palette, the reason shown for a
// disabled key, and docs/KEYS.md.
package bind

import tea "charm.land/bubbletea/v2"

// Binding is one thing a key does where it is listed.
type Binding struct {
	// ID is stable and unique: "board.restart". Config and docs name it.
	ID string
	// Keys are Bubble Tea key strings: "enter", "ctrl+r", "?", "G". None may
	// need alt, a function key or a modern keyboard protocol.
	Keys []string
	// Title is what the footer and the palette say: "restart".
	Title string
	// Help is one sentence for the help overlay and docs/KEYS.md.
	Help string
	// Group is the heading it stands under in the help overlay.
	Group string
	// Footer ranks it for the footer, 1 first; 0 keeps it out of the footer.
	Footer int
	// Writes marks what ends in action.Gate; shown with the write sign.
	Writes bool
	// Disabled says why it cannot be used now; nil or "" when it can.
	// Disabled bindings stay visible: their key answers with the reason.
	Disabled func() string
	// Do is the handler; it runs in Update and does no IO itself.
	Do func() tea.Cmd
}

// Reason is why b cannot be used now, or "".
func (b Binding) Reason() string {
	if b.Disabled == nil {
		return ""
	}
	return b.Disabled()
}

// Match finds the first binding for a key as Bubble Tea names it.
func Match(list []Binding, key string) (Binding, bool) {
	for _, b := range list {
		for _, k := range b.Keys {
			if k == key {
				return b, true
			}
		}
	}
	return Binding{}, false
}
