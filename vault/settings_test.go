package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midwatch/config"
	"midwatch/secret"
	"midwatch/vault"
)

func environment(pairs ...string) vault.Env {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestFromEnv(t *testing.T) {
	s, err := vault.FromEnv(environment(
		"VAULT_ADDR", "https://vault:8200", "BAO_ADDR", "https://bao:8200", "VAULT_NAMESPACE", "team/shop/", "VAULT_TOKEN", " tok\n",
		"VAULT_CACERT", "/ca.pem", "VAULT_SKIP_VERIFY", "true", "VAULT_CLIENT_TIMEOUT", "3", "VAULT_RATE_LIMIT", "10:20",
		"VAULT_HEADERS", `{"X-Team":"shop"}`, "VAULT_HTTP_PROXY", "http://a", "VAULT_PROXY_ADDR", "http://b", "VAULT_WRAP_TTL", "5m", "HOME", "/home/ada",
	))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case s.Address != "https://bao:8200", s.AddressFrom != "BAO_ADDR":
		t.Errorf("address %q from %s: OpenBao's own variable goes first", s.Address, s.AddressFrom)
	case s.Namespace != "team/shop", s.Token.Reveal() != "tok", s.TokenFrom != "VAULT_TOKEN":
		t.Errorf("namespace %q, token from %s", s.Namespace, s.TokenFrom)
	case s.TLS.CACert != "/ca.pem", !s.TLS.Insecure, !strings.Contains(s.Insecure(), "not checked"):
		t.Errorf("TLS %+v, %q", s.TLS, s.Insecure())
	case s.Timeout != 3*time.Second, s.RateLimit.Burst() != 20, s.HTTPProxy != "http://b", s.Headers["X-Team"] != "shop":
		t.Errorf("timeout %v, rate %v, proxy %q, headers %v", s.Timeout, s.RateLimit, s.HTTPProxy, s.Headers)
	case s.TokenFile != "/home/ada/.vault-token":
		t.Errorf("token file %q", s.TokenFile)
	case len(s.Notices) != 1 || !strings.Contains(s.Notices[0].String(), "VAULT_WRAP_TTL"):
		t.Errorf("notices %q", s.Notices)
	}
}

func TestFromEnvNamesTheVariableNotItsValue(t *testing.T) {
	const canary = "MIDWATCH_CANARY_env"
	for name, env := range map[string]vault.Env{
		"VAULT_SKIP_VERIFY":    environment("VAULT_SKIP_VERIFY", canary),
		"VAULT_CLIENT_TIMEOUT": environment("VAULT_CLIENT_TIMEOUT", canary),
		"BAO_RATE_LIMIT":       environment("BAO_RATE_LIMIT", canary),
		"VAULT_HEADERS":        environment("VAULT_HEADERS", `{"X-Vault-Token":"`+canary+`"}`),
		"Vault's address":      environment("VAULT_ADDR", "https://user:"+canary+"@vault"),
	} {
		_, err := vault.FromEnv(env)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsSentWhereNothingIsNamed(t *testing.T) {
	s, err := vault.FromEnv(environment("VAULT_TOKEN", "x"))
	if err != nil || s.Configured() {
		t.Errorf("configured %v, %v", s.Configured(), err)
	}
	_, err = vault.Open(t.Context(), vault.Options{Settings: s})
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindAbsent || failed.Next() == "" {
		t.Errorf("got %v", err)
	}
}

func TestConfigureKeepsTheEnvironmentsTokenFromOtherServers(t *testing.T) {
	env := environment("VAULT_ADDR", "https://us:8200", "VAULT_TOKEN", "us-token", "HOME", t.TempDir())
	file := config.Vault{Addresses: map[string]string{"eu": "https://eu:8200", "us": "https://us:8200/"}}
	for context, from := range map[string]string{"eu": vault.FromSettings, "us": "VAULT_ADDR", "other": "VAULT_ADDR"} {
		s, err := vault.Configure(env, file, context)
		if err != nil || s.AddressFrom != from {
			t.Errorf("%s: from %s, %v", context, s.AddressFrom, err)
		}
	}
	path := filepath.Join(t.TempDir(), "eu-token")
	if err := os.WriteFile(path, []byte("eu-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file.Token = secret.Ref{File: path}
	s, err := vault.Configure(env, file, "eu")
	if err != nil || !s.TokenAny || s.Token.Reveal() != "eu-token" {
		t.Errorf("named token: %+v, %v", s, err)
	}
}

func TestConfigureLogin(t *testing.T) {
	for name, c := range map[string]struct {
		file config.Vault
		says string
	}{
		"kubernetes without a role": {config.Vault{Method: "kubernetes"}, "role"},
		"userpass without a name":   {config.Vault{Method: "userpass"}, "username"},
		"a name that is a path":     {config.Vault{Method: "userpass", Username: "../x"}, "username"},
		"oidc":                      {config.Vault{Method: "oidc"}, "vault login -method=oidc"},
		"secret that is not there":  {config.Vault{Method: "approle", RoleID: "r", Secret: secret.Ref{Env: "NOT_SET"}}, "vault.secret"},
	} {
		if _, err := vault.Configure(environment(), c.file, ""); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home) // the token helper's library looks there itself
	path := filepath.Join(home, ".vault-token")
	settings := func() vault.Settings {
		s, err := vault.FromEnv(environment("VAULT_ADDR", "http://127.0.0.1:1", "HOME", home))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	_, err := vault.Open(t.Context(), vault.Options{Settings: settings()})
	var failed *vault.Error
	if !errors.As(err, &failed) || failed.Kind != vault.KindNoToken {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	c, err := vault.Open(t.Context(), vault.Options{Settings: settings()})
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Notices(); len(n) != 1 || !strings.Contains(n[0].String(), "chmod 600") {
		t.Errorf("notices %q", n)
	}
	raw, err := os.ReadFile(path)
	if err != nil || string(raw) != "from-file\n" {
		t.Errorf("the user's file was touched: %q, %v", raw, err)
	}
}
