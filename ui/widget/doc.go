// Package widget holds the parts panes and the root are drawn with. They know
// tokens, cells and keys, and nothing of clusters.
//
//	rich.go      a line of pieces, each with its meaning
//	cells.go     text in cells: width, clipping, lines of an exact box
//	table.go     rows by identity; column.go lays its columns out
//	textview.go  text to scroll and search: YAML, diffs, logs, help
//	filter.go    text, re:EXPR, !text
//	bar.go       progress by segments
//	age.go       "45s", "3m", "2h10m", and for how long that stays true
//	state.go     loading, stale, forbidden, unreachable in words
//	move.go      the keys that move through anything that scrolls
//	dialog.go input.go picker.go toast.go overlay.go   what lies over the panes
//
// Everything draws exactly the box it is given, whatever the text: a name of
// a thousand characters is clipped with an ellipsis, a character two cells
// wide is never split.
package widget
