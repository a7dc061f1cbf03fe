package flagspane_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/flagwatch"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/ui/flagspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func topic() live.Topic { return live.Topic{Name: flagwatch.Topic} }

func checkout() k8s.Ref {
	return k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "checkout"}
}

func boolean() []flags.Variation {
	return []flags.Variation{{ID: "0", Value: "true"}, {ID: "1", Value: "false"}}
}

// on and off are a flag's state in an environment.
func state(env string, on bool, serves string, ago time.Duration, by string) flags.EnvState {
	s := flags.EnvState{Environment: env, On: on, Serves: foreign.Text(serves), ChangedBy: foreign.Text(by), Version: env + serves}
	if ago > 0 {
		s.Changed = panetest.Ago(ago)
	}
	return s
}

// list is the shop's flags in one environment.
func list(env string) []flags.Flag {
	production := env == "production"
	pick := func(p, s flags.EnvState) []flags.EnvState {
		if production {
			return []flags.EnvState{p}
		}
		return []flags.EnvState{s}
	}
	express := flags.Flag{Key: "express-pay", Kind: flags.KindBoolean, Type: "release", Variations: boolean(), Tags: []foreign.Text{"service:checkout"}}
	express.States = pick(state(env, true, "true", 15*time.Minute, "dana@example.com"), state(env, true, "true", 50*time.Hour, "dana@example.com"))
	if production {
		express.States[0].Served = &flags.Stats{Since: panetest.Ago(10 * time.Minute), Until: panetest.Now(), Counts: []flags.Count{{Variant: "true", N: 6120}, {Variant: "false", N: 280}}}
	}
	search := flags.Flag{Key: "semantic-search", Kind: flags.KindString, Variations: []flags.Variation{{ID: "0", Name: "vector", Value: `"vector"`}, {ID: "1", Name: "keyword", Value: `"keyword"`}}}
	search.States = pick(state(env, true, "vector 25 %, keyword 75 % by user key", 26*time.Hour, "kim@example.com"), state(env, true, "vector", 26*time.Hour, "kim@example.com"))
	maintenance := flags.Flag{Key: "maintenance-banner", Kind: flags.KindBoolean, Type: "kill-switch", Variations: boolean(), States: pick(state(env, false, "false", 0, ""), state(env, false, "false", 0, ""))}
	old := flags.Flag{Key: "new-cart-2024", Kind: flags.KindBoolean, Type: "release", Variations: boolean(), Stale: true, StaleWhy: "release flags live 40 days, this one 612", States: pick(state(env, true, "true", 600*24*time.Hour, "sam@example.com"), state(env, true, "true", 0, ""))}
	evil := flags.Flag{Key: "evil␛[2J⟨U+202E⟩flag-" + strings.Repeat("long", 20), Kind: flags.KindBoolean, States: pick(state(env, true, "true", 90*time.Minute, "mallory"), state(env, false, "false", 0, ""))}
	return []flags.Flag{express, search, maintenance, old, evil}
}

// provider is a flag service as the pane sees it.
type provider struct {
	flags.Provider
	bench  *panetest.Bench
	info   flags.Info
	status flags.ProviderStatus
	gone   bool
}

func (p *provider) Info() flags.Info             { return p.info }
func (p *provider) Status() flags.ProviderStatus { return p.status }

func (p *provider) Get(_ context.Context, environment, key string) (*flags.Detail, error) {
	p.bench.OffUI("reading a flag")
	if p.gone {
		return nil, fmt.Errorf("%w: %s", flags.ErrNotFound, key)
	}
	for _, f := range list(environment) {
		if f.Key != key {
			continue
		}
		return &flags.Detail{
			Flag: f, State: f.States[0], Default: "true", Off: "false", ReadAt: panetest.Now(), Prerequisites: []foreign.Text{"checkout-v2 is true"},
			Rules: []flags.Rule{
				{ID: "r1", When: []foreign.Text{"user is alice or bob"}, Serves: "true", Rollout: -1},
				{ID: "r2", When: []foreign.Text{"country is DE, AT or CH", "plan is not free"}, Serves: "true 50 %, false 50 % by user key", Rollout: 50},
			},
			Dependants: []string{"one-tap-pay"}, Pending: []flags.Pending{{Kind: "scheduled", What: "turn off", By: "kim@example.com"}},
			Experiments: []flags.RunningExperiment{{Key: "pay", Name: "express conversion", Status: "running", Since: panetest.Ago(70 * time.Hour), Unit: "user", Arms: []flags.Arm{{Name: "true", Percent: 50}, {Name: "false", Percent: 50, Baseline: true}}}},
		}, nil
	}
	return nil, flags.ErrNotFound
}

func (p *provider) Audit(context.Context, string, string, time.Time) ([]flags.Change, error) {
	p.bench.OffUI("reading the history")
	return []flags.Change{
		{At: panetest.Ago(15 * time.Minute), By: "dana@example.com", Summary: "turned on", Comment: "launch", Diff: []action.Field{{Path: "on", Before: "false", After: "true"}}},
		{At: panetest.Ago(9 * 24 * time.Hour), By: "ci-token", Service: true, Action: "created"},
	}, nil
}

func (p *provider) Stats(context.Context, string, string) (*flags.Stats, error) {
	p.bench.OffUI("counting")
	return &flags.Stats{Since: panetest.Ago(10 * time.Minute), Until: panetest.Now(), Counts: []flags.Count{{Variant: "true", N: 6120}, {Variant: "false", N: 280}}, Note: "evaluations, not users"}, nil
}

// flagSource is the session as the pane sees it.
type flagSource struct {
	bench    *panetest.Bench
	provider *provider
	pinned   *flags.EvalContext
	edits    []flagwatch.Edit
	err      error
	ladder   *flags.Ladder
	planned  *flags.Proposal
	fresh    int
}

func (s *flagSource) Pin(who *flags.EvalContext) { s.pinned = who }
func (s *flagSource) Refresh()                   { s.fresh++ }

func (s *flagSource) Provider(name string) (flags.Provider, error) {
	if name != "unleash" {
		return nil, errors.New("there is no flag provider " + name)
	}
	return s.provider, nil
}

func (s *flagSource) Uses(_ context.Context, ref k8s.Ref) *flagwatch.Uses {
	s.bench.OffUI("finding flags")
	u := &flagwatch.Usage{Tags: []string{"service:{name}"}, Mappings: []flagwatch.Mapping{{Workload: "shop/checkout", Flags: []string{"maintenance-*"}}}}
	return u.From(ref, flagwatch.Meta{})
}

func (s *flagSource) proposal(e flagwatch.Edit) *flags.Proposal {
	s.ladder = flags.NewLadder(flags.StepAccepted, flags.StepReadBack, flags.StepSDK, flags.StepTraffic)
	steps := action.Steps{Apply: func(context.Context) error { return nil }}
	if e.Kind == flags.TurnOff { // the undo of the tests turns on, and is not undone itself
		steps.Inverse = func(context.Context) (*action.Plan, error) { return nil, errors.New("not in this test") }
	}
	s.planned = &flags.Proposal{
		Edit: e.Edit, Provider: e.Provider, Environment: flags.Environment{Key: e.Environment, Production: true}, Ladder: s.ladder,
		Plan: action.New(action.Plan{Verb: e.Verb(), Title: e.Verb() + "?", Target: action.Target{Kind: "Flag", Name: e.Key}, Danger: action.DangerReason}, steps),
	}
	return s.planned
}

func (s *flagSource) Plan(_ context.Context, e flagwatch.Edit) (*flags.Proposal, error) {
	s.bench.OffUI("planning")
	s.edits = append(s.edits, e)
	if s.err != nil {
		return nil, s.err
	}
	return s.proposal(e), nil
}

func (s *flagSource) PlanAll(_ context.Context, edits []flagwatch.Edit) (*flagwatch.Batch, error) {
	s.bench.OffUI("planning several")
	s.edits = edits
	return flagwatch.NewBatch(edits, func(e flagwatch.Edit) (*flags.Proposal, error) {
		if e.Key == "new-cart-2024" {
			return nil, errors.New("approval required")
		}
		return s.proposal(e), nil
	}, nil)
}

func environments() []flags.Environment {
	return []flags.Environment{{Key: "production", Production: true}, {Key: "staging"}}
}

func board(status flags.ProviderStatus) *flagwatch.Board {
	info := flags.Info{Name: "unleash", Type: "unleash", Environment: "production", Capabilities: flags.Can(
		flags.CanList, flags.CanEvaluate, flags.CanReason, flags.CanToggle, flags.CanRollout, flags.CanAudit, flags.CanStats, flags.CanRules, flags.CanExperiments)}
	return &flagwatch.Board{
		Providers: []flagwatch.Provider{{Info: info, Status: status, Environments: environments(), ListedAt: panetest.Now()}},
		Rows:      flagwatch.Merge("unleash", environments(), map[string][]flags.Flag{"production": list("production"), "staging": list("staging")}),
	}
}

func ready() flags.ProviderStatus { return flags.ProviderStatus{Status: flags.StatusReady} }

func open(t testing.TB) (*panetest.Bench, *flagSource) {
	s := &flagSource{}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench = b
		s.provider = &provider{bench: b, info: board(ready()).Providers[0].Info, status: ready()}
		return flagspane.New("flags", s, nil, k8s.Ref{})
	})
	b.Do(func() tea.Cmd { return b.Pane.(pane.Targeted).SetTarget(b.Env, checkout()) })
	return b, s
}

func full() live.Snapshot {
	return live.Snapshot{Topic: topic(), State: live.Ready, Value: board(ready())}
}

// asked is the board with somebody pinned.
func asked() live.Snapshot {
	b := board(ready())
	who, err := flags.ParseContext("user-42 plan=pro")
	if err != nil {
		panic(err)
	}
	at := func(key string) flagwatch.Place {
		return flagwatch.Place{Provider: "unleash", Environment: "production", Key: key}
	}
	b.Asked = &flagwatch.Asked{Who: who, At: panetest.Now(), Took: 1300 * time.Microsecond, Errs: map[flagwatch.Place]foreign.Text{}, Answers: map[flagwatch.Place]flags.Evaluation{
		at("express-pay"):             {Key: "express-pay", Value: "true", Reason: flags.ReasonTargetingMatch, Native: "RULE_MATCH rule 2", Why: []foreign.Text{"country is DE, AT or CH: DE", "plan is not free: pro"}},
		at("semantic-search"):         {Key: "semantic-search", Value: `"keyword"`, Variant: "keyword", Reason: flags.ReasonSplit, Native: "FALLTHROUGH"},
		at("maintenance-banner"):      {Key: "maintenance-banner", Value: "false", Reason: flags.ReasonDisabled, Native: "OFF"},
		at("new-cart-2024"):           {Key: "new-cart-2024", Value: "true", Reason: flags.ReasonDefault, Unsure: "the members of a big segment are not known here"},
		at(list("production")[4].Key): {Key: "evil", Reason: flags.ReasonError, Code: flags.ErrorParse, Error: "the flag is malformed"},
	}}
	return live.Snapshot{Topic: topic(), State: live.Ready, Value: b}
}

func TestGoldensOfTheList(t *testing.T) {
	stale := board(flags.ProviderStatus{Status: flags.StatusStale, Since: panetest.Ago(4 * time.Minute), Why: "the stream was cut: connection refused; it is tried again"})
	for name, s := range map[string]live.Snapshot{
		"loading":     {State: live.Loading},
		"absent":      {State: live.Absent},
		"unreachable": {State: live.Unreachable, Err: "the token was refused: make a new personal access token", Value: &flagwatch.Board{Providers: []flagwatch.Provider{{Info: flags.Info{Name: "unleash"}, Status: flags.ProviderStatus{Status: flags.StatusFatal, Why: "the token was refused"}}}}},
		"stale":       {State: live.Ready, Value: stale},
		"full":        full(),
		"asked":       asked(),
	} {
		t.Run(name, func(t *testing.T) {
			s.Topic = topic()
			b, _ := open(t)
			b.Feed(s)
			if name == "full" || name == "asked" {
				b.GoldenAll(name)
			} else {
				b.Golden(name)
			}
			b.Boxed()
			b.Bindings()
		})
	}
	b, _ := open(t)
	b.Feed(full()).SetFilter("kafka").Golden("nothing matches")
}

func TestGoldensOfADetail(t *testing.T) {
	b, s := open(t)
	b.Feed(asked()).Press("enter").GoldenAll("detail")
	b.Boxed()
	b.Bindings()
	gone := board(ready())
	gone.Rows = gone.Rows[1:]
	s.provider.gone = true
	b.Feed(live.Snapshot{Topic: topic(), State: live.Ready, Value: gone}).Golden("detail of a flag that is gone")
	if b.Press("t"); b.Reason != "this flag is gone" {
		t.Errorf("t on a flag that is gone: %q", b.Reason)
	}
	b.Press("esc")
	if f := b.Plain(120, 24); !strings.Contains(f, "semantic-search") || strings.Contains(f, "express-pay") {
		t.Errorf("after esc:\n%s", f)
	}
}

func TestTheWorkloadsFlagsComeFirst(t *testing.T) {
	b, _ := open(t)
	b.Feed(full())
	f := b.Plain(160, 24)
	first := strings.Index(f, "express-pay")
	second := strings.Index(f, "maintenance-banner")
	third := strings.Index(f, "semantic-search")
	if first < 0 || second < first || third < second {
		t.Errorf("order:\n%s", f)
	}
	b.Press("w")
	if f := b.Plain(160, 24); strings.Contains(f, "semantic-search") || !strings.Contains(f, "only the 2 of deploy/checkout") {
		t.Errorf("w:\n%s", f)
	}
	b.Press("w").SetFilter("is:off")
	if f := b.Plain(160, 24); strings.Contains(f, "express-pay") || !strings.Contains(f, "maintenance-banner") {
		t.Errorf("is:off:\n%s", f)
	}
}

func TestAskPinsWhomTheTextNames(t *testing.T) {
	b, s := open(t)
	b.Feed(full()).Press("a")
	ask := panetest.Last[pane.PromptMsg](b)
	for text, want := range map[string]string{
		`{"kind":"user",`: "context: the JSON ends too early",
		`{"key": 1 2}`:    "context: not valid JSON at line 1, column 11",
		"user-42 plan":    `context: "plan": want name=value`,
		"user-42":         "",
		"":                "",
	} {
		if got := ask.Check(text); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	b.Do(func() tea.Cmd { return ask.Done("user-42 plan=pro") })
	if s.pinned == nil || s.pinned.TargetingKey != "user-42" || s.pinned.Attributes["plan"] != "pro" {
		t.Errorf("pinned %+v", s.pinned)
	}
	b.Press("a")
	if again := panetest.Last[pane.PromptMsg](b); again.Initial != "user-42 plan=pro" {
		t.Errorf("asks again with %q", again.Initial)
	}
	b.Do(func() tea.Cmd { return ask.Done("") })
	if s.pinned != nil {
		t.Errorf("still pinned %+v", s.pinned)
	}
}

func TestToggleIsPlannedConfirmedAndProven(t *testing.T) {
	b, s := open(t)
	b.Feed(full()).Press("t")
	if m := panetest.Last[pane.ConfirmMsg](b); m.Plan.Target.Name != "express-pay" || s.edits[0].Kind != flags.TurnOff || s.edits[0].Environment != "production" {
		t.Errorf("planned %+v, edits %+v", m.Plan, s.edits)
	}
	if f := b.Plain(120, 30); strings.Contains(f, flags.StepReadBack) {
		t.Errorf("proofs before anything was sent:\n%s", f)
	}
	at := panetest.Now()
	s.ladder.Begin(at)
	s.ladder.Set(flags.StepAccepted, flags.StepDone, at.Add(12*time.Millisecond), "")
	s.ladder.Set(flags.StepReadBack, flags.StepDone, at.Add(31*time.Millisecond), "version 8")
	s.ladder.Set(flags.StepSDK, flags.StepRunning, at, "")
	b.Golden("proofs on their way")
	s.ladder.Set(flags.StepSDK, flags.StepDone, at.Add(905*time.Millisecond), "revision 7")
	s.ladder.Set(flags.StepTraffic, flags.StepUnknown, at.Add(20*time.Second), "not within 20s: the counts have not moved yet")
	f := b.Plain(120, 30)
	for _, want := range []string{"turn off express-pay", "API accepted", "12ms", "905ms", "revision 7", "the counts have not moved yet", "u undoes"} {
		if !strings.Contains(f, want) {
			t.Errorf("no %q in\n%s", want, f)
		}
	}
	b.Boxed()
	if b.Press("esc"); strings.Contains(b.Plain(120, 30), "905ms") {
		t.Error("esc does not close the proofs")
	}
}

// TestTheUndoShowsItsOwnProofs: what stood there proves the change that is
// being taken back.
func TestTheUndoShowsItsOwnProofs(t *testing.T) {
	b, s := open(t)
	b.Feed(full()).Press("t")
	at, change, changed := panetest.Now(), s.planned, s.planned.Ladder
	changed.Begin(at)
	changed.Set(flags.StepAccepted, flags.StepDone, at.Add(12*time.Millisecond), "")
	changed.Set(flags.StepSDK, flags.StepDone, at.Add(905*time.Millisecond), "revision 7")
	on := s.edits[0]
	on.Kind = flags.TurnOn
	back := s.proposal(on)
	change.UndoneBy(back)
	if f := b.Plain(120, 30); !strings.Contains(f, "turn off express-pay") || strings.Contains(f, "undo:") {
		t.Errorf("an undo that is only planned:\n%s", f)
	}
	back.Ladder.Begin(at)
	back.Ladder.Set(flags.StepAccepted, flags.StepDone, at.Add(14*time.Millisecond), "")
	back.Ladder.Set(flags.StepReadBack, flags.StepDone, at.Add(28*time.Millisecond), "exactly as before the change")
	back.Ladder.Set(flags.StepSDK, flags.StepRunning, at, "")
	b.Golden("proofs of an undo")
	f := b.Plain(120, 30)
	for _, want := range []string{"undo: turn on express-pay", "14ms", "exactly as before the change"} {
		if !strings.Contains(f, want) {
			t.Errorf("no %q in\n%s", want, f)
		}
	}
	if strings.Contains(f, "u undoes") {
		t.Errorf("an undo that is not undone says how to undo it:\n%s", f)
	}
	if strings.Contains(f, "905ms") || strings.Contains(f, "revision 7") {
		t.Errorf("the proofs of the change stand below its undo:\n%s", f)
	}
	again := s.proposal(s.edits[0])
	back.UndoneBy(again)
	again.Ladder.Begin(at)
	if f := b.Plain(120, 30); !strings.Contains(f, "undo: turn off express-pay") {
		t.Errorf("the undo of the undo:\n%s", f)
	}
}

// TestAFlagBeforeItsStates: the environments are listed one by one.
func TestAFlagBeforeItsStates(t *testing.T) {
	b, _ := open(t)
	for name, c := range map[string]struct {
		unlisted map[string]foreign.Text
		want     string
	}{
		"being read":   {map[string]foreign.Text{"production": ""}, "express-pay is not known yet in production: its flags are still being read"},
		"not readable": {map[string]foreign.Text{"production": "unleash: list: HTTP 502"}, "express-pay is not known in production: unleash: list: HTTP 502"},
		"not there":    {nil, "express-pay does not exist in production"},
	} {
		bd := board(ready())
		bd.Providers[0].Unlisted = c.unlisted
		bd.Rows = flagwatch.Merge("unleash", environments(), map[string][]flags.Flag{"staging": list("staging")[:1]})
		b.Feed(live.Snapshot{Topic: topic(), State: live.Ready, Value: bd})
		for _, key := range []string{"t", "%"} {
			if b.Press(key); b.Reason != c.want {
				t.Errorf("%s: %s says %q, want %q", name, key, b.Reason, c.want)
			}
		}
		line := ""
		for l := range strings.Lines(b.Plain(120, 30)) {
			if strings.Contains(l, "express-pay") {
				line = l
			}
		}
		if reading := strings.Contains(line, "…"); reading != (name != "not there") {
			t.Errorf("%s: the row is %q", name, line)
		}
		if b.Press("space", "T"); b.Reason != "express-pay: "+c.want && b.Reason != c.want {
			t.Errorf("%s: T says %q, want %q", name, b.Reason, c.want)
		}
		b.Press("-")
	}
}

func TestWhatCannotBePlannedSaysWhy(t *testing.T) {
	b, s := open(t)
	s.err = fmt.Errorf("%w: a change is scheduled for 04:00 by kim", flags.ErrPending)
	b.Feed(full()).Press("t")
	pick := panetest.Last[pane.PickMsg](b)
	if !strings.Contains(pick.Title, "scheduled for 04:00") || len(pick.Items) != 2 {
		t.Errorf("%+v", pick)
	}
	b.Do(func() tea.Cmd { return pick.Done(0) })
	if len(s.edits) != 1 {
		t.Errorf("planned again although it was to be left: %+v", s.edits)
	}
	b.Do(func() tea.Cmd { return pick.Done(1) })
	if len(s.edits) != 2 || !s.edits[1].IgnoreConflicts {
		t.Errorf("edits %+v", s.edits)
	}
	if toast := panetest.Last[pane.ToastMsg](b); toast.Severity != live.Fail || !strings.Contains(toast.Text, "scheduled for 04:00") {
		t.Errorf("%+v", toast)
	}
	readOnly := board(ready())
	readOnly.Providers[0].Info.Capabilities = readOnly.Providers[0].Info.Capabilities.Without("an OFREP server cannot be written to", flags.CanToggle, flags.CanRollout)
	b.Feed(live.Snapshot{Topic: topic(), State: live.Ready, Value: readOnly})
	for _, key := range []string{"t", "%"} {
		if b.Press(key); b.Reason != "an OFREP server cannot be written to" {
			t.Errorf("%s: %q", key, b.Reason)
		}
	}
}

func TestRolloutOffersPresets(t *testing.T) {
	b, s := open(t)
	b.Feed(full()).Press("j", "j", "j", "%")
	pick := panetest.Last[pane.PickMsg](b)
	if len(pick.Items) != len(flags.Presets) || !strings.Contains(pick.Title, "vector 25 %") {
		t.Errorf("%+v", pick)
	}
	b.Do(func() tea.Cmd { return pick.Done(2) })
	if e := s.edits[0]; e.Kind != flags.SetRollout || e.Percent != 5 || e.Key != "semantic-search" {
		t.Errorf("%+v", e)
	}
}

func TestSeveralAreAnExplicitList(t *testing.T) {
	b, s := open(t)
	if b.Press("T"); b.Reason == "" {
		t.Error("T without marks gives no reason")
	}
	b.Feed(full()).Press("space", "space", "G", "space")
	b.Press("T")
	pick := panetest.Last[pane.PickMsg](b)
	if pick.Items[0].Title != "turn off 2" || pick.Items[1].Title != "turn on 1" || !strings.Contains(pick.Items[0].Note, "express-pay") {
		t.Errorf("%+v", pick)
	}
	b.Do(func() tea.Cmd { return pick.Done(0) })
	if len(s.edits) != 2 {
		t.Fatalf("edits %+v", s.edits)
	}
	plan := panetest.Last[pane.ConfirmMsg](b).Plan
	if plan.Target.Name != "production" || !strings.Contains(plan.Blast, "express-pay") || !strings.Contains(strings.Join(plan.Warnings, ""), "new-cart-2024 is left out: approval required") {
		t.Errorf("%+v", plan)
	}
	b.Golden("several at once")
	b.Boxed()
}

func TestAnotherEnvironment(t *testing.T) {
	b, s := open(t)
	b.Feed(full()).Press("]")
	if f := b.Plain(160, 24); !strings.Contains(f, "[staging]") || strings.Contains(f, "[production]") {
		t.Errorf("]:\n%s", f)
	}
	b.Press("t")
	if s.edits[0].Environment != "staging" {
		t.Errorf("%+v", s.edits)
	}
	b.Press("]")
	if f := b.Plain(160, 24); !strings.Contains(f, "[production]") {
		t.Errorf("]]:\n%s", f)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	b, _ := open(t)
	b.Feed(asked()).Press("G", "enter")
	if f := b.Frame(100, 24); strings.Contains(f, "\x1b[2J") || strings.Contains(f, "\u202e") {
		t.Errorf("got %q", f)
	}
	b.BoxedEverywhere()
}

func TestTheFrameStaysTrueAsLongAsPromised(t *testing.T) {
	b, _ := open(t)
	b.Feed(asked())
	for _, enter := range []bool{false, true} {
		if enter {
			b.Press("enter")
		}
		before := b.Frame(200, 40)
		until := b.Pane.(pane.Ticker).Until(b.Env.Now)
		if until <= 0 || until > time.Minute {
			t.Fatalf("Until = %v", until)
		}
		b.Env.Now = b.Env.Now.Add(until - time.Millisecond)
		if b.Frame(200, 40) != before {
			t.Errorf("the frame changed before %v were over", until)
		}
		b.Env.Now = b.Env.Now.Add(2 * time.Millisecond)
		if b.Frame(200, 40) == before {
			t.Errorf("the frame did not change after %v", until)
		}
	}
}

// BenchmarkListOf2000 arranges and draws a list of 2,000 flags.
func BenchmarkListOf2000(b *testing.B) {
	many := make([]flags.Flag, 2000)
	for i := range many {
		many[i] = flags.Flag{Key: fmt.Sprintf("flag-%04d", i), Kind: flags.KindBoolean, Variations: boolean(), States: []flags.EnvState{state("production", i%2 == 0, "true", time.Duration(i)*time.Minute, "dana@example.com")}}
	}
	bench, _ := open(b)
	for b.Loop() {
		bd := board(ready())
		bd.Rows = flagwatch.Merge("unleash", environments(), map[string][]flags.Flag{"production": many})
		bench.Feed(live.Snapshot{Topic: topic(), State: live.Ready, Value: bd})
		bench.Frame(120, 40)
	}
}
