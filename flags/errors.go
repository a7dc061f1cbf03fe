package flags

import (
	"errors"
	"fmt"
	"time"
)

// What a provider answers when it does not do what it was asked, to be told
// apart with [errors.Is]. The errors that wrap these are whole sentences.
var (
	// ErrUnsupported says that the provider does not have the capability.
	ErrUnsupported = errors.New("not possible here")
	// ErrNotFound says that there is no such flag (any more).
	ErrNotFound = errors.New("no such flag")
	// ErrNoEnvironment and ErrNoProject say that the settings name something
	// that is not there.
	ErrNoEnvironment = errors.New("no such environment")
	ErrNoProject     = errors.New("no such project")
	// ErrToken says that the token is wrong, expired or of the wrong kind.
	ErrToken = errors.New("the token was refused")
	// ErrForbidden says that the token's role does not allow it.
	ErrForbidden = errors.New("the token may not do this")
	// ErrApproval says that others have to agree first.
	ErrApproval = errors.New("this change needs an approval")
	// ErrConflict says that the flag changed meanwhile, or is being changed.
	ErrConflict = errors.New("the flag changed meanwhile")
	// ErrPending says that the change would break a scheduled change or an
	// open approval.
	ErrPending = errors.New("the change conflicts with a pending one")
	// ErrMaintenance says that the server takes no changes at present.
	ErrMaintenance = errors.New("the server is in maintenance mode")
	// ErrUnreachable says that there was no answer.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrAlready says that there is nothing to change.
	ErrAlready = errors.New("it is so already")
	// ErrIdentity refuses a change while it is not known who makes it.
	ErrIdentity = errors.New("it is not known who this token belongs to")
)

// RateLimitedError says that the server wants fewer requests.
type RateLimitedError struct {
	// RetryAfter is how long to wait; zero when the server does not say.
	RetryAfter time.Duration
	// Scope says who shares the limit: "all tokens of the account".
	Scope string
}

// Error says how long to wait.
func (e *RateLimitedError) Error() string {
	s := "rate limited"
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(", try again in %v", e.RetryAfter.Round(time.Second))
	}
	if e.Scope != "" {
		s += " (the limit is shared by " + e.Scope + ")"
	}
	return s
}
