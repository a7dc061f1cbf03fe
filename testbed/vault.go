package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// VaultVersion is the release the server is built from; servers/vault/go.mod
// requires it.
const VaultVersion = "1.21.4"

// VaultOptions say what Vault to start.
type VaultOptions struct {
	// Dir receives the audit log and the server's own log. Empty means a
	// temporary folder that Close removes.
	Dir string
	// RevokeRetry is the pause before the second of the six attempts to revoke
	// a lease; 0 means 20 ms, so that a lease becomes irrevocable within
	// seconds.
	RevokeRetry time.Duration
	// NoAudit leaves the audit device out, for making many leases.
	NoAudit bool
	// Progress receives a line for what takes long; nil means os.Stderr.
	Progress io.Writer
}

// Vault is a real Vault server on a loopback port, with everything in memory
// and a file audit device. KV v2 is mounted at secret/.
type Vault struct {
	// Addr is "http://127.0.0.1:20815".
	Addr string
	// Root is the root token.
	Root string

	dir      string
	ownsDir  bool
	audit    string
	unseal   []byte
	launcher *launcher
	server   *process
}

// BuildVault builds the server, or finds it as an earlier run left it.
func BuildVault(ctx context.Context, progress io.Writer) (string, error) {
	root, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed")
	if err != nil {
		return "", fmt.Errorf("find the testbed module (run inside its folder): %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	b := builder{cache: filepath.Join(cache, "midwatch-testbed"), progress: progress}
	return b.build(ctx, program{
		name: "vault", dir: filepath.Join(root, "servers", "vault"), pkg: ".",
		sources: []string{"go.mod", "go.sum", "main.go"}, ldflags: "-s -w",
		cost: "Vault: about 5 minutes the first time",
	})
}

// StartVault builds what has to be built and starts a server; it returns when
// the server is unsealed and audited. ctx bounds the start only.
func StartVault(ctx context.Context, o VaultOptions) (*Vault, error) {
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	binary, err := BuildVault(ctx, o.Progress)
	if err != nil {
		return nil, fmt.Errorf("testbed: %w", err)
	}
	v := &Vault{dir: o.Dir, launcher: newLauncher()}
	if err := v.start(ctx, binary, o); err != nil {
		return nil, errors.Join(fmt.Errorf("testbed: start Vault: %w", err), v.Close())
	}
	return v, nil
}

func (v *Vault) start(ctx context.Context, binary string, o VaultOptions) error {
	if v.dir == "" {
		dir, err := os.MkdirTemp("", "midwatch-vault-")
		if err != nil {
			return err
		}
		v.dir, v.ownsDir = dir, true
	}
	free, err := freePorts(1)
	if err != nil {
		return err
	}
	host := fmt.Sprintf("127.0.0.1:%d", free[0])
	v.Addr, v.audit = "http://"+host, filepath.Join(v.dir, "audit.log")
	state := filepath.Join(v.dir, "state.json")
	args := []string{"-listen", host, "-state", state}
	if !o.NoAudit {
		args = append(args, "-audit", v.audit)
	}
	if o.RevokeRetry > 0 {
		args = append(args, "-revoke-retry", o.RevokeRetry.String())
	}
	if v.server, err = v.launcher.start(v.dir, "vault", binary, args...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var ready struct {
		RootToken string `json:"rootToken"`
		UnsealKey []byte `json:"unsealKey"`
	}
	err = poll(ctx, 100*time.Millisecond, func() (bool, error) {
		raw, err := os.ReadFile(state)
		if errors.Is(err, os.ErrNotExist) {
			return false, v.server.alive()
		}
		if err != nil {
			return false, err
		}
		return true, json.Unmarshal(raw, &ready)
	})
	v.Root, v.unseal = ready.RootToken, ready.UnsealKey
	return err
}

// Close stops the server and removes its folder if the server made it.
func (v *Vault) Close() error {
	var errs []error
	if v.server != nil {
		errs = append(errs, v.server.stop(2*time.Second))
	}
	v.launcher.close()
	if v.ownsDir {
		errs = append(errs, os.RemoveAll(v.dir))
	}
	return errors.Join(errs...)
}

// Do sends one request as a token and decodes the answer into out, if that is
// not nil. It is how tests arrange a server; midwatch has a client of its own.
func (v *Vault) Do(ctx context.Context, token, method, path string, body, out any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, v.Addr+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, bytes.TrimSpace(raw))
	}
	if out == nil || len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// Write sends a PUT as root.
func (v *Vault) Write(ctx context.Context, path string, body any) error {
	return v.Do(ctx, v.Root, http.MethodPut, "/v1/"+path, body, nil)
}

// Token makes a token with these policies and "default"; ttl 0 is the server's default.
func (v *Vault) Token(ctx context.Context, ttl time.Duration, policies ...string) (string, error) {
	// Without any policy the new token would get those of the one that asks.
	body := map[string]any{"policies": append([]string{"default"}, policies...), "display_name": "test"}
	if ttl > 0 {
		body["ttl"] = ttl.String()
	}
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	err := v.Do(ctx, v.Root, http.MethodPost, "/v1/auth/token/create-orphan", body, &answer)
	return answer.Auth.Token, err
}

// Policy writes a policy.
func (v *Vault) Policy(ctx context.Context, name, hcl string) error {
	return v.Write(ctx, "sys/policies/acl/"+name, map[string]string{"policy": hcl})
}

// ManyLeases makes n leases below leased/creds-of/NAME/.
func (v *Vault) ManyLeases(ctx context.Context, name string, n int) error {
	err := v.Do(ctx, v.Root, http.MethodGet, "/v1/sys/mounts/leased", nil, nil)
	if err != nil {
		if err := v.Write(ctx, "sys/mounts/leased", map[string]string{"type": "leasedkv"}); err != nil {
			return err
		}
	}
	path := "leased/" + name
	if err := v.Write(ctx, path, map[string]string{"ttl": "12h", "value": "x"}); err != nil {
		return err
	}
	return v.Do(ctx, v.Root, http.MethodPost, "/testbed/read-many", map[string]any{"path": path, "count": n}, nil)
}

// WaitMetrics waits until the server publishes how many leases there are, which
// it does only some seconds after its start.
func (v *Vault) WaitMetrics(ctx context.Context) error {
	return poll(ctx, 200*time.Millisecond, func() (bool, error) {
		var answer struct {
			Gauges []struct{ Name string }
		}
		if err := v.Do(ctx, v.Root, http.MethodGet, "/v1/sys/metrics", nil, &answer); err != nil {
			return false, err
		}
		for _, g := range answer.Gauges {
			if g.Name == "vault.expire.num_leases" {
				return true, nil
			}
		}
		return false, nil
	})
}

// Seal seals the server, Unseal opens it again.
func (v *Vault) Seal(ctx context.Context) error { return v.Write(ctx, "sys/seal", struct{}{}) }

// Unseal opens a sealed server.
func (v *Vault) Unseal(ctx context.Context) error {
	return v.Write(ctx, "sys/unseal", map[string][]byte{"key": v.unseal})
}

// AuditPath is the file of the audit device.
func (v *Vault) AuditPath() string { return v.audit }

// AuditEntry is one request of the audit log.
type AuditEntry struct {
	Time      time.Time
	Operation string // read, list, update, …
	Path      string
	// Who is the token's display name.
	Who string
	// Raw is the whole line.
	Raw string
}

// Audit is the audit log's requests, the oldest first.
func (v *Vault) Audit() ([]AuditEntry, error) {
	raw, err := os.ReadFile(v.audit)
	if err != nil {
		return nil, err
	}
	var entries []AuditEntry
	for line := range bytes.Lines(raw) {
		var e struct {
			Type    string    `json:"type"`
			Time    time.Time `json:"time"`
			Request struct {
				Operation string `json:"operation"`
				Path      string `json:"path"`
			} `json:"request"`
			Auth struct {
				DisplayName string `json:"display_name"`
			} `json:"auth"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("a line of the audit log: %w", err)
		}
		if e.Type == "request" {
			entries = append(entries, AuditEntry{Time: e.Time, Operation: e.Request.Operation, Path: e.Request.Path, Who: e.Auth.DisplayName, Raw: string(line)})
		}
	}
	return entries, nil
}

// Database mounts the database engine on a PostgreSQL server, with the role
// "app" whose leases live for ttl and at most for longest.
func (v *Vault) Database(ctx context.Context, pg *Postgres, ttl, longest time.Duration) error {
	if err := v.Write(ctx, "sys/mounts/database", map[string]string{"type": "database"}); err != nil {
		return err
	}
	err := v.Write(ctx, "database/config/pg", map[string]any{
		"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": pg.User, "password": pg.Password,
		"connection_url": "postgresql://{{username}}:{{password}}@" + pg.Addr + "/postgres?sslmode=disable&connect_timeout=2",
	})
	if err != nil {
		return err
	}
	return v.Write(ctx, "database/roles/app", map[string]any{
		"db_name": "pg", "default_ttl": ttl.String(), "max_ttl": longest.String(),
		"creation_statements": []string{`CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`},
	})
}

// Credentials issues dynamic credentials of the role "app" and returns the
// lease's ID and the database user's name and password.
func (v *Vault) Credentials(ctx context.Context) (leaseID, user, password string, err error) {
	var answer struct {
		LeaseID string `json:"lease_id"`
		Data    struct {
			Username string `json:"username"`
			Password string `json:"password"`
		} `json:"data"`
	}
	err = v.Do(ctx, v.Root, http.MethodGet, "/v1/database/creds/app", nil, &answer)
	return answer.LeaseID, answer.Data.Username, answer.Data.Password, err
}

// KubernetesAuth makes the server accept service accounts' tokens of a bed:
// it asks the bed's API server about each (TokenReview). The role "midwatch"
// takes every service account of the namespace and gives these policies.
func (v *Vault) KubernetesAuth(ctx context.Context, b *Bed, namespace string, policies ...string) error {
	if err := v.Write(ctx, "sys/auth/kubernetes", map[string]string{"type": "kubernetes"}); err != nil {
		return err
	}
	config := b.RESTConfig(Admin)
	err := v.Write(ctx, "auth/kubernetes/config", map[string]any{
		"kubernetes_host": config.Host, "kubernetes_ca_cert": string(config.CAData), "token_reviewer_jwt": config.BearerToken,
		"disable_local_ca_jwt": true, "disable_iss_validation": true,
	})
	if err != nil {
		return err
	}
	return v.Write(ctx, "auth/kubernetes/role/midwatch", map[string]any{
		"bound_service_account_names": "*", "bound_service_account_namespaces": namespace, "policies": policies, "ttl": "30m",
	})
}
