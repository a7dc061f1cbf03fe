// Package app is the console: the root model that owns the screen, the focus,
// the overlays and the session, and routes everything else to the panes.
//
// Where to start: [Options] say what the console needs, [Run] shows it in a
// terminal, [Model] is what a test plays through package uitest.
//
//	options.go   what the console is made of: Session, Where, Kind
//	model.go     Update: a list of small handlers, then one frame
//	route.go     the handlers, in their order
//	tile.go      a pane on the screen, and its cached block
//	layout.go    which pane stands where, by the size of the terminal
//	focus.go     focus, zoom, the stack of opened panes, the selection
//	screen.go    header, body, footer, overlays -> one frame
//	header.go    what the first lines say
//	overlay.go   what lies over the panes and takes all keys
//	confirm.go   a plan, and what it takes to confirm it
//	write.go     a confirmed plan through the gate, its effect, undo
//	session.go   opening another context or namespace
//	palette.go   commands and bindings by name
//	keys.go      the keys that work everywhere; KeysMarkdown
//	terminal.go  Run: the program around the model
//	panes.go     which panes there are
package app
