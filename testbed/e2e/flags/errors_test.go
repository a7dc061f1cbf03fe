package flags

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/unleash"
	"midwatch/secret"
)

func (c *console) watch(t *testing.T) <-chan flags.Event {
	t.Helper()
	events := make(chan flags.Event, 1000)
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
	late := time.After(60 * time.Second)
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

func TestWrongTokensAndPlaces(t *testing.T) {
	for name, tc := range map[string]struct {
		adjust func(*unleash.Options)
		is     error
		says   string
	}{
		"a token that is unknown": {func(o *unleash.Options) { o.Token = secret.New("*:*.canary-unknown") }, flags.ErrToken, "put a new one into $UNLEASH_TOKEN"},
		"a backend token":         {func(o *unleash.Options) { o.Token = o.SDKKey }, flags.ErrToken, "wrong kind"},
		"another project":         {func(o *unleash.Options) { o.Project = "nope" }, flags.ErrNoProject, "sees default"},
		"another environment":     {func(o *unleash.Options) { o.Environment = "nope" }, flags.ErrNoEnvironment, "production"},
		"nobody there":            {func(o *unleash.Options) { o.Address = "http://127.0.0.1:1" }, flags.ErrUnreachable, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, tc.adjust)
			env := c.Info().Environment
			_, err := c.List(t.Context(), env, flags.Query{})
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}

// TestABackendTokenForElsewhere says so instead of showing another
// environment's values.
func TestABackendTokenForElsewhere(t *testing.T) {
	c := open(t, func(o *unleash.Options) { o.SDKKey = secret.New(server.BackendTokens["development"]) })
	name := flagNamed(t, "release", rollout("100"))
	turn(t, name, "on") // in production
	all, err := c.Evaluate(t.Context(), "production", flags.EvalContext{TargetingKey: "u1"}, name)
	if err != nil || all[0].Value != "true" {
		t.Errorf("%+v, %v", all, err)
	}
	if able := c.Info().Capabilities.Of(flags.CanSeeSDK); able.OK || !strings.Contains(able.Why.String(), "is for environment development") {
		t.Errorf("%+v", able)
	}
}

func TestMaintenanceModeAndArchivedFlags(t *testing.T) {
	c := open(t)
	c.lock.Open()
	name := flagNamed(t, "release", rollout("100"))
	turn(t, name, "on")
	prop, err := c.Plan(t.Context(), edit(flags.TurnOff, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	maintenance := func(on bool) {
		api(t, http.MethodPost, "/api/admin/maintenance", map[string]any{"enabled": on}, nil)
	}
	maintenance(true)
	_, err = c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: name, Reason: "INC-42"})
	maintenance(false)
	if !errors.Is(err, flags.ErrMaintenance) || errors.Is(err, action.ErrUnsure) {
		t.Errorf("in maintenance mode: %v", err)
	}
	api(t, http.MethodDelete, features+"/"+name, nil, nil) // archives
	if _, err := c.Get(t.Context(), "production", name); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("archived under the cursor: %v", err)
	}
	if _, err := c.Plan(t.Context(), edit(flags.TurnOff, name), nil); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("plan on it: %v", err)
	}
}

// cutter is a connection that loses answers of writes.
type cutter struct {
	next http.RoundTripper
	mu   sync.Mutex
	// before drops the request instead of its answer.
	before bool
	writes int
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || strings.Contains(r.URL.Path, "playground") {
		return c.next.RoundTrip(r)
	}
	c.mu.Lock()
	c.writes++
	before := c.before
	c.mu.Unlock()
	if before {
		return nil, io.ErrUnexpectedEOF
	}
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	return nil, io.ErrUnexpectedEOF
}

// TestAnAnswerThatIsLost: nothing is sent twice; what the flag is, read back,
// is the outcome.
func TestAnAnswerThatIsLost(t *testing.T) {
	wire := &cutter{next: http.DefaultTransport}
	c := open(t, func(o *unleash.Options) { o.Transport = wire })
	c.lock.Open()
	name := flagNamed(t, "release", rollout("100"))
	turn(t, name, "on")
	prop, _, text, err := c.carry(t, edit(flags.TurnOff, name), nil)
	if err != nil {
		t.Fatalf("%v (%s)", err, text)
	}
	if s := prop.Ladder.Step(flags.StepAccepted); s.State != flags.StepDone || !strings.Contains(s.Text.String(), "the answer was lost") {
		t.Errorf("accepted: %+v", s)
	}
	wire.mu.Lock()
	wire.before = true
	wire.writes = 0
	wire.mu.Unlock()
	prop, err = c.Plan(t.Context(), edit(flags.TurnOn, name), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.gate.Run(t.Context(), prop.Plan, action.Confirmation{Typed: name, Reason: "INC-42"})
	if !errors.Is(err, action.ErrUnsure) || !strings.Contains(err.Error(), "unchanged") {
		t.Errorf("a request that never arrived: %v", err)
	}
	if wire.writes != 1 {
		t.Errorf("%d requests were sent, want one", wire.writes)
	}
}

// TestTheSearchLimitIsNotMet: lists do not use the API that is limited to a
// few requests a minute.
func TestTheSearchLimitIsNotMet(t *testing.T) {
	c := open(t)
	for range 30 {
		if _, err := c.List(t.Context(), "production", flags.Query{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHistoryAndRulesAreInWords(t *testing.T) {
	c := open(t)
	half := rollout("50", inRegion, map[string]any{"contextName": "appVersion", "operator": "SEMVER_GT", "value": "1.2.3"})
	half["title"] = "EU half"
	name := flagNamed(t, "experiment", half)
	turn(t, name, "on")
	d, err := c.Get(t.Context(), "production", name)
	if err != nil {
		t.Fatal(err)
	}
	r := d.Rules[0]
	if r.Name != "EU half" || r.Serves != "true for 50 % by user or session" || r.Rollout != 50 ||
		len(r.When) != 2 || r.When[0] != "region is one of eu, uk" || r.When[1] != "appVersion > version 1.2.3" {
		t.Errorf("rule: %+v", r)
	}
	changes, err := c.Audit(t.Context(), "production", name, time.Now().Add(-time.Hour))
	if err != nil || len(changes) < 2 {
		t.Fatalf("%+v, %v", changes, err)
	}
	newest := changes[0]
	if newest.Diff[0] != (action.Field{Path: "enabled", Before: "off", After: "on"}) || !newest.Service || strings.ContainsAny(newest.Summary.String(), "*[") {
		t.Errorf("newest: %+v", newest)
	}
	list, err := c.List(t.Context(), "production", flags.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Key != name { // the one that changed last is first
		t.Errorf("first in the list: %s", list[0].Key)
	}
	if s, _ := list[0].In("production"); s.ChangedBy == "" || s.Changed.IsZero() || !s.On {
		t.Errorf("state: %+v", s)
	}
}
