// Package connect turns kubectl's flags or a configuration in memory into an
// open [Cluster]: clients, identity, the health of the connection, and what
// the user may do.
//
// Opening makes one authenticated call and returns: a credential plugin may
// prompt during that call, so it belongs before the alternate screen. The
// version of the server and the identity of the cluster follow in the
// background, and sources may start meanwhile.
//
// Two layers sit around the connection. Inside the credentials, [patience]
// gives up on a server that cannot be reached within seconds or falls silent,
// and lets watches run for as long as they like. Outside the credentials, the
// observer sees every answer, every byte of a watch and every failed login,
// and knows from that whether the cluster is there; while it is not, one small
// request asks again until it is.
//
//	config.go    where clusters come from: flags, files, memory, in-cluster
//	flags.go     which of kubectl's flags follow to another context
//	open.go      Open: the first call, the clients
//	identity.go  who am I, which cluster is this
//	patience.go  timeouts by silence
//	observe.go   what every answer says about the connection
//	health.go    reachable or not, since when; asking again
//	access.go    SelfSubjectAccessReviews, remembered
//	errors.go    what can go wrong, as types
//	explain*.go  any error -> one clear message and what to do next
//	stdio*.go    keeping plugins, klog and warnings off the screen
package connect
