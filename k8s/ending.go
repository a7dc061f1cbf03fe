package k8s

import (
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// ReasonEnds is the reason of a verdict that is about a credential's end.
const ReasonEnds = "CredentialsEnd"

// Ending is a credential that ends soon without being renewed, or has ended.
type Ending struct {
	// Lease is its ID in Vault; empty for a certificate.
	Lease foreign.Text `json:"lease,omitempty"`
	// Secret is the Kubernetes Secret it lies in; empty where Vault's agent
	// brings it into the pods.
	Secret string `json:"secret,omitempty"`
	// Ends is when it ends, or ended, at the latest; zero when only that it is
	// over is known.
	Ends time.Time `json:"ends,omitzero"`
	// Renewer is who should renew it: "VaultDynamicSecret shop/db"; empty for
	// nobody.
	Renewer string `json:"renewer,omitempty"`
	// Evidence says how sure it is that the workload holds it: exact,
	// path+role.
	Evidence string        `json:"evidence"`
	Severity live.Severity `json:"severity"`
	// Message is one sentence without relative times: what ends when, and who
	// renews it.
	Message foreign.Text `json:"message"`
	// Since is when that became worth saying.
	Since time.Time `json:"since,omitzero"`
}
