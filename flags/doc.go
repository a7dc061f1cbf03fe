// Package flags is the vocabulary of feature flags and what a provider of
// them can do, in OpenFeature's words: flag key, variant, reason, evaluation
// context with a targeting key, provider status.
//
// OpenFeature has no words for the other half, the management of flags:
// environments, the list, who changed what, turning one off. Those are
// midwatch's own. Each is a [Capability] that a provider has or has not, and
// what it has not comes with the reason why, for the screen to say.
//
//	flag.go        Flag, EnvState, Detail, Rule: what a flag is
//	environment.go Environment: what production asks for before a change
//	context.go     EvalContext: whom an evaluation is about
//	evaluation.go  Evaluation, Reason: what they get, and why
//	provider.go    Provider, Capability, Status, Event
//	edit.go        Edit, Proposal: what is to change
//	ladder.go      Ladder: how far a change has got, with times
//	change.go      Change, Stats: what changed before, how often it is used
//	errors.go      what a provider answers when it does not do it
//
// Providers are in the packages below: launchdarkly, unleash, ofrep, file.
// Package toggle turns an Edit into an action.Plan, the same way for all.
// Everything a server wrote has passed package foreign by the time it is in
// one of these types.
package flags
