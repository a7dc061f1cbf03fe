package vault

import (
	"fmt"
	"time"

	"midwatch/foreign"
)

// Kind groups failures by what has to be done about them.
type Kind string

// The kinds of failure.
const (
	KindOther         Kind = "other"
	KindAbsent        Kind = "absent"        // no server is named anywhere
	KindNoToken       Kind = "no-token"      // a server, but no token for it
	KindUnreachable   Kind = "unreachable"   // refused, DNS, cut
	KindTimeout       Kind = "timeout"       // no answer in time
	KindTLS           Kind = "tls"           // the certificate, or no TLS at all
	KindNotVault      Kind = "not-vault"     // a web page, or another server
	KindSealed        Kind = "sealed"        // 503
	KindUninitialized Kind = "uninitialized" // 501
	KindStandby       Kind = "standby"       // a standby that finds no active node
	KindForbidden     Kind = "forbidden"     // 403 with a token that is good
	KindBadToken      Kind = "bad-token"     // 403 because the token ended or never was
	KindNotFound      Kind = "not-found"     // 404
	KindLeaseGone     Kind = "lease-gone"    // 400 "invalid lease"
	KindRateLimited   Kind = "rate-limited"  // 429
	KindConflict      Kind = "conflict"      // 400, check-and-set
	KindRejected      Kind = "rejected"      // any other 4xx
	KindBroken        Kind = "broken"        // any other 5xx
)

// Error is a failed request, or a connection that could not be made.
type Error struct {
	Kind Kind
	// Tried is what was attempted: "look up the lease database/creds/app/…".
	Tried string
	// Address is the server's.
	Address string
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// Detail is the first thing the server, or the network, said.
	Detail foreign.Text
	// Need is the right that is missing, for [KindForbidden].
	Need Right
	// WithData is set when a 404 came with data: a deleted version of a secret
	// is answered so.
	WithData bool
	// RetryAfter is when to try again, for [KindRateLimited]; 0 if unsaid.
	RetryAfter time.Duration
	Err        error
}

// Error is one line: what was tried and why it failed.
func (e *Error) Error() string {
	why := e.Why()
	if e.Tried == "" {
		return why
	}
	return e.Tried + ": " + why
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Why says what went wrong, without what was tried.
func (e *Error) Why() string {
	switch e.Kind {
	case KindAbsent:
		return "no Vault is named"
	case KindNoToken:
		return "there is no token for " + e.Address
	case KindSealed:
		return "Vault at " + e.Address + " is sealed"
	case KindUninitialized:
		return "Vault at " + e.Address + " was never initialised"
	case KindStandby:
		return "Vault at " + e.Address + " is a standby and finds no active node"
	case KindForbidden:
		return fmt.Sprintf("the token may not %s", e.need())
	case KindBadToken:
		return "the token is no longer valid, or never was"
	case KindNotFound:
		return "there is nothing there"
	case KindLeaseGone:
		return "the lease is gone: it ended or was revoked"
	case KindRateLimited:
		return "Vault asks to slow down (429)" + e.said()
	case KindNotVault:
		return e.Address + " does not answer like Vault" + e.said()
	case KindTimeout:
		return e.Address + " did not answer in time"
	case KindTLS, KindUnreachable:
		return "cannot reach " + e.Address + e.said()
	case KindConflict:
		return "somebody else wrote a newer version"
	case KindRejected, KindBroken:
		return fmt.Sprintf("Vault answered %d%s", e.Status, e.said())
	}
	if e.Detail != "" {
		return e.Detail.String()
	}
	return "unknown"
}

func (e *Error) need() string {
	if e.Need.Path == "" {
		return "do this"
	}
	return fmt.Sprintf("%s %s", joined(e.Need.Caps), foreign.CleanN(e.Need.Path, 300))
}

func (e *Error) said() string {
	if e.Detail == "" {
		return ""
	}
	return ": " + e.Detail.String()
}

// Next is what to do about it; "" when there is nothing to say.
func (e *Error) Next() string {
	switch e.Kind {
	case KindAbsent:
		return "Set VAULT_ADDR, or vault.address in the settings file."
	case KindNoToken:
		return "Log in with `vault login` (any method, OIDC too), set VAULT_TOKEN, or name a login method in the settings file."
	case KindSealed:
		return "It answers nothing until it is unsealed: `vault operator unseal`."
	case KindUninitialized:
		return "Is this the right server? A new one is set up by `vault operator init`."
	case KindStandby:
		return "Look at the other nodes: `vault operator members`, `vault status`."
	case KindForbidden:
		if e.Need.Path == "" {
			return ""
		}
		return "Ask for this line of policy: " + e.Need.HCL()
	case KindBadToken:
		return "Log in again: `vault login`, then reopen."
	case KindLeaseGone:
		return "List again: what is shown is older than that."
	case KindRateLimited:
		if e.RetryAfter > 0 {
			return fmt.Sprintf("Try again in %s.", e.RetryAfter)
		}
		return "Wait a moment, then try again."
	case KindNotVault:
		return "Check VAULT_ADDR: a proxy or a login page answered."
	case KindTimeout:
		return "Try again; with many leases a listing takes long (VAULT_CLIENT_TIMEOUT raises the limit)."
	case KindTLS:
		return "Check VAULT_CACERT, and that the address begins with https:// where the server speaks TLS."
	case KindUnreachable:
		return "Check VAULT_ADDR and the network."
	case KindConflict:
		return "Look at the newest version, then decide again."
	}
	return ""
}

func joined(words []string) string {
	switch len(words) {
	case 0:
		return "do this on"
	case 1:
		return words[0]
	}
	out := words[0]
	for _, w := range words[1 : len(words)-1] {
		out += ", " + w
	}
	return out + " and " + words[len(words)-1]
}
