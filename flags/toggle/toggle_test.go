package toggle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/flags"
)

// quick is a clock whose waits end at once, one after the other, so that
// deadlines pass without anyone waiting for them.
type quick struct {
	mu  sync.Mutex
	now time.Time
}

func (q *quick) Now() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.now
}

// After fires at once for the short pauses between two looks and moves the
// clock; longer times end when the pauses add up to them.
func (q *quick) After(d time.Duration) (<-chan time.Time, func()) {
	c := make(chan time.Time, 1)
	if d <= readBackEvery {
		q.mu.Lock()
		q.now = q.now.Add(d)
		c <- q.now
		q.mu.Unlock()
		return c, func() {}
	}
	at := q.Now().Add(d)
	stop := make(chan struct{})
	var once sync.Once
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if now := q.Now(); !now.Before(at) {
					c <- now
					return
				}
			}
		}
	}()
	return c, func() { once.Do(func() { close(stop) }) }
}

type journal struct {
	mu      sync.Mutex
	entries []action.Entry
}

func (j *journal) Append(_ context.Context, e action.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return nil
}

// bench is a planner and a gate, unlocked.
type bench struct {
	*Planner
	gate *action.Gate
	log  *journal
}

func newBench() *bench {
	clock := &quick{now: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)}
	lock := action.NewLock(clock, "prod-eu", "c1")
	lock.Open()
	b := &bench{Planner: &Planner{Lock: lock, Clock: clock}, log: &journal{}}
	b.gate = action.NewGate(lock, b.log, clock, "dana")
	return b
}

// draft is one that works; tests bend it.
func draft() *Draft {
	return &Draft{
		Edit:        flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: "checkout-v2"},
		Provider:    flags.Info{Name: "unleash", Project: "default", Identity: "dana@example.com"},
		Environment: flags.Environment{Key: "production", Production: true},
		Flag:        &flags.Detail{},
		Changes:     []action.Field{{Path: "enabled", Before: "on", After: "off"}},
		Effect:      "Everyone gets false.",
		Steps: Steps{
			Apply:      func(context.Context, string) (string, error) { return "", nil },
			ReadBack:   func(context.Context) (Outcome, string, error) { return AsWanted, "off", nil },
			SDKWhy:     "no SDK key",
			TrafficWhy: "no traffic",
		},
	}
}

func (b *bench) run(t *testing.T, d *Draft) (*flags.Proposal, string, error, error) {
	t.Helper()
	prop, err := b.Plan(d)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: "checkout-v2", Reason: "INC-42"})
	if err != nil {
		return prop, "", err, nil
	}
	text, _, verr := b.gate.Verify(t.Context(), out)
	return prop, text, nil, verr
}

func TestPlanSaysEverythingBeforehand(t *testing.T) {
	d := draft()
	d.Provider.Service = true
	d.Pinned = &flags.EvalContext{TargetingKey: "u1"}
	d.Now, d.After = &flags.Evaluation{Value: "true", Variant: "a"}, &flags.Evaluation{Value: "false", Unsure: "a parent is not known"}
	d.Traffic = &flags.Stats{Counts: []flags.Count{{Variant: "true", N: 1200}, {Variant: "false", N: 34}}, Since: time.Unix(0, 0), Until: time.Unix(3600, 0)}
	d.Flag.Dependants = []string{"banner"}
	d.Flag.Pending = []flags.Pending{{Kind: "approval", What: "turn it on"}}
	d.Flag.Experiments = []flags.RunningExperiment{{Name: "colours", Since: time.Unix(0, 0)}}
	prop, err := newBench().Plan(d)
	if err != nil {
		t.Fatal(err)
	}
	p := prop.Plan
	if p.Title != "Turn checkout-v2 off in production?" || p.Target.String() != "Flag unleash/default/production/checkout-v2" || p.Target.Context != "prod-eu" {
		t.Errorf("%s, %s", p.Title, p.Target)
	}
	if p.Blast != "Everyone gets false. Evaluated 1,234 times in the last 60 min: true 1200, false 34." {
		t.Errorf("blast: %s", p.Blast)
	}
	last := p.Changes[len(p.Changes)-1]
	if last.Path != "what u1 gets" || last.Before != "true (a)" || last.After != "false, not certain: a parent is not known" {
		t.Errorf("changes: %+v", last)
	}
	warned := strings.Join(p.Warnings, "\n")
	for _, want := range []string{"experiment colours is running", "approval waits: turn it on, by someone unknown", "1 flag depends on it: banner", "will name dana@example.com, not you"} {
		if !strings.Contains(warned, want) {
			t.Errorf("no warning %q in\n%s", want, warned)
		}
	}
}

func TestGuardByEnvironment(t *testing.T) {
	for name, tc := range map[string]struct {
		env  flags.Environment
		want action.Danger
	}{
		"production":       {flags.Environment{Production: true}, action.DangerReason},
		"requires comment": {flags.Environment{RequireComment: true}, action.DangerReason},
		"confirms":         {flags.Environment{Confirm: true}, action.DangerName},
		"elsewhere":        {flags.Environment{}, action.DangerEnter},
	} {
		d := draft()
		d.Environment = tc.env
		prop, err := newBench().Plan(d)
		if err != nil || prop.Plan.Danger != tc.want {
			t.Errorf("%s: %v, %v", name, prop.Plan.Danger, err)
		}
	}
	d := draft()
	d.Provider.Identity = ""
	if _, err := newBench().Plan(d); !errors.Is(err, flags.ErrIdentity) {
		t.Errorf("nobody in particular: %v", err)
	}
}

func TestVerifyIsAmberWhenAStepCannotBeSeen(t *testing.T) {
	d := draft()
	d.Steps.SDKWithin = time.Second
	d.Steps.AwaitSDK = func(ctx context.Context) (string, error) { return "", errors.New("still as before") }
	prop, text, _, err := newBench().run(t, d)
	if !errors.Is(err, action.ErrUnverified) || !strings.Contains(err.Error(), "SDK path saw it: unknown (still as before)") {
		t.Errorf("%v (%s)", err, text)
	}
	if s := prop.Ladder.Step(flags.StepSDK); s.State != flags.StepUnknown {
		t.Errorf("%+v", s)
	}
	if s := prop.Ladder.Step(flags.StepReadBack); s.State != flags.StepDone {
		t.Errorf("%+v", s)
	}
}

func TestSomeoneElseAfterwardsIsAFailure(t *testing.T) {
	d := draft()
	d.Steps.ReadBack = func(context.Context) (Outcome, string, error) { return Other, "lee turned it on", nil }
	prop, _, _, err := newBench().run(t, d)
	if !errors.Is(err, action.ErrUnverified) || !strings.Contains(err.Error(), "lee turned it on") {
		t.Errorf("%v", err)
	}
	if s := prop.Ladder.Step(flags.StepReadBack); s.State != flags.StepFailed {
		t.Errorf("%+v", s)
	}
}

func TestReadBackWaitsForAServerThatLags(t *testing.T) {
	d := draft()
	looks := 0
	d.Steps.ReadBack = func(context.Context) (Outcome, string, error) {
		if looks++; looks < 4 {
			return AsBefore, "on", nil
		}
		return AsWanted, "off", nil
	}
	if _, text, _, err := newBench().run(t, d); err != nil || !strings.Contains(text, "read back 1.5s (off)") {
		t.Errorf("%v (%s)", err, text)
	}
}

// TestNoAnswerIsReadBackBeforeAnythingElse has the outcomes of a write that
// nobody answered. It is never sent twice.
func TestNoAnswerIsReadBackBeforeAnythingElse(t *testing.T) {
	silence := fmt.Errorf("%w (%w)", action.ErrUnsure, io.ErrUnexpectedEOF)
	for name, tc := range map[string]struct {
		found Outcome
		fail  error
		want  string // part of the error; empty for none
	}{
		"it was made":           {AsWanted, nil, ""},
		"it was not":            {AsBefore, nil, "unchanged after 10s: look again"},
		"someone else":          {Other, nil, "neither what was nor what was wanted: lee"},
		"no answer to that too": {AsBefore, errors.New("connection refused"), "reading back failed too: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			d := draft()
			sent := 0
			d.Steps.Apply = func(context.Context, string) (string, error) { sent++; return "", silence }
			d.Steps.ReadBack = func(context.Context) (Outcome, string, error) { return tc.found, "lee", tc.fail }
			b := newBench()
			prop, _, err, _ := b.run(t, d)
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (!errors.Is(err, action.ErrUnsure) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			case sent != 1:
				t.Errorf("sent %d times", sent)
			}
			if s := prop.Ladder.Step(flags.StepAccepted); tc.want != "" && s.State == flags.StepDone {
				t.Errorf("accepted: %+v", s)
			}
		})
	}
}

func TestAnAnswerIsCertain(t *testing.T) {
	d := draft()
	read := 0
	d.Steps.Apply = func(context.Context, string) (string, error) { return "", flags.ErrMaintenance }
	d.Steps.ReadBack = func(context.Context) (Outcome, string, error) { read++; return AsBefore, "", nil }
	prop, _, err, _ := newBench().run(t, d)
	if !errors.Is(err, flags.ErrMaintenance) || errors.Is(err, action.ErrUnsure) || read != 0 {
		t.Errorf("%v, read back %d times", err, read)
	}
	if s := prop.Ladder.Step(flags.StepAccepted); s.State != flags.StepFailed {
		t.Errorf("%+v", s)
	}
}

func TestTheReasonReachesTheServerAndUndoItsOwnPlan(t *testing.T) {
	d := draft()
	var reason string
	d.Steps.Apply = func(_ context.Context, r string) (string, error) { reason = r; return "", nil }
	d.Steps.Undo = func(context.Context) (*Draft, error) {
		back := draft()
		back.Edit.Kind = flags.TurnOn
		return back, nil
	}
	b := newBench()
	prop, _, err, verr := b.run(t, d)
	if err != nil || verr != nil {
		t.Fatal(err, verr)
	}
	told := 0
	prop.Ladder.OnChange(func() { told++ })
	undo, err := b.gate.Undo(t.Context())
	if prop.Latest() != prop {
		t.Error("the undo counts before it is carried out")
	}
	if _, err := b.gate.Run(t.Context(), undo, action.Confirmation{Typed: "checkout-v2", Reason: "back"}); err != nil {
		t.Fatal(err)
	}
	if prop.Latest().Plan != undo || told == 0 {
		t.Errorf("whoever follows the change heard %d times of the undo", told)
	}
	if err != nil || undo.Title != "Turn checkout-v2 on in production?" || reason != "INC-42" {
		t.Errorf("%+v, %v, reason %q", undo, err, reason)
	}
}
