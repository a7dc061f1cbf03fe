package secretspane_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/secrets"
	"midwatch/secrets/read"
	"midwatch/ui/pane"
	"midwatch/ui/panetest"
	"midwatch/ui/secretspane"
)

// server answers what the pane reads, off the UI goroutine only.
type server struct {
	bench  *panetest.Bench
	reads  int
	waited time.Duration
	err    error
	report *read.Report
	synced []k8s.Ref
}

func (s *server) read(_ context.Context, ref k8s.Ref) (*read.Report, error) {
	s.bench.OffUI("reading secrets")
	s.reads++
	if s.err != nil {
		return nil, s.err
	}
	r := *s.report
	r.Workload = ref
	return &r, nil
}

func (s *server) wait(_ context.Context, d time.Duration) error {
	s.waited += d
	return nil
}

func (s *server) PlanForceSync(_ context.Context, ref k8s.Ref) (*action.Plan, error) {
	s.synced = append(s.synced, ref)
	return action.New(action.Plan{Verb: "sync", Title: "Sync " + ref.String() + " now?"}, action.Steps{Apply: func(context.Context) error { return nil }}), nil
}

func target() k8s.Ref { return panetest.Checkout().Ref }

func open(t testing.TB) (*panetest.Bench, *server) {
	s := &server{report: report()}
	b := panetest.New(t, func(b *panetest.Bench) pane.Pane {
		s.bench = b
		return secretspane.New(pane.Secrets, s.read, s.wait, nil, s, k8s.Ref{})
	})
	return b, s
}

// show selects the workload and brings the pane on the screen.
func show(t testing.TB) (*panetest.Bench, *server) {
	b, s := open(t)
	p := b.Pane.(*secretspane.Pane)
	b.Do(func() tea.Cmd { return p.SetTarget(b.Env, target()) })
	b.Do(func() tea.Cmd { return p.Viewed(b.Env, true) })
	return b, s
}

func report() *read.Report {
	rotated := panetest.Ago(70 * time.Minute)
	synced := &secrets.Origin{
		Kind: "ExternalSecret", Namespace: "shop", Name: "fastapi-secrets", Target: "fastapi-secrets", Store: "ClusterSecretStore vault-backend",
		Paths: []foreign.Text{"services/fastapi"}, State: secrets.SyncOK, Synced: panetest.Ago(10 * time.Minute), Next: panetest.Now().Add(50 * time.Minute), Every: time.Hour,
	}
	failed := *synced
	failed.Name, failed.Target, failed.State, failed.Synced, failed.Next = "checkout-secrets", "checkout-secrets", secrets.SyncFailed, panetest.Ago(3*time.Hour), panetest.Ago(2*time.Hour)
	return &read.Report{At: panetest.Ago(5 * time.Second), Rows: []secrets.Row{
		{
			Secret: "checkout-secrets", State: "failed", Severity: live.Fail, Since: panetest.Ago(3 * time.Hour), Origin: &failed,
			Uses:    []secrets.Use{{How: secrets.HowEnv, Container: "api", Secret: "checkout-secrets", Key: "database-url", As: "DATABASE_URL"}},
			Message: foreign.Clean("ExternalSecret checkout-secrets: cannot read secret data from Vault: Code: 403. Errors: * permission denied \x1b[2J"),
			Meta:    &secrets.Meta{Name: "checkout-secrets", Changed: panetest.Ago(90 * time.Hour)},
		},
		{
			Secret: "fastapi-secrets", State: "stale", Severity: live.Warn, Since: rotated, Origin: synced, StalePods: []string{"checkout-7f9f8d6c5-m8d4z"}, Pods: 2,
			Uses: []secrets.Use{
				{How: secrets.HowEnv, Container: "api", Secret: "fastapi-secrets", Key: "jwt-secret", As: "JWT_SECRET"},
				{How: secrets.HowVolume, Container: "api", Secret: "fastapi-secrets", As: "/etc/secrets", Optional: true},
			},
			Message: "1/2 pods run env from before the change at 02:30 UTC: restart",
			Meta:    &secrets.Meta{Name: "fastapi-secrets", Changed: rotated, By: "externalsecrets.external-secrets.io/fastapi-secrets"},
			Holders: []secrets.Holder{
				{Pod: "checkout-7f9f8d6c5-m8d4z", Container: "api", How: secrets.HowEnv, Stale: true, Certainty: secrets.Certain, Since: panetest.Ago(49 * time.Hour), Why: "variables are read when the container starts"},
				{Pod: "checkout-7f9f8d6c5-m8d4z", Container: "api", How: secrets.HowVolume, Certainty: secrets.Unknown, Since: panetest.Ago(49 * time.Hour), Why: "the files are new; the program may hold what it read before"},
			},
		},
		{Secret: "", State: "injected", Severity: live.Info, Uses: []secrets.Use{{How: secrets.HowInjected, As: "/vault/secrets/db", Path: "database/creds/shop"}}, Message: "Vault's agent writes database/creds/shop with role shop; only when the pod starts: nobody renews it"},
		{Secret: "registry", State: "present", Severity: live.OK, Since: panetest.Ago(900 * time.Hour), Uses: []secrets.Use{{How: secrets.HowPull, Secret: "registry"}}, Message: "nobody is known to fill it"},
	}, Sources: []live.Source{{Name: "vso", State: live.Forbidden, Err: "forbidden: list secrets.hashicorp.com in shop"}}}
}

func TestGoldens(t *testing.T) {
	b, _ := show(t)
	b.GoldenAll("full")
	b.Boxed()
	b.Bindings()
	b.Press("j").Golden("stale")
	b.Boxed()
	b.Press("enter").Golden("list alone")
	b.SetFilter("kafka").Golden("nothing matches")
}

func TestHonestStates(t *testing.T) {
	b, _ := open(t)
	b.Golden("nothing selected")
	b, s := open(t)
	b.Hold = true
	p := b.Pane.(*secretspane.Pane)
	b.Do(func() tea.Cmd { return p.SetTarget(b.Env, target()) })
	b.Do(func() tea.Cmd { return p.Viewed(b.Env, true) })
	b.Golden("reading")
	s.err = errors.New(`read the secrets of Deployment shop/checkout: deployments.apps "checkout" is forbidden`)
	b.Release().Golden("failed")
	s.err, s.report = nil, &read.Report{At: panetest.Now()}
	b.Press("R").Golden("no secrets")
}

func TestReadsOnlyWhileViewedAndWhenPodsChange(t *testing.T) {
	b, s := open(t)
	p := b.Pane.(*secretspane.Pane)
	b.Do(func() tea.Cmd { return p.SetTarget(b.Env, target()) })
	if s.reads != 0 {
		t.Fatal("read while nobody looks")
	}
	b.Do(func() tea.Cmd { return p.Viewed(b.Env, true) })
	detail := panetest.CheckoutDetail()
	topic := live.Topic{Name: watch.TopicWorkload, Key: target().Key()}
	b.Feed(live.Snapshot{Topic: topic, State: live.Ready, Value: detail})
	b.Feed(live.Snapshot{Topic: topic, State: live.Ready, Value: detail})
	if s.reads != 1 {
		t.Errorf("%d reads for the same pods, want 1", s.reads)
	}
	next := *detail
	next.Pods = append([]*k8s.PodRow{panetest.Pod("checkout-6d5c9b7f4-new01", panetest.NewHash, time.Second)}, detail.Pods...)
	b.Feed(live.Snapshot{Topic: topic, State: live.Ready, Value: &next})
	if s.reads != 2 || s.waited == 0 {
		t.Errorf("%d reads, waited %v: a new pod is read about once it has settled", s.reads, s.waited)
	}
}

func TestReadsAgainWhenTheClusterIsBack(t *testing.T) {
	b, s := show(t)
	topic := live.Topic{Name: watch.TopicWorkload, Key: target().Key()}
	feed := func(state live.State) {
		b.Feed(live.Snapshot{Topic: topic, State: state, Value: panetest.CheckoutDetail()})
	}
	feed(live.Ready)
	b.ReadsAgainWhenBack(feed, func() { b.Press("R") }, func(err error) { s.err = err }, func() int { return s.reads })
}

func TestKeysOpenAndSync(t *testing.T) {
	b, s := show(t)
	b.Press("y")
	if got := panetest.Last[pane.OpenMsg](b); got.Pane != pane.YAML || got.Ref != (k8s.Ref{Kind: "ExternalSecret", Namespace: "shop", Name: "checkout-secrets"}) {
		t.Errorf("opened %+v", got)
	}
	b.Press("f")
	if plan := panetest.Last[pane.ConfirmMsg](b).Plan; plan.Verb != "sync" || len(s.synced) != 1 {
		t.Errorf("planned %+v", plan)
	}
	b.Press("G", "f")
	if b.Reason != "nothing is known to fill it" {
		t.Errorf("a Secret nobody fills: %q", b.Reason)
	}
	if b.Press("r"); b.Reason == "" {
		t.Error("without a planner a restart has to say why it cannot be")
	}
	if strings.ContainsRune(b.Plain(120, 40), 0x1b) {
		t.Error("a provider's words reached the terminal as they were")
	}
}
