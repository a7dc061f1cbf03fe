package config

import (
	"fmt"
	"time"

	"midwatch/secret"
)

// Vault says which Vault, or OpenBao, to read leases and secrets from. What is
// not set here comes from the environment, as the vault command reads it
// (VAULT_ADDR, ~/.vault-token, …).
type Vault struct {
	// Address is the server's URL; Addresses name another one for single
	// kubeconfig contexts.
	Address   string            `yaml:"address"`
	Addresses map[string]string `yaml:"addresses"`
	Namespace string            `yaml:"namespace"`
	// Token is one for Address. A token from the environment or from
	// ~/.vault-token is sent to VAULT_ADDR only.
	Token secret.Ref `yaml:"token"`
	// Method logs in instead: kubernetes, approle or userpass.
	Method string `yaml:"method"`
	// Mount is where the method is mounted, when not at its own name.
	Mount    string `yaml:"mount"`
	Role     string `yaml:"role"`
	RoleID   string `yaml:"roleID"`
	Username string `yaml:"username"`
	JWTFile  string `yaml:"jwtFile"`
	// Secret is AppRole's secret ID or userpass's password.
	Secret secret.Ref `yaml:"secret"`
	// WarnBefore is how long before its end a lease that nobody will renew is
	// worth a warning.
	WarnBefore time.Duration `yaml:"warnBefore"`
	// CopyFor allows to copy a revealed value into the terminal's clipboard, and
	// says after how long that is cleared. Without it nothing is copied.
	CopyFor time.Duration `yaml:"copyFor"`
}

// The shortest and longest time a value may stay in the clipboard.
const (
	minCopyFor = time.Second
	maxCopyFor = 10 * time.Minute
)

// defaultWarnBefore leaves time to act before credentials end.
const defaultWarnBefore = 15 * time.Minute

// Warn is WarnBefore, or its default.
func (v *Vault) Warn() time.Duration {
	if v.WarnBefore == 0 {
		return defaultWarnBefore
	}
	return v.WarnBefore
}

// For is the server's URL for a context; "" when the settings name none.
func (v *Vault) For(context string) string {
	if a, ok := v.Addresses[context]; ok {
		return a
	}
	return v.Address
}

func (v *Vault) validate() error {
	switch v.Method {
	case "", "token", "kubernetes", "approle", "userpass":
	default:
		return fmt.Errorf("vault.method %q: want token, kubernetes, approle or userpass", v.Method)
	}
	if err := v.Token.Validate(); err != nil {
		return fmt.Errorf("vault.token: %w", err)
	}
	if err := v.Secret.Validate(); err != nil {
		return fmt.Errorf("vault.secret: %w", err)
	}
	if v.WarnBefore < 0 || v.WarnBefore > 30*24*time.Hour {
		return fmt.Errorf("vault.warnBefore %v: want a time up to 720h", v.WarnBefore)
	}
	if v.CopyFor != 0 && (v.CopyFor < minCopyFor || v.CopyFor > maxCopyFor) {
		return fmt.Errorf("vault.copyFor %v: want a time from %v to %v, or leave it out", v.CopyFor, minCopyFor, maxCopyFor)
	}
	return nil
}
