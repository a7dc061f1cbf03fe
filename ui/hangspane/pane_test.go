package hangspane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/hangspane"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
)

func ref(kind, name string) k8s.Ref { return k8s.Ref{Kind: kind, Namespace: "shop", Name: name} }

// report has something of everything: broken, to look at, not readable, empty.
func report() *depend.Report {
	return &depend.Report{Workload: panetest.Checkout().Ref, At: panetest.Ago(12 * time.Second), Sections: []depend.Section{
		{Area: depend.Traffic, Title: "who sends it traffic", Gaps: []depend.Gap{{What: "ingresses", State: live.Forbidden, Err: "forbidden: list ingresses in shop"}}, Items: []depend.Item{
			{Ref: ref("Service", "checkout"), Severity: live.Fail, Text: "selects app=chekcout, which does not match its pods: they have app=checkout; it matches no pod at all"},
			{Ref: ref("Service", "checkout-internal"), Severity: live.Info, Text: "headless, port 8080 to 8080; 2 of 4 endpoints ready"},
		}},
		{Area: depend.Config, Title: "configuration it is given", Items: []depend.Item{
			{
				Ref: ref("ConfigMap", "checkout-config"), Severity: live.Fail, Text: "3 keys", Changed: panetest.Ago(6 * time.Minute), Uses: []string{"envFrom of api", "env RETRY_MAX (key RETRY_MAX) of api"},
				Notes: []depend.Note{
					{Severity: live.Fail, Text: "has no key RETRY_MAX, which api needs: new containers do not start (CreateContainerConfigError)"},
					{Severity: live.Warn, Text: "changed after 2 of 4 pods started, which still run with what it said before: a restart brings it in (checkout-7f9f8d6c5-m8d4z, checkout-7f9f8d6c5-q9k7t)"},
				},
			},
			{Ref: ref("Secret", "checkout-secrets"), Severity: live.OK, Text: "is there; its keys are not known, since they come with the values only", Uses: []string{"env DATABASE_URL (key database-url) of api"}},
			{Ref: ref("Secret", "evil"), Severity: live.Unknown, Text: foreign.Clean("is not known: \x1b[2Jforbidden")},
		}},
		{Area: depend.Storage, Title: "storage", Empty: "It claims no volume."},
		{Area: depend.Room, Title: "room in the quotas", Items: []depend.Item{
			{Ref: ref("ResourceQuota", "team"), Severity: live.Fail, Text: "room for 0 pods more (requests.cpu: 900m of 1 used, a pod takes 250m); this rollout may add 1 and cannot"},
		}},
		{Area: depend.Usage, Title: "requests against use", Items: []depend.Item{{
			Ref: panetest.Checkout().Ref, Severity: live.Warn, Text: "memory: 4 pods use 1400Mi of the 1536Mi they request, 91 %",
			Notes: []depend.Note{{Severity: live.OK, Text: "the largest pod uses 210Mi of its limit 512Mi, 41 % (checkout-7f9f8d6c5-m8d4z)"}},
		}}},
	}}
}

type server struct {
	bench  *panetest.Bench
	report *depend.Report
	err    error
	asked  [][]string
}

func (s *server) read(_ context.Context, w *k8s.Workload, pods []string) (*depend.Report, error) {
	s.bench.OffUI("reading what " + w.Name + " hangs on")
	s.asked = append(s.asked, pods)
	return s.report, s.err
}

func open(t testing.TB) (*panetest.Bench, *server) {
	s := &server{report: report()}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench = b
		return hangspane.New(pane.Hangs, s.read, panetest.Checkout().Ref)
	})
	return b, s
}

func detail(edit ...func(*watch.Detail)) live.Snapshot {
	d := panetest.CheckoutDetail()
	for _, e := range edit {
		e(d)
	}
	return live.Snapshot{Topic: panetest.DetailTopic(d.Workload.Ref), State: live.Ready, Value: d}
}

func TestGoldens(t *testing.T) {
	topic := panetest.DetailTopic(panetest.Checkout().Ref)
	for name, s := range map[string]live.Snapshot{
		"loading": {State: live.Loading},
		"gone":    {State: live.Ready, Value: &watch.Detail{Missing: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s.Topic = topic
			b, _ := open(t)
			b.Feed(s).Golden(name)
			b.Boxed()
		})
	}
	b, _ := open(t)
	b.Feed(detail()).GoldenAll("full")
	b.Boxed()
	b.Bindings()
	b.SetFilter("secret").Golden("filtered")

	b, s := open(t)
	s.err = errors.New(`read Deployment shop/checkout: deployments.apps "checkout" is forbidden`)
	b.Feed(detail()).Golden("forbidden")

	b, _ = open(t)
	b.Hold = true
	b.Feed(detail()).Golden("reading")
}

func TestItIsReadAgainWhenTheClusterIsBack(t *testing.T) {
	b, s := open(t)
	feed := func(state live.State) {
		d := detail()
		d.State = state
		b.Feed(d)
	}
	b.ReadsAgainWhenBack(feed, func() {}, func(err error) { s.err = err }, func() int { return len(s.asked) })
}

func TestItIsReadWhenSomethingMovesOn(t *testing.T) {
	b, s := open(t)
	b.Feed(detail()).Feed(detail())
	if len(s.asked) != 1 || len(s.asked[0]) != 4 {
		t.Fatalf("asked %v", s.asked)
	}
	b.Feed(detail(func(d *watch.Detail) { d.Workload.Verdict.Phase = k8s.PhaseFailed }))
	b.Press("R").Send(pane.RefreshMsg{})
	if len(s.asked) != 4 {
		t.Errorf("asked %d times, want for the new phase and for each refresh", len(s.asked))
	}
	s.err = errors.New("connection refused")
	b.Press("R")
	frame := b.Plain(120, 40)
	if !strings.Contains(frame, "connection refused (R tries again)") || !strings.Contains(frame, "service/checkout") {
		t.Errorf("what was known is gone, or why it is old:\n%s", frame)
	}
	other := ref(k8s.Deployment, "cart")
	b.Pane.(pane.Targeted).SetTarget(b.Env, other)
	if frame := b.Plain(120, 40); strings.Contains(frame, "chekcout") {
		t.Errorf("the old workload is still there:\n%s", frame)
	}
}

func TestKeysOpenTheObject(t *testing.T) {
	b, _ := open(t)
	b.Feed(detail()).Frame(120, 40)
	if b.Press("enter"); strings.Contains(b.Plain(120, 40), "chekcout") {
		t.Error("enter on a heading does not fold it")
	}
	b.Press("enter", "j", "j") // past what could not be read
	for key, want := range map[string]pane.ID{"enter": pane.YAML, "y": pane.YAML, "e": pane.Events} {
		if got := panetest.Last[pane.OpenMsg](b.Press(key)); got.Pane != want || got.Ref != ref("Service", "checkout") {
			t.Errorf("%s opened %+v", key, got)
		}
	}
	if b.Press("k", "enter"); b.Reason == "" {
		t.Error("a line with nothing behind it gives no reason")
	}
}

func TestTheFrameStaysTrueAsLongAsPromised(t *testing.T) {
	b, _ := open(t)
	b.Feed(detail())
	before := b.Frame(200, 60)
	until := b.Pane.(pane.Ticker).Until(b.Env.Now)
	if until <= 0 || until > 5*time.Second {
		t.Fatalf("Until = %v", until)
	}
	b.Env.Now = b.Env.Now.Add(until - time.Millisecond)
	if b.Frame(200, 60) != before {
		t.Errorf("the frame changed before %v were over", until)
	}
	b.Env.Now = b.Env.Now.Add(2 * time.Millisecond)
	if b.Frame(200, 60) == before {
		t.Errorf("the frame did not change after %v", until)
	}
}
