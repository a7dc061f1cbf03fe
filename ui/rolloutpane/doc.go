// Package rolloutpane shows one workload: the verdict and since when, which
// revision replaces which and what differs between them, how far that is, its
// pods by state, its history, and the evidence behind the verdict.
//
// The pane is a list of lines in sections. A line knows what it stands for:
// enter opens a pod's events, an event's object, goes back to a revision, or
// folds a section.
//
//	pane.go     state, what is fetched on demand
//	outline.go  the lines and their sections
//	verdict.go revision.go progress.go pods.go evidence.go   one section each
//	keys.go view.go
package rolloutpane
