// Package ledger joins leases with who holds them. A look-up of a lease never
// tells whose it is, so the link comes from the other side: what operators'
// objects say they hold, what pod templates take, what Vault's agent is asked
// for, when pods started. How sure each link is is always said.
//
// It also says which credentials of a workload end without being renewed. What
// it knows of leases costs no listing: the IDs come from operators' statuses,
// and from what somebody looked at. Each is looked up when it is seen first,
// when its operator says it was renewed, and once more before it is warned of;
// nothing is polled.
package ledger
