package action

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func plan(name string, danger Danger, do Steps) *Plan {
	return New(Plan{
		Verb: "restart", Title: "Restart?", Target: target(name), Danger: danger,
		Changes: []Field{{Path: "replicas", Before: "3", After: "5"}}, Equivalent: "kubectl rollout restart",
	}, do)
}

func TestRunGoesThroughEveryStepInOrder(t *testing.T) {
	b := newBench(t)
	var tr trace
	do := tr.traced()
	apply := do.Apply
	do.Apply = func(ctx context.Context) error {
		if got := b.log.phases(); !slices.Equal(got, []Phase{PhaseIntent}) {
			t.Errorf("applied with %v in the journal", got)
		}
		b.clock.advance(250 * time.Millisecond)
		return apply(ctx)
	}
	p := plan("api", DangerReason, do)
	out, err := b.Run(t.Context(), p, Confirmation{Typed: " api ", Reason: "memory leak"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"check", "dry run", "apply"}; !slices.Equal(tr.seen(), want) {
		t.Errorf("steps %v, want %v", tr.seen(), want)
	}
	if want := []Phase{PhaseIntent, PhaseApplied}; !slices.Equal(b.log.phases(), want) {
		t.Errorf("journal %v, want %v", b.log.phases(), want)
	}
	if out.ID != "id1" || out.Plan != p || out.Took != 250*time.Millisecond || !out.At.Equal(b.clock.Now()) || out.Warning != "" {
		t.Errorf("outcome %+v", out)
	}
	want := Entry{
		ID: "id1", At: out.At, Phase: PhaseApplied, User: "oncall@example.com", Verb: "restart", Target: target("api"),
		Changes: p.Changes, Reason: "memory leak", Equivalent: "kubectl rollout restart", Took: 0.25,
	}
	if got := b.log.last(t); !reflect.DeepEqual(got, want) {
		t.Errorf("entry %+v\nwant %+v", got, want)
	}
}

func TestRunStopsBeforeAnythingIsWritten(t *testing.T) {
	failed := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	changed := errors.Join(ErrChanged, errors.New("generation 4, was 3"))
	for name, c := range map[string]struct {
		prepare func(*bench, *Plan, *Steps)
		danger  Danger
		confirm Confirmation
		want    error
		journal []Phase
	}{
		"read-only":                         {prepare: func(b *bench, _ *Plan, _ *Steps) { b.Lock().Lock() }, want: ErrLocked, journal: []Phase{PhaseRefused}},
		"read-only, and the name not typed": {prepare: func(b *bench, _ *Plan, _ *Steps) { b.Lock().Lock() }, danger: DangerName, want: ErrLocked, journal: []Phase{PhaseRefused}},
		"another context":                   {prepare: func(_ *bench, p *Plan, _ *Steps) { p.Target.Context = "prod" }, want: ErrOtherContext, journal: []Phase{PhaseRefused}},
		"another cluster":                   {prepare: func(_ *bench, p *Plan, _ *Steps) { p.Target.ClusterUID = "c2" }, want: ErrOtherContext, journal: []Phase{PhaseRefused}},
		"name not typed":                    {danger: DangerName, want: ErrUnconfirmed},
		"wrong name typed":                  {danger: DangerName, confirm: Confirmation{Typed: "apl"}, want: ErrUnconfirmed},
		"no reason given":                   {danger: DangerReason, confirm: Confirmation{Typed: "api", Reason: "  "}, want: ErrUnconfirmed},
		"object changed":                    {prepare: func(_ *bench, _ *Plan, s *Steps) { s.Check = failed(changed) }, want: ErrChanged, journal: []Phase{PhaseRefused}},
		"server says no":                    {prepare: func(_ *bench, _ *Plan, s *Steps) { s.DryRun = failed(ErrRejected) }, want: ErrRejected, journal: []Phase{PhaseRefused}},
		"the check crashes":                 {prepare: func(_ *bench, _ *Plan, s *Steps) { s.Check = func(context.Context) error { panic("oops") } }, want: ErrPanic, journal: []Phase{PhaseRefused}},
		"no journal":                        {prepare: func(b *bench, _ *Plan, _ *Steps) { b.log.fail[PhaseIntent] = io.ErrShortWrite }, want: ErrJournal},
		"locked while the server tries it": {
			prepare: func(b *bench, _ *Plan, s *Steps) {
				_ = b.Lock().UnlockFor(time.Minute)
				s.DryRun = func(context.Context) error { b.clock.advance(2 * time.Minute); return nil }
			},
			want: ErrLocked, journal: []Phase{PhaseRefused},
		},
		"the check takes too long": {
			prepare: func(b *bench, _ *Plan, s *Steps) {
				s.Check = func(ctx context.Context) error { b.clock.advance(time.Minute); <-ctx.Done(); return ctx.Err() }
			},
			want: context.DeadlineExceeded, journal: []Phase{PhaseRefused},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var tr trace
			do := tr.traced()
			p := plan("api", c.danger, Steps{})
			if c.prepare != nil {
				c.prepare(b, p, &do)
			}
			p = New(*p, do)
			out, err := b.Run(t.Context(), p, c.confirm)
			if !errors.Is(err, c.want) || out.Plan != nil {
				t.Errorf("got %+v, %v; want %v", out, err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "restart Deployment shop/api: ") {
				t.Errorf("%q does not say what was tried", err)
			}
			if slices.Contains(tr.seen(), "apply") {
				t.Error("it was applied")
			}
			if !slices.Equal(b.log.phases(), c.journal) {
				t.Errorf("journal %v, want %v", b.log.phases(), c.journal)
			}
			if _, ok := b.Last(); ok {
				t.Error("it can be undone")
			}
		})
	}
}

func TestRunWithoutAJournalWritesNothing(t *testing.T) {
	clock := newClock()
	lock := NewLock(clock, testContext, testCluster)
	lock.Open()
	var tr trace
	_, err := NewGate(lock, nil, clock, "x").Run(t.Context(), plan("api", DangerNone, tr.traced()), Confirmation{})
	if !errors.Is(err, ErrJournal) || slices.Contains(tr.seen(), "apply") {
		t.Errorf("got %v after %v", err, tr.seen())
	}
}

func TestAFailedWriteSaysWhetherItMayHaveHappened(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		apply  func(ctx context.Context, b *bench) error
		unsure bool
	}{
		"the server refused":       {func(context.Context, *bench) error { return errors.New("forbidden") }, false},
		"no connection":            {func(context.Context, *bench) error { return dial }, false},
		"refused by the transport": {func(context.Context, *bench) error { return &RefusedError{Method: "PATCH", Locked: true} }, false},
		"the connection broke":     {func(context.Context, *bench) error { return &net.OpError{Op: "read", Err: io.EOF} }, true},
		"the answer was cut off":   {func(context.Context, *bench) error { return io.ErrUnexpectedEOF }, true},
		"the domain says so":       {func(context.Context, *bench) error { return ErrUnsure }, true},
		"it crashed":               {func(context.Context, *bench) error { panic("assignment to entry in nil map") }, true},
		"no answer in time": {func(ctx context.Context, b *bench) error {
			b.clock.advance(2 * time.Minute)
			<-ctx.Done()
			return ctx.Err()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			do := Steps{
				Apply:   func(ctx context.Context) error { return c.apply(ctx, b) },
				Inverse: func(context.Context) (*Plan, error) { return nil, nil },
			}
			_, err := b.Run(t.Context(), plan("api", DangerNone, do), Confirmation{})
			if err == nil || errors.Is(err, ErrUnsure) != c.unsure {
				t.Errorf("got %v, want unsure %v", err, c.unsure)
			}
			if want := []Phase{PhaseIntent, PhaseFailed}; !slices.Equal(b.log.phases(), want) || b.log.last(t).Error == "" {
				t.Errorf("journal %v, last error %q", b.log.phases(), b.log.last(t).Error)
			}
			if _, ok := b.Last(); ok {
				t.Error("it can be undone")
			}
		})
	}
}

func TestACrashNamesItsPlace(t *testing.T) {
	err := guarded(func() error { var p *Plan; p.Verb = "x"; return nil })
	if !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "gate_test.go:") {
		t.Errorf("got %v", err)
	}
}

func TestAWriteThatWasSentIsNotCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	do := Steps{Apply: func(ctx context.Context) error { cancel(); return ctx.Err() }}
	if _, err := b.Run(ctx, plan("api", DangerNone, do), Confirmation{}); err != nil {
		t.Errorf("got %v", err)
	}
	if want := []Phase{PhaseIntent, PhaseApplied}; !slices.Equal(b.log.phases(), want) {
		t.Errorf("journal %v, want %v", b.log.phases(), want)
	}
}

func TestAnAppliedWriteThatIsNotOnRecordIsStillApplied(t *testing.T) {
	b := newBench(t)
	b.log.fail[PhaseApplied] = errors.New("disk full")
	out, err := b.Run(t.Context(), plan("api", DangerNone, Steps{Apply: func(context.Context) error { return nil }}), Confirmation{})
	if err != nil || !strings.Contains(out.Warning, "disk full") {
		t.Errorf("outcome %+v, %v", out, err)
	}
}

func TestAPlanRunsOnce(t *testing.T) {
	b := newBench(t)
	var tr trace
	p := plan("api", DangerNone, tr.traced())
	if _, err := b.Run(t.Context(), p, Confirmation{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(t.Context(), p, Confirmation{}); !errors.Is(err, ErrSpent) || len(tr.seen()) != 3 {
		t.Errorf("got %v after %v", err, tr.seen())
	}
}

func TestAPlanWithoutStepsDoesNothing(t *testing.T) {
	b := newBench(t)
	for _, p := range []*Plan{nil, {}, {Verb: "restart", Target: target("api")}} {
		if _, err := b.Run(t.Context(), p, Confirmation{}); err == nil {
			t.Errorf("%+v ran", p)
		}
	}
}

func TestOneWriteAtATimePerTarget(t *testing.T) {
	b := newBench(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	slow := plan("api", DangerNone, Steps{Apply: func(context.Context) error { close(entered); <-leave; return nil }})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.Run(t.Context(), slow, Confirmation{}); err != nil {
			t.Error(err)
		}
	})
	<-entered
	quick := Steps{Apply: func(context.Context) error { return nil }}
	if _, err := b.Run(t.Context(), plan("api", DangerNone, quick), Confirmation{}); !errors.Is(err, ErrBusy) {
		t.Errorf("the same target: %v", err)
	}
	if _, err := b.Run(t.Context(), plan("web", DangerNone, quick), Confirmation{}); err != nil {
		t.Errorf("another target: %v", err)
	}
	close(leave)
	wg.Wait()
	if _, err := b.Run(t.Context(), plan("api", DangerNone, quick), Confirmation{}); err != nil {
		t.Errorf("the same target afterwards: %v", err)
	}
}

func TestOnlyTheWritingStepsHoldAPermit(t *testing.T) {
	b := newBench(t)
	permitted := map[string]bool{}
	note := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			p, ok := ctx.Value(permitKey{}).(*permit)
			permitted[name] = ok && !p.revoked.Load()
			if ok && p.dry != (name == "dry run") {
				t.Errorf("%s: dry is %v", name, p.dry)
			}
			return nil
		}
	}
	verify := note("verify")
	var kept context.Context
	do := Steps{Check: note("check"), DryRun: note("dry run"), Apply: note("apply"), Verify: func(ctx context.Context) (string, error) { return "", verify(ctx) }}
	apply := do.Apply
	do.Apply = func(ctx context.Context) error { kept = ctx; return apply(ctx) }
	out, err := b.Run(t.Context(), plan("api", DangerNone, do), Confirmation{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Verify(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"check": false, "dry run": true, "apply": true, "verify": false}
	if !reflect.DeepEqual(permitted, want) {
		t.Errorf("permitted %v, want %v", permitted, want)
	}
	if p := kept.Value(permitKey{}).(*permit); !p.revoked.Load() || kept.Err() == nil {
		t.Error("a context kept by a step can still write")
	}
}

func TestProtectedContextsRaiseTheDanger(t *testing.T) {
	for name, c := range map[string]struct {
		danger   Danger
		patterns []string
		want     Danger
	}{
		"not protected":       {DangerEnter, []string{"prod*"}, DangerEnter},
		"protected":           {DangerEnter, []string{"kind-*"}, DangerName},
		"nothing to confirm":  {DangerNone, []string{"kind-*"}, DangerEnter},
		"as high as it goes":  {DangerReason, []string{"kind-*"}, DangerReason},
		"matched more than 1": {DangerEnter, []string{"kind-*", "*"}, DangerName},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ProtectContexts(c.patterns))
			p := plan("api", c.danger, Steps{Apply: func(context.Context) error { return nil }})
			if got := b.Effective(p); got != c.want {
				t.Errorf("danger %v, want %v", got, c.want)
			}
			_, err := b.Run(t.Context(), p, Confirmation{})
			if needsMore := c.want >= DangerName; errors.Is(err, ErrUnconfirmed) != needsMore {
				t.Errorf("run with enter alone: %v", err)
			}
		})
	}
}

func TestVerifyRecordsWhatItSaw(t *testing.T) {
	for name, c := range map[string]struct {
		verify func(b *bench) func(context.Context) (string, error)
		text   string
		took   time.Duration
		want   error
		phase  Phase
	}{
		"seen": {func(b *bench) func(context.Context) (string, error) {
			return func(context.Context) (string, error) { b.clock.advance(4 * time.Second); return "3/3 pods ready", nil }
		}, "3/3 pods ready", 4 * time.Second, nil, PhaseVerified},
		"not seen in time": {func(b *bench) func(context.Context) (string, error) {
			return func(ctx context.Context) (string, error) {
				b.clock.advance(time.Minute)
				<-ctx.Done()
				return "1/3 pods ready", ctx.Err()
			}
		}, "1/3 pods ready", time.Minute, ErrUnverified, PhaseUnverified},
		"the watch fails": {func(*bench) func(context.Context) (string, error) {
			return func(context.Context) (string, error) { return "", errors.New("forbidden") }
		}, "", 0, ErrUnverified, PhaseUnverified},
		"it crashes": {func(*bench) func(context.Context) (string, error) {
			return func(context.Context) (string, error) { panic("oops") }
		}, "", 0, ErrPanic, PhaseUnverified},
		"nothing to watch": {func(*bench) func(context.Context) (string, error) { return nil }, "", 0, nil, PhaseApplied},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			p := plan("api", DangerNone, Steps{Apply: func(context.Context) error { return nil }, Verify: c.verify(b)})
			p.VerifyWithin = 20 * time.Second
			out, err := b.Run(t.Context(), p, Confirmation{})
			if err != nil {
				t.Fatal(err)
			}
			text, took, err := b.Verify(t.Context(), out)
			if text != c.text || took != c.took || !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("got %q, %v, %v; want %q, %v, %v", text, took, err, c.text, c.took, c.want)
			}
			e := b.log.last(t)
			if e.Phase != c.phase || e.ID != out.ID || (e.Error == "") != (c.want == nil) || e.Effect.String() != c.text || e.Took != c.took.Seconds() {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

func TestApplyLearnsTheReasonAndOnlyApply(t *testing.T) {
	b := newBench(t)
	var told []string
	note := func(ctx context.Context) error { told = append(told, Reason(ctx)); return nil }
	p := New(Plan{Verb: "turn off", Target: target("api"), Danger: DangerReason}, Steps{Check: note, Apply: note})
	if _, err := b.Run(t.Context(), p, Confirmation{Typed: "api", Reason: " INC-42 "}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "INC-42"}; !slices.Equal(told, want) {
		t.Errorf("the steps heard %q, want %q", told, want)
	}
}
