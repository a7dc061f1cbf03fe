package kvpane_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/secret"
	"midwatch/ui/kvpane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/vault"
	"midwatch/vault/desk"
)

// clock stands at the bench's time.
type clock struct{}

func (clock) Now() time.Time { return panetest.Now() }

func (clock) After(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// wire is a server in memory that must not be asked on the UI goroutine.
type wire struct {
	sim   *vaultsim.Server
	bench *panetest.Bench
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.bench.OffUI("asking Vault")
	return w.sim.RoundTrip(r)
}

// value is what the demo's secret holds.
const value = "demo-value-6"

func open(t testing.TB, env func(string) (string, bool), change func(*vaultsim.Server)) (*panetest.Bench, *vaultsim.Server) {
	return openCopying(t, 0, env, change)
}

// openCopying is open where values may be copied for a while.
func openCopying(t testing.TB, copyFor time.Duration, env func(string) (string, bool), change func(*vaultsim.Server)) (*panetest.Bench, *vaultsim.Server) {
	sim, token := vaultsim.Shop(1, panetest.Now)
	if change != nil {
		change(sim)
	}
	w := &wire{sim: sim}
	lock := action.NewLock(clock{}, "demo", "")
	d := desk.New(desk.Options{Configured: true, Env: env, CopyFor: copyFor, Open: func(ctx context.Context) (*vault.Client, error) {
		return vault.Open(ctx, vault.Options{
			Settings: vault.Settings{Address: "https://vault.example:8200", AddressFrom: "VAULT_ADDR", Timeout: time.Second, Token: secret.New(token)},
			Clock:    clock{}, Lock: lock, Context: "demo", Base: w,
		})
	}})
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		w.bench = b
		return kvpane.New(pane.KV, d)
	})
	return start(b), sim
}

// start puts the pane on the screen.
func start(b *panetest.Bench) *panetest.Bench {
	return b.Do(func() tea.Cmd { return b.Pane.(pane.Starter).Start(b.Env) })
}

// fastapi opens the secret with a history.
func fastapi(b *panetest.Bench) *panetest.Bench {
	return b.Press("enter", "j", "enter").SetFilter("fastapi").Press("enter")
}

// reveal picks the key of that name.
func reveal(b *panetest.Bench, key string) {
	b.Press("v")
	pick := panetest.Last[pane.PickMsg](b)
	for i, item := range pick.Items {
		if item.Title == key {
			b.Do(func() tea.Cmd { return pick.Done(i) })
		}
	}
}

func valueReads(sim *vaultsim.Server) (n int) {
	for _, r := range sim.Requests() {
		if strings.HasPrefix(r.Path, "secret/data/") {
			n++
		}
	}
	return n
}

func TestGoldens(t *testing.T) {
	b, sim := open(t, nil, nil)
	b.Golden("mounts")
	fastapi(b).GoldenAll("versions")
	b.Boxed()
	b.Bindings()
	b.Press("enter").Golden("keys")
	b.Boxed()
	if n := valueReads(sim); n != 0 {
		t.Errorf("browsing read values %d times", n)
	}
	b.Press("=").Golden("values compared")
	b.Boxed()
}

func TestBrowsing(t *testing.T) {
	b, _ := open(t, nil, nil)
	b.Press("enter", "j", "enter")
	frame := b.Plain(80, 24)
	for _, want := range []string{"checkout", "fastapi", "payments-api", "webhook-relay"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q in\n%s", want, frame)
		}
	}
	b.SetFilter("payments").Press("enter")
	if frame := b.Plain(120, 40); !strings.Contains(frame, "destroyed") || !strings.Contains(frame, "oidc-jonas") {
		t.Errorf("versions:\n%s", frame)
	}
	b.Press("backspace", "backspace", "backspace")
	if frame := b.Plain(80, 24); !strings.Contains(frame, "secret/") {
		t.Errorf("the top:\n%s", frame)
	}
}

func TestAValueIsShownOnlyWhileItMayBe(t *testing.T) {
	for name, end := range map[string]func(b *panetest.Bench){
		"ten seconds":   func(b *panetest.Bench) { b.Env.Now = b.Env.Now.Add(10 * time.Second) },
		"lost the keys": func(b *panetest.Bench) { b.Env.Focused = false; b.Plain(80, 24); b.Env.Focused = true },
		"resized":       func(b *panetest.Bench) { b.Plain(81, 24) },
		"esc":           func(b *panetest.Bench) { b.Press("esc") },
		"moved":         func(b *panetest.Bench) { b.Press("j") },
		"read again":    func(b *panetest.Bench) { b.Press("R") },
		"up":            func(b *panetest.Bench) { b.Press("backspace") },
		"closed":        func(b *panetest.Bench) { b.Pane.(pane.Closer).Close() },
		"concealed":     func(b *panetest.Bench) { b.Pane.(pane.Concealer).Conceal() },
	} {
		t.Run(name, func(t *testing.T) {
			b, sim := open(t, nil, nil)
			fastapi(b)
			if frame := b.Plain(80, 24); strings.Contains(frame, "demo-value") {
				t.Fatalf("a value nobody asked for:\n%s", frame)
			}
			reveal(b, "jwt_secret")
			if frame := b.Plain(80, 24); !strings.Contains(frame, value) || !strings.Contains(frame, "masked in 10 s") {
				t.Fatalf("not revealed:\n%s", frame)
			}
			if n := valueReads(sim); n != 1 {
				t.Errorf("read %d times", n)
			}
			b.Env.Now = b.Env.Now.Add(9 * time.Second)
			if frame := b.Plain(80, 24); !strings.Contains(frame, value) || !strings.Contains(frame, "masked in 1 s") {
				t.Errorf("after nine seconds:\n%s", frame)
			}
			b.Env.Now = panetest.Now()
			end(b)
			if frame := b.Plain(80, 24); strings.Contains(frame, value) {
				t.Errorf("still there:\n%s", frame)
			}
		})
	}
}

func TestCopyingIsOptIn(t *testing.T) {
	b, _ := open(t, nil, nil)
	fastapi(b)
	reveal(b, "jwt_secret")
	b.Press("C")
	if !strings.Contains(b.Reason, "vault.copyFor") || !strings.Contains(b.Plain(80, 24), value) {
		t.Errorf("without the setting: %q", b.Reason)
	}
	b, sim := openCopying(t, 30*time.Second, nil, nil)
	fastapi(b)
	reveal(b, "jwt_secret")
	b.Press("C")
	msg := panetest.Last[pane.CopySecretMsg](b)
	msg.Value.Expose(func(v []byte) {
		if string(v) != value {
			t.Errorf("copied %d bytes", len(v))
		}
	})
	if msg.ClearAfter != 30*time.Second || msg.Target.Name != "services/fastapi" || strings.Contains(fmt.Sprintf("%+v", msg), value) {
		t.Errorf("copied as %+v", msg)
	}
	if frame := b.Plain(80, 24); strings.Contains(frame, value) || valueReads(sim) != 1 {
		t.Errorf("it is not masked, or was read %d times:\n%s", valueReads(sim), frame)
	}
}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	b, sim := open(t, nil, nil)
	fastapi(b).Press("j", "b")
	target := panetest.Last[pane.ConfirmMsg](b).Plan.Target
	sent := len(sim.Requests())
	other := target
	other.Name = "services/other"
	b.Send(pane.WroteMsg{Target: other})
	if n := len(sim.Requests()); n != sent {
		t.Errorf("another secret was written to: %d requests", n-sent)
	}
	sim.Write("secret", "services/fastapi", "x", 0, map[string]any{"jwt_secret": "new"})
	b.Send(pane.WroteMsg{Target: target})
	if frame := b.Plain(80, 24); !strings.Contains(frame, "version 4") {
		t.Errorf("the new version is not shown:\n%s", frame)
	}
}

func TestAHostileValueDoesNotReachTheTerminal(t *testing.T) {
	b, _ := open(t, nil, func(s *vaultsim.Server) {
		s.Write("secret", "services/fastapi", "x\x1b[31m", 0, map[string]any{"evil\u202e": "\x1b]52;c;AAAA\a\r\n\u009b31m" + strings.Repeat("long ", 3000)})
	})
	fastapi(b).Press("v")
	pick := panetest.Last[pane.PickMsg](b)
	b.Do(func() tea.Cmd { return pick.Done(0) })
	frame := b.Plain(80, 24)
	if strings.ContainsAny(frame, "\x1b\a\r\u009b\u202e") || !strings.Contains(frame, "␛]52") {
		t.Errorf("got\n%q", frame)
	}
	b.Boxed()
}

func TestNothingIsRevealedWhileFramesAreRecorded(t *testing.T) {
	tracing := func(name string) (string, bool) { return "/tmp/trace", name == "TEA_TRACE" }
	b, sim := open(t, tracing, nil)
	fastapi(b).Press("v")
	if !strings.Contains(b.Reason, "TEA_TRACE") || valueReads(sim) != 0 {
		t.Errorf("answered %q, %d reads", b.Reason, valueReads(sim))
	}
}

func TestPlans(t *testing.T) {
	b, _ := open(t, nil, nil)
	fastapi(b).Press("j", "b")
	if plan := panetest.Last[pane.ConfirmMsg](b).Plan; plan.Verb != "rollback" || plan.Target.Name != "services/fastapi" {
		t.Errorf("plan %+v", plan)
	}
	b, _ = open(t, nil, nil)
	b.Press("enter", "j", "enter").SetFilter("webhook").Press("enter", "v")
	if !strings.Contains(b.Reason, "deleted") {
		t.Errorf("revealing a deleted version: %q", b.Reason)
	}
	b.Press("U")
	if plan := panetest.Last[pane.ConfirmMsg](b).Plan; plan.Verb != "undelete" {
		t.Errorf("plan %+v", plan)
	}
}

func TestWithoutRights(t *testing.T) {
	b, _ := open(t, nil, func(s *vaultsim.Server) { s.AddPolicy("oncall", vaultsim.Policy{"secret/metadata/*": {"list"}}) })
	fastapi(b)
	if frame := b.Plain(80, 24); !strings.Contains(frame, `path "secret/metadata/*"`) || !strings.Contains(frame, `"read"`) {
		t.Errorf("got\n%s", frame)
	}
	b.Boxed()
}

func TestWithoutAVault(t *testing.T) {
	b := start(panetest.New(t, func(*panetest.Bench) pane.Pane { return kvpane.New(pane.KV, nil) }))
	b.Press("enter", "backspace", "R", "=", "v", "b", "U", "esc")
	if frame := b.Plain(80, 24); !strings.Contains(frame, "VAULT_ADDR") {
		t.Errorf("got\n%s", frame)
	}
	b.Boxed()
}
