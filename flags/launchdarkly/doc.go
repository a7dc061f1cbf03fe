// Package launchdarkly is the provider for LaunchDarkly: what applications get
// through LaunchDarkly's own server SDK, everything else through the REST API,
// pinned to one version of it.
//
//	provider.go    Provider: options, identity, environments, health
//	stream.go      the SDK of one environment: data, changes, status
//	evaluate.go    what a context gets, with LaunchDarkly's own evaluator
//	wire.go        the REST API's JSON
//	list.go        the list
//	detail.go      one flag in words, and what else to know before a change
//	audit.go       the audit log, evaluation counts, experiments
//	toggle.go      on and off as drafts for package toggle
//	apply.go       carrying a draft out: compare, try, send
//	proof.go       what shows that it arrived, and the way back
//	rollout.go     percentages
//	errors.go      the API's refusals in words
//
// The SDK sends no events: no evaluation of midwatch's appears in flag
// insights, contexts lists or anyone's bill. Its change events are hints only:
// they come when an item's version grows, and a full data set after a
// reconnect may carry older versions without one, so that everything is
// evaluated again on each recovery.
//
// LaunchDarkly asks for a typed confirmation and a comment in its own web page
// only; the API takes changes without. Package toggle asks for both.
package launchdarkly
