package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// valid holds a command's JSON to its schema and decodes it.
func valid(t *testing.T, r ran, schema string, into any) {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	s, err := jsonschema.NewCompiler().Compile("../docs/schema/" + schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.out))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, r.out)
	}
	if err := json.Unmarshal([]byte(r.out), into); err != nil {
		t.Fatal(err)
	}
}

func TestFlagsOfTheDemoAgainstTheirSchemas(t *testing.T) {
	var list struct {
		Provider, Environment string
		Flags                 []struct {
			Key, Kind, ChangedBy string
			On, Stale            bool
			Variations           []string
		}
	}
	valid(t, run(t, "flags", "list", "--demo", "-o", "json"), "flags.v1.json", &list)
	if list.Environment != "production" || len(list.Flags) < 10 || list.Flags[0].Key != "express-pay" || !list.Flags[0].On || list.Flags[0].ChangedBy != "dana@shop.example" {
		t.Errorf("%+v", list)
	}
	var one struct {
		Key   string
		Rules []struct {
			When   []string
			Serves string
		}
	}
	valid(t, run(t, "flags", "get", "express-pay", "--demo", "-o", "json"), "flag.v1.json", &one)
	if one.Key != "express-pay" || len(one.Rules) != 3 || one.Rules[1].When[0] != "payment is invoice" {
		t.Errorf("%+v", one)
	}
	var answers []struct {
		Key, Variant, Reason, NativeReason string
		Value                              any
	}
	valid(t, run(t, "flags", "eval", "--demo", "-o", "json", "--context", `{"kind":"user","key":"user-42","country":"DE"}`, "express-pay", "free-shipping-threshold"), "flag-eval.v1.json", &answers)
	if len(answers) != 2 || answers[0].Value != true || answers[0].Reason != "TARGETING_MATCH" || answers[0].NativeReason != "RULE_MATCH rule 2" || answers[1].Value != float64(60) {
		t.Errorf("%+v", answers)
	}
	var history struct {
		Changes []struct{ Key, By, Summary string }
	}
	valid(t, run(t, "flags", "history", "express-pay", "--demo", "-o", "json"), "flag-history.v1.json", &history)
	if len(history.Changes) != 3 || history.Changes[0].By != "dana@shop.example" {
		t.Errorf("%+v", history)
	}
	var got struct {
		Experiment, User, Variant string
		Bucket                    int
		Admitted                  bool
	}
	valid(t, run(t, "flags", "assign", "-o", "json", "--experiment", "checkout-flow", "--variants", "control,variant_a,variant_b", "--traffic", "0.1", "--user", "u820"), "flag-assign.v1.json", &got)
	if got.Bucket != 1000 || !got.Admitted || got.Variant != "variant_a" {
		t.Errorf("%+v", got)
	}
}

// settings writes a settings file with one flag file and returns its path and
// the flag file's.
func flagSettings(t *testing.T) (settings, flags string) {
	t.Helper()
	dir := t.TempDir()
	settings, flags = filepath.Join(dir, "config.yaml"), filepath.Join(dir, "flags.json")
	text := `{"flags": {"a": {"key": "a", "version": 1, "on": true, "variations": [true, false], "offVariation": 1, "fallthrough": {"variation": 0}}}}`
	for path, body := range map[string]string{flags: text, settings: "flags: [{type: file, name: shop, environment: production, file: " + flags + "}]\n"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return settings, flags
}

func TestAFlagIsSwitchedOnlyWithEverythingThatIsAskedFor(t *testing.T) {
	settings, file := flagSettings(t)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	base := []string{"flags", "off", "a", "--config", settings, "--journal", filepath.Join(t.TempDir(), "state", "j.jsonl")}
	for _, c := range []struct {
		more []string
		want string
	}{
		{nil, `add --write --yes a --comment "why"`},
		{[]string{"--write"}, `add --yes a --comment "why"`},
		{[]string{"--write", "--yes", "b", "--comment", "x"}, "add --yes a"},
		{[]string{"--write", "--yes", "a"}, `add --comment "why"`},
		{[]string{"--yes", "a", "--comment", "x"}, "add --write"},
	} {
		r := run(t, slices.Concat(base, c.more)...)
		if r.code != exitUsage || !strings.Contains(r.err, "nothing was changed: to carry this out "+c.want) || !strings.Contains(r.out, "on: true -> false") {
			t.Errorf("%v: exit %d, %s%s", c.more, r.code, r.out, r.err)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != string(before) {
			t.Fatalf("%v changed the file: %s, %v", c.more, now, err)
		}
	}
	var done struct {
		Key, Verb, Journal string
		Seen               bool
		Steps              []struct{ Name, State string }
	}
	valid(t, run(t, slices.Concat(base, []string{"--write", "--yes", "a", "--comment", "INC-1", "-o", "json"})...), "flag-change.v1.json", &done)
	if !done.Seen || done.Journal == "" || done.Steps[2].State != "done" || done.Steps[3].State != "skipped" {
		t.Errorf("%+v", done)
	}
	if r := run(t, slices.Concat(base, []string{"--write", "--yes", "a", "--comment", "INC-1"})...); r.code != exitUsage || !strings.Contains(r.err, "it is so already") {
		t.Errorf("a second time: exit %d, %s", r.code, r.err)
	}
}

func TestFlagsBadInputHasItsOwnWords(t *testing.T) {
	settings, _ := flagSettings(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"flags", "list"}, "no flag provider is named in the settings"},
		{[]string{"flags"}, "want list, get, eval, on, off, history or assign"},
		{[]string{"flags", "list", "--config", settings, "--provider", "ld"}, `no flag provider is called "ld": the settings name shop`},
		{[]string{"flags", "list", "--config", settings, "--environment", "qa"}, "no such environment: qa; there is production"},
		{[]string{"flags", "list", "--config", settings, "-o", "xml"}, `-o "xml": want table or json`},
		{[]string{"flags", "get", "--config", settings}, "want the key of one flag"},
		{[]string{"flags", "get", "gone", "--config", settings}, "no such flag: gone"},
		{[]string{"flags", "eval", "--config", settings, "--context", `{"key": `}, "--context: context: the JSON ends too early"},
		{[]string{"flags", "eval", "--config", settings}, "--context: whom to ask about?"},
		{[]string{"flags", "assign", "--experiment", "x", "--user", "u"}, "--traffic is missing"},
		{[]string{"flags", "assign", "--experiment", "x", "--user", "u", "--traffic", "1"}, "the experiment has no variants"},
	} {
		r := run(t, c.args...)
		if r.code != exitUsage || !strings.Contains(r.err, c.want) || strings.Count(strings.TrimSpace(r.err), "\n") > 1 {
			t.Errorf("%v: exit %d, %q, want %q", c.args, r.code, r.err, c.want)
		}
	}
}
