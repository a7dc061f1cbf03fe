package flagwatch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/file"
	"midwatch/flags/flagwatch"
	"midwatch/flags/toggle"
	"midwatch/live"
)

// text is a flag file with n flags; the first is as given.
func text(n int, on bool) []byte {
	var b strings.Builder
	b.WriteString(`{"flags": {`)
	for i := range n {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `"flag-%04d": {"key": "flag-%04d", "version": 1, "on": %v, "variations": [true, false], "offVariation": 1, "salt": "s",
			"rules": [{"id": "r", "clauses": [{"attribute": "plan", "op": "in", "values": ["pro"]}], "variation": 0}],
			"fallthrough": {"rollout": {"variations": [{"variation": 0, "weight": 10000}, {"variation": 1, "weight": 90000}]}}}`, i, i, on || i > 0)
	}
	b.WriteString(`}}`)
	return []byte(b.String())
}

type bench struct {
	*flagwatch.Session
	hub   *live.Hub
	store *file.Memory
	gate  *action.Gate
}

type journal struct{}

func (journal) Append(context.Context, action.Entry) error { return nil }

func open(t testing.TB, n int, wrap ...func(flags.Provider) flags.Provider) *bench {
	t.Helper()
	clock := live.SystemClock{}
	lock := action.NewLock(clock, "test", "")
	lock.Open()
	store := file.NewMemory("production.json", text(n, true), time.Now().Add(-time.Hour), time.Now)
	staging := file.NewMemory("staging.json", text(n, false), time.Now(), time.Now)
	opened, err := file.New(context.Background(), file.Options{
		Name: "shop", Clock: clock, Identity: "oncall", Planner: &toggle.Planner{Lock: lock, Clock: clock},
		Environments: []file.Environment{
			{Environment: flags.Environment{Key: "staging"}, Store: staging},
			{Environment: flags.Environment{Key: "production", Production: true}, Store: store},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var p flags.Provider = opened
	for _, w := range wrap {
		p = w(p)
	}
	hub := live.NewHub(clock, time.Millisecond)
	s := flagwatch.Start(context.Background(), flagwatch.Options{
		Providers: []flags.Provider{p}, Hub: hub, Clock: clock, Failed: []flagwatch.Failed{{Name: "ld", Type: "launchdarkly", Why: "LD_TOKEN is not set"}},
	})
	hub.Want(live.Topic{Name: flagwatch.Topic})
	t.Cleanup(s.Close)
	return &bench{s, hub, store, action.NewGate(lock, journal{}, clock, "oncall")}
}

// until pulls boards until one is as wanted.
func (b *bench) until(t testing.TB, what string, want func(*flagwatch.Board) bool) *flagwatch.Board {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		batch, err := b.hub.Next(ctx)
		if err != nil {
			t.Fatalf("waited in vain for %s: %v", what, err)
		}
		s := batch[live.Topic{Name: flagwatch.Topic}]
		if board, ok := s.Value.(*flagwatch.Board); ok && s.State == live.Ready && want(board) {
			return board
		}
	}
}

func full(n int) func(*flagwatch.Board) bool {
	return func(b *flagwatch.Board) bool { return len(b.Rows) == n && len(b.Rows[0].Flag.States) == 2 }
}

func TestTheBoardFollowsTheProvider(t *testing.T) {
	b := open(t, 3)
	board := b.until(t, "the list", full(3))
	if got := board.Providers[0].Environments; got[0].Key != "production" || got[1].Key != "staging" {
		t.Errorf("production is not first: %+v", got)
	}
	if p, ok := board.Provider("ld"); !ok || p.Status.Status != flags.StatusFatal || p.Err != "LD_TOKEN is not set" {
		t.Errorf("a provider that could not be opened: %+v", p)
	}
	if _, err := b.Provider("ld"); err == nil || !strings.Contains(err.Error(), "LD_TOKEN is not set") {
		t.Errorf("%v", err)
	}
	b.store.Set([]byte(strings.Replace(string(text(3, true)), `"flag-0002", "version": 1, "on": true`, `"flag-0002", "version": 2, "on": false`, 1)))
	board = b.until(t, "the change", func(b *flagwatch.Board) bool { return b.Rows[0].Flag.Key == "flag-0002" })
	if s, _ := board.Rows[0].Flag.In("production"); s.On || !board.Rows[0].Live || board.Rows[0].Changed.IsZero() {
		t.Errorf("%+v", board.Rows[0])
	}
	b.store.Set([]byte("{broken"))
	board = b.until(t, "the broken file", func(b *flagwatch.Board) bool { return b.Providers[0].Status.Status == flags.StatusStale })
	if len(board.Rows) != 3 || !strings.Contains(board.Providers[0].Status.Why.String(), "not valid JSON at line 1") {
		t.Errorf("%d rows, %+v", len(board.Rows), board.Providers[0].Status)
	}
	b.store.Set(text(2, true))
	board = b.until(t, "a flag less", func(b *flagwatch.Board) bool {
		s, ok := b.Rows[len(b.Rows)-1].Flag.In("production")
		return b.Providers[0].Status.Status == flags.StatusReady && (!ok || s.Environment == "")
	})
	if len(board.Rows) != 3 { // it is still in staging
		t.Errorf("%d rows", len(board.Rows))
	}
}

// slow answers a listing of production with what it is given, once it is given
// something.
type slow struct {
	flags.Provider
	answers chan error
}

func (s *slow) List(ctx context.Context, environment string, q flags.Query) ([]flags.Flag, error) {
	if environment == "production" {
		select {
		case err := <-s.answers:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.Provider.List(ctx, environment, q)
}

// TestWhatWasNotListedYetIsToldFromWhatIsNotThere: environments are listed
// side by side, and one of them may be late.
func TestWhatWasNotListedYetIsToldFromWhatIsNotThere(t *testing.T) {
	answers := make(chan error)
	b := open(t, 2, func(p flags.Provider) flags.Provider { return &slow{p, answers} })
	unlisted := func(b *flagwatch.Board) (string, bool) {
		why, ok := b.Providers[0].Unlisted["production"]
		return why.String(), ok
	}
	b.until(t, "staging alone", func(b *flagwatch.Board) bool {
		why, ok := unlisted(b)
		return len(b.Rows) == 2 && len(b.Rows[0].Flag.States) == 1 && ok && why == ""
	})
	answers <- errors.New("shop: HTTP 502")
	b.until(t, "the reason", func(b *flagwatch.Board) bool {
		why, ok := unlisted(b)
		return ok && why == "shop: HTTP 502"
	})
	answers <- nil
	b.until(t, "both", func(b *flagwatch.Board) bool {
		_, ok := unlisted(b)
		return full(2)(b) && !ok
	})
}

func TestPinningEvaluatesEverythingAtOnce(t *testing.T) {
	b := open(t, 500)
	b.until(t, "the list", full(500))
	for _, c := range []struct{ who, value, reason string }{{"u1 plan=pro", "true", "TARGETING_MATCH"}, {"u1", "false", "SPLIT"}, {"u1 plan=pro", "true", "TARGETING_MATCH"}} {
		who, err := flags.ParseContext(c.who)
		if err != nil {
			t.Fatal(err)
		}
		b.Pin(&who)
		board := b.until(t, "the answers for "+c.who, func(b *flagwatch.Board) bool {
			return b.Asked != nil && !b.Asked.Pending && b.Asked.Who.String() == who.String()
		})
		if len(board.Asked.Answers) != 1000 {
			t.Errorf("%d answers", len(board.Asked.Answers))
		}
		if e, ok := board.Asked.Of("shop", "production", "flag-0007"); !ok || e.Value.String() != c.value || string(e.Reason) != c.reason {
			t.Errorf("%s: %+v", c.who, e)
		}
	}
	// A change of a flag is evaluated again by itself.
	b.store.Set([]byte(strings.ReplaceAll(string(text(500, true)), `"on": true`, `"on": false`)))
	b.until(t, "the answers after the change", func(b *flagwatch.Board) bool {
		e, _ := b.Asked.Of("shop", "production", "flag-0007")
		return e.Reason == flags.ReasonDisabled
	})
	b.Pin(nil)
	b.until(t, "nobody", func(b *flagwatch.Board) bool { return b.Asked == nil })
	bad := flags.EvalContext{}
	b.Pin(&bad)
	board := b.until(t, "why nobody can be asked about", func(b *flagwatch.Board) bool { return b.Asked != nil && len(b.Asked.Errs) == 2 })
	for _, err := range board.Asked.Errs {
		if !strings.HasPrefix(err.String(), "context: ") {
			t.Errorf("%s", err)
		}
	}
}

func TestSeveralAreSwitchedTogether(t *testing.T) {
	b := open(t, 3)
	b.until(t, "the list", full(3))
	edit := func(key string) flagwatch.Edit {
		return flagwatch.Edit{Provider: "shop", Edit: flags.Edit{Kind: flags.TurnOff, Environment: "production", Key: key}}
	}
	batch, err := b.PlanAll(t.Context(), []flagwatch.Edit{edit("flag-0000"), edit("gone"), edit("flag-0001")})
	if err != nil || batch.Plan == nil || batch.Items[1].Err == "" {
		t.Fatalf("%+v, %v", batch, err)
	}
	// The second is planned for the file as it was before the first.
	_, err = b.gate.Run(t.Context(), batch.Plan, action.Confirmation{Typed: "production", Reason: "INC-1"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true} {
		if ended, err := batch.Items[i].Sent(); ended != want || err != "" {
			t.Errorf("item %d: ended %v, %s", i, ended, err)
		}
	}
	b.until(t, "both are off", func(b *flagwatch.Board) bool {
		off := 0
		for _, r := range b.Rows {
			if s, _ := r.Flag.In("production"); !s.On {
				off++
			}
		}
		return off == 2
	})
	if _, err := b.PlanAll(t.Context(), make([]flagwatch.Edit, action.MaxBatch+1)); err == nil {
		t.Error("an endless batch")
	}
}

// BenchmarkAskAgain500 is the time from another pinned context to a board with
// every answer, 500 flags in two environments.
func BenchmarkAskAgain500(b *testing.B) {
	s := open(b, 500)
	s.until(b, "the list", full(500))
	for i := 0; b.Loop(); i++ {
		who := flags.EvalContext{TargetingKey: fmt.Sprint("user-", i)}
		s.Pin(&who)
		s.until(b, "the answers", func(board *flagwatch.Board) bool {
			return board.Asked != nil && !board.Asked.Pending && board.Asked.Who.TargetingKey == who.TargetingKey
		})
	}
}
