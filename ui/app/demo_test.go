package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/cli/session"
	"midwatch/demo"
	"midwatch/k8s/connect"
	"midwatch/live"
	"midwatch/ui/app"
	"midwatch/ui/app/apptest"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
)

// demoConsole is the whole console on the embedded world, over its wire.
func demoConsole(t *testing.T, w, h int) (*uitest.Driver, *action.Journal) {
	t.Helper()
	world, err := demo.Open(demo.Options{Seed: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	opener := session.Opener{
		Source: connect.FromRaw(world.RawConfig(), func(c *rest.Config) { world.WrapConfig(c) }),
		Clock:  live.SystemClock{}, Journal: action.NewJournal(filepath.Join(t.TempDir(), "state", "journal.jsonl"), live.SystemClock{}),
		Flags: session.OnlyEmbedded(world.Flags, demo.ExperimentsMap),
	}
	first, err := opener.Open(t.Context(), app.Where{}, true)
	if err != nil {
		t.Fatal(err)
	}
	d := apptest.Open(t, app.Options{
		Open:  func(ctx ctxT, w app.Where) (*app.Session, error) { return opener.Open(ctx, w, len(w.Namespaces) == 0) },
		First: first, Contexts: opener.Source.Contexts, Clock: live.SystemClock{}, Journal: opener.Journal,
		Theme: theme.Options{Color: true},
	}, w, h)
	return d, opener.Journal
}

// lines waits for a frame that has all the texts.
func lines(d *uitest.Driver, texts ...string) *uitest.Driver {
	return d.Until("the screen says "+strings.Join(texts, ", "), func(frame string) bool {
		for _, text := range texts {
			if !strings.Contains(frame, text) {
				return false
			}
		}
		return true
	})
}

func TestDemoFromTheBoardToAVerifiedWriteAndBack(t *testing.T) {
	d, journal := demoConsole(t, 170, 50)
	lines(d, "KeyError: 'STRIPE_WEBHOOK_SECRET'", "pods of deploy/payments-api", "warnings", "pods ✓")
	uitest.Boxed(t, d.Frame(), 170, 50)

	d.Tap("S")
	lines(d, "how many pods")
	d.Tap("backspace").Tap("5").Tap("enter")
	lines(d, "Scale Deployment payments/payments-api", "read-only: context demo is locked")
	d.Tap("esc").Tap(":")
	for _, k := range "unlock" {
		d.Tap(string(k))
	}
	d.Tap("enter")
	lines(d, "Unlock demo?").Tap("y")
	lines(d, "UNLOCKED 10m").Tap("S")
	lines(d, "how many pods").Tap("backspace").Tap("5").Tap("enter")
	lines(d, "enter/y confirms").Tap("y")
	lines(d, "of 5", "undoes")
	entries, _, err := journal.Read(t.Context(), 10)
	if err != nil || len(entries) < 2 || entries[len(entries)-1].Phase != action.PhaseIntent {
		t.Errorf("journal %v, %v", entries, err)
	}
	d.Tap("u")
	lines(d, "enter/y confirms", "5 -> 3").Tap("y")
	lines(d, "of 3")
}

func TestDemoDrillsDownAndComesBack(t *testing.T) {
	d, _ := demoConsole(t, 80, 24)
	lines(d, "payments-api", "rollout failed")
	d.Tap("enter")
	lines(d, "rollout of deploy/payments-api", "KeyErr").Tap("esc")
	lines(d, "workloads in all").Tap("y")
	lines(d, "apiVersion: apps/v1", "esc back").Tap("esc")
	lines(d, "workloads in all").Tap("l")
	lines(d, "logs of deploy/payments-api", "lines").Tap("esc").Tap("A")
	lines(d, "journal").Tap("esc").Tap("e")
	lines(d, "BackOff").Tap("esc")
	lines(d, "workloads in all")
	uitest.Sizes(200, 50, func(w, h int) { uitest.Boxed(t, d.Resize(w, h).Frame(), w, h) })
}

func TestDemoSwitchesContextAndNamespace(t *testing.T) {
	d, _ := demoConsole(t, 120, 40)
	lines(d, "payments-api").Tap("n")
	lines(d, "all namespaces", "payments", "platform").Tap("p").Tap("l").Tap("a")
	// The board behind the dialog names platform too: what tells that the list
	// has arrived is that enter would no longer take the letters for a name.
	d.Until("the list is narrowed to platform", func(frame string) bool { return !strings.Contains(frame, "enter looks at namespace pla") }).Tap("enter")
	lines(d, "ns platform", "log-agent").Tap("c")
	lines(d, "demo-eu").Tap("down").Tap("enter")
	lines(d, "demo-eu", "ns shop", "deploy")
	d.Tap(":")
	for _, k := range "ctx nowhere" {
		if k == ' ' {
			d.Tap("space")
		} else {
			d.Tap(string(k))
		}
	}
	d.Tap("enter")
	lines(d, "no context nowhere")
}
