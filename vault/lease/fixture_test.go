package lease_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/secret"
	"midwatch/vault"
	"midwatch/vault/lease"
)

var begin = time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)

// clock moves when somebody waits on it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// After lets the short waits of a verification pass at once; the gate's long
// limits never come.
func (c *clock) After(d time.Duration) (<-chan time.Time, func()) {
	ch := make(chan time.Time, 1)
	if d <= time.Second {
		c.advance(d)
		ch <- c.Now()
	}
	return ch, func() {}
}

// world is a server in memory, a connection and a gate.
type world struct {
	sim    *vaultsim.Server
	clock  *clock
	lock   *action.Lock
	gate   *action.Gate
	reader *lease.Reader
	plans  *lease.Planner
	client *vault.Client
}

type recorder struct{}

func (recorder) Append(context.Context, action.Entry) error { return nil }

func newWorld(t *testing.T, token string, wrap func(http.RoundTripper) http.RoundTripper) *world {
	t.Helper()
	w := &world{clock: &clock{now: begin}}
	w.sim = vaultsim.New(vaultsim.Options{Seed: 1, Now: w.clock.Now})
	w.sim.AddToken(vaultsim.Token{ID: "root", Name: "root", Policies: []string{"root"}})
	w.sim.AddToken(vaultsim.Token{ID: "plain", Name: "plain", Policies: []string{"default"}})
	w.sim.AddMount("database/", vaultsim.Mount{Type: "database"})
	w.sim.AddRole("database", "app", vaultsim.Role{Database: "pg", Default: time.Hour, Max: 2 * time.Hour, Creation: "CREATE ROLE x"})
	w.lock = action.NewLock(w.clock, "test", "")
	w.lock.Open()
	w.gate = action.NewGate(w.lock, recorder{}, w.clock, "test")
	var base http.RoundTripper = w.sim
	if wrap != nil {
		base = wrap(base)
	}
	client, err := vault.Open(t.Context(), vault.Options{
		Settings: vault.Settings{Address: "http://vault.test", AddressFrom: "VAULT_ADDR", Timeout: 5 * time.Second, Token: secret.New(token)},
		Clock:    w.clock, Lock: w.lock, Context: "test", Base: base,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.client = client
	w.reader = lease.NewReader(client, 0)
	w.plans = lease.NewPlanner(client, w.reader)
	return w
}

func (w *world) run(t *testing.T, p *action.Plan, c action.Confirmation) (string, error) {
	t.Helper()
	out, err := w.gate.Run(t.Context(), p, c)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := w.gate.Verify(t.Context(), out)
	return text, err
}
