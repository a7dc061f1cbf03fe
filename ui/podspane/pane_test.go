package podspane_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/podspane"
	"midwatch/ui/verbs"
)

func pods() live.Topic { return live.Topic{Name: watch.TopicPods} }

func checkout() k8s.Ref { return panetest.Checkout().Ref }

func openScope(t testing.TB) *panetest.Bench {
	return panetest.New(t, func(*panetest.Bench) pane.Pane { return podspane.New(pane.Pods, nil, k8s.Ref{}) })
}

func openCheckout(t testing.TB, planner verbs.Planner) *panetest.Bench {
	return panetest.New(t, func(*panetest.Bench) pane.Pane { return podspane.New(pane.Pods, planner, checkout()) })
}

func list(pods ...*k8s.PodRow) *watch.PodList { return &watch.PodList{Pods: pods, Total: len(pods)} }

func TestGoldensOfTheScope(t *testing.T) {
	for name, s := range map[string]live.Snapshot{
		"loading":   {State: live.Loading},
		"arriving":  {State: live.Ready, Value: &watch.PodList{Pods: panetest.CheckoutPods()[:2], Total: 2, Loading: true}},
		"empty":     {State: live.Ready, Value: list()},
		"forbidden": {State: live.Forbidden, Err: "forbidden: list pods in shop"},
		"stale":     {State: live.Stale, Since: panetest.Ago(52 * time.Second), Err: "connection refused", Value: list(panetest.CheckoutPods()...)},
		"full":      {State: live.Ready, Value: list(panetest.CheckoutPods()...)},
	} {
		t.Run(name, func(t *testing.T) {
			s.Topic = pods()
			b := openScope(t).Feed(s)
			b.Golden("scope " + name)
			b.Boxed()
		})
	}
}

func TestGoldensOfAWorkload(t *testing.T) {
	topic := panetest.DetailTopic(checkout())
	b := openCheckout(t, nil).Feed(live.Snapshot{Topic: topic, State: live.Ready, Value: panetest.CheckoutDetail()})
	b.GoldenAll("workload full")
	b.Boxed()
	openCheckout(t, nil).Feed(live.Snapshot{Topic: topic, State: live.Ready, Value: &watch.Detail{Missing: true}}).Golden("workload gone")
	openCheckout(t, nil).Feed(live.Snapshot{Topic: topic, State: live.Ready, Value: panetest.CheckoutDetail()}).SetFilter("kafka").Golden("nothing matches")
	openCheckout(t, nil).Boxed()
}

func TestWorstPodsComeFirst(t *testing.T) {
	b := openCheckout(t, nil).Feed(live.Snapshot{Topic: panetest.DetailTopic(checkout()), State: live.Ready, Value: panetest.CheckoutDetail()})
	frame := b.Plain(120, 20)
	at := -1
	for _, want := range []string{"x2x9v", "7hq2k", "m8d4z", "q9k7t"} {
		i := strings.Index(frame, want)
		if i <= at {
			t.Errorf("%s is not in its place:\n%s", want, frame)
		}
		at = i
	}
	for _, want := range []string{"1 crashing", "1 pending", "1 available", "1 terminating", "crashing CrashLoopBackOff: last exit 1 Error: back-", "6 (40s)", "1/2", "new", "old"} {
		if !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen:\n%s", want, frame)
		}
	}
}

func TestSelectionSurvivesRefreshAndFallsToTheNeighbour(t *testing.T) {
	all := panetest.CheckoutPods()
	b := openScope(t).Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(all...)}).Press("j", "j")
	opened := func() string { return panetest.Last[pane.OpenMsg](b.Press("y")).Ref.Name }
	if got := opened(); got != all[2].Name {
		t.Fatalf("two down is %s", got)
	}
	worse := panetest.Pod("another", panetest.NewHash, time.Minute)
	worse.Phase = "Failed"
	b.Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(append(panetest.CheckoutPods(), worse)...)})
	if got := opened(); got != all[2].Name {
		t.Errorf("after a new pod came above, %s is selected", got)
	}
	b.Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(all[0], all[1], all[3], worse)})
	if got := opened(); got != all[3].Name {
		t.Errorf("after the selected pod went, %s is selected, want the one after it", got)
	}
}

func TestKeysOpenWhatTheySay(t *testing.T) {
	b := openScope(t)
	if b.Press("l"); b.Reason == "" {
		t.Error("logs of no pod give no reason")
	}
	b.Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(panetest.CheckoutPods()...)})
	for key, want := range map[string]pane.OpenMsg{
		"enter": {Pane: pane.Events}, "l": {Pane: pane.Logs}, "L": {Pane: pane.Logs, Arg: pane.ArgPrevious}, "y": {Pane: pane.YAML},
	} {
		want.Ref = panetest.CheckoutPods()[0].Ref()
		if got := panetest.Last[pane.OpenMsg](b.Press(key)); got != want {
			t.Errorf("%s opened %+v, want %+v", key, got, want)
		}
	}
	b.Bindings()
}

// planner plans deletions only.
type planner struct {
	verbs.Planner
	bench *panetest.Bench
	err   error
}

func (p *planner) PlanDeletePod(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	p.bench.OffUI("planning")
	if p.err != nil {
		return nil, p.err
	}
	return &action.Plan{Verb: "delete", Title: "Delete " + ref.String() + "?"}, nil
}

func TestDeleteIsPlannedAndConfirmed(t *testing.T) {
	plans := &planner{}
	b := openCheckout(t, plans).Feed(live.Snapshot{Topic: panetest.DetailTopic(checkout()), State: live.Ready, Value: panetest.CheckoutDetail()})
	plans.bench = b
	b.Hold = true
	b.Press("D")
	if frame := b.Plain(120, 20); !strings.Contains(frame, "plan to delete Pod shop/checkout-6d5c9b7f4-x2x9v") {
		t.Errorf("the plan under way is not on the screen:\n%s", frame)
	}
	b.Release()
	if got := panetest.Last[pane.ConfirmMsg](b).Plan.Title; got != "Delete Pod shop/checkout-6d5c9b7f4-x2x9v?" {
		t.Errorf("asked to confirm %q", got)
	}
	plans.err = errors.New("forbidden: delete pods in shop\nat some length")
	b.Press("D")
	if got := panetest.Last[pane.ToastMsg](b); got.Severity != live.Fail || got.Text != "plan to delete Pod shop/checkout-6d5c9b7f4-x2x9v: forbidden: delete pods in shop" {
		t.Errorf("a plan that failed says %+v", got)
	}
	if b.Press("G", "D"); !strings.Contains(b.Reason, "being deleted already") {
		t.Errorf("deleting a terminating pod: %q", b.Reason)
	}
}

func TestAnotherTargetStartsAnew(t *testing.T) {
	b := openCheckout(t, nil).Feed(live.Snapshot{Topic: panetest.DetailTopic(checkout()), State: live.Ready, Value: panetest.CheckoutDetail()})
	target := b.Pane.(pane.Targeted)
	other := k8s.Ref{Kind: k8s.StatefulSet, Namespace: "shop", Name: "redis"}
	target.SetTarget(b.Env, other)
	if frame := b.Plain(80, 24); strings.Contains(frame, "checkout") || !strings.Contains(frame, "loading pods") {
		t.Errorf("pods of the old target are shown for the new one:\n%s", frame)
	}
	if got := b.Pane.Topics()[0]; got != panetest.DetailTopic(other) {
		t.Errorf("wants %v", got)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	rows := panetest.CheckoutPods()
	for i, s := range []string{"\x1b[2J\x1b[H", "a\nb", "日本語のポッド名がとても長い", strings.Repeat("x", 5000)} {
		rows[i].Name, rows[i].Node, rows[i].Reason, rows[i].Message = s, s, s, foreign.Text(s)
	}
	openScope(t).Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(rows...)}).BoxedEverywhere()
}

func BenchmarkKeyToFrame(b *testing.B) {
	bench := openScope(b).Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(panetest.ManyPods(10_000)...)})
	keys := []string{"j", "k", "pgdown", "G", "g"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bench.Press(keys[i%len(keys)])
		_ = bench.Frame(120, 40)
	}
}

func BenchmarkRefreshToFrame(b *testing.B) {
	bench := openScope(b)
	value := list(panetest.ManyPods(10_000)...)
	b.ReportAllocs()
	for b.Loop() {
		bench.Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: value})
		_ = bench.Frame(120, 40)
	}
}

func BenchmarkFilter(b *testing.B) {
	bench := openScope(b).Feed(live.Snapshot{Topic: pods(), State: live.Ready, Value: list(panetest.ManyPods(10_000)...)})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bench.SetFilter(fmt.Sprintf("service-0%d", i%10))
		_ = bench.Frame(120, 40)
	}
}
