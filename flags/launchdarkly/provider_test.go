package launchdarkly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/foreign"
	"midwatch/live"
	"midwatch/secret"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The SDK's stream library leaves its reader to end with the connection.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// console is what a session has.
type console struct {
	*Provider
	lock    *action.Lock
	gate    *action.Gate
	journal string
	log     *bytes.Buffer
	logMu   *sync.Mutex
}

// soon is a bound for what takes milliseconds on a quiet machine.
const soon = 20 * time.Second

func open(t *testing.T, a *ldtest.Account, adjust ...func(*Options)) *console {
	t.Helper()
	clock := live.SystemClock{}
	lock := action.NewLock(clock, "prod-eu", "c1")
	c := &console{lock: lock, log: &bytes.Buffer{}, logMu: &sync.Mutex{}, journal: filepath.Join(t.TempDir(), "state", "journal.jsonl")}
	try := true
	o := Options{
		Name: "launchdarkly", Address: a.URL, Stream: a.URL, Project: "shop", Environment: "production",
		Token: secret.New(ldtest.APIToken), TokenFrom: "$LD_TOKEN", DryRun: &try, Lock: lock, Clock: clock,
		Log: func(s foreign.Text) { c.logMu.Lock(); defer c.logMu.Unlock(); c.log.WriteString(s.String() + "\n") },
	}
	for _, f := range adjust {
		f(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.Provider = p
	c.gate = action.NewGate(lock, action.NewJournal(c.journal, clock), clock, "dana")
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		c.noSecrets(t)
	})
	return c
}

// noSecrets looks for the tokens wherever the provider leaves something.
func (c *console) noSecrets(t *testing.T) {
	t.Helper()
	journal, err := os.ReadFile(c.journal)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	printed, err := json.Marshal([]any{c.Info(), c.Status(), c.opts.Token, c.keys})
	if err != nil {
		t.Error(err)
	}
	c.logMu.Lock()
	defer c.logMu.Unlock()
	all := string(journal) + string(printed) + c.log.String() + fmt.Sprintf("%v %+v %#v %v", c.Info(), c.opts, c.keys, c.Status())
	if strings.Contains(all, "canary") {
		t.Errorf("a token shows in:\n%s", all)
	}
}

func edit(kind flags.EditKind, key string) flags.Edit {
	return flags.Edit{Kind: kind, Environment: "production", Key: key}
}

var confirmed = action.Confirmation{Typed: "checkout-v2", Reason: "INC-42: checkout fails"}

// carry plans, runs and verifies.
func (c *console) carry(t *testing.T, e flags.Edit, pinned *flags.EvalContext) (*flags.Proposal, string, error) {
	t.Helper()
	prop, err := c.Plan(t.Context(), e, pinned)
	if err != nil {
		return nil, "", err
	}
	out, err := c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: e.Key, Reason: "INC-42: checkout fails"})
	if err != nil {
		return prop, "", err
	}
	text, _, err := c.gate.Verify(t.Context(), out)
	return prop, text, err
}

// watch collects what a watch tells.
func (c *console) watch(t *testing.T) <-chan flags.Event {
	t.Helper()
	events := make(chan flags.Event, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Watch(ctx, "production", func(e flags.Event) { events <- e })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return events
}

func next(t *testing.T, events <-chan flags.Event, what string, ok func(flags.Event) bool) {
	t.Helper()
	late := time.After(soon)
	for {
		select {
		case e := <-events:
			if ok(e) {
				return
			}
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestToggleClimbsTheLadderAndUndoes(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	a.Set(func() { a.Series = []ldtest.Object{{"time": 1, "0": 90, "1": 10}} })
	c := open(t, a)
	pinned := &flags.EvalContext{TargetingKey: "u1"}
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, "checkout-v2"), pinned)
	if err != nil {
		t.Fatal(err)
	}
	if prop.Now.Value != "true" || prop.After.Value != "false" || prop.After.Reason != flags.ReasonDisabled {
		t.Errorf("preview: %+v, %+v", prop.Now, prop.After)
	}
	warned := strings.Join(prop.Plan.Warnings, "\n")
	if !strings.Contains(warned, "1 flag depends on it: checkout-banner") || !strings.Contains(prop.Plan.Blast, "Everyone gets off. Evaluated 100 times") {
		t.Errorf("warnings %q, blast %q", warned, prop.Plan.Blast)
	}
	if got := c.gate.Effective(prop.Plan); got != action.DangerReason {
		t.Errorf("danger %v", got)
	}
	if _, err := c.gate.Run(t.Context(), prop.Plan, confirmed); !errors.Is(err, action.ErrLocked) || len(a.Sent()) != 0 {
		t.Fatalf("locked: %v, sent %q", err, a.Sent())
	}
	c.lock.Open()
	// Without counts there is no traffic to wait for.
	a.Set(func() { a.Series = nil })
	prop, text, err := c.carry(t, edit(flags.TurnOff, "checkout-v2"), pinned)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{flags.StepAccepted, flags.StepReadBack, flags.StepSDK} {
		if s := prop.Ladder.Step(name); s.State != flags.StepDone || s.Took <= 0 || !strings.Contains(text, name) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := prop.Ladder.Step(flags.StepTraffic); s.State != flags.StepSkipped || s.Text == "" {
		t.Errorf("traffic: %+v", s)
	}
	if a.On("checkout-v2") {
		t.Error("it is still on")
	}
	if got := a.Sent(); len(got) != 2 || !strings.HasSuffix(got[0], "?dryRun=true") || strings.Contains(got[1], "dryRun") {
		t.Errorf("sent %q, want a dry run and the change", got)
	}
	if got := a.Comments; len(got) != 1 || got[0] != "INC-42: checkout fails" {
		t.Errorf("comments %q", got)
	}
	undo, err := c.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.gate.Run(t.Context(), undo, confirmed)
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := c.gate.Verify(t.Context(), out); err != nil {
		t.Fatalf("%v (%s)", err, text)
	}
	if !a.On("checkout-v2") {
		t.Error("the undo left it off")
	}
}

func TestRolloutKeepsProportionsAndUndoIsExact(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true, func(e ldtest.Object) {
		e["rules"] = []any{ldtest.Object{"_id": "r1", "description": "EU", "variation": 1, "clauses": []any{ldtest.Object{"attribute": "region", "op": "in", "values": []any{"eu"}, "contextKind": "user"}}}}
	})
	c := open(t, a)
	c.lock.Open()
	for _, rule := range []string{"", "r1"} {
		e := edit(flags.SetRollout, "checkout-v2")
		e.Percent, e.RuleID = 25, rule
		before, err := json.Marshal(ldtest.Env(a.Flags["checkout-v2"])["fallthrough"])
		if err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.carry(t, e, &flags.EvalContext{TargetingKey: "u1"}); err != nil {
			t.Fatalf("%q: %v (%s)", rule, err, text)
		}
		d, err := c.Get(t.Context(), "production", "checkout-v2")
		if err != nil {
			t.Fatal(err)
		}
		words := string(d.Default)
		if rule != "" {
			words = string(d.Rules[0].Serves)
		}
		if words != "on 25 %, off 75 % by user key" {
			t.Errorf("rule %q serves %q", rule, words)
		}
		undo, err := c.gate.Undo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.gate.Run(t.Context(), undo, confirmed)
		if err != nil {
			t.Fatal(err)
		}
		if text, _, err := c.gate.Verify(t.Context(), out); err != nil {
			t.Fatalf("%v (%s)", err, text)
		}
		after, err := json.Marshal(ldtest.Env(a.Flags["checkout-v2"])["fallthrough"])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) {
			t.Errorf("the undo left %s, want %s", after, before)
		}
	}
}

func TestRefusalsHaveTheirOwnWords(t *testing.T) {
	once := func(f ldtest.Fault) func(*ldtest.Account) {
		return func(a *ldtest.Account) {
			a.Fault = func(r *http.Request) *ldtest.Fault {
				if r.Method == http.MethodPatch && !strings.Contains(r.URL.RawQuery, "dryRun") {
					return &f
				}
				return nil
			}
		}
	}
	for name, tc := range map[string]struct {
		set  func(*ldtest.Account)
		is   error
		says string
	}{
		"approval required": {func(a *ldtest.Account) { a.Approval = true }, flags.ErrApproval, "require approval"},
		"a pending change":  {func(a *ldtest.Account) { a.Pending = true }, flags.ErrPending, "scheduled"},
		"rate limited": {once(ldtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "7", "X-Ratelimit-Global-Remaining": "0"}, Body: "{}"}),
			nil, "rate limited, try again in 7s (the limit is shared by all tokens of the account)"},
		"a role without the right": {once(ldtest.Fault{Status: 403, Body: `{"code":"forbidden","message":"access denied for updateOn"}`}), flags.ErrForbidden, "updateOn"},
		"not understood":           {once(ldtest.Fault{Status: 422, Body: `{"message":"invalid_patch"}`}), nil, "midwatch's fault"},
		"a web page":               {once(ldtest.Fault{Status: 400, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html>proxy " + ldtest.APIToken + "</html>"}), nil, "HTTP 400"},
		"a concurrent change": {once(ldtest.Fault{Status: 409, Body: `{"code":"optimistic_locking_error","message":"Conflict"}`}),
			flags.ErrConflict, "another change is being made"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ldtest.New(t)
			a.Add("checkout-v2", true)
			c := open(t, a)
			c.lock.Open()
			a.Set(func() { tc.set(a) })
			_, _, err := c.carry(t, edit(flags.TurnOff, "checkout-v2"), nil)
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want %v with %q", err, tc.is, tc.says)
			}
			if errors.Is(err, action.ErrUnsure) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "<html") {
				t.Errorf("got %v", err)
			}
			if !a.On("checkout-v2") {
				t.Error("it was changed all the same")
			}
		})
	}
}

func TestAConcurrentChangeIsTriedOnceMore(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	c := open(t, a)
	c.lock.Open()
	tries := 0
	a.Set(func() {
		a.Fault = func(r *http.Request) *ldtest.Fault {
			if r.Method == http.MethodPatch && !strings.Contains(r.URL.RawQuery, "dryRun") {
				if tries++; tries == 1 {
					return &ldtest.Fault{Status: 409, Body: `{"code":"conflict","message":"Conflict"}`}
				}
			}
			return nil
		}
	})
	prop, _, err := c.carry(t, edit(flags.TurnOff, "checkout-v2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := prop.Ladder.Step(flags.StepAccepted); !strings.Contains(s.Text.String(), "second try") || tries != 2 {
		t.Errorf("%+v after %d tries", s, tries)
	}
}

func TestAPendingChangeCanBeBrokenWhenAskedTo(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	a.Set(func() { a.Pending = true })
	c := open(t, a)
	c.lock.Open()
	e := edit(flags.TurnOff, "checkout-v2")
	e.IgnoreConflicts = true
	prop, _, err := c.carry(t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := strings.Join(prop.Plan.Warnings, "\n"); !strings.Contains(w, "may break 1 pending change") || !strings.Contains(w, "turnFlagOn at") {
		t.Errorf("warnings: %s", w)
	}
}

// TestALostAnswerIsReadBack breaks the connection after the change was made:
// nothing is sent twice, and what the flag is then is the answer.
func TestALostAnswerIsReadBack(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	c := open(t, a)
	c.lock.Open()
	a.Set(func() {
		a.Fault = func(r *http.Request) *ldtest.Fault {
			if r.Method == http.MethodPatch && !strings.Contains(r.URL.RawQuery, "dryRun") {
				return &ldtest.Fault{After: true}
			}
			return nil
		}
	})
	prop, _, err := c.carry(t, edit(flags.TurnOff, "checkout-v2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := prop.Ladder.Step(flags.StepAccepted); s.State != flags.StepDone || !strings.Contains(s.Text.String(), "the answer was lost") {
		t.Errorf("accepted: %+v", s)
	}
	if got := a.Sent(); len(got) != 2 {
		t.Errorf("sent %q, want the dry run and one change", got)
	}
}

func TestSomeoneElseWasThere(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	c := open(t, a)
	c.lock.Open()
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, "checkout-v2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Change("checkout-v2", func(e ldtest.Object) { e["fallthrough"] = ldtest.Object{"variation": 1} })
	if _, err := c.gate.Run(t.Context(), prop.Plan, confirmed); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "someone@example.com") {
		t.Errorf("changed before the run: %v", err)
	}
	if _, _, err := c.carry(t, edit(flags.TurnOff, "checkout-v2"), nil); err != nil {
		t.Fatal(err)
	}
	a.Change("checkout-v2", func(e ldtest.Object) { e["on"] = true })
	if _, err := c.gate.Undo(t.Context()); !errors.Is(err, flags.ErrConflict) || !strings.Contains(err.Error(), "it served") {
		t.Errorf("undo after someone else: %v", err)
	}
	a.Set(func() { delete(a.Flags, "checkout-v2") })
	if _, err := c.Get(t.Context(), "production", "checkout-v2"); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("deleted under the cursor: %v", err)
	}
}

// TestTheServersOwnTestIsWhatIsLeft changes the flag between the last look and
// the write: the JSON patch's test fails.
func TestTheServersOwnTestIsWhatIsLeft(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	c := open(t, a, func(o *Options) { no := false; o.DryRun = &no })
	c.lock.Open()
	a.Set(func() {
		a.Fault = func(r *http.Request) *ldtest.Fault {
			if r.Method == http.MethodPatch {
				ldtest.Env(a.Flags["checkout-v2"])["on"] = false // at the last moment, without a new version
			}
			return nil
		}
	})
	_, _, err := c.carry(t, edit(flags.TurnOff, "checkout-v2"), nil)
	if !errors.Is(err, flags.ErrConflict) || errors.Is(err, action.ErrUnsure) {
		t.Errorf("got %v", err)
	}
	if len(a.Comments) != 0 {
		t.Error("it was changed all the same")
	}
}

func TestTokensAndPlacesThatAreWrong(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	for name, tc := range map[string]struct {
		adjust func(*Options)
		is     error
		says   string
	}{
		"an expired token":    {func(o *Options) { o.Token = secret.New("api-canary-expired") }, flags.ErrToken, "put a new one into $LD_TOKEN"},
		"another project":     {func(o *Options) { o.Project = "nope" }, flags.ErrNoProject, "nope"},
		"another environment": {func(o *Options) { o.Environment = "nope" }, flags.ErrNoEnvironment, "has production"},
		"nobody there":        {func(o *Options) { o.Address = "http://127.0.0.1:1" }, flags.ErrUnreachable, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, a, tc.adjust)
			_, err := c.List(t.Context(), c.opts.Environment, flags.Query{})
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

// TestTheStreamComesAndGoes: down at the start, up, interrupted, back with
// older data, for which the SDK has no event.
func TestTheStreamComesAndGoes(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	a.Cut(http.StatusServiceUnavailable)
	c := open(t, a)
	events := c.watch(t)
	next(t, events, "the stream to be said broken", func(flags.Event) bool {
		s := c.Status()
		return s.Status == flags.StatusError && strings.Contains(s.Why.String(), "HTTP 503")
	})
	a.Cut(0)
	next(t, events, "a resync", func(e flags.Event) bool { return e.Resync && c.Status().Status == flags.StatusReady })
	who := flags.EvalContext{TargetingKey: "u1"}
	value := func() flags.Evaluation {
		t.Helper()
		all, err := c.Evaluate(t.Context(), "production", who, "checkout-v2")
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	if e := value(); e.Value != "true" || e.Reason != flags.ReasonDefault {
		t.Errorf("at first: %+v", e)
	}
	a.Change("checkout-v2", func(e ldtest.Object) { e["on"] = false })
	next(t, events, "the changed flag", func(e flags.Event) bool { return slices.Contains(e.Keys, "checkout-v2") })
	if e := value(); e.Value != "false" || e.Reason != flags.ReasonDisabled {
		t.Errorf("changed: %+v", e)
	}
	a.Cut(http.StatusBadGateway)
	next(t, events, "the interruption", func(flags.Event) bool { return c.Status().Status == flags.StatusStale })
	if e := value(); e.Value != "false" || e.Reason != flags.ReasonStale || e.Unsure == "" {
		t.Errorf("interrupted: %+v", e)
	}
	a.Set(func() {
		ldtest.Env(a.Flags["checkout-v2"])["on"] = true
		ldtest.Env(a.Flags["checkout-v2"])["version"] = 2
	}) // older
	a.Cut(0)
	next(t, events, "a resync after the interruption", func(e flags.Event) bool { return e.Resync })
	if e := value(); e.Value != "true" {
		t.Errorf("after the recovery: %+v", e)
	}
}

func TestASDKKeyThatIsRefusedIsFatal(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	c := open(t, a, func(o *Options) { o.SDKKey, o.SDKKeyFrom = secret.New("sdk-canary-wrong"), "$LD_SDK_KEY" })
	_, err := c.Evaluate(t.Context(), "production", flags.EvalContext{TargetingKey: "u1"})
	if !errors.Is(err, flags.ErrToken) || !strings.Contains(err.Error(), "$LD_SDK_KEY") {
		t.Errorf("got %v", err)
	}
}

func TestAnSDKKeyAloneReads(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true)
	a.Add("banner", false)
	c := open(t, a, func(o *Options) { o.Token, o.SDKKey = secret.Value{}, secret.New(ldtest.SDKKey) })
	list, err := c.List(t.Context(), "production", flags.Query{})
	if err != nil || len(list) != 2 || list[0].Key != "banner" || list[0].States[0].On {
		t.Fatalf("got %+v, %v", list, err)
	}
	d, err := c.Get(t.Context(), "production", "checkout-v2")
	if err != nil || d.Default != "true" || d.Off != "false" {
		t.Errorf("got %+v, %v", d, err)
	}
	if _, err := c.Plan(t.Context(), edit(flags.TurnOff, "checkout-v2"), nil); !errors.Is(err, flags.ErrUnsupported) {
		t.Errorf("a change: %v", err)
	}
	if able := c.Info().Capabilities.Of(flags.CanToggle); able.OK || able.Why == "" {
		t.Errorf("toggling: %+v", able)
	}
}

func TestListIsByLastChangeInProductionAndKnowsStaleFlags(t *testing.T) {
	a := ldtest.New(t)
	for i := range 250 {
		a.Add(fmt.Sprintf("flag-%03d", i), i%2 == 0)
	}
	a.Add("old", true)
	a.Change("flag-007", func(e ldtest.Object) { e["on"] = true })
	c := open(t, a)
	list, err := c.List(t.Context(), "production", flags.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 251 || list[0].Key != "flag-007" || list[0].States[0].Changed.IsZero() {
		t.Errorf("%d flags, first %+v", len(list), list[0])
	}
	i := slices.IndexFunc(list, func(f flags.Flag) bool { return f.Key == "old" })
	if !list[i].Stale || list[i].StaleWhy == "" || list[i].States[0].LastSeen.IsZero() {
		t.Errorf("old: %+v", list[i])
	}
	changes, err := c.Audit(t.Context(), "production", "flag-007", time.Time{})
	if err != nil || len(changes) != 1 {
		t.Fatalf("audit: %+v, %v", changes, err)
	}
	ch := changes[0]
	if ch.By != "someone@example.com" || ch.Key != "flag-007" || len(ch.Diff) != 1 || ch.Diff[0] != (action.Field{Path: "on", Before: "false", After: "true"}) {
		t.Errorf("audit: %+v", ch)
	}
}

func TestReasonsAndRulesInWords(t *testing.T) {
	a := ldtest.New(t)
	a.Add("checkout-v2", true, func(e ldtest.Object) {
		e["targets"] = []any{ldtest.Object{"values": []any{"vip"}, "variation": 1}}
		e["rules"] = []any{ldtest.Object{"_id": "r1", "description": "EU", "variation": 1, "clauses": []any{
			ldtest.Object{"attribute": "region", "op": "in", "values": []any{"eu", "uk"}, "contextKind": "user"},
			ldtest.Object{"attribute": "beta", "op": "in", "values": []any{true}, "contextKind": "user", "negate": true},
		}}}
		e["fallthrough"] = ldtest.Object{"rollout": ldtest.Object{"variations": []any{ldtest.Object{"variation": 0, "weight": 5000}, ldtest.Object{"variation": 1, "weight": 95000}}}}
	})
	c := open(t, a)
	d, err := c.Get(t.Context(), "production", "checkout-v2")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Rules[1]; got.Name != "EU" || !slices.Equal(got.When, []foreign.Text{"region is eu or uk", "beta is not true"}) || got.Serves != "off" {
		t.Errorf("rule: %+v", got)
	}
	if d.Default != "on 5 %, off 95 % by user key" || d.Rules[2].Rollout != 5 {
		t.Errorf("default %q, %+v", d.Default, d.Rules[2])
	}
	for who, want := range map[string]flags.Reason{"vip": flags.ReasonTargetingMatch, "u1": flags.ReasonSplit} {
		all, err := c.Evaluate(t.Context(), "production", flags.EvalContext{TargetingKey: who})
		if err != nil || all[0].Reason != want {
			t.Errorf("%s: %+v, %v", who, all, err)
		}
	}
	all, err := c.Evaluate(t.Context(), "production", flags.EvalContext{TargetingKey: "u1", Attributes: map[string]any{"region": "eu", "beta": false}}, "checkout-v2", "gone")
	if err != nil || all[0].Native != "RULE_MATCH rule 1" || all[0].Value != "false" || all[0].Variant != "off" || len(all[0].Why) != 2 || all[1].Code != flags.ErrorFlagNotFound {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := c.Evaluate(t.Context(), "production", flags.EvalContext{}); err == nil {
		t.Error("a context without a key is accepted")
	}
}
