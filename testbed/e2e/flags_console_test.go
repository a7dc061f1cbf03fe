//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	sdk "github.com/Unleash/unleash-client-go/v4"

	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

// unleashFlag is the flag that the console switches.
const unleashFlag = "express-pay"

const unleashFeatures = "/api/admin/projects/default/features"

// realUnleash is a server with one flag that is on in production, for half of
// the users of two countries.
func realUnleash(t *testing.T) *testbed.Unleash {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	server, err := testbed.StartUnleash(ctx, testbed.UnleashOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	api := func(method, path string, body any) {
		t.Helper()
		if err := server.API(ctx, method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	api(http.MethodPost, unleashFeatures, map[string]any{"name": unleashFlag, "type": "release"})
	api(http.MethodPost, unleashFeatures+"/"+unleashFlag+"/environments/production/strategies", map[string]any{
		"name":        "flexibleRollout",
		"constraints": []map[string]any{{"contextName": "country", "operator": "IN", "values": []string{"DE", "AT"}}},
		"parameters":  map[string]any{"rollout": "50", "stickiness": "default", "groupId": unleashFlag},
	})
	api(http.MethodPost, unleashFeatures+"/"+unleashFlag+"/environments/production/on", nil)
	return server
}

// configured is the flag in production as the server has it.
func configured(t *testing.T, server *testbed.Unleash) string {
	t.Helper()
	var f struct {
		Environments []map[string]any `json:"environments"`
	}
	if err := server.API(t.Context(), http.MethodGet, unleashFeatures+"/"+unleashFlag, nil, &f); err != nil {
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

// flagsConsole is the console with the server in its settings.
func flagsConsole(t *testing.T, server *testbed.Unleash, journal string) *console {
	t.Helper()
	settings := filepath.Join(t.TempDir(), "config.yaml")
	text := "flags: [{type: unleash, address: \"" + server.URL + "\", environment: production, token: {env: UNLEASH_TOKEN}, sdkKey: {env: UNLEASH_SDK}}]\n" +
		"flagUse: {workloads: [{workload: shop/fastapi-service, flags: [" + unleashFlag + "]}]}\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(environment(t, shared.bed.Kubeconfig("admin")),
		"MIDWATCH_CONFIG="+settings, "UNLEASH_TOKEN="+server.AdminToken, "UNLEASH_SDK="+server.BackendTokens["production"])
	s, err := ptydrive.Start(ptydrive.Options{
		Command: []string{shared.binary, "-n", "shop", "--journal", journal}, Env: env, Cols: 160, Rows: 48,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &console{s, t}
}

// TestAnUnleashFlagFromLockedToProvenAndBack is a night's work on a real
// server: locked, unlocked, typed, reasoned, proven step by step, seen by an
// application with Unleash's own SDK, and taken back exactly.
func TestAnUnleashFlagFromLockedToProvenAndBack(t *testing.T) {
	server := realUnleash(t)
	app, err := sdk.NewClient(
		sdk.WithUrl(server.URL+"/api/"), sdk.WithAppName("checkout"), sdk.WithListener(&sdk.NoopListener{}),
		sdk.WithCustomHeaders(http.Header{"Authorization": {server.BackendTokens["production"]}}),
		sdk.WithRefreshInterval(300*time.Millisecond), sdk.WithDisableMetrics(true), sdk.WithBackupPath(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	app.WaitForReady()
	enabled := func() bool {
		for _, f := range app.ListFeatures() {
			if f.Name == unleashFlag {
				return f.Enabled
			}
		}
		return false
	}
	before := configured(t, server)
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	c := flagsConsole(t, server, journal)
	c.see(time.Minute, "fastapi-service", "READ-ONLY")
	c.send("/fastapi"+enter, "1 of ")
	c.send("8", "[production]", unleashFlag, "the first one is used by deploy/fastapi-service")

	c.send("t", "express-pay off")
	c.see(20*time.Second, "Turn express-pay off in production?", "read-only: context bed-admin is locked")
	c.leave("Turn express-pay off")
	c.send(":unlock 10m"+enter, "Unlock bed-admin?")
	c.send(enter, "UNLOCKED")
	c.send("t", "type express-pay")
	c.send(unleashFlag+enter, "reason")
	c.send("INC-42 express pay fails"+enter, "API accepted", "read back", "SDK path saw it", "traffic shifted")
	proofs := regexp.MustCompile(`(?s)✓ API accepted +[0-9.]+m?s.*✓ read back +[0-9.]+m?s.*✓ SDK path saw it +[0-9.]+m?s`)
	c.until(40*time.Second, "every proof with its time", proofs.MatchString)
	t.Log(proofs.FindString(c.Screen()))
	c.until(20*time.Second, "the application sees it off", func(string) bool { return !enabled() })

	c.send("u", "Turn express-pay on in production?", "type express-pay")
	c.send(unleashFlag+enter, "reason")
	c.send("back"+enter, "undo")
	c.until(40*time.Second, "it is as before, for the application too", func(string) bool { return enabled() && configured(t, server) == before })
	c.quit()

	raw, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"verb":"turn off"`, "INC-42 express pay fails", `"phase":"verified"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in the journal\n%s", want, raw)
		}
	}
	for _, secret := range []string{server.AdminToken, server.BackendTokens["production"]} {
		if strings.Contains(string(raw)+c.Screen(), secret) {
			t.Error("a token is in the journal or on the screen")
		}
	}
}
