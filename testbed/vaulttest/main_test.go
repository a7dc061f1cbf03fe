// Package vaulttest holds midwatch's Vault domain and its commands against a
// real Vault with a real PostgreSQL behind it.
package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/live"
	"midwatch/secret"
	"midwatch/testbed"
	"midwatch/vault"
	"midwatch/vault/desk"
)

// canary is in every value that midwatch must not show.
const canary = "MIDWATCH_CANARY_9f3c"

// shared is what all tests of the package use.
var shared struct {
	vault  *testbed.Vault
	pg     *testbed.Postgres
	binary string
}

// oncall is the policy of docs/SECRETS.md.
const oncall = `
path "sys/leases/lookup/*"  { capabilities = ["list", "sudo"] }
path "sys/leases/count"     { capabilities = ["read"] }
path "sys/leases"           { capabilities = ["read", "sudo"] }
path "sys/metrics"          { capabilities = ["read"] }
path "database/roles/*"     { capabilities = ["read", "list"] }
path "secret/metadata/*"    { capabilities = ["read", "list"] }
path "secret/subkeys/*"     { capabilities = ["read"] }
path "sys/leases/revoke"    { capabilities = ["update"] }
path "secret/undelete/*"    { capabilities = ["update"] }
path "secret/delete/*"      { capabilities = ["update"] }
path "secret/data/*"        { capabilities = ["read", "create", "update"] }
`

// TestMain starts the servers for all tests.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "midwatch-vaulttest-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	shared.binary = filepath.Join(dir, "midwatch")
	if err := testbed.BuildMidwatch(ctx, shared.binary); err != nil {
		return complain(err)
	}
	if shared.pg, err = testbed.StartPostgres(ctx, testbed.PostgresOptions{}); err != nil {
		return complain(err)
	}
	defer shared.pg.Close()
	if shared.vault, err = testbed.StartVault(ctx, testbed.VaultOptions{}); err != nil {
		return complain(err)
	}
	defer shared.vault.Close()
	if err := arrange(ctx); err != nil {
		return complain(err)
	}
	return m.Run()
}

// arrange fills the server with what all tests read.
func arrange(ctx context.Context) error {
	v := shared.vault
	write := func(n int) error {
		return v.Write(ctx, "secret/data/services/fastapi", map[string]any{"data": map[string]any{
			"database_url": fmt.Sprint(canary, n), "jwt_secret": canary, fmt.Sprint("only_in_", n): canary,
		}})
	}
	return errors.Join(
		v.Policy(ctx, "oncall", oncall),
		v.Database(ctx, shared.pg, time.Hour, 2*time.Hour),
		write(1), write(2),
		v.Write(ctx, "secret/metadata/services/fastapi", map[string]any{"custom_metadata": map[string]string{"owner": "shop"}}),
		v.WaitMetrics(ctx),
	)
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// session is a connection as a token, with a gate of its own.
type session struct {
	*desk.Connection
	desk *desk.Desk
	lock *action.Lock
	gate *action.Gate
	path string // the journal's
}

// connect opens a session as a token with these policies.
func connect(t *testing.T, policies ...string) *session {
	t.Helper()
	token, err := shared.vault.Token(t.Context(), time.Hour, policies...)
	if err != nil {
		t.Fatal(err)
	}
	return connectAs(t, token)
}

func connectAs(t *testing.T, token string, change ...func(*vault.Settings)) *session {
	t.Helper()
	clock := live.SystemClock{}
	s := &session{lock: action.NewLock(clock, "bed", ""), path: filepath.Join(t.TempDir(), "journal.jsonl")}
	s.lock.Open()
	s.gate = action.NewGate(s.lock, action.NewJournal(s.path, clock), clock, "tester")
	settings := vault.Settings{Address: shared.vault.Addr, AddressFrom: "VAULT_ADDR", Timeout: 10 * time.Second, Token: secret.New(token), TokenFrom: "VAULT_TOKEN"}
	for _, f := range change {
		f(&settings)
	}
	s.desk = desk.New(desk.Options{Configured: true, Warn: 15 * time.Minute, Open: func(ctx context.Context) (*vault.Client, error) {
		return vault.Open(ctx, vault.Options{Settings: settings, Clock: clock, Lock: s.lock, Context: "bed", UserAgent: "midwatch/test"})
	}})
	t.Cleanup(s.desk.Close)
	var err error
	if s.Connection, err = s.desk.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// carryOut runs a plan and waits for its effect.
func (s *session) carryOut(t *testing.T, p *action.Plan, c action.Confirmation) (string, error) {
	t.Helper()
	out, err := s.gate.Run(t.Context(), p, c)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := s.gate.Verify(t.Context(), out)
	return text, err
}

// audited are the audit log's requests since a number of them.
func audited(t *testing.T, from int) []testbed.AuditEntry {
	t.Helper()
	all, err := shared.vault.Audit()
	if err != nil {
		t.Fatal(err)
	}
	return all[from:]
}

// result is how one command ended.
type result struct {
	out, err string
	code     int
	maxRSS   int64 // bytes
}

// midwatch runs one command with these variables and no others of ours.
func midwatch(t *testing.T, env []string, args ...string) result {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), shared.binary, args...)
	cmd.Env = slices.Concat([]string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}, env)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out: out.String(), err: errOut.String(), code: cmd.ProcessState.ExitCode(), maxRSS: maxRSS(cmd.ProcessState)}
}

func asToken(token string) []string {
	return []string{"VAULT_ADDR=" + shared.vault.Addr, "VAULT_TOKEN=" + token}
}

// noCanary fails when a value shows.
func noCanary(t *testing.T, where, text string) {
	t.Helper()
	if i := strings.Index(text, canary); i >= 0 {
		t.Errorf("%s shows a value: …%s…", where, text[max(0, i-60):min(len(text), i+40)])
	}
}
