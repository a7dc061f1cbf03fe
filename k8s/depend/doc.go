// Package depend says what a workload hangs on: who sends it traffic and
// whether that finds ready pods, the ConfigMaps, Secrets, claims and the
// account it needs, room in the quotas, what it asks for against what it uses,
// and which disruption budgets speak of it.
//
// It is pure: objects and the time in, a [Report] out. What could not be read
// is said per section. Values of Secrets are never here: of a Secret only
// metadata is known, so a missing key shows only when an event names it.
package depend
