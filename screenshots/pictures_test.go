package screenshots

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/cli/session"
	"midwatch/demo"
	"midwatch/k8s/connect"
	"midwatch/ui/app"
	"midwatch/ui/app/apptest"
	"midwatch/ui/theme"
	"midwatch/ui/uitest"
)

var write = flag.Bool("write", false, "write the pictures")

// picture is one frame: what is pressed on the demo before it is taken.
type picture struct {
	name string
	w, h int
	take func(d *uitest.Driver)
}

func selectCheckout(d *uitest.Driver) { d.Press("/").Type("deploy/checkout").Press("enter").Idle() }

func probes(d *uitest.Driver) {
	d.Press("5").Until("the probes", func(f string) bool { return strings.Contains(f, "readyz") }).Press("]", "]").Idle()
}

func hangs(d *uitest.Driver, workload, shown string) {
	d.Press("/").Type(workload).Press("enter").Idle()
	d.Press("7").Until("what it hangs on", func(f string) bool { return strings.Contains(f, shown) }).Idle()
}

func selectCatalog(d *uitest.Driver) { d.Press("/").Type("deploy/catalog").Press("enter").Idle() }

// explained opens the autoscaler of the selected workload and waits until its
// metrics were read.
func explained(d *uitest.Driver) {
	d.Press("6").Until("the autoscaler is explained", func(f string) bool { return strings.Contains(f, "8, and not") })
}

func secrets(d *uitest.Driver) {
	d.Press("/").Type("fastapi").Press("enter").Idle().Press("9").Until("the secrets", func(f string) bool { return strings.Contains(f, "holds an old version") })
}

func pictures() []picture {
	return []picture{
		{"board-160x48", 160, 48, func(*uitest.Driver) {}},
		{"board-80x24", 80, 24, func(*uitest.Driver) {}},
		{"rollout-160x48", 160, 48, func(d *uitest.Driver) { selectCheckout(d); d.Press("enter").Idle() }},
		{"rollout-80x24", 80, 24, func(d *uitest.Driver) { selectCheckout(d); d.Press("enter").Idle() }},
		{"probes-160x48", 160, 48, func(d *uitest.Driver) {
			selectCheckout(d)
			probes(d)
			d.Press("t").Until("what came of it", func(f string) bool { return strings.Contains(f, "Both agree") }).Idle()
		}},
		{"probes-80x24", 80, 24, func(d *uitest.Driver) { selectCheckout(d); probes(d) }},
		{"hangs-160x48", 160, 48, func(d *uitest.Driver) { hangs(d, "deploy/thumbnailer", "1 broken") }},
		{"hangs-80x24", 80, 24, func(d *uitest.Driver) { hangs(d, "deploy/fastapi", "configmap/") }},
		{"hpa-160x48", 160, 48, func(d *uitest.Driver) { selectCatalog(d); explained(d) }},
		{"hpa-80x24", 80, 24, func(d *uitest.Driver) { selectCatalog(d); explained(d) }},
		{"flags-160x48", 160, 48, func(d *uitest.Driver) { selectCheckout(d); flagsOf(d, true) }},
		{"flags-80x24", 80, 24, func(d *uitest.Driver) { selectCheckout(d); flagsOf(d, false) }},
		{"experiment-160x48", 160, 48, func(d *uitest.Driver) { selectCheckout(d); flagsOf(d, false); experiment(d) }},
		{"secrets-160x48", 160, 48, func(d *uitest.Driver) { secrets(d) }},
		{"secrets-80x24", 80, 24, func(d *uitest.Driver) { secrets(d) }},
		{"undo-160x48", 160, 48, func(d *uitest.Driver) {
			selectCheckout(d)
			d.Press("U").Until("the revisions", func(f string) bool { return strings.Contains(f, "revision 3") })
			d.Press("down", "enter").Until("the plan", func(f string) bool {
				return strings.Contains(f, "containers[api].image")
			})
		}},
	}
}

// flagsOf shows the flags, and with somebody pinned what they get.
func flagsOf(d *uitest.Driver, ask bool) {
	d.Press("8", "z").Until("the flags", func(f string) bool {
		return strings.Contains(f, "used by deploy/checkout") && strings.Contains(f, "express-pay")
	})
	if !ask {
		return
	}
	d.Press("a").Until("the question", func(f string) bool { return strings.Contains(f, "Ask for whom?") })
	for _, r := range "user-42" {
		d.Press(string(r))
	}
	d.Press("enter").Until("the answers", func(f string) bool {
		return strings.Contains(f, "TARGETING_MATCH") && !strings.Contains(f, "evaluating")
	})
}

// experiment shows the one whose split is wrong.
func experiment(d *uitest.Driver) {
	d.Press("x").Until("the experiments", func(f string) bool { return strings.Contains(f, "split is wrong") })
	d.Press("enter").Until("the verdict", func(f string) bool { return strings.Contains(f, "Sample-ratio mismatch") })
}

// demoTime is when the pictures are taken: in the night watch.
func demoTime() time.Time { return time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC) }

// open plays the console on the demo world at a fixed moment.
func open(t *testing.T, w, h int, unlocked bool) *uitest.Driver {
	t.Helper()
	clock := uitest.NewClock(demoTime())
	world, err := demo.Open(demo.Options{Seed: 1, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	world.Server(world.RawConfig().CurrentContext).SetPorts(record(t))
	opener := session.Opener{
		Source: connect.FromRaw(world.RawConfig(), func(c *rest.Config) { world.WrapConfig(c) }),
		Clock:  clock, Journal: action.NewJournal(t.TempDir()+"/journal.jsonl", clock), Unlocked: unlocked,
		Flags: session.OnlyEmbedded(world.Flags, demo.ExperimentsMap),
	}
	opener.Vault = session.DemoVault(world)
	first, err := opener.Open(t.Context(), app.Where{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Cluster.Identified(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := first.Watch.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := apptest.Open(t, app.Options{First: first, Clock: clock, Journal: opener.Journal, Version: "demo", Theme: theme.Options{Color: true}}, w, h)
	d.Until("everything has arrived", func(f string) bool { return strings.Contains(f, "failing") && !strings.Contains(f, "arriving") })
	return d.Idle()
}

// TestPicturesAreFresh compares every SVG with the console's frame, and every
// PNG with the SVG it was made from.
func TestPicturesAreFresh(t *testing.T) {
	made := map[string]string{}
	if raw, err := os.ReadFile("png.json"); err == nil {
		if err := json.Unmarshal(raw, &made); err != nil {
			t.Fatalf("png.json: %v", err)
		}
	}
	for _, p := range slices.Concat(pictures(), vaultPictures(), profilePictures()) {
		t.Run(p.name, func(t *testing.T) {
			d := open(t, p.w, p.h, strings.HasPrefix(p.name, "undo"))
			p.take(d)
			svg := SVG(d.Frame(), p.w, p.h)
			if *write {
				if err := os.WriteFile(p.name+".svg", []byte(svg), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(p.name + ".svg")
			if err != nil || string(want) != svg {
				t.Errorf("%s.svg is not what the console shows now (%v): run `make screenshots` and look at it\n%s", p.name, err, d.Plain())
			}
			sum := sha256.Sum256(want)
			if made[p.name] != hex.EncodeToString(sum[:]) {
				t.Errorf("%s.png was made from another SVG: run `make screenshots`", p.name)
			}
		})
	}
}
