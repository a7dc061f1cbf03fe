package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/secret"
	"midwatch/vault"
	"midwatch/vault/desk"
)

// TestTheHeaderWarnsBeforeTheVaultTokenEnds: nobody renews the user's own
// token, so it is said wherever one looks.
func TestTheHeaderWarnsBeforeTheVaultTokenEnds(t *testing.T) {
	for name, size := range map[string][2]int{"narrow": {80, 24}, "wide": {160, 48}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			sim := vaultsim.New(vaultsim.Options{Seed: 1, Now: r.clock.Now})
			sim.AddToken(vaultsim.Token{ID: "own", Name: "oidc-jane", Policies: []string{"default"}, Expires: r.clock.Now().Add(20 * time.Minute)})
			lock := action.NewLock(r.clock, "demo", "")
			r.opts.First.Vault = desk.New(desk.Options{Configured: true, Warn: 15 * time.Minute, Open: func(ctx context.Context) (*vault.Client, error) {
				return vault.Open(ctx, vault.Options{
					Settings: vault.Settings{Address: "http://vault.test", AddressFrom: "VAULT_ADDR", Timeout: time.Second, Token: secret.New("own")},
					Clock:    r.clock, Lock: lock, Context: "demo", Base: sim,
				})
			}})
			d := r.start(size[0], size[1])
			r.clock.Advance(6 * time.Minute)
			if frame := d.Idle().Plain(); strings.Contains(frame, "Vault token") {
				t.Errorf("it is not open:\n%s", frame)
			}
			if _, err := r.opts.First.Vault.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.Press("?").Press("esc")
			if frame := d.Idle().Plain(); !strings.Contains(frame, "Vault token ends in 14m") {
				t.Errorf("14 minutes before its end:\n%s", frame)
			}
			r.clock.Advance(15 * time.Minute)
			if frame := d.Idle().Plain(); !strings.Contains(frame, "Vault token ended at") {
				t.Errorf("after its end:\n%s", frame)
			}
		})
	}
}
