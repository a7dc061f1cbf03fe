package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func parsed(t *testing.T, text string) (Config, error) {
	t.Helper()
	c := Default(func(string) (string, bool) { return "", false })
	if err := c.parse([]byte(text)); err != nil {
		return c, err
	}
	return c, c.Validate()
}

func TestVaultSettings(t *testing.T) {
	c, err := parsed(t, "vault: {address: 'https://v:8200', addresses: {eu: 'https://eu:8200'}, token: {env: EU_TOKEN}, warnBefore: 30m}")
	if err != nil {
		t.Fatal(err)
	}
	if c.Vault.For("eu") != "https://eu:8200" || c.Vault.For("us") != "https://v:8200" || c.Vault.Warn() != 30*time.Minute {
		t.Errorf("got %+v", c.Vault)
	}
	if got := c.TokenVariables(); !slices.Contains(got, "EU_TOKEN") {
		t.Errorf("children inherit what is not in %q", got)
	}
	if (&Vault{}).Warn() != defaultWarnBefore {
		t.Error("no default")
	}
}

func TestVaultSettingsThatAreWrong(t *testing.T) {
	const canary = "MIDWATCH-CANARY/hvs.x"
	for text, says := range map[string]string{
		"vault: {method: oidc}":                   "vault.method",
		"vault: {warnBefore: -1m}":                "vault.warnBefore",
		"vault: {token: " + canary + "}":          "env:",
		"vault: {token: {env: '" + canary + "'}}": "vault.token",
		"vault: {secret: {env: A, file: /b}}":     "vault.secret",
		"vault: {addr: 'https://typo.example'}":   "addr",
	} {
		_, err := parsed(t, text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
