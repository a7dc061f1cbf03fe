package leasespane_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/secret"
	"midwatch/ui/leasespane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/vault"
	"midwatch/vault/desk"
)

// clock stands at the bench's time.
type clock struct{}

func (clock) Now() time.Time { return panetest.Now() }

func (clock) After(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// wire is a server in memory that must not be asked on the UI goroutine.
type wire struct {
	sim   *vaultsim.Server
	bench *panetest.Bench
	sent  atomic.Int64
	lists atomic.Int64
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.bench.OffUI("asking Vault")
	w.sent.Add(1)
	if r.URL.Query().Get("list") == "true" {
		w.lists.Add(1)
	}
	return w.sim.RoundTrip(r)
}

func newDesk(w *wire, token string) *desk.Desk {
	lock := action.NewLock(clock{}, "demo", "")
	return desk.New(desk.Options{Configured: true, Warn: 15 * time.Minute, Open: func(ctx context.Context) (*vault.Client, error) {
		return vault.Open(ctx, vault.Options{
			Settings: vault.Settings{Address: "https://vault.example:8200", AddressFrom: "VAULT_ADDR", Timeout: time.Second, Token: secret.New(token), TokenFrom: "VAULT_TOKEN"},
			Clock:    clock{}, Lock: lock, Context: "demo", Base: w,
		})
	}})
}

// shop opens the pane on the demo's Vault.
func shop(t testing.TB, change func(*vaultsim.Server)) (*panetest.Bench, *wire) {
	sim, token := vaultsim.Shop(1, panetest.Now)
	if change != nil {
		change(sim)
	}
	return open(t, sim, token)
}

func open(t testing.TB, sim *vaultsim.Server, token string) (*panetest.Bench, *wire) {
	w := &wire{sim: sim}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		w.bench = b
		return leasespane.New(pane.Leases, newDesk(w, token), nil)
	})
	return start(b), w
}

// start puts the pane on the screen.
func start(b *panetest.Bench) *panetest.Bench {
	return b.Do(func() tea.Cmd { return b.Pane.(pane.Starter).Start(b.Env) })
}

func TestGoldens(t *testing.T) {
	b, _ := shop(t, nil)
	b.Golden("top")
	b.Boxed()
	b.Bindings()
	b.Press("a").GoldenAll("all")
	b.Boxed()
	b.Press("j", "enter").Golden("a lease in full")
	b.Boxed()
	b.Press("esc").SetFilter("nothing").Golden("nothing matches")
}

func TestOpeningListsNothing(t *testing.T) {
	b, w := shop(t, nil)
	if w.lists.Load() != 0 {
		t.Fatalf("%d listings nobody asked for", w.lists.Load())
	}
	sent := w.sent.Load()
	b.Press("j")
	b.Frame(120, 40)
	b.Frame(80, 24)
	if w.sent.Load() != sent {
		t.Error("moving or drawing sends requests")
	}
	b.Press("enter")
	if w.lists.Load() != 1 {
		t.Errorf("opening one level: %d listings", w.lists.Load())
	}
	if frame := b.Plain(80, 24); !strings.Contains(frame, "database/creds/") {
		t.Errorf("no level in\n%s", frame)
	}
	b.Press("backspace")
	if frame := b.Plain(80, 24); w.lists.Load() != 1 || !strings.Contains(frame, "legacy-export") {
		t.Errorf("%d listings, going up\n%s", w.lists.Load(), frame)
	}
}

func TestASampledLevel(t *testing.T) {
	b, _ := shop(t, func(s *vaultsim.Server) {
		for range 3000 {
			s.Issue("database", "fastapi", vaultsim.IssueOptions{})
		}
	})
	b.Press("j", "enter", "enter").SetFilter("fastapi").Press("enter").SetFilter("")
	frame := b.Plain(120, 40)
	for _, want := range []string{"3001 leases", "200 of them looked up at random", "estimated from 200 of 3001"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
}

func TestTooManyToListUnasked(t *testing.T) {
	b, w := shop(t, func(s *vaultsim.Server) {
		for range 5100 {
			s.Issue("database", "fastapi", vaultsim.IssueOptions{})
		}
	})
	b.Press("a")
	if frame := b.Plain(120, 40); w.lists.Load() != 0 || !strings.Contains(frame, "too many to list unasked") {
		t.Errorf("%d listings\n%s", w.lists.Load(), frame)
	}
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*vaultsim.Server)
		token  string
	}{
		"sealed":    {func(s *vaultsim.Server) { s.Seal(true) }, ""},
		"bad token": {nil, "wrong"},
		"standby":   {func(s *vaultsim.Server) { s.SetStandby(true) }, ""},
		"default only": {func(s *vaultsim.Server) {
			s.AddToken(vaultsim.Token{ID: "plain", Name: "token-plain\x1b[31m", Policies: []string{"default"}, Expires: panetest.Now().Add(14 * time.Minute)})
			s.SetSkew(10 * time.Minute)
		}, "plain"},
		"root": {func(s *vaultsim.Server) {
			s.AddToken(vaultsim.Token{ID: "root", Name: "root", Policies: []string{"root"}})
		}, "root"},
	} {
		t.Run(name, func(t *testing.T) {
			sim, token := vaultsim.Shop(1, panetest.Now)
			if c.change != nil {
				c.change(sim)
			}
			if c.token != "" {
				token = c.token
			}
			b, _ := open(t, sim, token)
			if name == "default only" {
				b.Press("m")
			}
			b.Golden(name)
			b.Boxed()
		})
	}
}

func TestWithoutAVault(t *testing.T) {
	b := start(panetest.New(t, func(*panetest.Bench) pane.Pane { return leasespane.New(pane.Leases, nil, nil) }))
	b.Press("enter", "a", "r", "D", "R", "m", "i", "backspace")
	if frame := b.Plain(80, 24); !strings.Contains(frame, "VAULT_ADDR") {
		t.Errorf("got\n%s", frame)
	}
	b.Boxed()
}

func TestTheTokenEndsWhileThePaneIsOpen(t *testing.T) {
	b, w := shop(t, nil)
	w.sim.RevokeToken("demo-oncall-token")
	b.Press("a")
	frame := b.Plain(120, 40)
	if !strings.Contains(frame, "no longer valid") || !strings.Contains(frame, "vault login") || !strings.Contains(frame, "legacy-export") {
		t.Errorf("what was read before has to stay, with the reason:\n%s", frame)
	}
}

func TestPlans(t *testing.T) {
	b, _ := shop(t, nil)
	b.Press("a").SetFilter("fastapi").Press("r")
	if plan := panetest.Last[pane.ConfirmMsg](b).Plan; plan.Verb != "renew" || plan.Target.Namespace != "database/creds/fastapi" {
		t.Errorf("plan %+v", plan)
	}
	b.Press("D")
	if plan := panetest.Last[pane.ConfirmMsg](b).Plan; plan.Verb != "revoke" || plan.Danger < action.DangerName {
		t.Errorf("plan %+v", plan)
	}
	b.SetFilter("ledger-backup").Press("r")
	if frame := b.Plain(120, 40); !strings.Contains(frame, "cannot be renewed") {
		t.Errorf("a lease that cannot be renewed:\n%s", frame)
	}
}
