// Package profilepane takes a profile of a pod and shows it: a chooser, the
// capture's progress, then a summary in words, the top table and the flame, or
// a comparison of two sides.
//
//	pane.go     what the pane is, what it asks for, what comes back
//	choose.go   the chooser: which pod, which kind, how long
//	progress.go a capture that runs
//	show.go     one profile: the view's state, rebuilt off the UI goroutine
//	flame.go    the flame's cells, selection and drawing
//	table.go    the top table
//	compare.go  two sides
//	keys.go     the keys of each
package profilepane
