package ledger

import (
	"context"
	"slices"
	"sync"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

// Board is where operators' objects and workloads are known from;
// [watch.Session] is one.
type Board interface {
	Held() []*secrets.Held
	Takers() []watch.Taker
	// Rejudge is called when more is known of leases.
	Rejudge()
}

const (
	// mostAtOnce bounds the leases of one round of look-ups: what ends next
	// comes first.
	mostAtOnce = 200
	// lookWithin bounds such a round.
	lookWithin = 30 * time.Second
	// retryAfter is how long a server that did not answer is left in peace.
	retryAfter = time.Minute
)

// Options say what a ledger works with.
type Options struct {
	Desk  *desk.Desk
	Clock live.Clock
	// Auths reads the VaultAuths of namespaces, for [Ledger.FindParents]; nil
	// reads none.
	Auths func(ctx context.Context, namespaces []string) ([]secrets.Auth, error)
}

// Ledger knows leases and who holds them. It is safe for concurrent use.
type Ledger struct {
	desk  *desk.Desk
	clock live.Clock
	auths func(context.Context, []string) ([]secrets.Auth, error)
	kick  chan struct{}

	mu      sync.Mutex
	board   Board
	book    *book
	parents map[string]*lease.Parent // by the operator's name for its login
	tried   map[lease.ID]time.Time   // for which renewal it was looked up
	failed  time.Time                // when the server could not be reached
	stop    context.CancelFunc
	done    chan struct{}
}

// New makes a ledger. Nothing is sent before [Ledger.Begin] or one of the
// methods that ask.
func New(o Options) *Ledger {
	return &Ledger{
		desk: o.Desk, clock: o.Clock, auths: o.Auths, kick: make(chan struct{}, 1),
		book: newBook(), parents: map[string]*lease.Parent{}, tried: map[lease.ID]time.Time{},
	}
}

// Attach says where holders are known from. Nothing is looked up by it.
func (g *Ledger) Attach(b Board) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.board = b
}

// Begin looks the leases of operators up as they are seen, until Close.
func (g *Ledger) Begin() {
	ctx, stop := context.WithCancel(context.Background())
	g.mu.Lock()
	g.stop, g.done = stop, make(chan struct{})
	done := g.done
	g.mu.Unlock()
	go func() {
		defer close(done)
		g.run(ctx)
	}()
}

// Close ends what Begin started and waits for it.
func (g *Ledger) Close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	stop, done := g.stop, g.done
	g.stop = nil
	g.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// Poke says that what operators hold may have changed. It does not block.
func (g *Ledger) Poke() {
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

func (g *Ledger) run(ctx context.Context) {
	for {
		next := g.round(ctx)
		var timer <-chan time.Time
		stop := func() {}
		if !next.IsZero() {
			timer, stop = g.clock.After(max(next.Sub(g.clock.Now()), time.Second))
		}
		select {
		case <-g.kick:
		case <-timer:
		case <-ctx.Done():
			stop()
			return
		}
		stop()
	}
}

// Once looks up what is due now, where nothing was begun; without a server to
// ask it does nothing.
func (g *Ledger) Once(ctx context.Context) { g.round(ctx) }

// round looks up what is due and returns when something will be; zero for
// never. A server that cannot be reached is no failure of the board's: what
// operators say remains.
func (g *Ledger) round(ctx context.Context) (next time.Time) {
	if !g.desk.Configured() {
		return time.Time{}
	}
	ids, next := g.due(g.clock.Now())
	if len(ids) == 0 {
		return next
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	conn, err := g.desk.Open(ctx)
	if err == nil {
		var read []lease.Lease
		if read, err = conn.Leases.Lookup(ctx, ids...); err == nil {
			g.Saw(read...)
		}
	}
	if err != nil {
		g.missed(ids)
		return next
	}
	_, next = g.due(g.clock.Now())
	return next
}

// missed notes that the server could not be asked: it is when there is a reason
// to, but not at once.
func (g *Ledger) missed(ids []lease.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = g.clock.Now()
	for _, id := range ids {
		delete(g.tried, id)
	}
}

// due are the leases to look up now, and when the next will be to look up.
func (g *Ledger) due(now time.Time) (ids []lease.ID, next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.board == nil {
		return nil, time.Time{}
	}
	rest := !g.failed.IsZero() && now.Sub(g.failed) < retryAfter
	for _, h := range g.board.Held() {
		if h.Lease == "" {
			continue
		}
		id := lease.ID(h.Lease)
		at := g.lookAt(h, now)
		switch {
		case at.IsZero():
		case at.After(now):
			if next.IsZero() || at.Before(next) {
				next = at
			}
		case !rest && len(ids) < mostAtOnce:
			ids = append(ids, id)
			g.tried[id] = h.Renewed
		}
	}
	return ids, next
}

// lookAt is when a lease is looked up next: at once when it is new or was
// renewed, before it is warned of, and when it should be over.
func (g *Ledger) lookAt(h *secrets.Held, now time.Time) time.Time {
	l := g.book.current(h)
	if l == nil {
		if at, tried := g.tried[lease.ID(h.Lease)]; tried && at.Equal(h.Renewed) {
			return time.Time{}
		}
		return now
	}
	if l.Gone {
		return time.Time{}
	}
	ends, _ := l.Ends()
	for _, at := range []time.Time{ends.Add(-g.desk.Warn()), ends.Add(time.Second)} {
		if !ends.IsZero() && l.ReadAt.Before(at) {
			return at
		}
	}
	return time.Time{}
}

// Judge says which credentials of a workload end; it is a [watch.Judge].
func (g *Ledger) Judge(t *watch.Taker, now time.Time) ([]k8s.Ending, time.Time) {
	if len(t.Held) == 0 && len(t.Takes.Paths) == 0 {
		return nil, time.Time{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.book.endings(t, now, g.desk.Warn())
}

// Saw remembers leases that were looked up. It reads nothing.
func (g *Ledger) Saw(leases ...lease.Lease) {
	if g == nil || len(leases) == 0 {
		return
	}
	g.mu.Lock()
	for _, l := range leases {
		l.Parent = nil // what is known of it is added when it is asked for
		g.book.add(l)
	}
	g.adopt()
	board := g.board
	g.mu.Unlock()
	if board != nil {
		board.Rejudge()
	}
}

// adopt tells the leases that are known which token made them; the caller
// holds the lock.
func (g *Ledger) adopt() {
	if g.board == nil || len(g.parents) == 0 {
		return
	}
	for _, h := range g.board.Held() {
		if l := g.book.byID[lease.ID(h.Lease)]; l != nil {
			l.Parent = g.parents[h.Client]
		}
	}
}

// Holders finds out who holds leases. It reads nothing.
func (g *Ledger) Holders(leases []lease.Lease) []Holder {
	out := make([]Holder, len(leases))
	if g == nil {
		return out
	}
	g.mu.Lock()
	board := g.board
	g.mu.Unlock()
	if board == nil {
		return out
	}
	held, takers := board.Held(), board.Takers()
	for i := range leases {
		out[i] = holderOf(&leases[i], held, takers)
	}
	return out
}

// Parent is the token that made a lease, as far as [Ledger.FindParents] found
// it; nil when it is not known.
func (g *Ledger) Parent(id lease.ID) *lease.Parent {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.book.byID[id]; l != nil {
		return l.Parent
	}
	return nil
}

// HeldIDs are the leases that operators of the cluster say they hold, what
// ends next first. To look those up takes no more than Vault's policy
// "default".
func (g *Ledger) HeldIDs() []lease.ID {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	board := g.board
	g.mu.Unlock()
	if board == nil {
		return nil
	}
	var ids []lease.ID
	for _, h := range board.Held() {
		if h.Lease != "" && !slices.Contains(ids, lease.ID(h.Lease)) && len(ids) < mostAtOnce {
			ids = append(ids, lease.ID(h.Lease))
		}
	}
	return ids
}

// Look looks leases up, those known well enough left out, and remembers them:
// for somebody who looks at a workload's secrets. Without a server to ask, or
// when it cannot be reached, it returns what is known, and why not more.
func (g *Ledger) Look(ctx context.Context, ids ...lease.ID) (map[lease.ID]lease.Lease, error) {
	if len(ids) == 0 || !g.desk.Configured() {
		return g.known(ids), nil
	}
	conn, err := g.desk.Open(ctx)
	if err != nil {
		return g.known(ids), err
	}
	read, err := conn.Leases.Lookup(ctx, ids[:min(len(ids), mostAtOnce)]...)
	if err != nil {
		return g.known(ids), err
	}
	g.Saw(read...)
	out := g.known(ids)
	for _, l := range read {
		if l.Err != nil {
			out[l.ID] = l
		}
	}
	return out, nil
}

func (g *Ledger) known(ids []lease.ID) map[lease.ID]lease.Lease {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[lease.ID]lease.Lease{}
	for _, id := range ids {
		if l := g.book.byID[id]; l != nil {
			out[id] = *l
		}
	}
	return out
}
