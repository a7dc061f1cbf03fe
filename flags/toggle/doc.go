// Package toggle is the state machine of a flag's change, the same for every
// provider: read fresh, plan, guard, compare and set, verify step by step with
// times, journal, undo.
//
//	read fresh    the provider makes a Draft: the flag as it is now, what
//	              differs afterwards, and the steps that would do it
//	plan          Plan turns the draft into an action.Plan: who gets what
//	              before and after, traffic per arm, dependants, a running
//	              experiment
//	guard         production asks for the flag's key and a reason
//	compare, set  the gate runs Check, then Apply sends one request; when no
//	              answer comes the flag is read back before anything else
//	verify        API accepted, read back, SDK path saw it, traffic shifted
//	undo          bound to the version that the change made
//
// It does no IO of its own; the draft's steps do.
package toggle
