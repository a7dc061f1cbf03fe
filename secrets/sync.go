package secrets

import (
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// SyncState says whether what brings a secret into the cluster works.
type SyncState string

// The states. The set is closed.
const (
	SyncOK       SyncState = "synced"
	SyncPinned   SyncState = "pinned"   // it is never refreshed, by intention
	SyncOverdue  SyncState = "overdue"  // says it is well, but should have synced since
	SyncRetained SyncState = "retained" // the provider has nothing; old values are kept
	SyncMissing  SyncState = "missing"  // nothing to merge into, or the target was deleted
	SyncFailed   SyncState = "failed"
	SyncIgnored  SyncState = "ignored" // no operator answers for it
	SyncUnknown  SyncState = "unknown"
)

// Severity of a state.
func (s SyncState) Severity() live.Severity {
	switch s {
	case SyncOK, SyncPinned:
		return live.OK
	case SyncFailed, SyncMissing:
		return live.Fail
	case SyncOverdue, SyncRetained, SyncIgnored:
		return live.Warn
	}
	return live.Unknown
}

// Origin is the object that fills a Secret from a store.
type Origin struct {
	// Kind is ExternalSecret, VaultStaticSecret, VaultDynamicSecret or
	// VaultPKISecret; Namespace and Name are its own.
	Kind, Namespace, Name string
	// Target is the Secret it writes.
	Target string
	// Store is "ClusterSecretStore vault-backend" or "VaultAuth default".
	Store foreign.Text
	// Paths in the store, sorted; Role where one is named.
	Paths []foreign.Text
	Role  foreign.Text

	State   SyncState
	Reason  string
	Message foreign.Text
	// Synced is the last successful sync; Next when the next is due, zero
	// when never or not known; Every is the interval.
	Synced, Next time.Time
	Every        time.Duration
	// Lease is the exact lease id a VaultDynamicSecret says it holds; LeaseID
	// is the same as Vault knows it, for requests.
	Lease   foreign.Text
	LeaseID string
	// LeaseFor is that lease's duration, Renewable whether it can be renewed.
	LeaseFor  time.Duration
	Renewable bool
	// Restarts are workloads the operator restarts by itself on a change.
	Restarts []foreign.Text
	// Recheck is when the state changes by itself; zero for never.
	Recheck time.Time
}

// Ref names the object: "ExternalSecret shop/fastapi-secrets".
func (o *Origin) Ref() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

// condition is one of metav1's, read from an unstructured object.
type condition struct {
	status, reason string
	message        foreign.Text
	at             time.Time
}

// slack is how much later than its interval a sync may be before it is called
// overdue: the operator's queue and the store's latency.
const slack = time.Minute
