// Package flagspane shows feature flags: a list with what changed last in
// production first, one flag in detail with its rules in words and its
// history, and the experiments of the selected workload.
//
// Somebody can be pinned: then every flag says what they get, and why. Flags
// are switched from here by plans that the root confirms and the gate carries
// out; the proofs of a change that was made stand below the list, with times.
//
//	pane.go         Pane, and what it is told
//	keys.go         its keys
//	list.go         the list's columns
//	head.go         the lines above the list: providers, the pinned, the workload
//	detail.go       one flag in full
//	act.go          turning on and off, percentages, several at once
//	ladder.go       the proofs of a change
//	ask.go          pinning somebody
//	experiments.go  experiments: what is known of them, and reading it
//	experiments_list.go, experiments_keys.go, experiment.go  their list, their keys, one in full
//	view.go         putting it together
package flagspane
