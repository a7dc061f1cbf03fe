package lease

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"midwatch/foreign"
)

// ID is a lease's ID as the server knows it. It is the server's text: its
// String is cleaned, for the screen; requests use it as it is.
type ID string

// String is the ID, cleaned.
func (id ID) String() string { return foreign.CleanN(string(id), 400).String() }

// Text is the ID, cleaned.
func (id ID) Text() foreign.Text { return foreign.CleanN(string(id), 400) }

// Path is the request that made the lease: the ID without its random tail.
func (id ID) Path() foreign.Text {
	path, _ := id.split()
	return foreign.CleanN(path, 400)
}

// Tail is the random part.
func (id ID) Tail() foreign.Text {
	_, tail := id.split()
	return foreign.CleanN(tail, 100)
}

// Short is the beginning of the tail, to tell leases of one role apart.
func (id ID) Short() string {
	tail := []rune(id.Tail().String())
	return string(tail[:min(len(tail), 6)])
}

func (id ID) split() (path, tail string) {
	i := strings.LastIndexByte(string(id), '/')
	if i < 0 {
		return "", string(id)
	}
	return string(id[:i]), string(id[i+1:])
}

// Mount and role of a lease of dynamic credentials, MOUNT/creds/ROLE/TAIL; ok
// is false for other leases.
func (id ID) role() (mount, role string, ok bool) {
	path, _ := id.split()
	mount, role, ok = strings.Cut(path, "/creds/")
	return mount, role, ok && mount != "" && role != ""
}

// IsToken reports the lease of a token itself: AUTH/login/hash.
func (id ID) IsToken() bool {
	return strings.HasPrefix(string(id), "auth/") || strings.HasPrefix(string(id), "/auth/")
}

// Lease is what is known of one lease. Times are by this machine's clock: the
// server's difference has been taken out.
type Lease struct {
	ID      ID
	Issued  time.Time
	Expires time.Time // zero for a lease that does not end by itself
	// LastRenewal is zero when it was never renewed.
	LastRenewal time.Time
	Renewable   bool
	// Max is the longest life its role allows, from being issued; 0 when it
	// is not known.
	Max time.Duration
	// Role is where the credentials come from; nil when that is not known.
	Role *Role
	// Error is why the lease cannot be revoked; the lease is irrevocable when
	// it is set.
	Error foreign.Text
	// Parent ends this lease with itself; nil when it is not known.
	Parent *Parent
	// Gone is set when the server knows the lease no more.
	Gone bool
	// ReadAt is when all of this was read.
	ReadAt time.Time
	// Err is why it could not be looked up; the times are zero then.
	Err error
}

// Role is a role of a database engine, or another engine of dynamic
// credentials.
type Role struct {
	Mount, Name        foreign.Text
	Database           foreign.Text
	DefaultTTL, MaxTTL time.Duration
	Creation           foreign.Text
}

// Parent is the token that made a lease.
type Parent struct {
	// Name says whose token it is: "VSO's client", a display name.
	Name foreign.Text
	// Expires is when it ends unless renewed; zero when it does not.
	Expires time.Time
	// Evidence is how sure the link is: exact, token, service account.
	Evidence string
}

// Ends is when the lease ends at the latest: by itself, or with its parent.
func (l *Lease) Ends() (at time.Time, withParent bool) {
	if l.Parent != nil && !l.Parent.Expires.IsZero() && (l.Expires.IsZero() || l.Parent.Expires.Before(l.Expires)) {
		return l.Parent.Expires, true
	}
	return l.Expires, false
}

// Span is the life the lease had when it was issued or renewed last.
func (l *Lease) Span() time.Duration {
	from := l.Issued
	if l.LastRenewal.After(from) {
		from = l.LastRenewal
	}
	if l.Expires.IsZero() || from.IsZero() {
		return 0
	}
	return l.Expires.Sub(from)
}

// LastEnd is the latest end that renewing can reach; zero when it is not
// known.
func (l *Lease) LastEnd() time.Time {
	if l.Max <= 0 || l.Issued.IsZero() {
		return time.Time{}
	}
	return l.Issued.Add(l.Max)
}

// SortByEnd puts first what ends next: what cannot be revoked, then by time,
// then what does not end, then what could not be looked up.
func SortByEnd(leases []Lease) {
	slices.SortStableFunc(leases, func(a, b Lease) int {
		if c := cmp.Compare(a.rank(), b.rank()); c != 0 {
			return c
		}
		ea, _ := a.Ends()
		eb, _ := b.Ends()
		if c := ea.Compare(eb); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
}

func (l *Lease) rank() int {
	end, _ := l.Ends()
	switch {
	case l.Error != "":
		return 0
	case l.Err != nil:
		return 4
	case l.Gone:
		return 3
	case end.IsZero():
		return 2
	}
	return 1
}
