// Package verbs is what can be done to a workload or a pod from any pane that
// shows one: restart, undo to a revision, pause and resume, scale, delete. The
// keys, the questions asked first and the reasons why something cannot be done
// are the same everywhere.
//
// Nothing is written here. A verb has the domain make a plan, off the UI
// goroutine, and sends it to the root as a [midwatch/ui/pane.ConfirmMsg].
package verbs
