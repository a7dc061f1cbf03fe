package secrets

import (
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// Leased is a lease in Vault behind a secret, as the server told when it was
// asked.
type Leased struct {
	ID foreign.Text
	// Link says how sure it is that this workload holds it.
	Link Link
	// Ends is when it ends at the latest; zero when it does not, or is not
	// known. Bound says how far that can be trusted, LastEnd how far renewing
	// can go.
	Ends, LastEnd time.Time
	Bound         string
	State         string
	Severity      live.Severity
	Message       foreign.Text
	// At is when Vault was asked; zero when it was not and Ends is what the
	// operator was told.
	At time.Time
}
