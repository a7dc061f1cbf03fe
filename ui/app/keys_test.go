package app_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"midwatch/k8s"
	"midwatch/ui/app"
	"midwatch/ui/bind"
	"midwatch/ui/uitest"
)

// scopes are the bindings of everywhere and of every real pane.
func scopes(t *testing.T) map[string][]bind.Binding {
	t.Helper()
	m := app.New(t.Context(), app.Options{})
	all := map[string][]bind.Binding{"everywhere": m.GlobalKeys()}
	for _, k := range app.Panes() {
		all[string(k.ID)] = k.New(k.ID, app.Deps{Session: &app.Session{}}, k8s.Ref{}, "").Bindings()
	}
	return all
}

func TestBindingsAreWellFormed(t *testing.T) {
	ids := map[string]string{}
	function := regexp.MustCompile(`^f\d+$`)
	for scope, list := range scopes(t) {
		keys := map[string]string{}
		for _, b := range list {
			if b.ID == "" || b.Title == "" || !strings.HasSuffix(b.Help, ".") {
				t.Errorf("%s: %+v needs an ID, a title and a sentence", scope, b)
			}
			if other, dup := ids[b.ID]; dup {
				t.Errorf("%s and %s both have %s", scope, other, b.ID)
			}
			ids[b.ID] = scope
			for _, k := range b.Keys {
				if other, dup := keys[k]; dup {
					t.Errorf("%s: %s and %s have the key %q", scope, b.ID, other, k)
				}
				keys[k] = b.ID
				if strings.Contains(k, "alt+") || strings.Contains(k, "super+") || strings.Contains(k, "ctrl+shift") || function.MatchString(k) {
					t.Errorf("%s: %s needs the key %q, which not every terminal has", scope, b.ID, k)
				}
				if _, err := uitest.Key(k); err != nil {
					t.Errorf("%s: %s: %v", scope, b.ID, err)
				}
			}
		}
	}
}

// TestNoPaneTakesAReservedKey keeps what every hand knows working everywhere.
func TestNoPaneTakesAReservedKey(t *testing.T) {
	reserved := []string{"q", "?", ":", "tab", "shift+tab", "ctrl+c", "ctrl+z", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "z", "c", "A", "u"}
	for scope, list := range scopes(t) {
		if scope == "everywhere" {
			continue
		}
		for _, k := range reserved {
			if b, taken := bind.Match(list, k); taken {
				t.Errorf("%s takes %q for %s", scope, k, b.ID)
			}
		}
		if b, taken := bind.Match(list, "ctrl+d"); taken && b.Writes {
			t.Errorf("%s writes on ctrl+d, which scrolls elsewhere", scope)
		}
	}
}

func TestEveryGlobalKeyDoesWhatItSays(t *testing.T) {
	for _, b := range app.New(t.Context(), newRig(t).opts).GlobalKeys() {
		for _, k := range b.Keys {
			t.Run(fmt.Sprintf("%s on %s", b.ID, k), func(t *testing.T) {
				r := newRig(t)
				d := r.start(120, 40)
				if b.ID == "app.back" {
					d.Press("2")
				}
				before := d.Frame() + fmt.Sprint(len(r.opened), d.HasQuit())
				d.Press(k)
				after := d.Frame() + fmt.Sprint(len(r.opened), d.HasQuit())
				if before == after && b.ID != "app.focus-1" && b.ID != "app.suspend" {
					t.Errorf("nothing happens\n%s", d.Plain())
				}
			})
		}
	}
}

func TestKeysMarkdownHasEveryBinding(t *testing.T) {
	text := app.KeysMarkdown()
	for scope, list := range scopes(t) {
		for _, b := range list {
			for _, k := range b.Keys {
				if !strings.Contains(text, "`"+strings.ReplaceAll(k, "|", "\\|")+"`") {
					t.Errorf("%s: the key %q of %s is missing", scope, k, b.ID)
				}
			}
			if !strings.Contains(text, strings.ReplaceAll(b.Help, "|", "\\|")) {
				t.Errorf("%s: the help of %s is missing", scope, b.ID)
			}
		}
	}
	for _, want := range []string{"| `unlock 10m` |", "| `ns NAME[,NAME]\\|all` |", "*writes*", "## board: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if text != app.KeysMarkdown() {
		t.Error("it differs from run to run")
	}
}
