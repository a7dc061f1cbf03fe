package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"midwatch/live"
	"midwatch/ui/app"
)

type ran struct {
	code     int
	out, err string
}

// run carries out one command line with a home of its own.
func run(t *testing.T, args ...string) ran {
	t.Helper()
	home := t.TempDir()
	env := map[string]string{"HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home}
	t.Setenv("KUBECONFIG", filepath.Join(home, "no-kubeconfig"))
	t.Setenv("HOME", home)
	var out, errOut bytes.Buffer
	a := &invocation{
		in: strings.NewReader(""), out: &out, err: &errOut, clock: live.SystemClock{},
		env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	code := a.run(context.Background(), args)
	return ran{code, out.String(), errOut.String()}
}

func TestStatusOfTheDemo(t *testing.T) {
	r := run(t, "status", "--demo", "-o", "json")
	if r.code != 1 {
		t.Fatalf("exit %d, want 1: the demo is in trouble\n%s", r.code, r.err)
	}
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/status.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.out))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, r.out)
	}
	var board struct {
		Context   string
		Workloads []struct {
			Namespace, Name, Phase, Severity string
			Rollout                          struct{ BlockedBy []string }
			Causes                           []struct{ Kind, Text string }
			Probes                           []struct{ Pod, Container, Probe, State, LastMessage string }
		}
	}
	if err := json.Unmarshal([]byte(r.out), &board); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"payments/payments-api": "Failed", "shop/search": "Blocked", "shop/checkout": "Stalling", "shop/promo-banner": "ScaledToZero",
		"shop/thumbnailer": "Paused", "shop/fastapi-service": "Done", "shop/recommendations": "Paused",
	}
	for _, w := range board.Workloads {
		key := w.Namespace + "/" + w.Name
		if phase, ok := want[key]; ok && phase != w.Phase {
			t.Errorf("%s is %s, want %s", key, w.Phase, phase)
		}
		delete(want, key)
		if key == "shop/search" && (len(w.Rollout.BlockedBy) != 1 || w.Rollout.BlockedBy[0] != "search-2") {
			t.Errorf("search is blocked by %v, want search-2", w.Rollout.BlockedBy)
		}
	}
	for _, w := range board.Workloads {
		if (w.Severity == "fail" || w.Severity == "warn") != (len(w.Probes) > 0) && w.Name != "log-agent" {
			t.Errorf("%s is %s and has %d probes", w.Name, w.Severity, len(w.Probes))
		}
		if p := w.Probes; w.Name == "search" && (p[0].Pod != "search-2" || p[0].State != "failing" || p[0].LastMessage != "HTTP probe failed with statuscode: 503") {
			t.Errorf("the probes of search begin with %+v", p[0])
		}
	}
	for key := range want {
		t.Errorf("%s is not on the board", key)
	}
	causes := map[string]string{
		"payments-api": "crash: exits 1: KeyError: 'STRIPE_WEBHOOK_SECRET'", "invoice-pdf": "oom: OOMKilled at its 256Mi limit", "search": "ordered-ready: OrderedReady never replaces a pod that is not ready on an older revision",
		"checkout": "readiness: readiness GET :8000/readyz answers 503", "log-agent": "image: cannot pull log-agent:v3.3.0: not built for this node's platform",
	}
	for _, w := range board.Workloads {
		if want, ok := causes[w.Name]; ok && (len(w.Causes) == 0 || w.Causes[0].Kind+": "+w.Causes[0].Text != want) {
			t.Errorf("%s: causes %+v, want %s", w.Name, w.Causes, want)
		}
	}
}

func TestStatusOfOneWorkload(t *testing.T) {
	r := run(t, "status", "--demo", "-n", "shop", "deploy/fastapi-service")
	if r.code != 0 || !strings.Contains(r.out, "deployment/fastapi-service") || !strings.Contains(r.out, "1 workload in namespace shop") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = run(t, "status", "--demo", "-n", "shop", "-o", "md", "sts/search")
	if r.code != 1 || !strings.Contains(r.out, "**search-2 must be deleted: OrderedReady never replaces a pod that is not ready on an older revision**") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = run(t, "status", "--demo", "-n", "shop", "-o", "md", "deploy/checkout")
	for _, want := range []string{
		"**1 of 1 new pod is not available: readiness GET :8000/readyz answers 503** (container api), since ", " ago). Before it, revision 3 was replaced by 4 at ",
		"api `registry.example.com/checkout:v2.7.3` → `registry.example.com/checkout:v2.8.0`", "4 of 4 wanted pods are available: the old revision still serves",
		"It counts as failed at ", "Next: Ask the endpoint yourself", "kubectl -n shop rollout undo deployment/checkout", "\nEvidence:\n- Pod shop/checkout-", "(at least ",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s%s", want, r.out, r.err)
		}
	}
	r = run(t, "status", "--demo", "-A", "-o", "md")
	if !strings.Contains(r.out, "| fail | StatefulSet `shop/search`") {
		t.Errorf("the whole board is a table:\n%s%s", r.out, r.err)
	}
}

func TestBadInputIsOneClearLine(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(settings, []byte("theme: pink\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--colour"}, "unknown flag: --colour"},
		{"unknown command", []string{"statsu"}, `"statsu"`},
		{"unknown output", []string{"status", "--demo", "-o", "xml"}, `-o "xml": want table, json or md`},
		{"two targets", []string{"status", "--demo", "a", "b"}, "want one TARGET"},
		{"no such workload", []string{"status", "--demo", "nonesuch"}, `no workload "nonesuch"`},
		{"no such kind", []string{"status", "--demo", "job/x"}, `no kind "job"`},
		{"no such context", []string{"status", "--demo", "--context", "mars"}, "mars"},
		{"no kubeconfig", []string{"status"}, "kubeconfig"},
		{"bad settings", []string{"status", "--demo", "--config", settings}, `theme "pink"`},
		{"no terminal", []string{"demo"}, "needs a terminal"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := run(t, tc.args...)
			first, _, _ := strings.Cut(r.err, "\n")
			if r.code != 2 || !strings.HasPrefix(first, "midwatch: ") || !strings.Contains(first, tc.want) {
				t.Errorf("exit %d, first line %q, want %q", r.code, first, tc.want)
			}
			if r.out != "" {
				t.Errorf("wrote %q on standard output", r.out)
			}
		})
	}
}

func TestSmallCommands(t *testing.T) {
	if r := run(t, "version"); r.code != 0 || !strings.HasPrefix(r.out, "midwatch ") {
		t.Errorf("version: %+v", r)
	}
	if r := run(t, "journal"); r.code != 0 || !strings.HasPrefix(r.out, "nothing has been done from here") {
		t.Errorf("journal: %+v", r)
	}
	if r := run(t, "journal", "-o", "json"); r.code != 0 || !strings.Contains(r.out, `"schema": "midwatch.journal/v1"`) {
		t.Errorf("journal: %+v", r)
	}
	if r := run(t, "completion", "bash"); r.code != 0 || !strings.Contains(r.out, "bash completion") {
		t.Errorf("completion: exit %d %s", r.code, r.err)
	}
	if r := run(t, "__complete", "--demo", "--context", ""); !strings.Contains(r.out, "demo-eu") {
		t.Errorf("contexts are not completed: %q", r.out)
	}
}

// TestKeysPageIsFresh holds docs/KEYS.md to the bindings.
func TestKeysPageIsFresh(t *testing.T) {
	page, err := os.ReadFile("../docs/KEYS.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != app.KeysMarkdown() {
		t.Error("docs/KEYS.md is not what the bindings say: run `make docs`")
	}
}
