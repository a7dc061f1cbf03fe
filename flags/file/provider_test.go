package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/toggle"
	"midwatch/live"
)

const shopJSON = `{
  "flags": {
    "express-pay": {
      "key": "express-pay", "version": 7,
      "on": true,
      "variations": [true, false], "offVariation": 1, "fallthrough": {"variation": 0}, "salt": "s1",
      "prerequisites": [{"key": "checkout-v2", "variation": 0}],
      "targets": [{"values": ["alice", "bob"], "variation": 1}],
      "rules": [{"id": "r1", "clauses": [{"attribute": "plan", "op": "in", "values": ["pro", "team"]}, {"contextKind": "user", "attribute": "", "op": "segmentMatch", "values": ["beta"], "negate": true}], "variation": 0}],
      "tags": ["service:checkout"], "name": "Express pay"
    },
    "checkout-v2": {"key": "checkout-v2", "version": 1, "on": true, "variations": [true, false], "offVariation": 1, "fallthrough": {"variation": 0}, "salt": "s2"},
    "search": {"key": "search", "version": 3, "on": true, "variations": ["vector", "keyword"], "offVariation": 1, "salt": "s3",
      "fallthrough": {"rollout": {"variations": [{"variation": 0, "weight": 25000}, {"variation": 1, "weight": 75000}], "bucketBy": "email"}}}
  },
  "flagValues": {"max-items": 50},
  "segments": {"beta": {"key": "beta", "included": ["carol"], "version": 1, "salt": "s4"}}
}
`

// bench is a provider over a file on disk with a gate beside it.
type bench struct {
	*Provider
	path string
	gate *action.Gate
	lock *action.Lock
}

type journal struct{ entries []action.Entry }

func (j *journal) Append(_ context.Context, e action.Entry) error {
	j.entries = append(j.entries, e)
	return nil
}

func newBench(t *testing.T, name, text string) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, text)
	lock := action.NewLock(live.SystemClock{}, "test", "uid")
	lock.Open()
	p, err := New(t.Context(), Options{
		Name: "shop", Clock: live.SystemClock{}, Identity: "oncall@example.com", Planner: &toggle.Planner{Lock: lock, Clock: live.SystemClock{}},
		Environments: []Environment{{flags.Environment{Key: "production", Production: true}, Disk(path)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{p, path, action.NewGate(lock, &journal{}, live.SystemClock{}, "oncall"), lock}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	// As an editor does: a new file, renamed over the old one.
	temp := path + ".new"
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// until waits for events until f holds.
func (b *bench) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	news := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- b.Watch(ctx, "production", func(flags.Event) {
			select {
			case news <- struct{}{}:
			default:
			}
		})
	}()
	again := time.NewTicker(20 * time.Millisecond) // the watch may have begun after the event
	defer again.Stop()
	for !f() {
		select {
		case <-news:
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s; status %+v", what, b.Status())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func (b *bench) gets(t *testing.T, who, key string) string {
	t.Helper()
	c, err := flags.ParseContext(who)
	if err != nil {
		t.Fatal(err)
	}
	list, err := b.Evaluate(t.Context(), "production", c, key)
	if err != nil {
		t.Fatal(err)
	}
	e := list[0]
	if e.Code != "" {
		return string(e.Code)
	}
	return fmt.Sprintf("%s %s (%s)", e.Value, e.Reason, e.Native)
}

func TestEvaluation(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	for _, c := range []struct{ who, key, want string }{
		{"dave plan=pro", "express-pay", "true TARGETING_MATCH (RULE_MATCH rule 1)"},
		{"carol plan=pro", "express-pay", "true DEFAULT (FALLTHROUGH)"}, // in the segment that the rule excludes
		{"alice plan=pro", "express-pay", "false TARGETING_MATCH (TARGET_MATCH)"},
		{"dave", "express-pay", "true DEFAULT (FALLTHROUGH)"},
		{"dave", "max-items", "50 STATIC (OFF (a plain value: it has no targeting))"},
		{"dave", "gone", "FLAG_NOT_FOUND"},
		{`{"kind":"multi","user":{"key":"dave","plan":"team"},"device":{"key":"d1"}}`, "express-pay", "true TARGETING_MATCH (RULE_MATCH rule 1)"},
		{`{"kind":"device","key":"d1"}`, "search", `"vector" SPLIT (FALLTHROUGH)`}, // a rollout by user puts others into the first
	} {
		if got := b.gets(t, c.who, c.key); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.who, c.key, got, c.want)
		}
	}
	all, err := b.Evaluate(t.Context(), "production", flags.EvalContext{TargetingKey: "dave"})
	if err != nil || len(all) != 4 || all[0].Key != "checkout-v2" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := b.Evaluate(t.Context(), "production", flags.EvalContext{}); err == nil || !strings.HasPrefix(err.Error(), "context: ") {
		t.Errorf("nobody: %v", err)
	}
	if _, err := b.Evaluate(t.Context(), "qa", flags.EvalContext{TargetingKey: "x"}); !errors.Is(err, flags.ErrNoEnvironment) || !strings.Contains(err.Error(), "there is production") {
		t.Errorf("%v", err)
	}
}

func TestDetailInWords(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	d, err := b.Get(t.Context(), "production", "express-pay")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range d.Rules {
		var when []string
		for _, w := range r.When {
			when = append(when, w.String())
		}
		got = append(got, strings.Join(when, " and ")+" -> "+r.Serves.String())
	}
	want := []string{"user is alice or bob -> false", "plan is pro or team and user is not in segment beta -> true"}
	if !slices.Equal(got, want) || d.Default != "true" || d.Off != "false" || d.Prerequisites[0] != "checkout-v2 is true" || !d.State.On {
		t.Errorf("%q, %+v", got, d)
	}
	d, err = b.Get(t.Context(), "production", "checkout-v2")
	if err != nil || !slices.Equal(d.Dependants, []string{"express-pay"}) {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = b.Get(t.Context(), "production", "search")
	if err != nil || d.State.Serves != `"vector" 25 %, "keyword" 75 % by user email` {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := b.Get(t.Context(), "production", "gone"); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestTheFileIsReadAgainAndABrokenOneLeavesTheLastValues(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	write(t, b.path, strings.Replace(shopJSON, `"on": true,
      "variations"`, `"on": false,
      "variations"`, 1))
	b.until(t, "express-pay is off", func() bool { return b.gets(t, "dave", "express-pay") == "false DISABLED (OFF)" })
	changes, err := b.Audit(t.Context(), "production", "express-pay", time.Time{})
	if err != nil || len(changes) != 1 || changes[0].Summary != "turned off" || changes[0].By != "" || len(changes[0].Diff) != 1 || changes[0].Diff[0].Path != "on" {
		t.Errorf("%+v, %v", changes, err)
	}
	list, err := b.List(t.Context(), "production", flags.Query{})
	if err != nil || list[0].Key != "express-pay" || list[0].States[0].Changed.IsZero() {
		t.Errorf("what changed is not first: %+v, %v", list, err)
	}

	for text, want := range map[string]string{
		"{\n\"flags\": {,": "not valid JSON at line 2",
		"":                 "it is empty",
		"a: [":             "not valid YAML",
		`{"flags": {"a": {"key": "a", "on": "yes"}}}`: "flag a: ",
	} {
		write(t, b.path, text)
		b.until(t, want, func() bool {
			s := b.Status()
			return s.Status == flags.StatusStale && strings.Contains(s.Why.String(), want) && strings.HasPrefix(s.Why.String(), "the last good values are in force")
		})
		if got := b.gets(t, "dave", "express-pay"); got != "false DISABLED (OFF)" {
			t.Errorf("%q: the last values are gone: %s", text, got)
		}
		if _, err := b.Plan(t.Context(), flags.Edit{Kind: flags.TurnOn, Environment: "production", Key: "express-pay"}, nil); err == nil {
			t.Errorf("%q: an edit of a broken file is planned", text)
		}
	}
	if err := os.Remove(b.path); err != nil {
		t.Fatal(err)
	}
	b.until(t, "it is gone", func() bool { return strings.Contains(b.Status().Why.String(), "is not there: was it moved?") })
	write(t, b.path, shopJSON)
	b.until(t, "it is back", func() bool {
		return b.Status().Status == flags.StatusReady && b.gets(t, "dave", "express-pay") == "true DEFAULT (FALLTHROUGH)"
	})
}

// carry runs a plan through the gate as the console does.
func (b *bench) carry(t *testing.T, plan *action.Plan) (action.Outcome, string) {
	t.Helper()
	out, err := b.gate.Run(t.Context(), plan, action.Confirmation{Typed: plan.Target.Name, Reason: "INC-42"})
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := b.gate.Verify(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	return out, text
}

func TestToggleChangesOneWordAndUndoPutsItBack(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	if err := os.Chmod(b.path, 0o640); err != nil {
		t.Fatal(err)
	}
	who := flags.EvalContext{TargetingKey: "dave"}
	p, err := b.Plan(t.Context(), flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: "express-pay"}, &who)
	if err != nil {
		t.Fatal(err)
	}
	if p.Plan.Danger != action.DangerReason || p.Now.Value != "true" || p.After.Value != "false" {
		t.Errorf("%+v", p)
	}
	_, text := b.carry(t, p.Plan)
	want := strings.NewReplacer(`"version": 7,
      "on": true`, `"version": 8,
      "on": false`).Replace(shopJSON)
	if got := read(t, b.path); got != want {
		t.Errorf("the file is\n%s", got)
	}
	if info, err := os.Stat(b.path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(text, "API accepted") || !strings.Contains(text, "SDK path saw it") {
		t.Errorf("verified %q", text)
	}
	for _, s := range p.Ladder.Steps()[:3] {
		if s.State != flags.StepDone {
			t.Errorf("%+v", s)
		}
	}
	changes, err := b.Audit(t.Context(), "production", "express-pay", time.Time{})
	if err != nil || len(changes) != 1 || changes[0].By != "oncall@example.com" || changes[0].Comment != "INC-42" {
		t.Errorf("%+v, %v", changes, err)
	}
	undo, err := b.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.carry(t, undo)
	if got := read(t, b.path); got != strings.Replace(shopJSON, `"version": 7`, `"version": 9`, 1) {
		t.Errorf("after the undo the file is\n%s", got)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(b.path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnEditMeanwhileIsNotOverwritten(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	edit := flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: "checkout-v2"}
	p, err := b.Plan(t.Context(), edit, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(shopJSON, `"salt": "s2"`, `"salt": "s8"`, 1)
	write(t, b.path, other)
	if _, err := b.gate.Run(t.Context(), p.Plan, action.Confirmation{Typed: "checkout-v2", Reason: "x"}); !errors.Is(err, action.ErrChanged) || read(t, b.path) != other {
		t.Errorf("%v; the file is\n%s", err, read(t, b.path))
	}
	// Undo is bound to the version that the change made.
	if p, err = b.Plan(t.Context(), edit, nil); err != nil {
		t.Fatal(err)
	}
	write(t, b.path, strings.Replace(other, "50", "60", 1)) // another flag: it is kept
	b.carry(t, p.Plan)
	if got := read(t, b.path); !strings.Contains(got, "60") || !strings.Contains(got, `"key": "checkout-v2", "version": 2, "on": false`) {
		t.Errorf("the file is\n%s", got)
	}
	write(t, b.path, strings.Replace(read(t, b.path), `"salt": "s8"`, `"salt": "s9"`, 1))
	if _, err := b.gate.Undo(t.Context()); !errors.Is(err, action.ErrChanged) {
		t.Errorf("undo of a flag that was edited since: %v", err)
	}
	if err := Disk(b.path).replace("another hash", []byte("x")); !errors.Is(err, errReplaced) {
		t.Errorf("replace: %v", err)
	}
}

func TestLockedNothingIsWritten(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	b.lock.Lock()
	p, err := b.Plan(t.Context(), flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: "checkout-v2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.gate.Run(t.Context(), p.Plan, action.Confirmation{Typed: "checkout-v2", Reason: "x"}); !errors.Is(err, action.ErrLocked) || read(t, b.path) != shopJSON {
		t.Errorf("%v", err)
	}
}

func TestRollout(t *testing.T) {
	b := newBench(t, "flags.json", shopJSON)
	plan := func(e flags.Edit) *flags.Proposal {
		t.Helper()
		p, err := b.Plan(t.Context(), e, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan(flags.Edit{Kind: flags.SetRollout, Environment: "production", Key: "search", Percent: 5})
	b.carry(t, p.Plan)
	d, err := b.Get(t.Context(), "production", "search")
	if err != nil || d.State.Serves != `"vector" 5 %, "keyword" 95 % by user email` { // bucketBy stays
		t.Errorf("%+v, %v", d, err)
	}
	undo, err := b.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.carry(t, undo)
	if d, err = b.Get(t.Context(), "production", "search"); err != nil || d.State.Serves != `"vector" 25 %, "keyword" 75 % by user email` {
		t.Errorf("%+v, %v", d, err)
	}
	b.carry(t, plan(flags.Edit{Kind: flags.SetRollout, Environment: "production", Key: "checkout-v2", Percent: 25}).Plan)
	if d, err = b.Get(t.Context(), "production", "checkout-v2"); err != nil || d.State.Serves != "true 25 %, false 75 % by user key" {
		t.Errorf("%+v, %v", d, err)
	}
	for _, e := range []flags.Edit{
		{Kind: flags.TurnOn, Environment: "production", Key: "search"},
		{Kind: flags.SetRollout, Environment: "production", Key: "checkout-v2", Percent: 25},
	} {
		if _, err := b.Plan(t.Context(), e, nil); !errors.Is(err, flags.ErrAlready) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	for _, e := range []flags.Edit{
		{Kind: flags.TurnOn, Environment: "production", Key: "max-items"},
		{Kind: flags.SetRollout, Environment: "production", Key: "search", Percent: 50, RuleID: "none"},
		{Kind: flags.SetRollout, Environment: "production", Key: "search", Percent: 150},
		{Kind: "delete", Environment: "production", Key: "search"},
	} {
		if _, err := b.Plan(t.Context(), e, nil); err == nil {
			t.Errorf("%+v is planned", e)
		}
	}
}

const shopYAML = `# flags of the shop
flags:
  express-pay:   # since spring
    key: express-pay
    "on": true     # careful
    variations: [true, false]
    offVariation: 1
    fallthrough: {variation: 0}
flagValues:
  max-items: 50
`

func TestYAMLKeepsItsComments(t *testing.T) {
	b := newBench(t, "flags.yaml", shopYAML)
	p, err := b.Plan(t.Context(), flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: "express-pay"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.carry(t, p.Plan)
	got := read(t, b.path)
	for _, want := range []string{"# flags of the shop", "# since spring", `"on": false # careful`, "version: 1", "max-items: 50"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestTheWordOnInYAML: LaunchDarkly's SDKs (go-server-sdk 7.14.6, by
// ghodss/yaml) read on: without quotes as the word true, so the flag is off;
// what applications get is what is shown.
func TestTheWordOnInYAML(t *testing.T) {
	b := newBench(t, "flags.yaml", strings.Replace(shopYAML, `"on"`, "on", 1))
	d, err := b.Get(t.Context(), "production", "express-pay")
	if err != nil || d.State.On || len(d.Notes) != 1 || !strings.Contains(d.Notes[0].String(), "YAML 1.1") {
		t.Fatalf("%+v, %v", d, err)
	}
	p, err := b.Plan(t.Context(), flags.Edit{Kind: flags.TurnOn, Environment: "production", Key: "express-pay"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.carry(t, p.Plan)
	if d, err = b.Get(t.Context(), "production", "express-pay"); err != nil || !d.State.On || len(d.Notes) != 0 {
		t.Errorf("%+v, %v; the file is\n%s", d, err, read(t, b.path))
	}
}

// BenchmarkReevaluate500 evaluates 500 flags with rules for another context.
func BenchmarkReevaluate500(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"flags": {`)
	for i := range 500 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `"flag-%d": {"key": "flag-%d", "on": true, "variations": [true, false], "offVariation": 1, "salt": "s",
			"rules": [{"id": "a", "clauses": [{"attribute": "plan", "op": "in", "values": ["pro", "team"]}], "variation": 0},
			          {"id": "b", "clauses": [{"attribute": "country", "op": "in", "values": ["DE", "AT", "CH"]}], "rollout": {"variations": [{"variation": 0, "weight": 50000}, {"variation": 1, "weight": 50000}]}}],
			"fallthrough": {"rollout": {"variations": [{"variation": 0, "weight": 10000}, {"variation": 1, "weight": 90000}]}}}`, i, i)
	}
	text.WriteString(`}}`)
	p, err := New(b.Context(), Options{Name: "bench", Clock: live.SystemClock{}, Environments: []Environment{{
		flags.Environment{Key: "production"}, NewMemory("bench", []byte(text.String()), time.Time{}, time.Now),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close() //nolint:errcheck // never fails
	for i := 0; b.Loop(); i++ {
		who := flags.EvalContext{TargetingKey: fmt.Sprint("user-", i), Attributes: map[string]any{"country": "DE"}}
		if list, err := p.Evaluate(b.Context(), "production", who); err != nil || len(list) != 500 {
			b.Fatal(len(list), err)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(shopJSON, "express-pay")
	f.Add(shopYAML, "express-pay")
	f.Fuzz(func(t *testing.T, text, key string) {
		before, err := parse([]byte(text), time.Time{})
		if err != nil || before.flags[key] == nil || before.flags[key].value {
			return
		}
		kind := flags.TurnOn
		if before.flags[key].flag.On {
			kind = flags.TurnOff
		}
		set, err := before.flags[key].assignments(flags.Edit{Kind: kind, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		w := &watched{clock: live.SystemClock{}, Environment: Environment{Store: Disk("f")}}
		after, err := w.changed(before, key, set)
		if err != nil {
			return // refused is fine; a wrong change is not
		}
		if after.flags[key].flag.On == before.flags[key].flag.On {
			t.Errorf("%q in %q was not switched", key, text)
		}
	})
}
