//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

// revealed opens the console on the bed's Vault with one value on the screen.
func revealed(t *testing.T, binary string, v *testbed.Vault) (c *console, env []string) {
	t.Helper()
	token, err := v.Token(t.Context(), time.Hour, "oncall")
	if err != nil {
		t.Fatal(err)
	}
	env = environment(t, shared.bed.Kubeconfig(testbed.Viewer))
	home := strings.TrimPrefix(env[0], "HOME=")
	settings := filepath.Join(home, "settings.yaml")
	if err := os.WriteFile(settings, []byte("vault: {copyFor: 1s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "VAULT_ADDR="+v.Addr, "VAULT_TOKEN="+token, "TMPDIR="+home, "MIDWATCH_CONFIG="+settings, "GOTRACEBACK=all")
	s, err := ptydrive.Start(ptydrive.Options{Command: []string{binary, "-A"}, Env: env, Cols: 140, Rows: 40, Dir: home})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c = &console{s, t}
	c.see(30*time.Second, "workloads in all namespaces", "fraud-check")
	c.send(":kv"+enter, "secret/")
	c.send(enter, "services/")
	c.send(enter, "fastapi")
	c.send(enter, "version 2", "current")
	c.send("v", "Reveal which key of version 2")
	c.send(enter, vaultCanary+"new", "masked in")
	return c, env
}

// crashing builds midwatch with a bug put into it: asked to copy the value
// that is revealed, it panics with all that it knows of it.
func crashing(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	source := filepath.Join(root, "ui", "kvpane", "keys.go")
	raw, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const at = "func (p *Pane) copyValue() tea.Cmd {\n"
	if strings.Count(string(raw), at) != 1 {
		t.Fatalf("%s has no copyValue to put a bug into", source)
	}
	dir := t.TempDir()
	buggy, overlay, binary := filepath.Join(dir, "keys.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "midwatch")
	text := strings.Replace(string(raw), at, at+"\tpanic(fmt.Sprintf(\"planted: %v %+v %#v\", p.secret.value.Bytes, *p.secret, *p.secret))\n", 1)
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: buggy}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{buggy: []byte(text), overlay: list} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build midwatch with a bug: %v\n%s", err, out)
	}
	return binary
}

// TestAPanicWhileAValueIsRevealedDoesNotPrintIt looks at the terminal, the
// crash report and every other file after a panic of the real binary.
func TestAPanicWhileAValueIsRevealedDoesNotPrintIt(t *testing.T) {
	c, env := revealed(t, crashing(t), openVault(t))
	before := c.Mark()
	c.send("C")
	c.ended(2)
	after := string(c.Raw(before))
	if strings.Contains(after, vaultCanary) || !strings.Contains(after, "internal error: planted") {
		t.Errorf("the terminal after the panic: %q", after)
	}
	reports, err := filepath.Glob(filepath.Join(strings.TrimPrefix(env[0], "HOME="), "midwatch-crash-*.txt"))
	if err != nil || len(reports) != 1 {
		t.Fatalf("crash reports %v, %v", reports, err)
	}
	raw, err := os.ReadFile(reports[0])
	if err != nil || !strings.Contains(string(raw), "copyValue") || !strings.Contains(string(raw), "‹hidden›") {
		t.Errorf("the report tells too little: %v\n%s", err, raw)
	}
	noCanaryBelow(t, env, vaultCanary)
}

// TestAKilledProcessLeavesNoValueBehind kills the binary with a signal after
// which the Go runtime prints every goroutine and others would dump core.
func TestAKilledProcessLeavesNoValueBehind(t *testing.T) {
	c, env := revealed(t, shared.binary, openVault(t))
	limits, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.PID()), "limits"))
	if runtime.GOOS == "linux" && (err != nil || !noCoreAllowed(string(limits))) {
		t.Errorf("core dumps are possible: %v\n%s", err, limits)
	}
	before := c.Mark()
	if err := c.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if code, err := c.Wait(ctx); err != nil || code == 0 {
		t.Errorf("exit %d, %v", code, err)
	}
	if after := string(c.Raw(before)); strings.Contains(after, vaultCanary) {
		t.Errorf("the terminal after the signal: %q", after)
	}
	noCanaryBelow(t, env, vaultCanary)
	cores, err := filepath.Glob(filepath.Join(strings.TrimPrefix(env[0], "HOME="), "core*"))
	if err != nil || len(cores) != 0 {
		t.Errorf("core files %v, %v", cores, err)
	}
}

// noCoreAllowed reads /proc/PID/limits.
func noCoreAllowed(limits string) bool {
	for line := range strings.Lines(limits) {
		if strings.HasPrefix(line, "Max core file size") {
			fields := strings.Fields(strings.TrimPrefix(line, "Max core file size"))
			return len(fields) >= 2 && fields[0] == "0" && fields[1] == "0"
		}
	}
	return false
}
