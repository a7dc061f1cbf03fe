package vaulttest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midwatch/action"
	"midwatch/secret"
	"midwatch/testbed"
	"midwatch/vault"
	"midwatch/vault/kv"
)

var fastapi = kv.Path{Mount: "secret", Name: "services/fastapi"}

// readsValues reports a request that would get values of a secret.
func readsValues(e testbed.AuditEntry) bool {
	return strings.HasPrefix(e.Path, "secret/data/") || strings.Contains(e.Path, "/creds/") && e.Operation == "read" && !strings.HasPrefix(e.Path, "sys/")
}

func TestBrowsingReadsNoValue(t *testing.T) {
	for range 12 {
		issue(t)
	}
	from := len(audited(t, 0))
	s := connect(t, "oncall")
	ctx := t.Context()
	mounts, err := s.Client.Mounts(ctx)
	if err != nil || len(mounts) == 0 {
		t.Fatal(mounts, err)
	}
	before := len(audited(t, 0))
	if _, err := s.desk.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	for _, e := range audited(t, before) {
		if e.Operation == "list" {
			t.Errorf("opening lists %s", e.Path)
		}
	}
	if all, err := s.All(ctx, 200, 1); err != nil || len(all.Notes) > 0 || len(all.Leases) < 12 {
		t.Fatalf("all leases: %+v, %v", all, err)
	}
	if _, err := s.Below(ctx, "database/creds/app", 200, 1); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"", "services/"} {
		if _, err := s.KV.List(ctx, "secret", folder); err != nil {
			t.Fatal(err)
		}
	}
	m, err := s.KV.Meta(ctx, fastapi)
	if err != nil || m.Current < 2 || m.Versions[0].By.Name == "" || strings.Contains(m.Custom["owner"].String(), "\x1b") {
		t.Fatalf("metadata %+v, %v", m, err)
	}
	changes, err := s.KV.Diff(ctx, fastapi, 1, 2)
	if err != nil || len(changes) != 4 {
		t.Fatalf("diff %v, %v", changes, err)
	}
	for _, e := range audited(t, from) {
		if readsValues(e) {
			t.Errorf("a value was read: %s %s by %s", e.Operation, e.Path, e.Who)
		}
		noCanary(t, "the audit log", e.Raw)
	}
	if _, peak := s.Client.Traffic(); peak > vault.MaxInFlight {
		t.Errorf("%d requests in flight", peak)
	}
	if peak := inFlight(t); peak > vault.MaxInFlight {
		t.Errorf("the audit log shows %d requests at the same time", peak)
	}
}

// inFlight is how many requests of test tokens the audit log shows open at the
// same time: a request's line comes before its response's.
func inFlight(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile(shared.vault.AuditPath())
	if err != nil {
		t.Fatal(err)
	}
	open, peak := map[string]bool{}, 0
	for line := range bytes.Lines(raw) {
		var e struct {
			Type string `json:"type"`
			Auth struct {
				Name string `json:"display_name"`
			} `json:"auth"`
			Request struct {
				ID string `json:"id"`
			} `json:"request"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Auth.Name != "token-test" {
			continue
		}
		if e.Type == "request" {
			open[e.Request.ID] = true
		} else {
			delete(open, e.Request.ID)
		}
		peak = max(peak, len(open))
	}
	return peak
}

func TestRevealAndCompareReadOnceAndSaySo(t *testing.T) {
	s := connect(t, "oncall")
	from := len(audited(t, 0))
	v, err := s.KV.Reveal(t.Context(), fastapi, 1, kv.Key{"database_url"})
	if err != nil {
		t.Fatal(err)
	}
	v.Expose(func(b []byte) {
		if string(b) != canary+"1" {
			t.Error("another value")
		}
	})
	v.Zero()
	changes, err := s.KV.CompareValues(t.Context(), fastapi, 1, 2, secret.NewFingerprints())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]kv.Change{}
	for _, c := range changes {
		got[c.Key.String()] = c.Change
	}
	if got["jwt_secret"] != kv.Same || got["database_url"] != kv.Changed || got["only_in_1"] != kv.Removed || got["only_in_2"] != kv.Added {
		t.Errorf("compared %v", got)
	}
	reads := 0
	for _, e := range audited(t, from) {
		if readsValues(e) {
			reads++
		}
	}
	if reads != 3 {
		t.Errorf("%d reads of values, want one to reveal and two to compare", reads)
	}
}

func TestRollbackAndUndelete(t *testing.T) {
	ctx, s := t.Context(), connect(t, "oncall")
	path := kv.Path{Mount: "secret", Name: "rollback"}
	for _, value := range []string{canary + "a", canary + "b"} {
		if err := shared.vault.Write(ctx, "secret/data/rollback", map[string]any{"data": map[string]any{"k": value}}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.KVPlan.PlanRollback(ctx, path, 1)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.carryOut(t, p, action.Confirmation{Typed: "rollback"}); err != nil || !strings.Contains(text, "version 3") {
		t.Fatalf("%q, %v", text, err)
	}
	v, err := s.KV.Reveal(ctx, path, 0, kv.Key{"k"})
	if err != nil {
		t.Fatal(err)
	}
	v.Expose(func(b []byte) {
		if string(b) != canary+"a" {
			t.Error("the newest version does not hold the old value")
		}
	})
	if err := shared.vault.Do(ctx, shared.vault.Root, "DELETE", "/v1/secret/data/rollback", nil, nil); err != nil {
		t.Fatal(err)
	}
	if p, err = s.KVPlan.PlanUndelete(ctx, path, 3); err != nil {
		t.Fatal(err)
	}
	if text, err := s.carryOut(t, p, action.Confirmation{Typed: "rollback"}); err != nil {
		t.Errorf("%q, %v", text, err)
	}
	raw, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	noCanary(t, "the journal", string(raw))
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal is %v, %v", info.Mode(), err)
	}
}

// TestChildrenDoNotInheritTokens runs a credential plugin that writes its
// environment into a file.
func TestChildrenDoNotInheritTokens(t *testing.T) {
	dir := t.TempDir()
	seen, plugin, kubeconfig := filepath.Join(dir, "seen"), filepath.Join(dir, "plugin"), filepath.Join(dir, "config")
	script := "#!/bin/sh\nenv > " + seen + "\ncat /proc/$PPID/environ > " + seen + ".parent 2>/dev/null\n" +
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"x"}}'` + "\n"
	config := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
  clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}],
  users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: "` + plugin + `", interactiveMode: Never}}}]}`
	if err := os.WriteFile(plugin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "midwatch.yaml")
	if err := os.WriteFile(settings, []byte("vault: {token: {env: MY_VAULT}, secret: {env: MY_SECRET}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := midwatch(t, append(asToken(canary), "BAO_TOKEN="+canary, "MY_VAULT="+canary, "MY_SECRET="+canary, "KUBECONFIG="+kubeconfig, "MIDWATCH_CONFIG="+settings), "status")
	raw, err := os.ReadFile(seen)
	if err != nil {
		t.Fatalf("the plugin did not run: %v\n%s%s", err, r.out, r.err)
	}
	if !strings.Contains(string(raw), "VAULT_ADDR=") {
		t.Errorf("the plugin's environment is not ours: %s", raw)
	}
	noCanary(t, "the environment of a child", string(raw))
	noCanary(t, "the output", r.out+r.err)
}
