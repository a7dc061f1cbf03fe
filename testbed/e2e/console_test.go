//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"midwatch/testbed/ptydrive"
)

// console is midwatch in a terminal, as one of the bed's users.
type console struct {
	*ptydrive.Session
	t *testing.T
}

// openConsole starts it and fails the test's cleanup if the terminal is not
// given back.
func openConsole(t *testing.T, identity string, cols, rows int, args ...string) *console {
	t.Helper()
	s, err := ptydrive.Start(ptydrive.Options{
		Command: append([]string{shared.binary}, args...), Env: environment(t, shared.bed.Kubeconfig(identity)), Cols: cols, Rows: rows,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &console{s, t}
}

// see waits until all texts stand on the screen at once.
func (c *console) see(within time.Duration, texts ...string) {
	c.t.Helper()
	c.until(within, strings.Join(texts, " and "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

func (c *console) until(within time.Duration, what string, done func(string) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	if err := c.WaitForFunc(ctx, what, done); err != nil {
		c.t.Fatal(err)
	}
}

// send presses keys and waits for what they bring.
func (c *console) send(keys string, texts ...string) {
	c.t.Helper()
	if err := c.Send(keys); err != nil {
		c.t.Fatal(err)
	}
	if len(texts) > 0 {
		c.see(20*time.Second, texts...)
	}
}

// leave presses esc and waits until a text is gone: a key that follows esc at
// once would be read as alt and that key.
func (c *console) leave(text string) {
	c.t.Helper()
	c.send("\x1b")
	c.until(20*time.Second, "no "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

// quit ends it with q and checks that the terminal is as it was.
func (c *console) quit() {
	c.t.Helper()
	c.send("q")
	c.ended(0)
}

func (c *console) ended(code int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	got, err := c.Wait(ctx)
	if err != nil || got != code {
		c.t.Errorf("exit %d, %v; want %d\n%s", got, err, code, c.Screen())
	}
	if err := c.Restored(); err != nil {
		c.t.Errorf("the terminal was not given back: %v", err)
	}
}

const (
	enter = "\r"
)

func TestUndoFromTheConsole(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := shared.bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
	setImage(t, "shop", "fastapi-service", "api", badImage)
	t.Cleanup(func() { healSampleService(t) })

	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	c := openConsole(t, "admin", 160, 48, "-n", "shop", "--journal", journal)
	c.see(30*time.Second, "fastapi-service", "READ-ONLY")
	c.send("/fastapi"+enter, "1 of ")
	c.see(time.Minute, "cannot pull ")
	c.send("U", "Undo Deployment shop/fastapi-service to which revision?")
	c.leave("to which revision?")
	c.send(":unlock 10m"+enter, "Unlock bed-admin?")
	c.send(enter, "UNLOCKED")
	c.send("U", "Undo Deployment shop/fastapi-service to which revision?", goodImage)
	c.send("v1.2.3"+enter, "Roll Deployment shop/fastapi-service back to revision", "containers[api].image", "rollout undo deployment/fastapi-service")
	c.send(enter, "u undoes")
	c.see(time.Minute, "all 3 pods are up to date and available")
	c.quit()

	phases := ""
	for _, e := range entries(t, journal) {
		if e.Verb != "undo" || e.Target.Namespace != "shop" || e.Target.Name != "fastapi-service" || e.User == "" {
			t.Errorf("entry %+v", e)
		}
		phases += e.Phase + " "
	}
	if phases != "intent applied verified " {
		t.Errorf("the journal tells %q", phases)
	}
	r := command(t, environment(t, shared.bed.Kubeconfig("admin")), "journal", "--journal", journal)
	if r.code != 0 || !strings.Contains(r.out, "verified") {
		t.Errorf("midwatch journal: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

type journalEntry struct {
	Phase, Verb, User string
	Target            struct{ Namespace, Name string }
}

func entries(t *testing.T, path string) []journalEntry {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal's mode is %v, %v", info.Mode(), err)
	}
	var out []journalEntry
	for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		var e journalEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, e)
	}
	return out
}

func TestLockedConsoleWritesNothing(t *testing.T) {
	c := openConsole(t, "admin", 120, 40, "-n", "shop")
	c.see(30*time.Second, "sts/redis", "READ-ONLY")
	before := generation(t)
	c.send("/fastapi"+enter, "1 of ")
	c.send("r", "Restart Deployment shop/fastapi-service?", "unlock")
	c.send(enter)
	c.leave("Restart Deployment")
	c.quit()
	if after := generation(t); after != before {
		t.Errorf("generation went from %d to %d", before, after)
	}
}

func generation(t *testing.T) int64 {
	t.Helper()
	d, err := shared.bed.Client().AppsV1().Deployments("shop").Get(t.Context(), "fastapi-service", getOptions)
	if err != nil {
		t.Fatal(err)
	}
	return d.Generation
}

// apiServerUp starts the API server for the tests that follow when a test has
// failed before it did.
func apiServerUp(t *testing.T) {
	t.Helper()
	if _, runs := shared.bed.PIDs()["kube-apiserver"]; runs {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := shared.bed.StartAPIServer(ctx); err != nil {
		t.Error(err)
	}
}

func TestAPIServerRestartsUnderTheOpenConsole(t *testing.T) {
	c := openConsole(t, "viewer", 160, 48, "-A")
	c.see(30*time.Second, "sts/redis", "log-shipper", "pods ✓")
	t.Cleanup(func() { apiServerUp(t) })
	if err := shared.bed.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	c.until(90*time.Second, "the header says that the server is away", func(s string) bool {
		head := strings.ToLower(strings.Join(strings.SplitN(s, "\n", 3)[:2], " "))
		return strings.Contains(head, "refused") || strings.Contains(head, "unreachable") || strings.Contains(head, "stale")
	})
	c.see(time.Second, "sts/redis", "log-shipper") // nothing is lost
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := shared.bed.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	// No key is pressed: it heals by itself, and what happens next is seen.
	c.until(90*time.Second, "it heals without a key", func(s string) bool {
		head := strings.ToLower(strings.Join(strings.SplitN(s, "\n", 3)[:2], " "))
		return !strings.Contains(head, "refused") && !strings.Contains(head, "unreachable") && !strings.Contains(head, "stale") && strings.Contains(s, "sts/redis")
	})
	scale := func(n int) {
		patch := []byte(`{"spec":{"replicas":` + string(rune('0'+n)) + `}}`)
		if _, err := shared.bed.Client().AppsV1().Deployments("platform").Patch(ctx, "gateway", mergePatch, patch, patchOptions); err != nil {
			t.Fatal(err)
		}
	}
	scale(4)
	defer scale(2)
	c.see(time.Minute, "4/4")
	c.quit()
}

func TestWatchExpiresUnderTheOpenConsole(t *testing.T) {
	c := openConsole(t, "viewer", 160, 48, "-n", "shop")
	c.see(30*time.Second, "sts/redis", "pods ✓")
	t.Cleanup(func() { apiServerUp(t) })
	if err := shared.bed.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := shared.bed.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	if err := shared.bed.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"spec":{"replicas":5}}`)
	if _, err := shared.bed.Client().AppsV1().StatefulSets("shop").Patch(ctx, "redis", mergePatch, patch, patchOptions); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = shared.bed.Client().AppsV1().StatefulSets("shop").Patch(context.Background(), "redis", mergePatch, []byte(`{"spec":{"replicas":3}}`), patchOptions)
	}()
	c.see(90*time.Second, "5/5")
	c.quit()
}

func TestNamespacedUserSeesItsNamespace(t *testing.T) {
	c := openConsole(t, "shop-dev", 120, 40, "-n", "shop")
	c.see(30*time.Second, "deploy/fastap", "sts/redis")
	c.send("n", "esc cancels", "all namespaces")
	c.send("\x1b")
	c.until(20*time.Second, "the picker is closed", func(screen string) bool { return !strings.Contains(screen, "esc cancels") })
	c.send("y", "apiVersion")
	c.leave("apiVersion")
	c.see(10*time.Second, "sts/redis")
	c.quit()
}

func TestTinyTerminal(t *testing.T) {
	c := openConsole(t, "viewer", 10, 3, "-n", "shop")
	c.until(30*time.Second, "one line says that it is too small", func(s string) bool { return strings.TrimSpace(s) != "" })
	if err := c.Resize(80, 24); err != nil {
		t.Fatal(err)
	}
	c.see(30*time.Second, "sts/redis")
	c.quit()
}

func TestNoTerminal(t *testing.T) {
	r := midwatch(t, "viewer")
	if r.code != 2 || !strings.Contains(r.err, "needs a terminal") || !strings.Contains(r.err, "midwatch status") {
		t.Errorf("exit %d: %q", r.code, r.err)
	}
}

func TestHangupGivesTheTerminalBack(t *testing.T) {
	c := openConsole(t, "viewer", 80, 24, "-n", "shop")
	c.see(30*time.Second, "sts/redis")
	if err := c.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Wait(ctx); err != nil {
		t.Fatalf("SIGHUP does not end it: %v", err)
	}
	if err := c.Restored(); err != nil {
		t.Errorf("the terminal was not given back: %v", err)
	}
}

func TestSuspendUnderAShell(t *testing.T) {
	// Only a shell with job control can continue what ctrl-z stops.
	s, err := ptydrive.Start(ptydrive.Options{
		Command: []string{"bash", "--norc", "--noprofile", "-i"}, Cols: 80, Rows: 24,
		Env: append(environment(t, shared.bed.Kubeconfig("viewer")), "PS1=ready> "),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &console{s, t}
	c.see(10*time.Second, "ready>")
	c.send(shared.binary+" -n shop"+enter, "sts/redis", "READ-ONLY")
	c.send("\x1a")
	c.see(10*time.Second, "Stopped", "ready>")
	if c.AltScreen() {
		t.Error("the shell was left on the alternate screen")
	}
	c.send("fg"+enter, "sts/redis", "READ-ONLY")
	c.send("q")
	c.see(10*time.Second, "ready>")
	c.send("exit" + enter)
	c.ended(0)
}
