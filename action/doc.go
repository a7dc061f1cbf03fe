// Package action is the only way to write anything anywhere.
//
// A domain plans a write as a [Plan]; a pane shows it in a confirm dialog; and
// [Gate.Run] carries it out: unlocked? still the same object? dry run, journal
// the intent (fsync), apply, journal the outcome. [Gate.Verify] then watches
// for the effect, and [Gate.Undo] plans the way back. The functions that write
// are unexported inside the plan, so a pane cannot write around the gate, and
// [Transport] refuses, under every HTTP client, a writing request that did not
// come through it.
//
//	lock.go       Lock: read-only until unlocked, one context, timed
//	transport.go  Transport: the refusal under every HTTP client
//	rules.go      what only reads although it is a POST, and the opposite, as data
//	gate.go       Gate.Run: the order of things
//	undo.go       Gate.Verify, Gate.Undo
//	journal.go    Journal: the record on disk
//
// The package imports the standard library and packages live and foreign.
package action
