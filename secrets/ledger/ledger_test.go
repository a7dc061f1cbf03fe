package ledger

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/secrets"
	"midwatch/vault"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

// still is a clock that moves when it is told to.
type still struct {
	mu  sync.Mutex
	now time.Time
}

func (c *still) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *still) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *still) After(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

var _ live.Clock = (*still)(nil)

// board is a cluster as far as a ledger asks it.
type board struct {
	mu     sync.Mutex
	held   []*secrets.Held
	takers []watch.Taker
	judged chan struct{}
}

func (b *board) Held() []*secrets.Held {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

func (b *board) Takers() []watch.Taker { return b.takers }

func (b *board) Rejudge() {
	select {
	case b.judged <- struct{}{}:
	default:
	}
}

// open makes a ledger on a simulated Vault in which the operator holds a lease.
func open(t *testing.T) (*Ledger, *vaultsim.Server, *board, *still) {
	t.Helper()
	clock := &still{now: now}
	sim, token := vaultsim.Shop(1, clock.Now)
	l, _ := sim.Newest("database", "reports")
	h := &secrets.Held{
		Kind: "VaultDynamicSecret", Namespace: "shop", Name: "db", Target: "db", Lease: l.ID, Path: "database/creds/reports",
		Renewed: l.Issued, Ends: l.Expires, Due: l.Issued.Add(30 * time.Minute), Late: l.Issued.Add(35 * time.Minute),
	}
	b := &board{held: []*secrets.Held{h}, judged: make(chan struct{}, 8)}
	lock := action.NewLock(clock, "test", "")
	d := desk.New(desk.Options{Configured: true, Warn: warn, Open: func(ctx context.Context) (*vault.Client, error) {
		return vault.Open(ctx, vault.Options{
			Settings: vault.Settings{Address: "http://vault.test", AddressFrom: "VAULT_ADDR", Timeout: time.Second, Token: secret.New(token)},
			Clock:    clock, Lock: lock, Context: "test", Base: sim,
		})
	}})
	t.Cleanup(d.Close)
	g := New(Options{Desk: d, Clock: clock})
	g.Attach(b)
	return g, sim, b, clock
}

func lookUps(sim *vaultsim.Server) (n int) {
	for _, r := range sim.Requests() {
		if r.Path == "sys/leases/lookup" {
			n++
		}
	}
	return n
}

func TestLeasesAreLookedUpWhenTheyAreNewAndBeforeTheyEnd(t *testing.T) {
	g, sim, b, clock := open(t)
	for range 3 {
		g.Once(t.Context())
	}
	if n := lookUps(sim); n != 1 {
		t.Errorf("a lease that is new was looked up %d times, want once", n)
	}
	for _, r := range sim.Requests() {
		if r.Method == "LIST" || strings.Contains(r.Path, "/creds/") {
			t.Errorf("the ledger sent %s %s", r.Method, r.Path)
		}
	}
	renewed := *b.held[0]
	renewed.Renewed = now.Add(5 * time.Second)
	b.mu.Lock()
	b.held = []*secrets.Held{&renewed}
	b.mu.Unlock()
	clock.move(6 * time.Second)
	g.Once(t.Context())
	g.Once(t.Context())
	if n := lookUps(sim); n != 2 {
		t.Errorf("%d look-ups after its operator renewed it, want one more", n)
	}
	clock.move(10 * time.Minute) // it is over
	g.Once(t.Context())
	g.Once(t.Context())
	if n := lookUps(sim); n != 3 {
		t.Errorf("%d look-ups after its end, want one more", n)
	}
	e, _ := g.book.heldEnding(&renewed, clock.Now(), warn)
	if e.Severity != live.Fail || !strings.Contains(e.Message.String(), "Vault does not know their lease") {
		t.Errorf("%s: %s", e.Severity, e.Message)
	}
}

func TestItFollowsByItself(t *testing.T) {
	g, sim, b, _ := open(t)
	g.Begin()
	select {
	case <-b.judged:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is judged anew")
	}
	g.Poke()
	g.Close()
	if n := lookUps(sim); n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

func TestAServerThatIsAwayIsLeftInPeace(t *testing.T) {
	g, sim, _, clock := open(t)
	sim.Seal(true)
	for range 5 {
		g.Once(t.Context())
	}
	sent := len(sim.Requests())
	clock.move(30 * time.Second)
	g.Once(t.Context())
	if n := len(sim.Requests()); n != sent {
		t.Errorf("asked again after half a minute: %d requests, then %d", sent, n)
	}
	sim.Seal(false)
	clock.move(time.Minute)
	g.Once(t.Context())
	if n := lookUps(sim); n != 1 {
		t.Errorf("%d look-ups once it is back", n)
	}
	known, err := g.Look(t.Context(), lease.ID(g.board.Held()[0].Lease))
	if err != nil || len(known) != 1 {
		t.Errorf("somebody looks: %v, %v", known, err)
	}
}

func TestWithoutVaultNothingIsSent(t *testing.T) {
	d := desk.New(desk.Options{Open: func(context.Context) (*vault.Client, error) {
		t.Error("opened without settings")
		return nil, context.Canceled
	}})
	g := New(Options{Desk: d, Clock: &still{now: now}})
	g.Attach(&board{held: []*secrets.Held{hourly(0, nil)}})
	g.Once(t.Context())
	if _, err := g.Look(t.Context(), "database/creds/app/tail"); err != nil {
		t.Error(err)
	}
	var none *Ledger
	none.Saw(lease.Lease{})
	none.Close()
	none.Fill(t.Context(), nil)
	if len(none.Holders(make([]lease.Lease, 2))) != 2 || none.Parent("x") != nil {
		t.Error("no ledger knows something")
	}
}
