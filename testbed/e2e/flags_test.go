//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/Unleash/unleash-client-go/v4"

	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

const flagPath = "/api/admin/projects/default/features/checkout-v2"

// productionOf is what a flag is configured to in production.
func productionOf(t *testing.T, u *testbed.Unleash) string {
	t.Helper()
	var f struct {
		Environments []map[string]any `json:"environments"`
	}
	if err := u.API(t.Context(), http.MethodGet, flagPath, nil, &f); err != nil {
		t.Fatal(err)
	}
	for _, e := range f.Environments {
		if e["name"] == "production" {
			b, err := json.Marshal([]any{e["enabled"], e["strategies"], e["variants"]})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	t.Fatal("the flag is not in production")
	return ""
}

// TestToggleAFlagFromTheConsole is the whole way in a terminal: locked,
// unlocked, typed, reasoned, every proof with its time, Unleash's own SDK as
// the witness, undone to exactly what was, and the token nowhere.
func TestToggleAFlagFromTheConsole(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	u, err := testbed.StartUnleash(ctx, testbed.UnleashOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	set := func(method, path string, body any) {
		t.Helper()
		if err := u.API(ctx, method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	set(http.MethodPost, strings.TrimSuffix(flagPath, "/checkout-v2"), map[string]any{"name": "checkout-v2", "type": "kill-switch"})
	set(http.MethodPost, flagPath+"/environments/production/strategies", map[string]any{
		"name": "flexibleRollout", "parameters": map[string]any{"rollout": "100", "stickiness": "default", "groupId": "checkout-v2"},
	})
	set(http.MethodPost, flagPath+"/environments/production/on", nil)
	before := productionOf(t, u)

	app, err := sdk.NewClient(sdk.WithUrl(u.URL+"/api/"), sdk.WithAppName("checkout"), sdk.WithListener(&sdk.NoopListener{}),
		sdk.WithCustomHeaders(http.Header{"Authorization": {u.BackendTokens["production"]}}),
		sdk.WithRefreshInterval(300*time.Millisecond), sdk.WithDisableMetrics(true), sdk.WithBackupPath(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	app.WaitForReady()

	c, journal := openFlags(t, fmt.Sprintf("flags:\n- {type: unleash, address: %q, environment: production, token: {env: UNLEASH_TOKEN}, sdkKey: {env: UNLEASH_SDK}}\n", u.URL),
		"UNLEASH_TOKEN="+u.AdminToken, "UNLEASH_SDK="+u.BackendTokens["production"])
	begun := c.Mark()

	c.see(30*time.Second, "READ-ONLY")
	c.send("8")
	// A flag's key is there before what it is in each environment; until then
	// it is refused to be switched, with that reason.
	c.until(20*time.Second, "what the flag is in production", func(screen string) bool { return strings.Contains(screen, "checkout-v2 on") })
	c.send("t", "Turn checkout-v2 off in production?", "read-only: context bed-admin is locked")
	c.leave("Turn checkout-v2 off")
	c.send(":unlock 10m"+enter, "Unlock bed-admin?")
	c.send(enter, "UNLOCKED")
	c.confirmFlag("t", "Turn checkout-v2 off in production?", "Everyone gets false.")
	c.see(time.Minute, "API accepted", "read back", "SDK path saw it")
	c.see(time.Minute, "revision ")
	c.witness("the application's own SDK to see it", func() bool { return !app.IsEnabled("checkout-v2") })

	c.confirmFlag("u", "Turn checkout-v2 on in production?")
	c.witness("the undo to be verified", func() bool {
		recorded, err := os.ReadFile(journal)
		return err == nil && strings.Count(string(recorded), `"phase":"verified"`) == 2 && strings.Contains(string(recorded), "exactly as before the change")
	})
	c.witness("the application's own SDK to see the undo", func() bool { return app.IsEnabled("checkout-v2") })
	if got := productionOf(t, u); got != before {
		t.Errorf("the undo left\n%s\nwant\n%s", got, before)
	}
	raw := string(c.Raw(begun))
	c.quit()

	phases := ""
	for _, e := range entries(t, journal) {
		phases += e.Phase + " "
	}
	if phases != "intent applied verified intent applied verified " {
		t.Errorf("the journal tells %q", phases)
	}
	recorded, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(recorded), "INC-42") || !strings.Contains(string(recorded), "SDK path saw it") {
		t.Errorf("the journal has no reason or no proofs:\n%s", recorded)
	}
	for _, secret := range []string{u.AdminToken, u.BackendTokens["production"]} {
		if strings.Contains(raw, secret) || strings.Contains(string(recorded), secret) {
			t.Error("a token was written to the terminal or the journal")
		}
	}
}

// openFlags starts the console with settings and the variables that they name.
func openFlags(t *testing.T, settings string, env ...string) (c *console, journal string) {
	t.Helper()
	dir := t.TempDir()
	config, journal := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "journal.jsonl")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(append(environment(t, shared.bed.Kubeconfig("admin")), "MIDWATCH_CONFIG="+config), env...)
	s, err := ptydrive.Start(ptydrive.Options{Command: []string{shared.binary, "-n", "shop", "--journal", journal}, Env: env, Cols: 160, Rows: 48})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &console{s, t}, journal
}

// confirmFlag presses a key, and types the flag's name and a reason into the
// dialog that it opens.
func (c *console) confirmFlag(key string, texts ...string) {
	c.t.Helper()
	c.send(key, append(texts, "type checkout-v2")...)
	c.send("checkout-v2"+enter, "reason")
	c.send("INC-42 checkout fails" + enter)
}

// witness waits for something outside the console.
func (c *console) witness(what string, ok func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			c.t.Fatalf("waited in vain for %s\n%s", what, c.Screen())
		case <-tick.C:
		}
	}
}
