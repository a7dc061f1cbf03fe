package flags

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/Unleash/unleash-client-go/v4"
	sdkcontext "github.com/Unleash/unleash-client-go/v4/context"

	"midwatch/flags"
	"midwatch/flags/unleash"
	"midwatch/secret"
)

// scene makes flags of every sort: rollouts, lists, constraints of each
// operator, variants, a segment, a parent. inverse are those that want their
// parent to be off.
func scene(t *testing.T, r *rand.Rand, prefix string, n int) (names []string, inverse map[string]bool) {
	t.Helper()
	var seg struct {
		ID int `json:"id"`
	}
	api(t, http.MethodPost, "/api/admin/segments", map[string]any{"name": prefix + "seg", "constraints": []any{
		map[string]any{"contextName": "plan", "operator": "IN", "values": []string{"pro", "team"}},
	}}, &seg)
	operators := []map[string]any{
		{"contextName": "region", "operator": "IN", "values": []string{"eu", "uk"}},
		{"contextName": "region", "operator": "NOT_IN", "values": []string{"eu"}},
		{"contextName": "region", "operator": "IN", "values": []string{"us"}, "inverted": true},
		{"contextName": "email", "operator": "STR_ENDS_WITH", "values": []string{"@Example.com"}, "caseInsensitive": true},
		{"contextName": "email", "operator": "STR_STARTS_WITH", "values": []string{"a", "b"}},
		{"contextName": "email", "operator": "STR_CONTAINS", "values": []string{"2"}},
		{"contextName": "age", "operator": "NUM_GTE", "value": "30"},
		{"contextName": "age", "operator": "NUM_LT", "value": "45.5"},
		{"contextName": "version", "operator": "SEMVER_GT", "value": "1.2.3"},
		{"contextName": "version", "operator": "SEMVER_LT", "value": "2.0.0"},
		{"contextName": "currentTime", "operator": "DATE_AFTER", "value": "2026-01-01T00:00:00.000Z"},
		{"contextName": "userId", "operator": "IN", "values": []string{"u1", "u2", "u3"}},
	}
	variants := []map[string]any{
		{"name": "a", "weight": 300, "weightType": "variable", "stickiness": "default", "payload": map[string]any{"type": "string", "value": "blue"}},
		{"name": "b", "weight": 700, "weightType": "variable", "stickiness": "default"},
	}
	inverse = map[string]bool{}
	for i := range n {
		name := fmt.Sprintf("%s%03d", prefix, i)
		names = append(names, name)
		api(t, http.MethodPost, features, map[string]any{"name": name, "type": "release"}, nil)
		for range 1 + r.IntN(2) {
			s := rollout(fmt.Sprint([]int{0, 1, 10, 50, 99, 100}[r.IntN(6)]))
			s["parameters"].(map[string]any)["groupId"] = name
			s["parameters"].(map[string]any)["stickiness"] = []string{"default", "userId", "sessionId", "region"}[r.IntN(4)]
			var cs []map[string]any
			for range r.IntN(3) {
				cs = append(cs, operators[r.IntN(len(operators))])
			}
			if cs != nil {
				s["constraints"] = cs
			}
			if r.IntN(3) == 0 {
				s["variants"] = variants
			}
			if r.IntN(4) == 0 {
				s["segments"] = []int{seg.ID}
			}
			s["disabled"] = r.IntN(8) == 0
			api(t, http.MethodPost, features+"/"+name+"/environments/production/strategies", s, nil)
		}
		if r.IntN(5) > 0 {
			turn(t, name, "on")
		}
		if i > 0 && r.IntN(5) == 0 {
			// A parent must have no parent; the first flag never has one.
			wanted := r.IntN(2) == 0
			inverse[name] = !wanted
			api(t, http.MethodPost, features+"/"+name+"/dependencies", map[string]any{"feature": names[0], "enabled": wanted}, nil)
		}
	}
	return names, inverse
}

func someone(r *rand.Rand) flags.EvalContext {
	c := flags.EvalContext{TargetingKey: fmt.Sprintf("u%d", r.IntN(40)), Attributes: map[string]any{}}
	set := func(name string, values ...any) {
		if r.IntN(5) > 0 {
			c.Attributes[name] = values[r.IntN(len(values))]
		}
	}
	set("region", "eu", "uk", "us", "EU")
	set("plan", "pro", "free")
	set("email", "alice@example.com", "b2@EXAMPLE.COM", "c@other.org")
	set("age", "29", "30", "45", "x")
	set("version", "1.2.3", "1.2.4", "1.3.0-beta.1", "2.0.0", "nope")
	set("currentTime", "2025-12-31T00:00:00.000Z", "2026-05-05T10:00:00.000Z")
	set("sessionId", "s1", "s2", "s3")
	return c
}

// TestEvaluatesAsTheServerAndAsAnSDK compares the evaluation made here with
// the server's playground and with Unleash's own Go SDK, flag by flag.
func TestEvaluatesAsTheServerAndAsAnSDK(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 42))
	names, inverse := scene(t, r, "scene.", 60)
	local := open(t)
	asked := open(t, func(o *unleash.Options) { o.SDKKey = secret.Value{} })
	app := witness(t)
	// The server's SDK API is a second behind; once it has a flag that was made
	// after all others, it has everything.
	last := "scene.end"
	api(t, http.MethodPost, features, map[string]any{"name": last, "type": "release"}, nil)
	until(t, "the last flag to be on the SDK API", func() bool {
		all, err := local.Evaluate(t.Context(), "production", flags.EvalContext{TargetingKey: "x"}, last)
		return err == nil && all[0].Code == flags.ErrorNone
	})
	until(t, "the SDK to have the last flag", func() bool {
		for _, f := range app.ListFeatures() {
			if f.Name == last {
				return true
			}
		}
		return false
	})
	compared, variants := 0, 0
	for range 60 {
		who := someone(r)
		here, err := local.Evaluate(t.Context(), "production", who, names...)
		if err != nil {
			t.Fatal(err)
		}
		there, err := asked.Evaluate(t.Context(), "production", who, names...)
		if err != nil {
			t.Fatal(err)
		}
		props := map[string]string{}
		for k, v := range who.Attributes {
			props[k] = fmt.Sprint(v)
		}
		theirs := sdkcontext.Context{UserId: who.TargetingKey, SessionId: props["sessionId"], CurrentTime: props["currentTime"], Properties: props}
		for i := range names {
			compared++
			if here[i].Variant != "" {
				variants++
			}
			// For a parent that has to be off, SDKs ask whether this user gets it,
			// the playground whether it is switched off altogether. What
			// applications do is right.
			if !inverse[names[i]] && (here[i].Value != there[i].Value || here[i].Variant != there[i].Variant || here[i].Reason != there[i].Reason && here[i].Value == "true") {
				t.Errorf("%s for %s:\n here %+v\nthere %+v", names[i], who, here[i], there[i])
			}
			if on := app.IsEnabled(names[i], sdk.WithContext(theirs)); fmt.Sprint(on) != here[i].Value.String() {
				t.Errorf("%s for %s: the SDK says %v, here %+v", names[i], who, on, here[i])
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d evaluations compared with the playground and the SDK, %d with a variant", compared, variants)
}

// TestWatchTellsOfChangesAndOutages stops the server under a watch.
func TestWatchTellsOfChangesAndOutages(t *testing.T) {
	c := open(t, func(o *unleash.Options) { o.Interval = 200 * time.Millisecond })
	name := flagNamed(t, "release", rollout("100"))
	events := c.watch(t)
	next(t, events, "the first look", func(e flags.Event) bool { return e.Resync })
	turn(t, name, "on")
	next(t, events, "the change", func(e flags.Event) bool { return slices.Contains(e.Keys, name) })
	who := flags.EvalContext{TargetingKey: "u1"}
	all, err := c.Evaluate(t.Context(), "production", who, name)
	if err != nil || all[0].Value != "true" {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	next(t, events, "the outage", func(flags.Event) bool {
		s := c.Status()
		return s.Status == flags.StatusStale && strings.Contains(s.Why.String(), "cannot be reached")
	})
	until(t, "values that are said to be old", func() bool {
		all, err := c.Evaluate(t.Context(), "production", who, name)
		return err == nil && all[0].Value == "true" && all[0].Reason == flags.ReasonStale && all[0].Unsure != ""
	})
	if _, err := c.List(t.Context(), "production", flags.Query{}); err == nil || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("list while it is down: %v", err)
	}
	late := open(t) // one that is opened while there is nobody
	if _, err := late.List(t.Context(), "production", flags.Query{}); !errors.Is(err, flags.ErrUnreachable) || late.Status().Status != flags.StatusError {
		t.Errorf("opened while it is down: %v, %+v", err, late.Status())
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := late.List(t.Context(), "production", flags.Query{}); err != nil || len(list) == 0 || late.Status().Status != flags.StatusReady {
		t.Errorf("once it is up: %v, %+v", err, late.Status())
	}
	next(t, events, "the recovery", func(e flags.Event) bool { return e.Resync && c.Status().Status == flags.StatusReady })
	if all, err = c.Evaluate(t.Context(), "production", who, name); err != nil || all[0].Value != "true" || all[0].Reason == flags.ReasonStale {
		t.Errorf("after the recovery: %+v, %v", all, err)
	}
}
