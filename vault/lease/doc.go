// Package lease says when Vault's leases end and what state they are in,
// browses them without hurting the server, and plans the two writes midwatch
// has for them: renew one, revoke one.
//
// A look-up tells six things about a lease (sys/leases/lookup: id, issue_time,
// expire_time, last_renewal, renewable, ttl) and never who owns it; the end it
// tells is an upper bound, since a lease dies with the token that made it.
// Listing is expensive for the server: on integrated storage it walks every
// key below the prefix to build one level, and there are no pages. So nothing
// here lists by itself, and a large listing is sampled.
package lease
