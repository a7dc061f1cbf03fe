package flags

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/Unleash/unleash-client-go/v4"
	sdkcontext "github.com/Unleash/unleash-client-go/v4/context"

	"midwatch/action"
	"midwatch/flags"
)

var inRegion = map[string]any{"contextName": "region", "operator": "IN", "values": []string{"eu", "uk"}}

// TestToggleFromLockedToUndone is the whole way of a kill: locked, unlocked,
// typed, reasoned, every proof with its time, the application's own SDK as the
// witness, and back to exactly what was.
func TestToggleFromLockedToUndone(t *testing.T) {
	c := open(t)
	name := flagNamed(t, "kill-switch", rollout("100", inRegion), rollout("25"))
	turn(t, name, "on")
	before := configured(t, name)

	app := witness(t, sdk.WithDisableMetrics(false), sdk.WithMetricsInterval(500*time.Millisecond))
	dana := sdk.WithContext(sdkcontext.Context{UserId: "dana", Properties: map[string]string{"region": "eu"}})
	until(t, "the application to have the flag on", func() bool { return app.IsEnabled(name, dana) })
	busy, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := make(chan struct{})
	go func() { // the traffic of the application
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-busy.Done():
				return
			case <-tick.C:
				app.IsEnabled(name, dana)
			}
		}
	}()
	defer func() { stop(); <-stopped }()
	until(t, "the server to count evaluations", func() bool {
		s, err := c.Stats(t.Context(), "production", name)
		return err == nil && s.Of("true") > 0
	})

	pinned := &flags.EvalContext{TargetingKey: "dana", Attributes: map[string]any{"region": "eu"}}
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, name), pinned)
	if err != nil {
		t.Fatal(err)
	}
	if prop.Now.Value != "true" || prop.After.Value != "false" || prop.After.Reason != flags.ReasonDisabled {
		t.Errorf("before and after for dana: %+v, %+v", prop.Now, prop.After)
	}
	if got := c.gate.Effective(prop.Plan); got != action.DangerReason {
		t.Errorf("production asks for danger %v, want a reason", got)
	}
	confirmed := action.Confirmation{Typed: name, Reason: "INC-42: checkout fails"}
	if _, err := c.gate.Run(t.Context(), prop.Plan, confirmed); !errors.Is(err, action.ErrLocked) {
		t.Fatalf("locked: %v", err)
	}
	if err := c.lock.UnlockFor(10 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: name}); !errors.Is(err, action.ErrUnconfirmed) {
		t.Fatalf("without a reason: %v", err)
	}
	if got := configured(t, name); got != before {
		t.Fatalf("the server has been written to before it was confirmed:\n%s", got)
	}
	out, err := c.gate.Run(t.Context(), prop.Plan, confirmed)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := c.gate.Verify(t.Context(), out)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	t.Logf("verified: %s", text)
	for _, s := range prop.Ladder.Steps() {
		if s.State != flags.StepDone || s.Took <= 0 || !strings.Contains(text, s.Name) {
			t.Errorf("step %q: %s after %v (%s)", s.Name, s.State, s.Took, s.Text)
		}
	}
	until(t, "the application's SDK to see it", func() bool { return !app.IsEnabled(name, dana) })

	undo, err := c.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err = c.gate.Run(t.Context(), undo, confirmed)
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err = c.gate.Verify(t.Context(), out); err != nil {
		t.Fatalf("verify the undo: %v (%s)", err, text)
	}
	if got := configured(t, name); got != before {
		t.Errorf("the undo left\n%s\nwant\n%s", got, before)
	}
	until(t, "the application's SDK to see the undo", func() bool { return app.IsEnabled(name, dana) })

	var phases []string
	for _, e := range c.entries(t) {
		phases = append(phases, string(e.Phase))
	}
	if got := strings.Join(phases, " "); got != "refused intent applied verified intent applied verified" {
		t.Errorf("journal: %s", got)
	}
}

// TestTurningOnAddsAStrategyAndUndoRemovesIt is Unleash's trap: a flag without
// an active strategy gets one for everyone when it is turned on.
func TestTurningOnAddsAStrategyAndUndoRemovesIt(t *testing.T) {
	disabled := rollout("5")
	disabled["disabled"] = true
	for name, strategies := range map[string][]map[string]any{"none": nil, "all disabled": {disabled}} {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			c.lock.Open()
			name := flagNamed(t, "release", strategies...)
			before := configured(t, name)
			pinned := &flags.EvalContext{TargetingKey: "u1"}
			prop, _, text, err := c.carry(t, edit(flags.TurnOn, name), pinned)
			if err != nil {
				t.Fatal(err)
			}
			if warnings := strings.Join(prop.Plan.Warnings, "\n"); !strings.Contains(warnings, "Unleash will add one by itself: true") {
				t.Errorf("not warned of the strategy: %q", warnings)
			}
			if !strings.Contains(prop.Plan.Blast, "Everyone gets true.") || prop.After.Value != "true" {
				t.Errorf("blast %q, after %+v", prop.Plan.Blast, prop.After)
			}
			if !strings.Contains(text, "the server added 1 strategy") {
				t.Errorf("verified: %s", text)
			}
			undo, err := c.gate.Undo(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.gate.Run(t.Context(), undo, action.Confirmation{Typed: name, Reason: "back"})
			if err != nil {
				t.Fatal(err)
			}
			if text, _, err = c.gate.Verify(t.Context(), out); err != nil {
				t.Fatalf("verify the undo: %v (%s)", err, text)
			}
			if got := configured(t, name); got != before {
				t.Errorf("the undo left\n%s\nwant\n%s", got, before)
			}
		})
	}
}

func TestRolloutIsComparedByTheServer(t *testing.T) {
	c := open(t)
	c.lock.Open()
	name := flagNamed(t, "release", rollout("10"))
	turn(t, name, "on")
	e := edit(flags.SetRollout, name)
	e.Percent = 50
	before := configured(t, name)
	app := witness(t)

	_, _, text, err := c.carry(t, e, &flags.EvalContext{TargetingKey: "u1"})
	if err != nil {
		t.Fatalf("%v (%s)", err, text)
	}
	// How many of 200 users get it is what the server's own SDK says.
	until(t, "the SDK to give it to about half", func() bool {
		n := 0
		for i := range 200 {
			if app.IsEnabled(name, sdk.WithContext(sdkcontext.Context{UserId: string(rune('a'+i%26)) + strings.Repeat("x", i/26)})) {
				n++
			}
		}
		return n > 60
	})
	undo, err := c.gate.Undo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.gate.Run(t.Context(), undo, action.Confirmation{Typed: name, Reason: "back"})
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := c.gate.Verify(t.Context(), out); err != nil {
		t.Fatalf("%v (%s)", err, text)
	}
	if got := configured(t, name); got != before {
		t.Errorf("the undo left\n%s\nwant\n%s", got, before)
	}
	e.Percent = 33.3
	if _, err := c.Plan(t.Context(), e, nil); err == nil || !strings.Contains(err.Error(), "whole per cents") {
		t.Errorf("a fraction: %v", err)
	}
}

func TestSomeoneElseChangedItMeanwhile(t *testing.T) {
	c := open(t)
	c.lock.Open()
	name := flagNamed(t, "release", rollout("100"))
	turn(t, name, "on")
	confirmed := action.Confirmation{Typed: name, Reason: "INC-42"}
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	api(t, http.MethodPost, features+"/"+name+"/environments/production/strategies", rollout("7"), nil)
	if _, err := c.gate.Run(t.Context(), prop.Plan, confirmed); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "added strategy") {
		t.Errorf("changed between plan and run: %v", err)
	}

	if _, _, text, err := c.carry(t, edit(flags.TurnOff, name), nil); err != nil {
		t.Fatalf("%v (%s)", err, text)
	}
	turn(t, name, "on")
	if _, err := c.gate.Undo(t.Context()); !errors.Is(err, flags.ErrConflict) || !strings.Contains(err.Error(), "it was") {
		t.Errorf("undo after someone else's change: %v", err)
	}
	if _, err := c.Plan(t.Context(), edit(flags.TurnOn, name), nil); !errors.Is(err, flags.ErrAlready) {
		t.Errorf("on already: %v", err)
	}
}

// TestRolloutRaceIsLostCleanly changes the percentage after the gate's own
// check: the server's compare-and-set is what is left.
func TestRolloutRaceIsLostCleanly(t *testing.T) {
	c := open(t)
	c.lock.Open()
	name := flagNamed(t, "release", rollout("10"))
	turn(t, name, "on")
	e := edit(flags.SetRollout, name)
	e.Percent = 50
	d, err := c.Draft(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	var id string
	var f struct {
		Environments []struct {
			Name       string
			Strategies []struct{ ID string }
		}
	}
	api(t, http.MethodGet, features+"/"+name, nil, &f)
	for _, env := range f.Environments {
		if env.Name == "production" {
			id = env.Strategies[0].ID
		}
	}
	check := d.Steps.Check
	d.Steps.Check = func(ctx context.Context) error {
		err := check(ctx)
		api(t, http.MethodPatch, features+"/"+name+"/environments/production/strategies/"+id,
			[]map[string]any{{"op": "replace", "path": "/parameters/rollout", "value": "20"}}, nil)
		return err
	}
	prop, err := c.Planner().Plan(d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: name, Reason: "INC-42"})
	if !errors.Is(err, flags.ErrConflict) || errors.Is(err, action.ErrUnsure) || strings.Contains(err.Error(), "tree") {
		t.Errorf("a lost race: %v", err)
	}
	if got := configured(t, name); !strings.Contains(got, `"rollout": "20"`) {
		t.Errorf("the other's change was overwritten:\n%s", got)
	}
}

// TestTheSDKPathIsSeenAtOnce measures how much later than an application that
// asks without a pause the proof comes: the budget is 100 ms. The bound here
// is wide enough for a busy machine; the figure is in the log.
func TestTheSDKPathIsSeenAtOnce(t *testing.T) {
	c := open(t)
	c.lock.Open()
	name := flagNamed(t, "release", rollout("100"))
	turn(t, name, "on")
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan time.Time, 1)
	go func() { seen <- poll(t, name) }()
	out, err := c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: name, Reason: "INC-42"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.gate.Verify(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	began := out.At.Add(-out.Took)
	later := prop.Ladder.Step(flags.StepSDK).Took - (<-seen).Sub(began)
	t.Logf("the proof came %v after an application without a pause could have it", later)
	if later > time.Second {
		t.Errorf("the proof came %v later than it could", later)
	}
}

// poll asks the API of SDKs without a pause until the flag is off.
func poll(t *testing.T, name string) time.Time {
	for t.Context().Err() == nil {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/client/features", nil)
		if err != nil {
			t.Error(err)
			break
		}
		req.Header.Set("Authorization", server.BackendTokens["production"])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		var all struct {
			Features []struct {
				Name    string
				Enabled bool
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&all)
		if resp.Body.Close() != nil || err != nil {
			continue
		}
		for _, f := range all.Features {
			if f.Name == name && !f.Enabled {
				return time.Now()
			}
		}
	}
	return time.Now()
}
