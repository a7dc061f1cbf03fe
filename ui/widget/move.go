package widget

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/ui/bind"
)

// Mover is anything that a cursor or a window moves through.
type Mover interface {
	// Move goes down by lines, up when negative.
	Move(lines int)
	// Page goes down by halves of what is visible.
	Page(halves int)
	Top()
	Bottom()
}

// Moves are the keys of vi, less and the arrows for a mover. prefix is the
// pane's name in the bindings' IDs. after runs when the mover has moved; it
// may be nil.
func Moves(prefix string, m Mover, after func() tea.Cmd) []bind.Binding {
	move := func(id, title, help string, do func(), keys ...string) bind.Binding {
		return bind.Binding{ID: prefix + "." + id, Keys: keys, Title: title, Help: help, Group: "Move", Do: func() tea.Cmd {
			do()
			if after == nil {
				return nil
			}
			return after()
		}}
	}
	return []bind.Binding{
		move("down", "down", "Go one line down.", func() { m.Move(1) }, "j", "down"),
		move("up", "up", "Go one line up.", func() { m.Move(-1) }, "k", "up"),
		move("page-down", "page down", "Go one page down.", func() { m.Page(2) }, "pgdown", "ctrl+f"),
		move("page-up", "page up", "Go one page up.", func() { m.Page(-2) }, "pgup", "ctrl+b"),
		move("half-down", "half a page down", "Go half a page down.", func() { m.Page(1) }, "ctrl+d"),
		move("half-up", "half a page up", "Go half a page up.", func() { m.Page(-1) }, "ctrl+u"),
		move("top", "top", "Go to the first line.", m.Top, "g", "home"),
		move("bottom", "bottom", "Go to the last line.", m.Bottom, "G", "end"),
	}
}
