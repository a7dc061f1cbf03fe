// Package leasespane is the pane of Vault's leases: what ends next, what cannot
// be revoked, a tree that opens one level at a time, and the writes for one
// lease.
package leasespane
