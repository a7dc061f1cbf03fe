package vault_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/vault"
)

var begin = time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)

// clock stands still until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func (c *clock) After(time.Duration) (<-chan time.Time, func()) {
	never := make(chan time.Time)
	return never, func() {}
}

var _ live.Clock = (*clock)(nil)

// open connects to a server over HTTP.
func open(t *testing.T, handler http.Handler, token string, change ...func(*vault.Options)) *vault.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := tryOpen(server.URL, token, change...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryOpen(address, token string, change ...func(*vault.Options)) (*vault.Client, error) {
	clk := &clock{now: begin}
	opts := vault.Options{
		Settings: vault.Settings{Address: address, AddressFrom: "VAULT_ADDR", Timeout: 5 * time.Second, Token: secret.New(token), TokenFrom: "VAULT_TOKEN"},
		Clock:    clk, Lock: action.NewLock(clk, "test", ""), Context: "test", UserAgent: "midwatch/test",
	}
	for _, f := range change {
		f(&opts)
	}
	return vault.Open(context.Background(), opts)
}

// simulated is an empty simulation with a root token "root", and one with the
// default policy alone, "plain".
func simulated() *vaultsim.Server {
	s := vaultsim.New(vaultsim.Options{Seed: 1, Now: func() time.Time { return begin }})
	s.AddToken(vaultsim.Token{ID: "root", Name: "root", Policies: []string{"root"}})
	s.AddToken(vaultsim.Token{ID: "plain", Name: "token-plain", Policies: []string{"default"}, Expires: begin.Add(time.Hour)})
	return s
}
