package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/demo/vaultsim"
	"midwatch/secret"
	"midwatch/vault"
)

var begin = time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)

const canary = "MIDWATCH_CANARY_kv"

// still is a clock that stands.
type still struct{}

func (still) Now() time.Time { return begin }

func (still) After(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

type recorder struct{ entries []action.Entry }

func (r *recorder) Append(_ context.Context, e action.Entry) error {
	r.entries = append(r.entries, e)
	return nil
}

type world struct {
	sim     *vaultsim.Server
	reader  *Reader
	plans   *Planner
	gate    *action.Gate
	journal *recorder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{sim: vaultsim.New(vaultsim.Options{Seed: 1, Now: still{}.Now}), journal: &recorder{}}
	w.sim.AddToken(vaultsim.Token{ID: "root", Name: "root", Policies: []string{"root"}})
	w.sim.AddMount("secret/", vaultsim.Mount{Type: "kv", Version: "2"})
	lock := action.NewLock(still{}, "test", "")
	lock.Open()
	w.gate = action.NewGate(lock, w.journal, still{}, "test")
	client, err := vault.Open(t.Context(), vault.Options{
		Settings: vault.Settings{Address: "http://vault.test", AddressFrom: "VAULT_ADDR", Timeout: 5 * time.Second, Token: secret.New("root")},
		Clock:    still{}, Lock: lock, Context: "test", Base: w.sim,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.reader = NewReader(client, 0)
	w.plans = NewPlanner(client, w.reader)
	return w
}

var api = Path{"secret", "shop/api"}

// history writes three versions; the first is destroyed, the second deleted.
func (w *world) history() {
	w.sim.Write("secret", "shop/api", "ci", 48*time.Hour, map[string]any{"old": canary})
	w.sim.Write("secret", "shop/api", "ada", 24*time.Hour, map[string]any{"url": canary + "1", "jwt": canary, "dsn": canary})
	w.sim.Write("secret", "shop/api", "ada\x1b[31m", time.Hour, map[string]any{"url": canary + "2", "jwt": canary, "limits": map[string]any{"daily": 5, "on": true}})
	w.sim.SetCustom("secret", "shop/api", map[string]string{"owner\u202e": "shop\x1b]0;x\a"})
}

func (w *world) valuesWereRead() bool {
	for _, r := range w.sim.Requests() {
		if strings.HasPrefix(r.Path, "secret/data/") {
			return true
		}
	}
	return false
}

func TestMeta(t *testing.T) {
	w := newWorld(t)
	w.history()
	w.sim.Delete("secret", "shop/api", "ada", 1, 0, true)
	w.sim.Delete("secret", "shop/api", "bob", 2, time.Minute, false)
	m, err := w.reader.Meta(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, v := range m.Versions {
		states = append(states, fmt.Sprintf("%d %s", v.N, v.State))
	}
	if got := strings.Join(states, ", "); got != "3 current, 2 deleted, 1 destroyed" {
		t.Errorf("got %s", got)
	}
	two, _ := m.Version(2)
	if two.By.Name != "ada" || two.DeletedBy.Name != "bob" || !two.Created.Equal(begin.Add(-24*time.Hour)) {
		t.Errorf("version 2: %+v", two)
	}
	three, _ := m.Version(3)
	custom := fmt.Sprint(m.Custom)
	if strings.ContainsAny(three.By.Name.String()+custom, "\x1b\a\u202e") || len(m.CustomKeys()) != 1 {
		t.Errorf("hostile text got in: %q %q", three.By.Name, custom)
	}
	if _, ok := m.Before(3); ok {
		t.Error("no older version can be read")
	}
	if w.valuesWereRead() {
		t.Error("metadata reads values")
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	w.history()
	w.sim.Write("secret", "top", "ci", 0, map[string]any{})
	top, err := w.reader.List(t.Context(), "secret", "")
	if err != nil || fmt.Sprint(top) != "[{shop/ true} {top false}]" {
		t.Errorf("%v, %v", top, err)
	}
	none, err := w.reader.List(t.Context(), "secret", "nothing/")
	if err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func TestDiffTakesNoValue(t *testing.T) {
	w := newWorld(t)
	w.history()
	changes, err := w.reader.Diff(t.Context(), api, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %s", c.Key, c.Change))
	}
	if text := strings.Join(got, ", "); text != "dsn removed, jwt in both, limits.daily added, limits.on added, url in both" {
		t.Errorf("got %s", text)
	}
	if w.valuesWereRead() {
		t.Error("the diff read values")
	}
}

func TestDeletedVersions(t *testing.T) {
	w := newWorld(t)
	w.history()
	w.sim.Delete("secret", "shop/api", "ada", 2, 0, false)
	if _, err := w.reader.Diff(t.Context(), api, 2, 3); !errors.Is(err, ErrDeleted) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("diff: %v", err)
	}
	if _, err := w.reader.Reveal(t.Context(), api, 2, Key{"url"}); !errors.Is(err, ErrDeleted) {
		t.Errorf("reveal: %v", err)
	}
	var failed *vault.Error
	if _, err := w.reader.Keys(t.Context(), Path{"secret", "none"}, 0); !errors.As(err, &failed) || failed.Kind != vault.KindNotFound {
		t.Errorf("nothing there: %v", err)
	}
}

func TestCompareValues(t *testing.T) {
	w := newWorld(t)
	w.history()
	changes, err := w.reader.CompareValues(t.Context(), api, 2, 3, secret.NewFingerprints())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]KeyChange{}
	for _, c := range changes {
		got[c.Key.String()] = c
	}
	if got["jwt"].Change != Same || got["url"].Change != Changed || got["limits.daily"].New.Type != "number" || got["url"].New.Size != "≤ 64 B" {
		t.Errorf("got %+v", got)
	}
	raw, _ := json.Marshal(changes)
	if strings.Contains(string(raw)+fmt.Sprintf("%+v", changes), "CANARY") {
		t.Error("a value shows")
	}
}

func TestReveal(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("ä", 512<<10)
	w.sim.Write("secret", "shop/api", "ci", 0, map[string]any{
		"text": canary, "number": 17, "flag": true, "list": []any{1, "x"}, "none": nil, "large": large, "deep": map[string]any{"a.b": "dotted"}, "empty": "",
	})
	for name, c := range map[string]struct {
		key         Key
		want, shape string
	}{
		"text": {Key{"text"}, canary, "string"}, "number": {Key{"number"}, "17", "number"}, "boolean": {Key{"flag"}, "true", "boolean"},
		"list": {Key{"list"}, `[1,"x"]`, "list"}, "null": {Key{"none"}, "", "null"}, "1 MB": {Key{"large"}, large, "string"},
		"inside": {Key{"deep", "a.b"}, "dotted", "string"}, "empty": {Key{"empty"}, "", "string"}, "object": {Key{"deep"}, `{"a.b":"dotted"}`, "object"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := w.reader.Reveal(t.Context(), api, 0, c.key)
			if err != nil {
				t.Fatal(err)
			}
			v.Expose(func(b []byte) {
				if string(b) != c.want || v.Shape.Type != c.shape || v.Length != len(c.want) {
					t.Errorf("got %d bytes, %+v", len(b), v.Shape)
				}
			})
			if text := fmt.Sprintf("%v %+v %s", v, v, v); strings.Contains(text, "CANARY") {
				t.Errorf("printing shows it: %s", text)
			}
			v.Zero()
			if !v.Empty() {
				t.Error("it is still there")
			}
		})
	}
	_, err := w.reader.Reveal(t.Context(), api, 0, Key{"nope"})
	if !errors.Is(err, ErrNoKey) || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("no such key: %v", err)
	}
}

func (w *world) run(t *testing.T, p *action.Plan, typed string) string {
	t.Helper()
	out, err := w.gate.Run(t.Context(), p, action.Confirmation{Typed: typed})
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := w.gate.Verify(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) value(t *testing.T, key string) (value string) {
	t.Helper()
	v, err := w.reader.Reveal(t.Context(), api, 0, Key{key})
	if err != nil {
		t.Fatal(err)
	}
	v.Expose(func(b []byte) { value = string(b) })
	return value
}

func TestRollbackAndItsUndo(t *testing.T) {
	w := newWorld(t)
	w.history()
	p, err := w.plans.PlanRollback(t.Context(), api, 2)
	if err != nil {
		t.Fatal(err)
	}
	if text := w.run(t, p, "shop/api"); !strings.Contains(text, "version 4 holds the values of version 2") {
		t.Errorf("verified %q", text)
	}
	if got := w.value(t, "url"); got != canary+"1" {
		t.Error("the newest version does not hold the old value")
	}
	undo, err := w.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, undo, "shop/api")
	if got := w.value(t, "url"); got != canary+"2" {
		t.Error("undo did not bring the newer value back")
	}
	raw, _ := json.Marshal(w.journal.entries)
	if len(w.journal.entries) < 4 || strings.Contains(string(raw), "CANARY") {
		t.Errorf("%d journal entries, or a value in one", len(w.journal.entries))
	}
}

func TestRollbackDoesNotOverwriteSomebodyElses(t *testing.T) {
	w := newWorld(t)
	w.history()
	p, err := w.plans.PlanRollback(t.Context(), api, 2)
	if err != nil {
		t.Fatal(err)
	}
	w.sim.Write("secret", "shop/api", "bob", 0, map[string]any{"url": "bob's"})
	if _, err := w.gate.Run(t.Context(), p, action.Confirmation{Typed: "shop/api"}); !errors.Is(err, action.ErrChanged) {
		t.Errorf("got %v", err)
	}
	if got := w.value(t, "url"); got != "bob's" {
		t.Error("it was overwritten")
	}
}

func TestUndelete(t *testing.T) {
	w := newWorld(t)
	w.history()
	if _, err := w.plans.PlanUndelete(t.Context(), api, 3); err == nil || !strings.Contains(err.Error(), "not deleted") {
		t.Errorf("not deleted: %v", err)
	}
	w.sim.Delete("secret", "shop/api", "bob", 3, time.Minute, false)
	p, err := w.plans.PlanUndelete(t.Context(), api, 3)
	if err != nil {
		t.Fatal(err)
	}
	if p.Danger != action.DangerName {
		t.Errorf("consumers read it: danger %v", p.Danger)
	}
	w.run(t, p, "shop/api")
	if got := w.value(t, "url"); got != canary+"2" {
		t.Error("it is still deleted")
	}
	undo, err := w.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, undo, "shop/api")
	if _, err := w.reader.Reveal(t.Context(), api, 3, Key{"url"}); !errors.Is(err, ErrDeleted) {
		t.Errorf("after undo: %v", err)
	}
	w.sim.Delete("secret", "shop/api", "bob", 1, 0, true)
	if _, err := w.plans.PlanUndelete(t.Context(), api, 1); err == nil || !strings.Contains(err.Error(), "destroyed") {
		t.Errorf("destroyed: %v", err)
	}
}

func FuzzKeysOf(f *testing.F) {
	for _, s := range []string{`{"a":null,"b":{"c":null}}`, `{}`, `null`, `[]`, `{"":{"":{}}}`, `{"a.b":1,"a":{"b":2}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		keys, err := keysOf(in)
		if err != nil {
			return
		}
		for i, k := range keys {
			if len(k) == 0 || len(k) > maxDepth {
				t.Errorf("key of %d parts", len(k))
			}
			if i > 0 && keys[i-1].compare(k) >= 0 {
				t.Errorf("%q and %q are out of order", keys[i-1], k)
			}
			if strings.ContainsAny(k.String(), "\x1b\r\n\a") {
				t.Errorf("%q is not clean", k)
			}
		}
		for _, c := range DiffKeys(keys, keys) {
			if c.Change != Unknown {
				t.Errorf("%s differs from itself", c.Key)
			}
		}
	})
}
