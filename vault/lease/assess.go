package lease

import (
	"fmt"
	"time"

	"midwatch/live"
)

// State is what a lease is going through.
type State string

// The states of a lease.
const (
	Healthy       State = "healthy"
	RenewalWindow State = "renewal window" // a client should be renewing it by now
	NeverRenewed  State = "never renewed"  // past the time by which clients renew, and none did
	PastMax       State = "at its maximum" // renewing moves its end no further
	NonRenewable  State = "non-renewable"
	Expired       State = "expired" // its end has passed and it is still there
	Ended         State = "ended"   // its end has passed since it was read
	Irrevocable   State = "irrevocable"
	Gone          State = "gone"
	Endless       State = "endless"
	Unreadable    State = "unreadable"
)

// renewAt is the part of its life after which clients renew a lease: Vault
// Secrets Operator at 67 %, the lifetime watcher of Vault's client at two
// thirds.
const renewAt = 2.0 / 3

// maxSlack is how near to its last possible end a lease counts as there:
// renewing is granted in whole seconds.
const maxSlack = 2 * time.Second

// Verdict is a judged lease.
type Verdict struct {
	State    State
	Severity live.Severity
	// Message is one sentence without relative times.
	Message string
	// Ends is when it ends at the latest; zero when it does not.
	Ends time.Time
	// WithParent says that it ends then because its parent token does.
	WithParent bool
	// Bound says how far Ends can be trusted.
	Bound string
	// Left is the part of its life that is left, 0 to 1; -1 when it has none.
	Left float64
	// Recheck is when this verdict is wrong by itself; zero if never.
	Recheck time.Time
}

// upperBound is what is always true of a lease's end.
const upperBound = "at the latest; it ends earlier if the token that made it does"

// Assess judges a lease. warn is how long before its end a lease that nobody
// can, or will, renew is worth a warning.
func Assess(l *Lease, now time.Time, warn time.Duration) Verdict {
	v := Verdict{Severity: live.OK, Left: -1, Bound: upperBound}
	v.Ends, v.WithParent = l.Ends()
	if v.WithParent {
		v.Bound = fmt.Sprintf("with its parent token (%s: %s)", l.Parent.Evidence, l.Parent.Name)
	}
	switch {
	case l.Error != "":
		v.State, v.Severity = Irrevocable, live.Fail
		v.Message = "Vault gave up revoking it: what it stands for probably still works"
		return v
	case l.Gone:
		v.State, v.Severity, v.Message = Gone, live.Info, "Vault does not know this lease: it ended or was revoked"
		return v
	case l.Err != nil:
		v.State, v.Severity, v.Message = Unreadable, live.Unknown, l.Err.Error()
		return v
	case v.Ends.IsZero():
		v.State, v.Message = Endless, "it does not end by itself"
		return v
	}
	left := v.Ends.Sub(now)
	if span := l.Span(); span > 0 {
		v.Left = min(max(float64(left)/float64(span), 0), 1)
	}
	v.judge(l, now, left)
	v.warn(now, left, warn)
	return v
}

// judge finds the state of a lease that has an end.
func (v *Verdict) judge(l *Lease, now time.Time, left time.Duration) {
	renewBy := v.Ends.Add(-time.Duration(float64(l.Span()) * (1 - renewAt)))
	switch last := l.LastEnd(); {
	case left <= 0 && !l.ReadAt.IsZero() && l.ReadAt.Before(v.Ends):
		v.State, v.Severity, v.Message = Ended, live.Info, "its end has passed since it was read"
	case left <= 0:
		v.State, v.Severity = Expired, live.Fail
		v.Message = "its end has passed and Vault still has it: revoking it is failing, or about to happen"
	case !l.Renewable:
		v.State, v.Message, v.Recheck = NonRenewable, "nothing moves its end: new credentials are needed before then", v.Ends
	case !last.IsZero() && !l.Expires.Before(last.Add(-maxSlack)):
		v.State, v.Message, v.Recheck = PastMax, "its role's maximum is reached: renewing moves its end no further", v.Ends
	case now.Before(renewBy):
		v.State, v.Message, v.Recheck = Healthy, "it can be renewed", renewBy
	case l.LastRenewal.IsZero():
		v.State, v.Severity, v.Recheck = NeverRenewed, live.Warn, v.Ends
		v.Message = "clients renew by now and nobody ever renewed this one"
	default:
		v.State, v.Severity, v.Recheck = RenewalWindow, live.Info, v.Ends
		v.Message = "its client should renew it about now"
	}
}

// warn raises what ends soon and will not be renewed.
func (v *Verdict) warn(now time.Time, left, warn time.Duration) {
	switch v.State {
	case NonRenewable, PastMax, NeverRenewed:
	default:
		return
	}
	due := v.Ends.Add(-warn)
	switch {
	case left <= warn/5:
		v.Severity = live.Fail
	case left <= warn:
		v.Severity, v.Recheck = live.Warn, v.Ends.Add(-warn/5)
	case due.After(now):
		v.Recheck = due
	}
}
