package unleash

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"midwatch/flags"
)

// The values are those of Unleash's own SDK tests (normalizedStrategyValue,
// normalizedVariantValue) and of MurmurHash3's reference implementation.
func TestBucketsAreUnleashs(t *testing.T) {
	for _, tc := range []struct {
		group, id string
		seed      uint32
		want      uint32
	}{
		{"gr1", "123", rolloutSeed, 73}, {"groupX", "999", rolloutSeed, 25},
		{"gr1", "123", variantSeed, 96}, {"groupX", "999", variantSeed, 60},
	} {
		if got := bucket(tc.group, tc.id, 100, tc.seed); got != tc.want {
			t.Errorf("bucket(%s, %s, %d) = %d, want %d", tc.group, tc.id, tc.seed, got, tc.want)
		}
	}
	for s, want := range map[string]uint32{"": 0, "hello": 0x248bfa47, "hello, world": 0x149bbb7f, "The quick brown fox jumps over the lazy dog": 0x2e4ff723} {
		if got := murmur3(s, 0); got != want {
			t.Errorf("murmur3(%q) = %#x, want %#x", s, got, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestConstraints(t *testing.T) {
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	who := newSubject(flags.EvalContext{TargetingKey: "u1", Attributes: map[string]any{"region": "EU", "age": 30.0, "v": "1.2.3-beta.2", "ok": true}}, "production", now)
	for _, tc := range []struct {
		c    constraint
		want verdict
	}{
		{constraint{ContextName: "userId", Operator: "IN", Values: []string{"u1"}}, yes},
		{constraint{ContextName: "region", Operator: "IN", Values: []string{"eu"}, CaseInsensitive: true}, no}, // IN heeds case always
		{constraint{ContextName: "region", Operator: "STR_STARTS_WITH", Values: []string{"e"}, CaseInsensitive: true}, yes},
		{constraint{ContextName: "nothing", Operator: "NOT_IN", Values: []string{"x"}}, yes},
		{constraint{ContextName: "nothing", Operator: "IN", Values: []string{"x"}, Inverted: true}, yes},
		{constraint{ContextName: "age", Operator: "NUM_GTE", Value: ptr("30")}, yes},
		{constraint{ContextName: "age", Operator: "NUM_GT", Value: ptr("30")}, no},
		{constraint{ContextName: "region", Operator: "NUM_EQ", Value: ptr("30")}, no},
		{constraint{ContextName: "v", Operator: "SEMVER_LT", Value: ptr("1.2.3")}, yes},
		{constraint{ContextName: "v", Operator: "SEMVER_GT", Value: ptr("1.2.3-beta.10")}, no},
		{constraint{ContextName: "currentTime", Operator: "DATE_AFTER", Value: ptr("2026-11-27T02:59:59Z")}, yes},
		{constraint{ContextName: "ok", Operator: "IN", Values: []string{"true"}}, yes},
		{constraint{ContextName: "region", Operator: "REGEX", Value: ptr("^E.$")}, yes},
		{constraint{ContextName: "region", Operator: "REGEX", Value: ptr("(")}, unknown},
		{constraint{ContextName: "region", Operator: "SOUNDS_LIKE", Values: []string{"eu"}, Inverted: true}, unknown},
		{constraint{ContextName: "environment", Operator: "IN", Values: []string{"production"}}, yes},
	} {
		if got := tc.c.holds(who); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.c.words(), got, tc.want)
		}
	}
}

func TestWhatOnlyTheApplicationKnowsIsUnknown(t *testing.T) {
	ev := evaluator{subject: newSubject(flags.EvalContext{TargetingKey: "u1"}, "production", time.Now())}
	for name, f := range map[string]*feature{
		"a strategy of its own": {Name: "x", Enabled: true, Strategies: []strategy{{Name: "byWeather"}}},
		"a parent":              {Name: "x", Enabled: true, Dependencies: []dependency{{Feature: "p"}}},
	} {
		if e := ev.evaluation(f); e.Reason != flags.ReasonUnknown || e.Value != "" || e.Unsure == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	nobody := evaluator{subject: newSubject(flags.EvalContext{}, "production", time.Now())}
	half := &feature{Name: "x", Enabled: true, Strategies: []strategy{{Name: "flexibleRollout", Parameters: map[string]loose{"rollout": "50", "stickiness": "default"}}}}
	if e := nobody.evaluation(half); e.Reason != flags.ReasonUnknown || !strings.Contains(e.Unsure.String(), "50 % by chance") {
		t.Errorf("by chance: %+v", e)
	}
}

func TestThePlaygroundsUnknownIsNoBoolean(t *testing.T) {
	var f played
	body := `{"name":"x","isEnabled":"unknown","isEnabledInCurrentEnvironment":true,"strategies":{"result":"unknown","data":[
		{"name":"byWeather","result":{"enabled":"unknown","evaluationStatus":"incomplete"},"constraints":[],"segments":[]}]}}`
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		t.Fatal(err)
	}
	if e := f.evaluation(); e.Reason != flags.ReasonUnknown || e.Value != "" || e.Unsure == "" {
		t.Errorf("%+v", e)
	}
}

// FuzzDecode feeds the decoders what no server should send: no crash, and
// nothing that moves a cursor.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"x\u001b[2J","enabled":true,"strategies":[{"name":"flexibleRollout","title":"\u001b","parameters":{"rollout":50,"stickiness":null},"constraints":[{"contextName":"a","operator":"SEMVER_GT","value":"1.2.3"}],"variants":[{"name":"a","weight":-5}]}]}`))
	f.Add([]byte(`{"name":"y","enabled":true,"dependencies":[{"feature":"y"}],"strategies":[{"name":"userWithId","parameters":{"userIds":"a,b"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var one feature
		if err := json.Unmarshal(body, &one); err != nil {
			return
		}
		ev := evaluator{subject: newSubject(flags.EvalContext{TargetingKey: "u1"}, "production", time.Unix(0, 0)), flag: func(string) *feature { return &one }}
		e := ev.evaluation(&one)
		all := fmt.Sprint(e.Native, e.Variant, e.Why, e.Unsure, serves(one.Strategies))
		for i := range one.Strategies {
			all += fmt.Sprint(rule(&one.Strategies[i], nil))
		}
		if strings.ContainsAny(all, "\x1b\n\r") {
			t.Errorf("%s leads to %q", body, all)
		}
	})
}

// many is a client API's document of n flags.
func many(n int) []byte {
	type object = map[string]any
	var all []any
	for i := range n {
		all = append(all, object{"name": fmt.Sprintf("flag-%04d", i), "type": "release", "enabled": i%7 != 0, "project": "default", "description": "what it is for",
			"strategies": []any{
				object{"name": "flexibleRollout", "constraints": []any{
					object{"contextName": "region", "operator": "IN", "values": []string{"eu", "uk", "us"}}, object{"contextName": "version", "operator": "SEMVER_GT", "value": "1.2.3"},
				}, "parameters": object{"rollout": "50", "stickiness": "default", "groupId": "g"}, "variants": []any{}},
				object{"name": "flexibleRollout", "constraints": []any{}, "parameters": object{"rollout": "25", "stickiness": "userId", "groupId": "g"},
					"variants": []any{object{"name": "a", "weight": 500, "stickiness": "default"}, object{"name": "b", "weight": 500, "stickiness": "default"}}},
			},
			"environments": []any{object{"name": "production", "enabled": true, "type": "production", "hasStrategies": true, "hasEnabledStrategies": true}},
			"createdAt":    "2026-01-01T00:00:00Z",
		})
	}
	b, err := json.Marshal(object{"features": all})
	if err != nil {
		panic(err)
	}
	return b
}

func viewOf(tb testing.TB, n int) *view {
	tb.Helper()
	var got struct {
		Features []feature `json:"features"`
	}
	if err := json.Unmarshal(many(n), &got); err != nil {
		tb.Fatal(err)
	}
	v := &view{flags: map[string]*feature{}}
	for i := range got.Features {
		f := &got.Features[i]
		v.flags[f.Name], v.keys = f, append(v.keys, f.Name)
	}
	return v
}

// BenchmarkEvaluate500 is a changed context: budget 10 ms.
func BenchmarkEvaluate500(b *testing.B) {
	v := viewOf(b, 500)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		who := flags.EvalContext{TargetingKey: fmt.Sprint("u", i), Attributes: map[string]any{"region": "eu", "version": "1.3.0"}}
		if got := v.evaluate(newSubject(who, "production", time.Unix(0, 0)), nil, ""); len(got) != 500 {
			b.Fatal(len(got))
		}
	}
}
