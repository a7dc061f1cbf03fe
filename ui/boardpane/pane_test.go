package boardpane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/boardpane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func board() live.Topic { return live.Topic{Name: watch.TopicBoard} }

func ago(d time.Duration) time.Time { return panetest.Now().Add(-d) }

// workload makes a row of the board.
func workload(kind, name string, sev live.Severity, phase k8s.Phase, message string, since time.Duration, available, desired int) *k8s.Workload {
	return &k8s.Workload{
		Ref:     k8s.Ref{Kind: kind, Namespace: "shop", Name: name, UID: "uid-" + name},
		Verdict: k8s.Verdict{Severity: sev, Phase: phase, Message: foreign.Clean(message), Since: ago(since)},
		Rollout: k8s.RolloutStatus{Desired: desired, TotalAvailable: available, TotalReady: available},
	}
}

// shop is a believable board: everything that can be in a row is in one.
func shop() []*k8s.Workload {
	checkout := workload(k8s.Deployment, "checkout", live.Fail, k8s.PhaseStalling,
		"stuck: 1 of 3 updated, checkout-6d5c9b7f4-x2x9v is crashing (CrashLoopBackOff, exit 1)", 4*time.Minute+10*time.Second, 2, 3)
	checkout.HPA = &k8s.HPAStatus{Name: "checkout", Min: 2, Max: 10, Current: 10, Desired: 10, AtMax: true}
	search := workload(k8s.StatefulSet, "search-index", live.Warn, k8s.PhaseBlocked, "blocked: search-index-1 never became ready and has to be deleted by hand", 2*time.Hour+15*time.Minute, 2, 3)
	cart := workload(k8s.Deployment, "cart", live.Info, k8s.PhaseProgressing, "4 of 6 updated", 40*time.Second, 6, 6)
	cart.HPA = &k8s.HPAStatus{Name: "cart", Min: 2, Max: 8, Current: 6, Desired: 6}
	mail := workload(k8s.Rollout, "mail", live.Info, k8s.PhasePaused, "paused at step 2 of 5, weight 40 %", 20*time.Minute, 4, 4)
	node := workload(k8s.DaemonSet, "node-agent", live.Unknown, k8s.PhaseUnknown, "forbidden: list daemonsets in shop", 0, 0, 0)
	node.Verdict.Since = time.Time{}
	return []*k8s.Workload{
		checkout, search, node, cart, mail,
		workload(k8s.Deployment, "web", live.OK, k8s.PhaseDone, "", 5*24*time.Hour, 3, 3),
		workload(k8s.StatefulSet, "redis", live.OK, k8s.PhaseDone, "3 of 3 available", 61*24*time.Hour, 3, 3),
	}
}

func full(rows ...*k8s.Workload) live.Snapshot {
	if rows == nil {
		rows = shop()
	}
	return live.Snapshot{Topic: board(), State: live.Ready, Value: &watch.Board{Scope: watch.NewScope("shop"), Workloads: rows}}
}

func open(t testing.TB) *panetest.Bench {
	return panetest.New(t, func(*panetest.Bench) pane.Pane { return boardpane.New(pane.Board, nil) })
}

// states are the situations every board has to show differently.
func states() map[string]live.Snapshot {
	few := shop()[:3]
	return map[string]live.Snapshot{
		"loading": {Topic: board(), State: live.Loading},
		"arriving": {Topic: board(), State: live.Loading, Value: &watch.Board{
			Scope: watch.NewScope(), Workloads: few, Loading: []string{"replicasets", "pods"}, PodsLoading: true, Pods: 4120,
		}},
		"pods arriving": {Topic: board(), State: live.Ready, Value: &watch.Board{Scope: watch.NewScope(), Workloads: few, PodsLoading: true, Pods: 4120}},
		"empty":         {Topic: board(), State: live.Ready, Value: &watch.Board{Scope: watch.NewScope("shop")}},
		"forbidden":     {Topic: board(), State: live.Forbidden, Err: "forbidden: list deployments in shop"},
		"restricted": {Topic: board(), State: live.Ready, Value: &watch.Board{
			Scope: watch.NewScope("shop"), Workloads: few, Restricted: []string{"forbidden: list events in shop", "forbidden: list pods in shop"},
		}},
		"stale": {Topic: board(), State: live.Stale, Since: ago(52 * time.Second), Err: "connection refused", Value: full().Value},
		"full":  full(),
	}
}

func TestGoldens(t *testing.T) {
	for name, s := range states() {
		t.Run(name, func(t *testing.T) {
			b := open(t).Feed(s)
			if name == "full" {
				b.GoldenAll(name)
			} else {
				b.Golden(name)
			}
			b.Boxed()
		})
	}
	t.Run("before the first snapshot", func(t *testing.T) { open(t).Boxed() })
	t.Run("filtered", func(t *testing.T) { open(t).Feed(full()).SetFilter("redis").Golden("filtered") })
	t.Run("nothing matches", func(t *testing.T) { open(t).Feed(full()).SetFilter("kafka").Golden("nothing matches") })
	t.Run("ok hidden", func(t *testing.T) { open(t).Feed(full()).Press("o").Golden("ok hidden") })
}

func TestBindingsAreComplete(t *testing.T) {
	open(t).Bindings()
	open(t).Feed(full()).Bindings()
}

func TestWhyIsReadableOnASmallScreen(t *testing.T) {
	frame := open(t).Feed(full()).Plain(80, 24)
	for _, want := range []string{"stuck: 1 of 3 updated, checkout-6", "1 failing", "1 warning", "1 unknown", "1 moving", "1 idle", "2 ok", "2/3", "4m", "is crashing", "(CrashLoopBackOff, exit 1)"} {
		if !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen:\n%s", want, frame)
		}
	}
}

func TestSelectionIsAnnouncedAndSurvivesRefreshes(t *testing.T) {
	b := open(t).Feed(full())
	if got := panetest.Last[pane.SelectMsg](b).Ref.Name; got != "checkout" {
		t.Fatalf("at first %s is selected, want the one in most trouble", got)
	}
	b.Press("j", "j", "j")
	if got := panetest.Last[pane.SelectMsg](b).Ref.Name; got != "cart" {
		t.Fatalf("three down is %s, want cart", got)
	}
	rows := shop()
	cart := rows[3]
	announced := len(b.Sent)
	b.Feed(full(append([]*k8s.Workload{cart}, append(rows[:3:3], rows[4:]...)...)...))
	if len(b.Sent) != announced {
		t.Errorf("a refresh that moved the selected row announced another: %v", b.Sent[announced:])
	}
	b.Press("l")
	if got := panetest.Last[pane.OpenMsg](b); got.Pane != pane.Logs || got.Ref.Name != "cart" {
		t.Errorf("l opened %+v, want the logs of cart", got)
	}
	b.Feed(full(append(rows[:3:3], rows[4:]...)...)) // cart is gone
	if got := panetest.Last[pane.SelectMsg](b).Ref.Name; got != "checkout" {
		t.Errorf("after cart went, %s is selected, want its neighbour", got)
	}
}

func TestTheWorstIsSelectedWhileRowsArrive(t *testing.T) {
	b := open(t)
	loading := func(rows ...*k8s.Workload) live.Snapshot {
		return live.Snapshot{Topic: board(), State: live.Loading, Value: &watch.Board{Scope: watch.NewScope("shop"), Workloads: rows, Loading: []string{"deployments"}}}
	}
	rows := shop()
	b.Feed(loading(rows[5])).Feed(loading(rows[3], rows[5])).Feed(full())
	if got := panetest.Last[pane.SelectMsg](b).Ref.Name; got != "checkout" {
		t.Fatalf("%s is selected once everything is there, want the worst", got)
	}
	worse := workload(k8s.Deployment, "api", live.Fail, k8s.PhaseFailed, "gone", time.Second, 0, 3)
	b.Feed(full(append([]*k8s.Workload{worse}, shop()...)...))
	if got := panetest.Last[pane.SelectMsg](b).Ref.Name; got != "checkout" {
		t.Errorf("new trouble took the selection: %s", got)
	}
	if frame := b.Plain(120, 40); !strings.Contains(frame, "deploy/api") {
		t.Errorf("new trouble above the selection is not on the screen:\n%s", frame)
	}
}

func TestSortCycles(t *testing.T) {
	b := open(t).Feed(full())
	first := func() string {
		for _, line := range strings.Split(b.Plain(120, 40), "\n")[2:] {
			if f := strings.Fields(line); len(f) > 1 {
				return f[1]
			}
		}
		return ""
	}
	for _, want := range []string{"deploy/cart", "deploy/checkout", "deploy/cart", "deploy/checkout"} {
		b.Press("s") // one namespace: name, ready, age, trouble
		if got := first(); got != want {
			t.Errorf("first is %s, want %s\n%s", got, want, b.Plain(120, 12))
		}
	}
}

func TestKeysOpenWhatTheySay(t *testing.T) {
	b := open(t).Feed(full())
	for key, want := range map[string]pane.ID{"enter": pane.Rollout, "d": pane.Rollout, "l": pane.Logs, "y": pane.YAML, "e": pane.Events} {
		b.Press(key)
		if got := panetest.Last[pane.OpenMsg](b); got.Pane != want || got.Ref.Name != "checkout" {
			t.Errorf("%s opened %+v, want %s of checkout", key, got, want)
		}
	}
	b = open(t)
	if b.Press("enter"); b.Reason == "" {
		t.Error("enter on an empty board gives no reason")
	}
}

func TestTheFrameStaysTrueAsLongAsPromised(t *testing.T) {
	b := open(t).Feed(full())
	before := b.Frame(120, 40)
	until := b.Pane.(pane.Ticker).Until(b.Env.Now)
	if until <= 0 || until > time.Minute {
		t.Fatalf("Until = %v, want the next change of an age", until)
	}
	b.Env.Now = b.Env.Now.Add(until - time.Millisecond)
	if b.Frame(120, 40) != before {
		t.Errorf("the frame changed before %v were over", until)
	}
	b.Env.Now = b.Env.Now.Add(time.Millisecond)
	if b.Frame(120, 40) == before {
		t.Errorf("the frame did not change after %v", until)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	rows := shop()
	for i, s := range []string{"\x1b[2J\x1b[H", "a\nb", "日本語のポッド名がとても長い", "\u202egnp.exe", strings.Repeat("x", 5000)} {
		rows[i] = workload(k8s.Deployment, s, live.Fail, k8s.PhaseFailed, s, time.Minute, 1, 3)
		rows[i].Namespace = s
	}
	b := open(t).Feed(live.Snapshot{Topic: board(), State: live.Ready, Value: &watch.Board{Scope: watch.NewScope(), Workloads: rows}})
	b.BoxedEverywhere()
}

// many is a board of n workloads.
func many(n int) live.Snapshot {
	rows := make([]*k8s.Workload, n)
	for i := range rows {
		rows[i] = workload(k8s.Deployment, fmt.Sprintf("service-%05d", i), live.Severity(i%5), k8s.PhaseDone, "1 of 3 updated, not ready", time.Duration(i)*time.Second, 2, 3)
	}
	return full(rows...)
}

func BenchmarkKeyToFrame(b *testing.B) {
	bench := open(b).Feed(many(10_000))
	keys := []string{"j", "k", "pgdown", "G", "g"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bench.Press(keys[i%len(keys)])
		bench.Sent = bench.Sent[:0]
		_ = bench.Frame(120, 40)
	}
}

func BenchmarkRefreshToFrame(b *testing.B) {
	bench := open(b).Feed(many(10_000)).Press("j")
	a, c := many(10_000), many(10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			bench.Feed(a)
		} else {
			bench.Feed(c)
		}
		_ = bench.Frame(120, 40)
	}
}

func BenchmarkFilter(b *testing.B) {
	bench := open(b).Feed(many(10_000))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bench.SetFilter(fmt.Sprintf("service-0%d", i%10))
		_ = bench.Frame(120, 40)
	}
}
