//go:build !scale

package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/flags/ofrep/ofreptest"
	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

// TestNoFlagTokenLeavesTheBinary has one provider of each kind, Unleash a real
// one, runs every command and the console while all is well and while tokens
// are wrong and servers away, and looks for the tokens on the terminal, in what
// is printed and in every file that is left.
func TestNoFlagTokenLeavesTheBinary(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	u, err := testbed.StartUnleash(ctx, testbed.UnleashOptions{})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = u.Close()
		}
	})
	for _, c := range []struct {
		path string
		body any
	}{
		{strings.TrimSuffix(flagPath, "/checkout-v2"), map[string]any{"name": "checkout-v2", "type": "kill-switch"}},
		{flagPath + "/environments/production/on", nil},
	} {
		if err := u.API(ctx, http.MethodPost, c.path, c.body, nil); err != nil {
			t.Fatal(err)
		}
	}
	a, o := ldtest.New(t), ofreptest.New(t)
	a.Add("checkout-v2", true)

	dir := t.TempDir()
	file, token := filepath.Join(dir, "flags.json"), filepath.Join(dir, "ofrep-token")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, `{"flags": {"checkout-v2": {"key": "checkout-v2", "version": 1, "on": true, "variations": [true, false], "offVariation": 1, "fallthrough": {"variation": 0}}}}`)
	write(token, ofreptest.Token+"\n")
	settings := fmt.Sprintf(`flags:
- {name: ld, type: launchdarkly, address: %q, stream: %q, project: shop, environment: production, token: {env: LD_TOKEN}, sdkKey: {env: LD_SDK}, dryRun: true}
- {name: own, type: unleash, address: %q, environment: production, token: {env: UNLEASH_TOKEN}, sdkKey: {env: UNLEASH_SDK}}
- {name: flagd, type: ofrep, address: %q, environment: production, token: {file: %q}}
- {name: disk, type: file, environment: production, file: %q}
`, a.URL, a.URL, u.URL, o.URL, token, file)
	wrong := "wrong-canary-4f0a-token"
	l := &leaks{t: t, secrets: []string{"canary", u.AdminToken, u.BackendTokens["production"], u.BackendTokens["development"]}, settings: settings}
	right := []string{"LD_TOKEN=" + ldtest.APIToken, "LD_SDK=" + ldtest.SDKKey, "UNLEASH_TOKEN=" + u.AdminToken, "UNLEASH_SDK=" + u.BackendTokens["production"]}

	l.commands("all is well", right...)
	l.console("all is well", "checkout-v2 on", right...)
	l.commands("wrong tokens", "LD_TOKEN="+wrong, "LD_SDK="+wrong, "UNLEASH_TOKEN=*:*."+wrong, "UNLEASH_SDK=default:production."+wrong)
	l.console("wrong tokens", "the token was refused", "LD_TOKEN="+wrong, "LD_SDK="+wrong, "UNLEASH_TOKEN=*:*."+wrong, "UNLEASH_SDK=default:production."+wrong)
	closed = true
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	a.Set(func() {
		a.Fault = func(r *http.Request) *ldtest.Fault {
			return &ldtest.Fault{Status: 500, Body: fmt.Sprintf(`{"message":"no %s"}`, r.Header.Get("Authorization"))}
		}
	})
	o.Set(func() { o.Down = http.StatusBadGateway })
	l.commands("away", right...)
	l.console("away", "cannot be reached", right...)
}

// leaks runs the binary and looks for secrets in what it leaves.
type leaks struct {
	t        *testing.T
	secrets  []string
	settings string
}

func (l *leaks) look(where, text string) {
	l.t.Helper()
	for _, s := range l.secrets {
		if i := strings.Index(text, s); i >= 0 {
			l.t.Errorf("%s: a token is told: …%q", where, text[max(0, i-120):i])
		}
	}
}

// home is an environment of its own, whose files are looked at when the test
// is over.
func (l *leaks) home(where string, env []string) []string {
	l.t.Helper()
	all := environment(l.t, shared.bed.Kubeconfig("admin"))
	home := strings.TrimPrefix(all[0], "HOME=")
	config := filepath.Join(home, "settings.yaml")
	if err := os.WriteFile(config, []byte(l.settings), 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			l.look(where+", "+path, string(text))
			return err
		})
		if err != nil {
			l.t.Error(err)
		}
	})
	return append(append(all, "MIDWATCH_CONFIG="+config), env...)
}

// commands runs each of `midwatch flags`, as a table and as JSON.
func (l *leaks) commands(where string, env ...string) {
	l.t.Helper()
	full := l.home(where, env)
	printed := 0
	for _, provider := range []string{"ld", "own", "flagd", "disk"} {
		for _, args := range [][]string{
			{"list"}, {"get", "checkout-v2"}, {"eval", "--context", "user-42"}, {"history", "checkout-v2"},
			{"off", "checkout-v2"}, {"off", "checkout-v2", "--write", "--yes", "checkout-v2", "--comment", "INC-42"},
			{"on", "checkout-v2", "--write", "--yes", "checkout-v2", "--comment", "INC-42"},
		} {
			for _, output := range []string{"table", "json"} {
				all := append(append([]string{"flags"}, args...), "--provider", provider, "-o", output)
				r := command(l.t, full, all...)
				printed += len(r.out) + len(r.err)
				l.look(where+": midwatch "+strings.Join(all, " "), r.out+r.err)
			}
		}
	}
	if printed < 2000 {
		l.t.Errorf("%s: the commands printed %d bytes: the test looks at nothing", where, printed)
	}
	r := command(l.t, full, "journal")
	l.look(where+": midwatch journal", r.out+r.err)
}

// console opens every view of the flags once it shows what is waited for.
func (l *leaks) console(where, waitFor string, env ...string) {
	l.t.Helper()
	s, err := ptydrive.Start(ptydrive.Options{Command: []string{shared.binary, "-n", "shop"}, Env: l.home(where, env), Cols: 160, Rows: 48})
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close() // it has ended
	c := &console{s, l.t}
	begun := c.Mark()
	c.see(30*time.Second, "READ-ONLY")
	c.send("8z")
	c.see(30*time.Second, waitFor)
	c.send("a", "Ask for whom?")
	c.send("user-42"+enter, "ask user-42")
	c.send("/disk"+enter, "1 of ") // works whatever becomes of the servers
	l.look(where+", the screen", c.Screen())
	c.send("t", "Turn checkout-v2 off in production?", "read-only")
	l.look(where+", the screen", c.Screen())
	c.leave("Turn checkout-v2 off")
	c.send(enter, "flag checkout-v2 in production", "history")
	l.look(where+", the screen", c.Screen())
	c.leave("flag checkout-v2 in production")
	c.send("A", "journal")
	raw := string(c.Raw(begun))
	if len(raw) < 4000 {
		l.t.Errorf("%s: the console wrote %d bytes", where, len(raw))
	}
	l.look(where+", the terminal", raw)
	c.quit()
}
