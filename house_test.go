package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// listed is what `go list -deps -json` says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// rule says what the packages it covers may not depend on, at any distance.
type rule struct {
	why    string
	covers func(path string) bool
	denies func(path string, p listed) bool
}

func under(path string, dirs ...string) bool {
	for _, d := range dirs {
		if path == "midwatch/"+d || strings.HasPrefix(path, "midwatch/"+d+"/") {
			return true
		}
	}
	return false
}

func own(path string) bool { return path == "midwatch" || strings.HasPrefix(path, "midwatch/") }

// terminal reports libraries that draw.
func terminal(path string) bool {
	return strings.HasPrefix(path, "charm.land/") || strings.HasPrefix(path, "github.com/charmbracelet/") ||
		strings.Contains(path, "tcell") || under(path, "ui")
}

func isPane(path string) bool {
	name, ok := strings.CutPrefix(path, "midwatch/ui/")
	return ok && strings.HasSuffix(name, "pane") && name != "pane"
}

// testHelpers are packages that only tests import.
var testHelpers = []string{"ui/panetest", "ui/uitest", "ui/app/apptest", "flags/launchdarkly/ldtest", "flags/ofrep/ofreptest"}

var houseRules = []rule{
	{
		why:    "foreign stands on the standard library alone",
		covers: func(p string) bool { return p == "midwatch/foreign" },
		denies: func(p string, l listed) bool { return !l.Standard },
	},
	{
		why:    "live stands on the standard library and foreign",
		covers: func(p string) bool { return p == "midwatch/live" },
		denies: func(p string, l listed) bool { return !l.Standard && p != "midwatch/foreign" },
	},
	{
		why:    "action stands on the standard library, live and foreign",
		covers: func(p string) bool { return p == "midwatch/action" },
		denies: func(p string, l listed) bool { return !l.Standard && !under(p, "live", "foreign") },
	},
	{
		why:    "secret stands on the standard library alone",
		covers: func(p string) bool { return p == "midwatch/secret" },
		denies: func(p string, l listed) bool { return !l.Standard },
	},
	{
		why:    "the vocabulary of flags does no IO: no client library, no HTTP of its own",
		covers: func(p string) bool { return p == "midwatch/flags" },
		denies: func(p string, l listed) bool { return !l.Standard && !under(p, "action", "live", "foreign") },
	},
	{
		why:    "the cluster's vocabulary does no IO: no client library",
		covers: func(p string) bool { return p == "midwatch/k8s" },
		denies: func(p string, l listed) bool { return !l.Standard && !under(p, "live", "foreign") },
	},
	{
		why: "assessment is pure: no client, no connection",
		covers: func(p string) bool {
			return p == "midwatch/k8s/rollout" || p == "midwatch/k8s/probe" || p == "midwatch/k8s/depend" ||
				p == "midwatch/k8s/hpa"
		},
		denies: func(p string, l listed) bool {
			return strings.HasPrefix(p, "k8s.io/client-go/") || under(p, "k8s/connect", "k8s/watch")
		},
	},
	{
		why: "the profile model and its views are pure: no client, no cluster",
		covers: func(p string) bool {
			return p == "midwatch/profiles" || under(p, "profiles/decode", "profiles/tree", "profiles/diff", "profiles/summary")
		},
		denies: func(p string, l listed) bool {
			return !l.Standard && own(p) && !under(p, "profiles", "foreign") || under(p, "profiles/capture")
		},
	},
	{
		why:    "hygiene stands on the standard library and golang.org/x/sys",
		covers: func(p string) bool { return p == "midwatch/hygiene" },
		denies: func(p string, l listed) bool { return !l.Standard && !strings.HasPrefix(p, "golang.org/x/sys") },
	},
	{
		why:    "Vault knows no cluster",
		covers: func(p string) bool { return p == "midwatch/vault" || under(p, "vault/lease", "vault/kv") },
		denies: func(p string, _ listed) bool { return strings.HasPrefix(p, "k8s.io/") || under(p, "k8s") },
	},
	{
		why: "a domain never draws",
		covers: func(p string) bool {
			return under(p, "vault", "hygiene", "k8s", "profiles", "flags", "secrets", "report", "config", "demo", "action", "live", "foreign", "secret")
		},
		denies: func(p string, _ listed) bool { return terminal(p) },
	},
	{
		why:    "widgets, bindings and themes know no domain",
		covers: func(p string) bool { return under(p, "ui/widget", "ui/bind", "ui/theme") },
		denies: func(p string, _ listed) bool {
			return own(p) && !under(p, "ui/widget", "ui/bind", "ui/theme", "live", "foreign")
		},
	},
	{
		why:    "one pane never imports another, nor the root",
		covers: isPane,
		denies: func(p string, _ listed) bool { return isPane(p) || under(p, "ui/app") },
	},
	{
		why:    "the demo world is for the command line and tests",
		covers: func(p string) bool { return own(p) && p != "midwatch" && !under(p, "cli", "demo", "screenshots") },
		denies: func(p string, _ listed) bool { return under(p, "demo") },
	},
	{
		why:    "servers and benches of tests are for tests",
		covers: func(p string) bool { return own(p) && !under(p, testHelpers...) },
		denies: func(p string, _ listed) bool { return under(p, testHelpers...) },
	},
	{
		why:    "the product stands without the testbed",
		covers: own,
		denies: func(p string, _ listed) bool { return under(p, "testbed") },
	},
}

// TestImportsPointTheRightWay holds the house of docs/CODEBASE.md together.
func TestImportsPointTheRightWay(t *testing.T) {
	all := packages(t)
	for _, r := range houseRules {
		covered := 0
		for path, p := range all {
			if !own(path) || !r.covers(path) {
				continue
			}
			covered++
			for _, dep := range p.Deps {
				if dep != path && r.denies(dep, all[dep]) {
					t.Errorf("%s: %s depends on %s", r.why, path, dep)
				}
			}
		}
		if covered == 0 {
			t.Errorf("the rule %q covers no package: it can no longer fail", r.why)
		}
	}
}
