package rolloutpane_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/rolloutpane"
	"midwatch/ui/theme"
	"midwatch/ui/verbs"
)

func checkout() k8s.Ref { return panetest.Checkout().Ref }

// cluster answers what the pane asks, off the UI goroutine only.
type cluster struct {
	verbs.Planner
	bench *panetest.Bench
	reads int
	err   error
}

func (c *cluster) diff(_ context.Context, _ k8s.Ref, old, now k8s.Revision) ([]rollout.TemplateChange, error) {
	c.bench.OffUI("reading templates")
	c.reads++
	if c.err != nil {
		return nil, c.err
	}
	return []rollout.TemplateChange{
		{Path: "containers[api].image", Kind: rollout.Changed, Before: "checkout:2.13.4", After: "checkout:2.14.0"},
		{Path: "containers[api].env[PAYMENTS_URL]", Kind: rollout.Added, After: "http://payments.shop.svc"},
		{Path: "containers[api].resources.limits.memory", Kind: rollout.Changed, Before: "512Mi", After: "256Mi"},
	}, nil
}

func (c *cluster) PlanUndo(_ context.Context, ref k8s.Ref, number int64) (*action.Plan, error) {
	c.bench.OffUI("planning")
	return &action.Plan{Verb: "undo", Title: fmt.Sprintf("Undo %s to %d?", ref, number)}, nil
}

func (c *cluster) PlanScale(_ context.Context, ref k8s.Ref, n int) (*action.Plan, error) {
	c.bench.OffUI("planning")
	return &action.Plan{Verb: "scale", Title: fmt.Sprintf("Scale %s to %d?", ref, n)}, nil
}

func open(t testing.TB) (*panetest.Bench, *cluster) {
	c := &cluster{}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		c.bench = b
		return rolloutpane.New(pane.Rollout, c, c.diff, checkout())
	})
	return b, c
}

func snapshot(d *watch.Detail) live.Snapshot {
	return live.Snapshot{Topic: panetest.DetailTopic(checkout()), State: live.Ready, Value: d}
}

// done is the workload as it should be.
func done() *watch.Detail {
	w := panetest.Checkout()
	w.Verdict = k8s.Verdict{Severity: live.OK, Phase: k8s.PhaseDone, Message: "3 of 3 available", Since: panetest.Ago(2 * time.Hour)}
	pods := make([]*k8s.PodRow, 12)
	for i := range pods {
		pods[i] = panetest.Pod(fmt.Sprintf("checkout-6d5c9b7f4-%05d", i), panetest.NewHash, time.Hour)
	}
	return &watch.Detail{Workload: w, Pods: pods}
}

// canary is an Argo Rollout paused at a step.
func canary() *watch.Detail {
	d := panetest.CheckoutDetail()
	w := *d.Workload
	w.Kind = k8s.Deployment // the topic's key names it so
	w.Rollout.Strategy, w.Rollout.Step, w.Rollout.Steps, w.Rollout.Weight, w.Rollout.Paused = "Canary", 2, 5, 40, true
	w.Verdict = k8s.Verdict{Severity: live.Info, Phase: k8s.PhasePaused, Message: "paused at step 2 of 5"}
	d.Workload = &w
	return d
}

func TestGoldens(t *testing.T) {
	states := map[string]live.Snapshot{
		"loading":     {State: live.Loading},
		"forbidden":   {State: live.Forbidden, Err: "forbidden: get deployments in shop"},
		"gone":        snapshot(&watch.Detail{Missing: true}),
		"stale":       {State: live.Stale, Since: panetest.Ago(52 * time.Second), Err: "connection refused", Value: panetest.CheckoutDetail()},
		"done":        snapshot(done()),
		"canary":      snapshot(canary()),
		"stuck":       snapshot(panetest.CheckoutDetail()),
		"before pods": snapshot(&watch.Detail{Workload: beforePods(), PodsLoading: true}),
	}
	for name, s := range states {
		t.Run(name, func(t *testing.T) {
			s.Topic = panetest.DetailTopic(checkout())
			b, _ := open(t)
			b.Frame(80, 24)
			b.Feed(s)
			if name == "stuck" {
				b.GoldenAll(name)
			} else {
				b.Golden(name)
			}
			b.Boxed()
		})
	}
	t.Run("nothing selected", func(t *testing.T) {
		b := panetest.New(t, func(*panetest.Bench) pane.Pane { return rolloutpane.New(pane.Rollout, nil, nil, k8s.Ref{}) })
		b.Golden("nothing selected")
		b.Boxed()
		b.Bindings()
	})
}

func beforePods() *k8s.Workload {
	w := panetest.Checkout()
	w.PodsKnown = false
	return w
}

func TestEverythingIsThere(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	frame := b.Feed(snapshot(panetest.CheckoutDetail())).Plain(160, 60)
	for _, want := range []string{
		"✗ Stalling for 4m", "since 03:35:50", "stuck: 2 of 3 updated", "waits for checkout-6d5c9b7f4-x2x9v", "counts as failed in 4m5s",
		"11 is replaced by 12", "registry.shop.example/checkout:2.13.4 → 2.14.0", "containers[api].resources.limits.memory  512Mi → 256Mi",
		"RollingUpdate: at most 1 more than 3 and 1 unavailable", "2 of 3 updated", "autoscaler checkout keeps 2 to 10", "6 restarts, last 40s ago",
		"≥12× BackOff", "*12", "deploy 2.13.4 by ci", "checkout:2.13.1",
	} {
		if !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen", want)
		}
	}
	if t.Failed() {
		t.Log(frame)
	}
	b.Bindings()
}

func TestItWorksInASmallBox(t *testing.T) {
	b, _ := open(t)
	b.Frame(40, 12)
	frame := b.Feed(snapshot(panetest.CheckoutDetail())).Plain(40, 12)
	for _, want := range []string{"Stalling for 4m", "stuck: 2 of 3 updated", "counts as failed in 4m5s"} {
		if !strings.Contains(frame, want) {
			t.Errorf("%q is not on the screen:\n%s", want, frame)
		}
	}
}

func TestTemplatesAreReadOncePerPairAndOnlyWhenNeeded(t *testing.T) {
	b, c := open(t)
	b.Feed(snapshot(panetest.CheckoutDetail())).Feed(snapshot(panetest.CheckoutDetail()))
	if c.reads != 1 {
		t.Errorf("templates of a stuck rollout were read %d times, want once", c.reads)
	}
	b.Press("x")
	if c.reads != 1 {
		t.Errorf("x read what is known already")
	}

	b, c = open(t)
	b.Feed(snapshot(done()))
	if c.reads != 0 {
		t.Errorf("templates were read although the rollout is done")
	}
	c.err = errors.New("forbidden: list replicasets in shop")
	b.Press("x")
	if frame := b.Plain(160, 60); !strings.Contains(frame, "forbidden: list replicasets in shop (x tries again)") {
		t.Errorf("the failure is not on the screen:\n%s", frame)
	}
	b.Feed(snapshot(done()))
	if c.reads != 1 {
		t.Errorf("a read that failed was repeated by itself")
	}
	c.err = nil
	if b.Press("x"); c.reads != 2 || !strings.Contains(b.Plain(160, 60), "PAYMENTS_URL") {
		t.Errorf("x does not try again: %d reads\n%s", c.reads, b.Plain(160, 60))
	}
}

// to moves the cursor down to the first line that contains text.
func to(t *testing.T, b *panetest.Bench, text string) {
	t.Helper()
	b.Press("g")
	for range 80 {
		if strings.Contains(cursorLine(b), text) {
			return
		}
		b.Press("j")
	}
	t.Fatalf("no line has %q:\n%s", text, b.Plain(160, 60))
}

// cursorLine is the line drawn as selected.
func cursorLine(b *panetest.Bench) string {
	mark, _, _ := strings.Cut(b.Env.Styles.Render(theme.Selected, "x"), "x")
	for _, l := range strings.Split(b.Frame(160, 60), "\n") {
		if strings.HasPrefix(l, mark) {
			return l
		}
	}
	return ""
}

func TestEnterOpensWhatTheLineStandsFor(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	b.Feed(snapshot(panetest.CheckoutDetail()))
	pod := panetest.CheckoutPods()[0].Ref()
	for text, want := range map[string]pane.OpenMsg{
		"last exit 1 Error":            {Pane: pane.Events, Ref: pod},
		"Progressing True":             {Pane: pane.YAML, Ref: k8s.Ref{Kind: "Deployment", Namespace: "shop", Name: "checkout"}},
		"BackOff: Back-off restarting": {Pane: pane.Events, Ref: k8s.Ref{Kind: "Pod", Namespace: "shop", Name: pod.Name}},
		"Readiness probe failed":       {Pane: pane.Events, Ref: pod},
	} {
		to(t, b, text)
		if got := panetest.Last[pane.OpenMsg](b.Press("enter")); got != want {
			t.Errorf("enter on %q opened %+v, want %+v", text, got, want)
		}
	}
	to(t, b, "last exit 1 Error")
	if got := panetest.Last[pane.OpenMsg](b.Press("l")); got.Ref != pod {
		t.Errorf("l on a pod opens the logs of %+v", got)
	}
	to(t, b, "Progressing True")
	if got := panetest.Last[pane.OpenMsg](b.Press("l")); got.Ref.Key() != checkout().Key() {
		t.Errorf("l elsewhere opens the logs of %+v", got)
	}
}

func TestUndo(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	b.Feed(snapshot(panetest.CheckoutDetail()))
	for _, key := range []string{"U", "enter"} {
		to(t, b, "checkout:2.13.1")
		if got := panetest.Last[pane.ConfirmMsg](b.Press(key)).Plan.Title; got != "Undo Deployment shop/checkout to 9?" {
			t.Errorf("%s on a revision asks %q", key, got)
		}
		b.Sent = nil
	}
	to(t, b, "Stalling")
	pick := panetest.Last[pane.PickMsg](b.Press("U"))
	if len(pick.Items) != 3 || pick.Items[0].Disabled == "" || pick.Items[1].Disabled != "" || !strings.Contains(pick.Items[1].Note, "checkout:2.13.4") {
		t.Fatalf("U elsewhere offers %+v", pick.Items)
	}
	b.Do(func() tea.Cmd { return pick.Done(1) })
	if got := panetest.Last[pane.ConfirmMsg](b).Plan.Title; got != "Undo Deployment shop/checkout to 11?" {
		t.Errorf("choosing asks %q", got)
	}
}

func TestScaleAsksForANumber(t *testing.T) {
	b, _ := open(t)
	b.Feed(snapshot(panetest.CheckoutDetail()))
	prompt := panetest.Last[pane.PromptMsg](b.Press("S"))
	for text, ok := range map[string]bool{"5": true, "0": true, "": false, "-1": false, "three": false, "3": false, "99999999999": false} {
		if got := prompt.Check(text); (got == "") != ok {
			t.Errorf("%q: %q", text, got)
		}
	}
	if !strings.Contains(prompt.Title, "autoscaler checkout keeps 2 to 10") {
		t.Errorf("the autoscaler is not mentioned: %q", prompt.Title)
	}
	b.Do(func() tea.Cmd { return prompt.Done("5") })
	if got := panetest.Last[pane.ConfirmMsg](b).Plan.Title; got != "Scale Deployment shop/checkout to 5?" {
		t.Errorf("asks %q", got)
	}
}

func TestWhatCannotBeDoneSaysWhy(t *testing.T) {
	paused := panetest.CheckoutDetail()
	w := *paused.Workload
	w.Rollout.Paused, w.Rollout.Revisions = true, w.Rollout.Revisions[:1]
	paused.Workload = &w
	b, _ := open(t)
	b.Feed(snapshot(paused))
	for key, want := range map[string]string{"r": "resume it first", "U": "resume it first", "D": "no pod is selected"} {
		if b.Press(key); !strings.Contains(b.Reason, want) {
			t.Errorf("%s: %q, want %q", key, b.Reason, want)
		}
	}
	ds := panetest.CheckoutDetail()
	w = *ds.Workload
	w.Kind = k8s.DaemonSet
	ds.Workload = &w
	b, _ = open(t)
	b.Feed(snapshot(ds))
	for key, want := range map[string]string{"P": "cannot be paused", "S": "no replicas"} {
		if b.Press(key); !strings.Contains(b.Reason, want) {
			t.Errorf("%s: %q, want %q", key, b.Reason, want)
		}
	}
}

func TestCursorStaysOnItsLine(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	b.Feed(snapshot(panetest.CheckoutDetail()))
	to(t, b, "m8d4z")
	d := panetest.CheckoutDetail()
	d.Pods = append(d.Pods, panetest.Pod("checkout-6d5c9b7f4-aaaaa", panetest.NewHash, time.Minute))
	b.Feed(snapshot(d))
	if got := cursorLine(b); !strings.Contains(got, "m8d4z") {
		t.Errorf("a new pod moved the cursor to %q", got)
	}
}

func TestSectionsFold(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	b.Feed(snapshot(done()))
	if frame := b.Plain(160, 60); strings.Contains(frame, "checkout-6d5c9b7f4-00003") || !strings.Contains(frame, "12 available") {
		t.Errorf("many healthy pods are not folded:\n%s", frame)
	}
	to(t, b, "12 available")
	b.Press("space")
	if frame := b.Plain(160, 60); !strings.Contains(frame, "checkout-6d5c9b7f4-00003") {
		t.Errorf("space does not unfold:\n%s", frame)
	}
	b.Press("[")
	b.Press("enter")
	if frame := b.Plain(160, 60); strings.Contains(frame, "checkout-6d5c9b7f4-00003") {
		t.Errorf("enter on the heading before does not fold:\n%s", frame)
	}
}

func TestAnotherTargetStartsAnew(t *testing.T) {
	b, c := open(t)
	b.Hold = true
	b.Feed(snapshot(panetest.CheckoutDetail()))
	other := k8s.Ref{Kind: k8s.StatefulSet, Namespace: "shop", Name: "redis"}
	b.Pane.(pane.Targeted).SetTarget(b.Env, other)
	b.Release()
	if frame := b.Plain(80, 24); strings.Contains(frame, "checkout") || !strings.Contains(frame, "loading StatefulSet shop/redis") {
		t.Errorf("the old target is shown for the new one:\n%s", frame)
	}
	b.Pane.(pane.Targeted).SetTarget(b.Env, checkout())
	reads := c.reads
	b.Feed(snapshot(panetest.CheckoutDetail()))
	if c.reads != reads+1 {
		t.Error("back on the first target, its templates are not read again")
	}
}

func TestTheFrameStaysTrueAsLongAsPromised(t *testing.T) {
	b, _ := open(t)
	b.Frame(160, 60)
	before := b.Feed(snapshot(panetest.CheckoutDetail())).Frame(160, 60)
	until := b.Pane.(pane.Ticker).Until(b.Env.Now)
	if until <= 0 || until > 5*time.Second {
		t.Fatalf("Until = %v, want the next change of the countdown", until)
	}
	b.Env.Now = b.Env.Now.Add(until - time.Millisecond)
	if b.Frame(160, 60) != before {
		t.Errorf("the frame changed before %v were over", until)
	}
	b.Env.Now = b.Env.Now.Add(2 * time.Millisecond)
	if b.Frame(160, 60) == before {
		t.Errorf("the frame did not change after %v", until)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	for _, s := range []string{"\x1b[2J\x1b[H", "a\nb", "日本語のポッド名がとても長い", strings.Repeat("x", 5000)} {
		d := panetest.CheckoutDetail()
		w := *d.Workload
		w.Name, w.Verdict.Message, w.Verdict.Reason, w.Rollout.BlockedBy = "checkout", foreign.Clean(s), s, []string{s}
		w.Rollout.Revision.Cause, w.Rollout.Revision.Images = foreign.Clean(s), []k8s.Image{{Container: s, Image: foreign.Clean(s)}}
		w.Verdict.Evidence = []live.Evidence{{Kind: s, Ref: "Pod " + s, Text: foreign.Clean(s)}}
		d.Workload, d.Pods[0].Name = &w, s
		b, _ := open(t)
		b.Feed(snapshot(d)).Boxed()
	}
}

func BenchmarkKeyToFrame(b *testing.B) {
	bench, _ := open(b)
	d := panetest.CheckoutDetail()
	d.Pods = panetest.ManyPods(10_000)
	bench.Feed(snapshot(d))
	keys := []string{"j", "k", "pgdown", "G", "g"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		bench.Press(keys[i%len(keys)])
		_ = bench.Frame(120, 40)
	}
}

func BenchmarkRefreshToFrame(b *testing.B) {
	bench, _ := open(b)
	d := panetest.CheckoutDetail()
	d.Pods = panetest.ManyPods(10_000)
	b.ReportAllocs()
	for b.Loop() {
		bench.Feed(snapshot(d))
		_ = bench.Frame(120, 40)
	}
}
