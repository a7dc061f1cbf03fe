//go:build unix

package connect_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"midwatch/demo/apiserver"
	"midwatch/k8s/connect"
	"midwatch/live"
)

// pluginScript writes a credential plugin.
func pluginScript(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "get-token")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // a script has to be executable
		t.Fatal(err)
	}
	return file
}

const giveToken = `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"good"}}'`

// withPlugin is a server that wants the token "good" and a configuration that
// gets it from a command.
func withPlugin(t *testing.T, mode clientcmdapi.ExecInteractiveMode, command, hint string, args ...string) (*apiserver.Server, *connect.Config) {
	t.Helper()
	s, _ := world(t)
	s.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.HTTP.Header.Get("Authorization") != "Bearer good" {
			return apiserver.Unauthorized()
		}
		return nil
	})
	cfg := s.RESTConfig()
	cfg.ExecProvider = &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: command, Args: args, InteractiveMode: mode, InstallHint: hint,
	}
	return s, as(cfg)
}

// stdio stands in for the process's standard streams during a test. What
// would be shown on the real standard error goes to a file.
func stdio(t *testing.T) (s *connect.Stdio, shown func() string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = file
	s, err = connect.TakeStdio(live.SystemClock{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Restore(); err != nil {
			t.Error(err)
		}
		if os.Stderr != file {
			t.Error("standard error was not restored")
		}
		os.Stderr = before
		_ = file.Close()
	})
	return s, func() string {
		b, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestCredentialPlugin(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		mode         clientcmdapi.ExecInteractiveMode
		kind         connect.Kind
		says         []string
	}{
		{name: "gives a token and talks", script: "echo opening your browser >&2\n" + giveToken},
		{name: "fails and says why", script: "echo contacting the issuer >&2\necho 'error: your session has expired' >&2\nexit 3", kind: connect.KindLogin,
			says: []string{"login failed", "exit code 3", "error: your session has expired"}},
		{name: "fails in the middle of a line", script: "printf 'SSO token expired' >&2\nexit 1", kind: connect.KindLogin, says: []string{"SSO token expired"}},
		{name: "fails and says nothing", script: "exit 1", kind: connect.KindLogin, says: []string{"exit code 1", "gave no reason"}},
		{name: "says something hostile", script: `printf '\033[2J\033]0;x\007denied\n' >&2; exit 1`, kind: connect.KindLogin, says: []string{`␛[2J␛]0;x\x07denied`}},
		{name: "gives a token that is not accepted", script: strings.Replace(giveToken, "good", "bad", 1), kind: connect.KindLogin, says: []string{"HTTP 401"}},
		{name: "prints no credentials", script: "echo hello", kind: connect.KindLogin, says: []string{"login failed", "decoding stdout"}},
		{name: "has to ask without a terminal", script: giveToken, mode: clientcmdapi.AlwaysExecInteractiveMode, kind: connect.KindTerminal, says: []string{"has to ask on a terminal"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			io, shown := stdio(t)
			if tc.kind == connect.KindTerminal {
				if err := io.EnterScreen(); err != nil {
					t.Fatal(err)
				}
			}
			mode := tc.mode
			if mode == "" {
				mode = clientcmdapi.NeverExecInteractiveMode
			}
			_, config := withPlugin(t, mode, pluginScript(t, tc.script), "")
			cl, err := config.Open(within(t), connect.Options{Stdio: io})
			if tc.kind == connect.KindOther {
				if err != nil {
					t.Fatal(err)
				}
				cl.Close()
				if err := io.LeaveScreen(); err != nil { // waits for what was said
					t.Fatal(err)
				}
				if !strings.Contains(shown(), "opening your browser\n") {
					t.Errorf("before the screen a plugin may speak, shown: %q", shown())
				}
				return
			}
			says(t, connect.Explain(err), tc.kind, tc.says...)
			if strings.Contains(shown(), "\x00") {
				t.Errorf("marks were shown: %q", shown())
			}
		})
	}
}

func TestMissingCredentialPlugin(t *testing.T) {
	_, config := withPlugin(t, clientcmdapi.NeverExecInteractiveMode, "no-such-plugin-anywhere", "brew install no-such-plugin")
	_, err := config.Open(within(t), connect.Options{})
	says(t, connect.Explain(err), connect.KindLogin, `"no-such-plugin-anywhere" is not installed`, "The kubeconfig says: brew install no-such-plugin")
}

// A plugin may open a browser or ring a telephone each time it runs.
func TestFailingPluginIsNotRunByEveryWatch(t *testing.T) {
	runs, broken := filepath.Join(t.TempDir(), "runs"), filepath.Join(t.TempDir(), "broken")
	script := pluginScript(t, "echo x >> "+runs+"\nif test -e "+broken+"; then echo 'no session' >&2; exit 1; fi\n"+giveToken)
	io, _ := stdio(t)
	s, config := withPlugin(t, clientcmdapi.NeverExecInteractiveMode, script, "")
	changed := newSignal()
	cl := open(t, config, connect.Options{Stdio: io, OnHealth: changed.fire})
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	revoked := s.Fail(apiserver.On("", "", "", apiserver.Unauthorized()))
	list := func() error {
		_, err := cl.Typed().CoreV1().Pods("").List(within(t), metav1.ListOptions{})
		return err
	}
	if list() == nil {
		t.Fatal("listed with a revoked token")
	}
	changed.until(t, "the login is known to be gone", func() bool { return cl.Problem().Kind == connect.KindLogin })
	for range 20 {
		_ = list()
	}
	if n := lines(t, runs); n > 25 {
		t.Errorf("the plugin ran %d times", n)
	}
	revoked()
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if err := cl.Login(within(t)); err != nil {
		t.Fatalf("a login the user asks for must not wait: %v", err)
	}
	if h := cl.Health(); h.State != live.Ready {
		t.Errorf("after the login: %+v", h)
	}
}

func lines(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}

// An exec plugin whose token has run out fails in front of every request.
func TestPluginThatFailsLaterIsLeftAloneForAWhile(t *testing.T) {
	runs, broken := filepath.Join(t.TempDir(), "runs"), filepath.Join(t.TempDir(), "broken")
	shortLived := strings.Replace(giveToken, `"token"`, `"expirationTimestamp":"`+time.Now().Add(-time.Hour).Format(time.RFC3339)+`","token"`, 1)
	script := pluginScript(t, "echo x >> "+runs+"\nif test -e "+broken+"; then echo 'no session' >&2; exit 1; fi\n"+shortLived)
	io, _ := stdio(t)
	_, config := withPlugin(t, clientcmdapi.NeverExecInteractiveMode, script, "")
	cl := open(t, config, connect.Options{Stdio: io})
	if _, err := cl.Identified(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := lines(t, runs)
	for range 20 {
		_, err := cl.Typed().CoreV1().Pods("").List(within(t), metav1.ListOptions{})
		says(t, connect.Explain(err), connect.KindLogin, "login failed", "no session")
	}
	if n := lines(t, runs) - before; n != 1 {
		t.Errorf("the plugin ran %d times for 20 requests", n)
	}
	if h := cl.Health(); h.State != live.Unreachable || !strings.HasPrefix(h.Err.String(), "login failed: ") {
		t.Errorf("%+v", h)
	}
}

func TestRejectedClientCertificate(t *testing.T) {
	_, cfg := tlsServer(t, http.NotFoundHandler(), func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12} // 1.3 may lose the alert
	})
	_, err := as(cfg).Open(within(t), connect.Options{})
	says(t, connect.Explain(err), connect.KindLogin, "refuses the client certificate")
}
