package vaulttest

import (
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"

	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/secrets/ledger"
	"midwatch/vault/lease"
)

// cluster is one operator's object that holds a lease.
type cluster struct{ held *secrets.Held }

func (c cluster) Held() []*secrets.Held { return []*secrets.Held{c.held} }
func (c cluster) Takers() []watch.Taker { return nil }
func (c cluster) Rejudge()              {}

// TestTheTokenThatALeaseDiesWithIsFound lets a token that ends sooner than the
// lease make it, as an operator does, and finds it by its accessor.
func TestTheTokenThatALeaseDiesWithIsFound(t *testing.T) {
	ctx, v := t.Context(), shared.vault
	for name, hcl := range map[string]string{
		"parents": `path "auth/token/accessors" { capabilities = ["list", "sudo"] }
path "auth/token/lookup-accessor" { capabilities = ["update"] }`,
		"operator": `path "database/creds/app" { capabilities = ["read"] }`,
	} {
		if err := v.Policy(ctx, name, hcl); err != nil {
			t.Fatal(err)
		}
	}
	operator, err := v.Token(ctx, 10*time.Minute, "operator")
	if err != nil {
		t.Fatal(err)
	}
	var self struct{ Data struct{ Accessor string } }
	var issued struct {
		LeaseID string `json:"lease_id"`
	}
	if err := v.Do(ctx, operator, http.MethodGet, "/v1/auth/token/lookup-self", nil, &self); err != nil {
		t.Fatal(err)
	}
	if err := v.Do(ctx, operator, http.MethodGet, "/v1/database/creds/app", nil, &issued); err != nil {
		t.Fatal(err)
	}
	s := connect(t, "oncall", "parents")
	sum := blake2b.Sum256([]byte(self.Data.Accessor))
	id := lease.ID(issued.LeaseID)
	known := ledger.New(ledger.Options{Desk: s.desk, Clock: live.SystemClock{}})
	known.Attach(cluster{&secrets.Held{
		Kind: "VaultDynamicSecret", Namespace: "shop", Name: "db", Target: "db", Lease: issued.LeaseID, Client: hex.EncodeToString(sum[:]),
		Renewed: time.Now(), Ends: time.Now().Add(time.Hour),
	}})
	if _, err := known.Look(ctx, id); err != nil {
		t.Fatal(err)
	}
	from := len(audited(t, 0))
	found, err := known.FindParents(ctx)
	if err != nil || found.Found != 1 || found.Tokens < 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	lookedUp := 0
	for _, e := range audited(t, from) {
		if e.Path == "auth/token/lookup-accessor" {
			lookedUp++
		}
	}
	if lookedUp != 1 {
		t.Errorf("%d tokens were looked up, want the one that is named", lookedUp)
	}
	leases, err := known.Look(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	l := leases[id]
	verdict := lease.Assess(&l, time.Now(), 15*time.Minute)
	if l.Parent == nil || l.Parent.Evidence != "token" || !verdict.WithParent || time.Until(verdict.Ends) > 10*time.Minute {
		t.Errorf("parent %+v, ends %v: %s", l.Parent, verdict.Ends, verdict.Bound)
	}
	// It does die with it.
	if err := v.Write(ctx, "auth/token/revoke", map[string]string{"token": operator}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for l := leases[id]; !l.Gone; l = leases[id] {
		if time.Now().After(deadline) {
			t.Fatal("the lease outlives its token")
		}
		if leases, err = known.Look(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	denied := connect(t, "oncall")
	without := ledger.New(ledger.Options{Desk: denied.desk, Clock: live.SystemClock{}})
	if _, err := without.FindParents(ctx); err == nil {
		t.Error("the accessors of all tokens were listed without the right to")
	}
}
