package desk_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/vault"
	"midwatch/vault/desk"
	"midwatch/vault/lease"
)

var begin = time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)

func now() time.Time { return begin }

// still is a clock that stands.
type still struct{}

func (still) Now() time.Time { return begin }

func (still) After(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

var _ live.Clock = still{}

func settings(token string) vault.Settings {
	return vault.Settings{Address: "http://vault.test", AddressFrom: "VAULT_ADDR", Timeout: time.Second, Token: secret.New(token)}
}

func newDesk(base http.RoundTripper, s vault.Settings) *desk.Desk {
	lock := action.NewLock(still{}, "test", "")
	return desk.New(desk.Options{Configured: true, Open: func(ctx context.Context) (*vault.Client, error) {
		return vault.Open(ctx, vault.Options{Settings: s, Clock: still{}, Lock: lock, Context: "test", Base: base})
	}})
}

func TestADeskIsOpenedOnceAndAgainAfterAFailure(t *testing.T) {
	sim, token := vaultsim.Shop(1, now)
	sim.Seal(true)
	d := newDesk(sim, settings(token))
	defer d.Close()
	if len(sim.Requests()) != 0 {
		t.Fatal("something was sent before it was opened")
	}
	var failed *vault.Error
	if _, err := d.Open(t.Context()); !errors.As(err, &failed) || failed.Kind != vault.KindSealed {
		t.Fatalf("sealed: %v", err)
	}
	sim.Seal(false)
	first, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent := len(sim.Requests())
	if again, err := d.Open(t.Context()); err != nil || again != first || len(sim.Requests()) != sent {
		t.Errorf("opened twice: %v", err)
	}
	if other, err := d.Refresh(t.Context()); err != nil || other == first || other.Prints != first.Prints {
		t.Errorf("refreshed: %v; fingerprints have to stay comparable", err)
	}
	d.Close()
	if _, err := d.Open(t.Context()); err == nil {
		t.Error("a closed desk opens")
	}
}

func TestAFailedOpeningLeavesNoTokenBehind(t *testing.T) {
	sim, _ := vaultsim.Shop(1, now)
	sim.AddLogin("auth/userpass/login/ada", func(map[string]any) *vaultsim.Token {
		sim := &vaultsim.Token{ID: "minted", Name: "minted", Policies: []string{"nothing"}}
		return sim
	})
	s := settings("")
	s.Login = vault.Login{Method: vault.MethodUserpass, Username: "ada", Secret: secret.New("pw")}
	d := newDesk(sim, s)
	if _, err := d.Open(t.Context()); err == nil {
		t.Fatal("a token without any right opened it")
	}
	requests := sim.Requests()
	if last := requests[len(requests)-1]; last.Path != "auth/token/revoke-self" {
		t.Errorf("the last request is %s", last.Path)
	}
}

func TestFindingLeases(t *testing.T) {
	sim, token := vaultsim.Shop(1, now)
	d := newDesk(sim, settings(token))
	defer d.Close()
	c, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.All(t.Context(), 200, 1)
	if err != nil || len(all.Leases) != 8 || all.Sampled || len(all.Notes) != 0 || all.Leases[0].Error == "" {
		t.Errorf("all: %+v, %v", all, err)
	}
	few, err := c.Below(t.Context(), "database/creds/payments-api", 2, 1)
	if err != nil || len(few.Leases) != 2 || few.Total != 3 || !few.Sampled {
		t.Errorf("below: %+v, %v", few, err)
	}
	id := lease.ID(sim.Lease("database", "fastapi"))
	one, err := c.Named(t.Context(), id, "database/creds/fastapi/gone")
	if err != nil || len(one.Leases) != 2 || one.Leases[0].ID != id || !one.Leases[1].Gone {
		t.Errorf("named: %+v, %v", one, err)
	}
	if !desk.LooksLikeID(string(id)) || !desk.LooksLikeID(string(id)+".ns1") || desk.LooksLikeID("database/creds/fastapi/") || desk.LooksLikeID("x") {
		t.Error("an ID is not told from a prefix")
	}
}

func TestAMissingRightLeavesTheRest(t *testing.T) {
	sim, token := vaultsim.Shop(1, now)
	sim.AddPolicy("oncall", vaultsim.Policy{"sys/metrics": {"read"}, "sys/leases": {"read", "sudo"}})
	d := newDesk(sim, settings(token))
	defer d.Close()
	c, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.All(t.Context(), 200, 1)
	if err != nil || len(all.Leases) != 1 || len(all.Notes) != 1 || !strings.Contains(all.Notes[0].Error(), "sys/leases/lookup/*") {
		t.Errorf("without the right to list: %+v, %v", all, err)
	}
}

// The policy "default" names sys/leases/lookup, which for a list outweighs the
// line for everything below it.
func TestTheRootOfTheTreeTakesALineOfItsOwn(t *testing.T) {
	sim, token := vaultsim.Shop(1, now)
	d := newDesk(sim, settings(token))
	defer d.Close()
	c, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Below(t.Context(), "", 10, 1)
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindForbidden || !strings.Contains(failed.Next(), `"sys/leases/lookup/" {`) {
		t.Errorf("got %v", err)
	}
	if all, err := c.All(t.Context(), 10, 1); err != nil || len(all.Leases) != 8 {
		t.Errorf("all takes more than it needs: %+v, %v", all, err)
	}
}

func TestTracingForbidsRevealing(t *testing.T) {
	d := desk.New(desk.Options{Env: func(name string) (string, bool) { return "1", name == "TEA_DEBUG" }})
	if why := d.MayReveal(); !strings.Contains(why.String(), "TEA_DEBUG") {
		t.Errorf("got %q", why)
	}
	if why := desk.New(desk.Options{}).MayReveal(); why != "" {
		t.Errorf("got %q", why)
	}
	var none *desk.Desk
	if none.Configured() {
		t.Error("no desk is configured")
	}
	none.Close()
}
