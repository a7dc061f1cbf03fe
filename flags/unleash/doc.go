// Package unleash is the provider for Unleash, by its admin API and the API
// its SDKs use (server 8.x).
//
//	provider.go    Provider: options, identity, environments, health
//	wire.go        the server's JSON
//	list.go        the list and one flag in words
//	evaluate.go    what a context gets, worked out here as the SDKs do
//	constraint.go  constraints
//	hash.go        rollout percentages and variants
//	playground.go  the same asked of the server, when its SDK API is closed
//	watch.go       the SDK's view of the flags, kept fresh
//	audit.go       events, evaluation counts
//	toggle.go      on, off and rollout as drafts for package toggle
//	proof.go       what shows that a change arrived, and its undo
//	preview.go     what an edit changes, in words and for one context
//	restore.go     the way back to exactly what was
//	errors.go      the server's refusals in words
//
// Two traps of the server decide how a change is planned. Turning on a flag
// without an enabled strategy makes the server add one for everyone
// (flexibleRollout 100 %, or the project's default): the plan says so and the
// undo removes it. And a project that does not exist has an empty list of
// flags instead of an error.
package unleash
