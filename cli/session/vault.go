package session

import (
	"context"
	"net/http"

	"midwatch/action"
	"midwatch/config"
	"midwatch/demo"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/vault"
	"midwatch/vault/desk"
)

// VaultSource says where sessions find their Vault.
type VaultSource struct {
	Env  vault.Env
	File config.Vault
	// Simulated is the embedded world's own server for a context, and a token
	// for it; nil outside the demo.
	Simulated func(context string) (server http.RoundTripper, token secret.Value)
}

// DemoVault is the Vault of the embedded world.
func DemoVault(world *demo.World) VaultSource {
	return VaultSource{Simulated: func(context string) (http.RoundTripper, secret.Value) {
		server, token := world.Vault(context)
		if server == nil {
			return nil, secret.Value{}
		}
		return server, secret.New(token)
	}}
}

// simulatedAddress is what the embedded world's Vault is called. Requests to
// it stay in memory.
const simulatedAddress = "https://vault.demo.internal:8200"

// settings are those for a context.
func (v *VaultSource) settings(context string) (vault.Settings, http.RoundTripper, error) {
	if v.Simulated == nil {
		if v.Env == nil {
			return vault.Settings{}, nil, nil
		}
		s, err := vault.Configure(v.Env, v.File, context)
		return s, nil, err
	}
	server, token := v.Simulated(context)
	if server == nil {
		return vault.Settings{}, nil, nil
	}
	return vault.Settings{Address: simulatedAddress, AddressFrom: "demo", Token: token, TokenFrom: "demo"}, server, nil
}

// Desk is a session's way to Vault. Nothing is sent before it is opened. Wrong
// settings are an error of opening it, so that the cluster is shown all the
// same.
func (v *VaultSource) Desk(name string, lock *action.Lock, clock live.Clock, userAgent string) *desk.Desk {
	s, base, err := v.settings(name)
	return desk.New(desk.Options{
		Configured: err != nil || s.Configured(), Warn: v.File.Warn(), CopyFor: v.File.CopyFor, Env: v.Env,
		Open: func(ctx context.Context) (*vault.Client, error) {
			if err != nil {
				return nil, err
			}
			// The environment may have changed: `vault login` in another window
			// writes a token file that is read here, each time.
			return vault.Open(ctx, vault.Options{Settings: s, Clock: clock, Lock: lock, Context: name, UserAgent: userAgent, Base: base})
		},
	})
}
