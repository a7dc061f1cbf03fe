// Package desk is a session's way to Vault: one connection, opened when it is
// first needed, with the readers and planners that go with it.
package desk

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"midwatch/foreign"
	"midwatch/hygiene"
	"midwatch/secret"
	"midwatch/vault"
	"midwatch/vault/kv"
	"midwatch/vault/lease"
)

// Options say how a desk connects.
type Options struct {
	// Open makes the client; it may log in.
	Open func(ctx context.Context) (*vault.Client, error)
	// Configured is false when nothing names a server.
	Configured bool
	// Warn is how long before its end a lease that nobody will renew is worth
	// a warning.
	Warn time.Duration
	// CopyFor is how long a copied value stays in the terminal's clipboard; 0
	// allows no copies.
	CopyFor time.Duration
	// Env is looked into for debugging aids that would record what is shown.
	Env hygiene.Env
}

// Desk opens the connection once and keeps it. It is safe for concurrent use.
type Desk struct {
	opts   Options
	prints *secret.Fingerprints
	// ends is when the token of the open connection does; nil when it does
	// not, or there is none. It is looked at while the mutex may be held for as
	// long as a server takes to answer.
	ends atomic.Pointer[time.Time]

	mu     sync.Mutex
	open   *Connection
	closed bool
}

// New makes a desk; nothing is sent before [Desk.Open].
func New(opts Options) *Desk {
	return &Desk{opts: opts, prints: secret.NewFingerprints()}
}

// Configured reports whether there is a server to talk to.
func (d *Desk) Configured() bool { return d != nil && d.opts.Configured }

// Warn is how long before its end a lease is worth a warning.
func (d *Desk) Warn() time.Duration { return d.opts.Warn }

// Connection is an open server.
type Connection struct {
	Client *vault.Client
	// Status is as of when the connection was opened, or refreshed.
	Status *vault.Status
	Leases *lease.Reader
	Renew  *lease.Planner
	KV     *kv.Reader
	KVPlan *kv.Planner
	Prints *secret.Fingerprints
}

// errClosed says that the session is over.
var errClosed = errors.New("the session is closed")

// Open returns the connection and opens it if there is none. What failed is
// tried again the next time.
func (d *Desk) Open(ctx context.Context) (*Connection, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != nil {
		return d.open, nil
	}
	return d.connect(ctx)
}

// Refresh asks again who the token is, what it may do and how the server is.
// After an error the next [Desk.Open] looks for the token anew, which somebody
// may have got by `vault login` meanwhile.
func (d *Desk) Refresh(ctx context.Context) (*Connection, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(ctx)
	return d.connect(ctx)
}

// connect is called with the mutex held: two openings at once would log in
// twice.
func (d *Desk) connect(ctx context.Context) (*Connection, error) {
	if d.closed {
		return nil, errClosed
	}
	client, err := d.opts.Open(ctx)
	if err != nil {
		return nil, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		// Otherwise every attempt would leave a token of ours behind.
		closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		_ = client.Close(closeCtx)
		return nil, err
	}
	d.ends.Store(nil)
	if t := status.Token; t != nil && !t.Expires.IsZero() {
		d.ends.Store(&t.Expires)
	}
	leases, secrets := lease.NewReader(client, status.Health.Skew), kv.NewReader(client, status.Health.Skew)
	d.open = &Connection{
		Client: client, Status: status, Prints: d.prints,
		Leases: leases, Renew: lease.NewPlanner(client, leases), KV: secrets, KVPlan: kv.NewPlanner(client, secrets),
	}
	return d.open, nil
}

// closeWithin bounds giving up a token of ours when the session ends.
const closeWithin = 3 * time.Second

func (d *Desk) drop(ctx context.Context) {
	if d.open == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = d.open.Client.Close(ctx) // the token ends by itself as well
	d.open = nil
	d.ends.Store(nil)
}

// Close ends the session's connection. A token midwatch logged in for is given
// up, the user's own is left alone.
func (d *Desk) Close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.drop(context.Background())
}

// TokenEnds is when the token of the open connection ends; false when it does
// not, or nothing is open. It sends nothing and does not block.
func (d *Desk) TokenEnds() (at time.Time, ends bool) {
	if d == nil {
		return time.Time{}, false
	}
	if t := d.ends.Load(); t != nil {
		return *t, true
	}
	return time.Time{}, false
}

// CopyFor is how long a copied value stays in the terminal's clipboard; 0 when
// nothing may be copied.
func (d *Desk) CopyFor() time.Duration { return d.opts.CopyFor }

// MayReveal says why nothing may be revealed now; "" when it may.
func (d *Desk) MayReveal() foreign.Text {
	if d.opts.Env == nil {
		return ""
	}
	set := hygiene.Tracing(d.opts.Env)
	if len(set) == 0 {
		return ""
	}
	return foreign.Clean(set[0] + " is set and writes what is drawn into a file: start without it to reveal")
}
