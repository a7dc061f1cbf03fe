//go:build !scale

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

// vaultCanary is in every value of the Vault that must not be shown.
const vaultCanary = "MIDWATCH_CANARY_77aa"

// vaultPolicy is that of docs/SECRETS.md.
const vaultPolicy = `
path "sys/leases/lookup/*" { capabilities = ["list", "sudo"] }
path "sys/leases"          { capabilities = ["read", "sudo"] }
path "sys/metrics"         { capabilities = ["read"] }
path "secret/metadata/*"   { capabilities = ["read", "list"] }
path "secret/subkeys/*"    { capabilities = ["read"] }
path "secret/data/*"       { capabilities = ["read"] }
path "leased/*"            { capabilities = ["list"] }
`

// openVault starts a Vault with a secret of two versions and some leases.
func openVault(t *testing.T) *testbed.Vault {
	t.Helper()
	ctx := t.Context()
	v, err := testbed.StartVault(ctx, testbed.VaultOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	write := func(data map[string]any) error {
		return v.Write(ctx, "secret/data/services/fastapi", map[string]any{"data": data})
	}
	err = errors.Join(
		v.Policy(ctx, "oncall", vaultPolicy),
		write(map[string]any{"database_url": vaultCanary + "old", "sentry_dsn": vaultCanary}),
		write(map[string]any{"database_url": vaultCanary + "new", "jwt_secret": vaultCanary}),
		v.ManyLeases(ctx, "app", 5),
		v.WaitMetrics(ctx),
	)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestBrowsingVaultInTheConsole opens every view of Vault there is and looks
// at the server's audit log afterwards; then it reveals one value.
func TestBrowsingVaultInTheConsole(t *testing.T) {
	v := openVault(t)
	token, err := v.Token(t.Context(), time.Hour, "oncall")
	if err != nil {
		t.Fatal(err)
	}
	before, err := v.Audit()
	if err != nil {
		t.Fatal(err)
	}
	home := environment(t, shared.bed.Kubeconfig(testbed.Viewer))
	s, err := ptydrive.Start(ptydrive.Options{Command: []string{shared.binary, "-A"}, Env: append(home, "VAULT_ADDR="+v.Addr, "VAULT_TOKEN="+token), Cols: 140, Rows: 40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &console{s, t}
	c.see(30*time.Second, "workloads in all namespaces", "fraud-check")
	c.send(":leases"+enter, "Vault "+testbed.VaultVersion+" active", "leased/", "INSECURE: plain HTTP")
	c.send("a", "all leases", "leased/app/")
	c.send(enter, "at the latest")
	c.leave("at the latest")
	c.send(":kv"+enter, "secret/")
	c.send(enter, "services/")
	c.send(enter, "fastapi")
	c.send(enter, "version 2", "current")
	c.send(enter, "From version 1 to 2", "jwt_secret", "added", "sentry_dsn", "removed")

	entries, err := v.Audit()
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, e := range entries[len(before):] {
		if e.Who != "token-test" {
			continue
		}
		ours++
		if strings.HasPrefix(e.Path, "secret/data/") || strings.HasPrefix(e.Path, "leased/") {
			t.Errorf("browsing read a value: %s %s", e.Operation, e.Path)
		}
	}
	if ours < 10 {
		t.Errorf("only %d requests of the console are in the audit log", ours)
	}
	if raw := string(s.Raw(0)); strings.Contains(raw, vaultCanary) || strings.Contains(raw, token) {
		t.Error("a value or the token went to the terminal")
	}

	c.send("v", "Reveal which key of version 2")
	c.send(enter, vaultCanary+"new", "masked in")
	c.until(20*time.Second, "the value masked again", func(screen string) bool { return !strings.Contains(screen, vaultCanary) })
	c.quit()
	noCanaryBelow(t, home, vaultCanary, token)
}

// noCanaryBelow looks through every file the program may have written.
func noCanaryBelow(t *testing.T, env []string, canaries ...string) {
	t.Helper()
	for _, line := range env {
		home, ok := strings.CutPrefix(line, "HOME=")
		if !ok {
			continue
		}
		err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			for _, canary := range canaries {
				if strings.Contains(string(raw), canary) {
					t.Errorf("%s holds a value", path)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestVaultLoginAsAServiceAccount logs in with a real token of the bed's API
// server, which Vault asks that API server about.
func TestVaultLoginAsAServiceAccount(t *testing.T) {
	v := openVault(t)
	if err := v.KubernetesAuth(t.Context(), shared.bed, "shop", "oncall"); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{}
	answer, err := shared.bed.Client().CoreV1().ServiceAccounts("shop").CreateToken(t.Context(), "default", request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	jwt, config := filepath.Join(dir, "jwt"), filepath.Join(dir, "config.yaml")
	text := "vault: {address: \"" + v.Addr + "\", method: kubernetes, role: midwatch, jwtFile: " + jwt + "}\n"
	if err := errors.Join(os.WriteFile(jwt, []byte(answer.Status.Token), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := command(t, append(environment(t, "/dev/null"), "MIDWATCH_CONFIG="+config), "secrets", "leases", "-o", "json", "leased/app/")
	if r.code != 0 || !strings.Contains(r.out, `"name": "kubernetes-shop-default"`) || !strings.Contains(r.out, `"total": 5`) {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if strings.Contains(r.out+r.err, answer.Status.Token) {
		t.Error("the service account's token is in the output")
	}
	entries, err := v.Audit()
	if err != nil {
		t.Fatal(err)
	}
	if last := entries[len(entries)-1]; last.Path != "auth/token/revoke-self" {
		t.Errorf("the last request is %s %s", last.Operation, last.Path)
	}
	r = command(t, append(environment(t, "/dev/null"), "MIDWATCH_CONFIG="+config), "--context", "none", "secrets", "leases", "leased/none/")
	if r.code != 0 {
		t.Errorf("an empty prefix: exit %d\n%s%s", r.code, r.out, r.err)
	}
}
