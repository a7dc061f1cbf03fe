package watch

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/live"
)

// modeVariable makes the test binary one measurement: see scale_test.go.
const modeVariable = "MIDWATCH_SCALE_MODE"

// TestMain fails when anything is left running. A measurement's process ends
// with its connections open.
func TestMain(m *testing.M) {
	if os.Getenv(modeVariable) != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// open starts a session with a hub and ends it with the test.
func open(t *testing.T, c *cluster, o Options) (*Session, *live.Hub) {
	t.Helper()
	o.Cluster = c
	if o.Clock == nil {
		o.Clock = &clock{}
	}
	if o.Hub == nil {
		o.Hub = live.NewHub(o.Clock, time.Millisecond)
	}
	s := Start(t.Context(), o)
	t.Cleanup(s.Close)
	return s, o.Hub
}

// until reads batches until one satisfies done, and fails with the last
// snapshots otherwise.
func until(t *testing.T, hub *live.Hub, what string, topic live.Topic, done func(live.Snapshot) bool) live.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	hub.Want()
	hub.Want(topic)
	var last live.Snapshot
	for {
		batch, err := hub.Next(ctx)
		if err != nil {
			t.Fatalf("%s did not come: %v\nlast: %+v %+v", what, err, last, last.Value)
		}
		if s, ok := batch[topic]; ok {
			if last = s; done(s) {
				return s
			}
		}
	}
}

func board(s live.Snapshot) *Board { return s.Value.(*Board) }

func boardTopic() live.Topic { return live.Topic{Name: TopicBoard} }

func sourceOf(t *testing.T, sources []live.Source, name string) live.Source {
	t.Helper()
	for _, s := range sources {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no source %s in %v", name, sources)
	return live.Source{}
}

func find(b *Board, key string) *k8s.Workload {
	for _, w := range b.Workloads {
		if w.Key() == key {
			return w
		}
	}
	return nil
}

// requests counts what was asked of the server.
func requests(c *cluster, verb, resource, namespace string) int {
	return c.Count(func(r *apiserver.Request) bool {
		return r.Verb == verb && r.Resource == resource && r.Namespace == namespace
	})
}

func TestOnceJudgesEverythingThatCanBeRead(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	service(t, c, "team-01", "search", 3, 0)
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}})
	defer s.Close()
	b, sources, err := s.Once(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range sources {
		want := live.Ready
		if src.Name == rolloutsName || src.Name == dynamicName || src.Name == pkiName {
			want = live.Absent
		}
		if src.State != want {
			t.Errorf("%s is %s (%s), want %s", src.Name, src.State, src.Err, want)
		}
	}
	if sourceOf(t, sources, podsName).Items != 6 || b.Pods != 6 || b.PodsReady != 3 || b.PodsLoading || len(b.Loading) != 0 {
		t.Errorf("pods: %+v", b)
	}
	if len(b.Workloads) != 2 || b.Workloads[0].Key() != "team-01/Deployment/search" {
		t.Fatalf("the one in trouble comes first: %v", b.Workloads)
	}
	bad, good := b.Workloads[0], b.Workloads[1]
	if bad.Verdict.Severity != live.Fail || bad.Restarts != 12 || !bad.PodsKnown || bad.Verdict.Reason != "CrashLoopBackOff" || bad.Verdict.Causes[0].Kind != k8s.CauseCrash {
		t.Errorf("search: %+v", bad)
	}
	if good.Verdict.Severity != live.OK || good.Rollout.Revision.Name != "checkout-6d5c" {
		t.Errorf("checkout: %+v", good)
	}
}

func TestOnceSaysWhenNothingCouldBeJudged(t *testing.T) {
	c := newCluster(t)
	c.Allow()
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}, Scope: NewScope("shop")})
	defer s.Close()
	b, _, err := s.Once(deadline(t))
	if err == nil || !strings.Contains(err.Error(), "forbidden: list deployments in shop") {
		t.Errorf("error %v", err)
	}
	if len(b.Workloads) != 0 || !slices.Contains(b.Restricted, "forbidden: list pods in shop") {
		t.Errorf("board %+v", b)
	}
}

func TestOnceEndsAtItsDeadlineWithWhatIsKnown(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Resource == "pods" && r.Verb == "list" {
			cancel() // the deadline comes while the pods are awaited
			<-r.HTTP.Context().Done()
		}
		return nil
	})
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}})
	defer s.Close()
	b, sources, err := s.Once(ctx)
	if err != nil || find(b, "shop/Deployment/checkout") == nil || !b.PodsLoading || !slices.Contains(b.Loading, podsName) {
		t.Errorf("board %+v, error %v", b, err)
	}
	if got := sourceOf(t, sources, podsName).State; got != live.Loading {
		t.Errorf("pods are %s", got)
	}
}

func TestChangesReachTheBoard(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	s, hub := open(t, c, Options{})
	until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool {
		return s.State == live.Ready && len(board(s).Loading) == 0 && board(s).PodsReady == 3
	})
	put(t, c, pod("shop", "checkout", 1, false))
	until(t, hub, "the crash", boardTopic(), func(s live.Snapshot) bool { return board(s).PodsReady == 2 && board(s).Workloads[0].Restarts == 4 })
	if p, ok := s.Pod("shop", "checkout-6d5c-00001"); !ok || p.Reason != "CrashLoopBackOff" {
		t.Errorf("Pod: %+v %v", p, ok)
	}
	if _, ok := s.Pod("shop", "nobody"); ok {
		t.Error("Pod found one that is not there")
	}
	remove(t, c, "deployments", "shop", "checkout")
	until(t, hub, "the removal", boardTopic(), func(s live.Snapshot) bool { return len(board(s).Workloads) == 0 })
	detail := until(t, hub, "its absence", live.Topic{Name: TopicWorkload, Key: "shop/Deployment/checkout"}, func(s live.Snapshot) bool { return true })
	if !detail.Value.(*Detail).Missing {
		t.Errorf("detail %+v", detail.Value)
	}
}

func TestTroubleIsExplainedBeforeAllPodsAreThere(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	service(t, c, "shop", "search", 3, 1)
	service(t, c, "shop", "cart", 2, 2)
	release := make(chan struct{})
	c.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Resource == "pods" && r.Verb == "list" && r.Namespace == "" {
			select {
			case <-release:
			case <-r.HTTP.Context().Done():
			}
		}
		return nil
	})
	s, hub := open(t, c, Options{})
	early := board(until(t, hub, "the explanation", boardTopic(), func(s live.Snapshot) bool {
		w := find(board(s), "shop/Deployment/search")
		return w != nil && w.PodsKnown
	}))
	if w := find(early, "shop/Deployment/checkout"); w == nil || w.PodsKnown || !early.PodsLoading || early.Pods != 3 {
		t.Errorf("nobody asked for the pods of checkout yet: %+v of %+v", w, early)
	}
	// Looking at a workload asks for its pods.
	pods := until(t, hub, "the pods of cart", live.Topic{Name: TopicPods, Key: "shop/Deployment/cart"}, func(s live.Snapshot) bool {
		return len(s.Value.(*PodList).Pods) == 2
	})
	if pods.Value.(*PodList).Loading || pods.State != live.Ready {
		t.Errorf("pods of cart: %s %+v", pods.State, pods.Value)
	}
	close(release)
	until(t, hub, "all pods", boardTopic(), func(s live.Snapshot) bool { return !board(s).PodsLoading && board(s).Pods == 8 })
	if s.Select("shop/Deployment/checkout"); !s.current().prober.idle() {
		t.Error("all pods are there, and yet some are asked for")
	}
}

func TestRolloutsComeWithTheirCRD(t *testing.T) {
	c := newCluster(t)
	c.Register(apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Status: true})
	put(t, c, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
		"metadata": map[string]any{"name": "payments", "namespace": "shop", "uid": "r-1"},
		"spec":     map[string]any{"replicas": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"app": "payments"}}},
		"status":   map[string]any{"phase": "Degraded", "message": "aborted"},
	}})
	_, hub := open(t, c, Options{})
	b := board(until(t, hub, "the rollout", boardTopic(), func(s live.Snapshot) bool { return len(board(s).Loading) == 0 && len(board(s).Workloads) == 1 }))
	if w := b.Workloads[0]; w.Kind != k8s.Rollout || w.Verdict.Severity == live.OK {
		t.Errorf("rollout %+v", w)
	}
}

func TestTopicsOfOneWorkload(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 2)
	service(t, c, "shop", "search", 3, 3)
	now := time.Now()
	put(t, c, warning("shop", "Pod", "p-shop-checkout-2", "checkout-6d5c-00002", "BackOff", now))
	put(t, c, warning("shop", "ReplicaSet", "rs-shop-checkout", "checkout-6d5c", "FailedCreate", now.Add(time.Second)))
	put(t, c, warning("shop", "Node", "", "node-1", "NodeNotReady", now.Add(2*time.Second)))
	_, hub := open(t, c, Options{})
	key := "shop/Deployment/checkout"
	d := until(t, hub, "its detail", live.Topic{Name: TopicWorkload, Key: key}, func(s live.Snapshot) bool {
		d := s.Value.(*Detail)
		return d.Workload != nil && len(d.Pods) == 3 && len(d.Events) == 2
	}).Value.(*Detail)
	if d.Events[0].Reason != "FailedCreate" || d.Missing || d.PodsLoading {
		t.Errorf("detail %+v", d)
	}
	events := until(t, hub, "all events", live.Topic{Name: TopicEvents}, func(s live.Snapshot) bool { return len(s.Value.(*EventList).Events) == 3 }).Value.(*EventList)
	if events.Events[0].Reason != "NodeNotReady" || events.Dropped != 0 {
		t.Errorf("events %+v", events)
	}
	of := func(key string) int {
		return len(until(t, hub, "events of "+key, live.Topic{Name: TopicEvents, Key: key}, func(live.Snapshot) bool { return true }).Value.(*EventList).Events)
	}
	if n := of(key); n != 2 {
		t.Errorf("%d events of the workload, want 2", n)
	}
	if n := of("shop/Pod/checkout-6d5c-00002"); n != 1 {
		t.Errorf("%d events of the pod, want 1", n)
	}
	sources := until(t, hub, "the sources", live.Topic{Name: TopicSources}, func(s live.Snapshot) bool {
		list := s.Value.([]live.Source)
		return sourceOf(t, list, namespacesName).State == live.Ready && sourceOf(t, list, podsName).State == live.Ready
	}).Value.([]live.Source)
	if s := sourceOf(t, sources, podsName); s.State != live.Ready || s.Items != 6 || s.Heard.IsZero() {
		t.Errorf("pods source %+v", s)
	}
	names := until(t, hub, "the namespaces", live.Topic{Name: TopicNamespaces}, func(live.Snapshot) bool { return true }).Value.(*Namespaces)
	if !names.Known || !cmp.Equal(names.Names, []string{"default", "kube-system", "shop", "team-01"}) {
		t.Errorf("namespaces %+v", names)
	}
}

func TestAScopeOfSeveralNamespaces(t *testing.T) {
	c := newCluster(t)
	for _, ns := range []string{"shop", "team-01", "default"} {
		service(t, c, ns, "api", 1, 1)
	}
	s, hub := open(t, c, Options{Scope: NewScope("team-01", "shop", "shop")})
	if got := s.Scope().String(); got != "shop, team-01" {
		t.Errorf("scope %q", got)
	}
	b := board(until(t, hub, "the board", boardTopic(), func(s live.Snapshot) bool { return len(board(s).Loading) == 0 && len(board(s).Workloads) == 2 }))
	if find(b, "default/Deployment/api") != nil {
		t.Error("a workload of another namespace is on the board")
	}
	if n := requests(c, "list", "pods", ""); n != 0 {
		t.Errorf("read the whole cluster %d times", n)
	}
}

func TestNothingChangedCostsNoNewBoard(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}})
	defer s.Close()
	first, _, err := s.Once(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := s.current().boardNow(); again != first {
		t.Error("a second board was made although nothing changed")
	}
}

func TestOneObjectThatCannotBeReadHidesNoOther(t *testing.T) {
	c := newCluster(t)
	c.Register(apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Status: true})
	for i, selector := range []any{map[string]any{"matchLabels": "not a map"}, map[string]any{"matchLabels": map[string]any{"app": "x"}}} {
		put(t, c, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
			"metadata": map[string]any{"name": fmt.Sprint("r-", i), "namespace": "shop", "uid": fmt.Sprint("r-", i)},
			"spec":     map[string]any{"replicas": int64(1), "selector": selector},
		}})
	}
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}})
	defer s.Close()
	b, sources, err := s.Once(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	src := sourceOf(t, sources, rolloutsName)
	if find(b, "shop/Rollout/r-1") == nil || src.State != live.Ready || !strings.Contains(src.Err.String(), "shop/r-0") {
		t.Errorf("rollouts %+v, board %v", src, b.Workloads)
	}
}
