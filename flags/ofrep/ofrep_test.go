package ofrep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/ofrep/ofreptest"
	"midwatch/live"
	"midwatch/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, s *ofreptest.Server, adjust ...func(*Options)) *Provider {
	t.Helper()
	clock := live.SystemClock{}
	o := Options{
		Name: "flagd", Address: s.URL, Token: secret.New(ofreptest.Token), TokenFrom: "$OFREP_TOKEN",
		Lock: action.NewLock(clock, "prod", ""), Clock: clock, Interval: 20 * time.Millisecond,
	}
	for _, f := range adjust {
		f(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if all := fmt.Sprintf("%v %+v %v %#v", p.Info(), p.opts, p.Status(), p.opts); strings.Contains(all, "canary") {
			t.Errorf("the token shows: %s", all)
		}
	})
	return p
}

func TestEvaluatesWhileLocked(t *testing.T) {
	p := open(t, ofreptest.New(t))
	all, err := p.Evaluate(t.Context(), "", flags.EvalContext{TargetingKey: "u1", Attributes: map[string]any{"plan": "pro"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []flags.Evaluation{
		{Key: "broken", Reason: flags.ReasonError, Code: flags.ErrorParse, Error: "bad targeting"},
		{Key: "color", Value: `"blue"`, Variant: "blue", Reason: flags.ReasonStatic, Native: "STATIC"},
		{Key: "vip", Value: "true", Variant: "x", Reason: flags.ReasonTargetingMatch, Native: "TARGETING_MATCH"},
	}
	for i, e := range all {
		e.Why = nil
		if fmt.Sprint(e) != fmt.Sprint(want[i]) {
			t.Errorf("got %+v\nwant %+v", e, want[i])
		}
	}
	for key, code := range map[string]flags.ErrorCode{"gone": flags.ErrorFlagNotFound, "broken": flags.ErrorParse, "vip": flags.ErrorNone} {
		one, err := p.Evaluate(t.Context(), "", flags.EvalContext{TargetingKey: "u1"}, key)
		if err != nil || one[0].Code != code || one[0].Key != key {
			t.Errorf("%s: %+v, %v", key, one, err)
		}
	}
	// The protocol has no environments; one has to be shown all the same.
	if env, err := p.Environments(t.Context()); err != nil || len(env) != 1 || env[0].Key != "default" || p.Info().Environment != "default" {
		t.Errorf("environments: %+v, %v", env, err)
	}
	list, err := p.List(t.Context(), "", flags.Query{Text: "O"})
	if err != nil || len(list) != 2 || list[1].Kind != flags.KindString || !list[1].States[0].On {
		t.Errorf("list: %+v, %v", list, err)
	}
}

func TestReadsOnly(t *testing.T) {
	p := open(t, ofreptest.New(t))
	if _, err := p.Plan(t.Context(), flags.Edit{Kind: flags.TurnOff, Key: "vip"}, nil); !errors.Is(err, flags.ErrUnsupported) {
		t.Errorf("plan: %v", err)
	}
	for _, c := range []flags.Capability{flags.CanToggle, flags.CanAudit, flags.CanStats} {
		if able := p.Info().Capabilities.Of(c); able.OK || able.Why == "" {
			t.Errorf("%s: %+v", c, able)
		}
	}
}

func TestBadInputHasItsWords(t *testing.T) {
	s := ofreptest.New(t)
	for name, tc := range map[string]struct {
		adjust func(*Options)
		down   int
		is     error
		says   string
	}{
		"token":   {func(o *Options) { o.Token = secret.New("canary-wrong") }, 0, flags.ErrToken, "put a new one into $OFREP_TOKEN"},
		"nobody":  {func(o *Options) { o.Address = "http://127.0.0.1:1" }, 0, flags.ErrUnreachable, "127.0.0.1:1"},
		"a page":  {func(*Options) {}, 503, flags.ErrUnreachable, "HTTP 503"},
		"another": {func(o *Options) { o.Address += "/elsewhere" }, 0, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.Set(func() { s.Down = tc.down })
			defer s.Set(func() { s.Down = 0 })
			p := open(t, s, tc.adjust)
			_, err := p.List(t.Context(), "", flags.Query{})
			if tc.is == nil {
				return
			}
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "<html") {
				t.Errorf("got %v", err)
			}
			if errors.Is(err, action.ErrUnsure) {
				t.Errorf("a question is not a write: %v", err)
			}
		})
	}
}

func TestWatchTellsWhatCameOutDifferently(t *testing.T) {
	s := ofreptest.New(t)
	p := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	events, done := make(chan flags.Event, 100), make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Watch(ctx, "", func(e flags.Event) { events <- e })
	}()
	defer func() { cancel(); <-done }()
	next := func(what string, ok func(flags.Event) bool) {
		t.Helper()
		late := time.After(20 * time.Second)
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
	next("the first look", func(e flags.Event) bool { return e.Resync })
	s.Set(func() { s.Color = "green" })
	next("the change", func(e flags.Event) bool { return slices.Equal(e.Keys, []string{"color"}) })
	s.Set(func() { s.Down = 503 })
	next("the outage", func(e flags.Event) bool { return e.Status && p.Status().Status == flags.StatusStale })
	s.Set(func() { s.Down = 0 })
	next("the recovery", func(e flags.Event) bool { return e.Resync && p.Status().Status == flags.StatusReady })
}
