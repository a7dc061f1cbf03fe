package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
)

func all(string) bool  { return true }
func none(string) bool { return false }

// counting counts the workloads that are assessed, by name.
func counting(calls map[string]int) assessor {
	return func(in rollout.Input) (k8s.Verdict, k8s.RolloutStatus) {
		calls[in.Object.Name]++
		return rollout.Assess(in)
	}
}

// shop fills a world with Deployments of three pods each.
func shop(t testing.TB, n int) *world {
	t.Helper()
	w := newWorld()
	c := newCluster(t)
	for i := range n {
		service(t, c, "shop", fmt.Sprintf("service-%03d", i), 3, 3)
	}
	for _, gr := range []struct {
		name string
		rows target
	}{{"deployments", w.deployments}, {"replicasets", w.sets}, {"pods", w.podTable}} {
		for _, o := range c.Store().List(groupResource(gr.name), "") {
			if _, err := gr.rows.put(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func TestOnlyWhatChangedIsAssessedAgain(t *testing.T) {
	w := shop(t, 50)
	calls := map[string]int{}
	now := time.Now()
	known := knowledge{sets: all, pods: all}
	if n := w.judge(now, 0, known, counting(calls)); n != 50 {
		t.Fatalf("judged %d workloads at first, want all 50", n)
	}
	if n := w.judge(now.Add(time.Minute), 0, known, counting(calls)); n != 0 {
		t.Fatalf("judged %d workloads although nothing changed: %v", n, calls)
	}
	clear(calls)
	changed := pod("shop", "service-007", 1, false)
	changed.ResourceVersion = "999999"
	if _, err := w.podTable.put(changed); err != nil {
		t.Fatal(err)
	}
	if w.judge(now, 0, known, counting(calls)); !cmp.Equal(calls, map[string]int{"service-007": 1}) {
		t.Errorf("a pod of service-007 changed, assessed %v", calls)
	}
	clear(calls)
	event := warning("shop", "Pod", "p-shop-service-009-0", "service-009-6d5c-00000", "BackOff", now)
	if _, err := w.eventTable.put(event); err != nil {
		t.Fatal(err)
	}
	if w.judge(now, 0, known, counting(calls)); !cmp.Equal(calls, map[string]int{"service-009": 1}) {
		t.Errorf("an event on a pod of service-009 came, assessed %v", calls)
	}
	clear(calls)
	if _, err := w.podTable.put(changed); err != nil { // the same version again, as after a relist
		t.Fatal(err)
	}
	if w.judge(now, 0, known, counting(calls)); len(calls) != 0 {
		t.Errorf("nothing changed in a relist, assessed %v", calls)
	}
}

func TestAVerdictIsRenewedWhenItsTimeComes(t *testing.T) {
	w := shop(t, 3)
	now := time.Now()
	calls := map[string]int{}
	soon := func(in rollout.Input) (k8s.Verdict, k8s.RolloutStatus) {
		calls[in.Object.Name]++
		var v k8s.Verdict
		if in.Object.Name == "service-001" {
			v.Recheck = in.Now.Add(10 * time.Second)
		}
		return v, k8s.RolloutStatus{}
	}
	known := knowledge{sets: all, pods: all}
	w.judge(now, 0, known, soon)
	clear(calls)
	w.judge(now.Add(9*time.Second), 0, known, soon)
	if len(calls) != 0 {
		t.Fatalf("assessed before the time: %v", calls)
	}
	w.judge(now.Add(10*time.Second), 0, known, soon)
	if !cmp.Equal(calls, map[string]int{"service-001": 1}) {
		t.Errorf("assessed %v, want service-001", calls)
	}
}

func TestPodsAreFoundWithoutReplicaSets(t *testing.T) {
	w := shop(t, 2)
	for uid := range w.sets.rows {
		w.sets.drop(uid)
	}
	w.judge(time.Now(), 0, knowledge{sets: none, pods: all}, rollout.Assess)
	e := w.byKey["shop/Deployment/service-001"]
	if got := w.podsFor(e, &setGuesses{world: w}); len(got) != 3 {
		t.Fatalf("found %d pods by the ReplicaSet's name, want 3", len(got))
	}
	calls := map[string]int{}
	w.judge(time.Now(), 0, knowledge{sets: none, pods: all}, counting(calls))
	changed := pod("shop", "service-001", 1, false)
	changed.ResourceVersion = "999999"
	if _, err := w.podTable.put(changed); err != nil {
		t.Fatal(err)
	}
	w.judge(time.Now(), 0, knowledge{sets: none, pods: all}, counting(calls))
	if !cmp.Equal(calls, map[string]int{"service-001": 1}) {
		t.Errorf("assessed %v, want service-001", calls)
	}
}

func TestARecreatedWorkloadIsAnother(t *testing.T) {
	w := shop(t, 1)
	w.judge(time.Now(), 0, knowledge{sets: all, pods: all}, rollout.Assess)
	again := newCluster(t)
	service(t, again, "shop", "service-000", 1, 1)
	o := again.Store().List(groupResource("deployments"), "shop")[0].DeepCopyObject().(metav1.Object)
	o.SetUID("another")
	if _, err := w.deployments.put(o.(message)); err != nil {
		t.Fatal(err)
	}
	w.deployments.drop("d-shop-service-000") // the delete event may come after the add
	w.judge(time.Now(), 0, knowledge{sets: all, pods: all}, rollout.Assess)
	e := w.byKey["shop/Deployment/service-000"]
	if e == nil || e.object.UID != "another" || len(w.objects) != 1 {
		t.Fatalf("the new one must stay: %+v, %d objects", e, len(w.objects))
	}
	if len(e.judged.Rollout.Revisions) != 0 {
		t.Errorf("it owns none of the old one's ReplicaSets: %v", e.judged.Rollout.Revisions)
	}
}

// Whatever happens in whatever order, the indexes say what a walk over all
// rows says.
func TestIndexesAgreeWithTheRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld()
	version := 0
	for range 3000 {
		version++
		p := pod("shop", fmt.Sprintf("svc-%d", rng.IntN(4)), rng.IntN(12), rng.IntN(3) > 0)
		p.ResourceVersion = fmt.Sprint(version)
		switch rng.IntN(10) {
		case 0, 1:
			w.podTable.drop(string(p.UID))
		case 2:
			w.podTable.sweep("shop", map[string]struct{}{string(p.UID): {}})
		case 3:
			w.pods.all()
		default:
			if _, err := w.podTable.put(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []*k8s.PodRow
	owners, ready := map[string]int{}, 0
	for _, h := range w.podTable.rows {
		want = append(want, h.row)
		owners[h.row.OwnerUID]++
		if h.row.Ready {
			ready++
		}
	}
	slices.SortFunc(want, byName)
	if diff := cmp.Diff(want, w.pods.all(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("ordered pods (-rows +order):\n%s", diff)
	}
	got := map[string]int{}
	for uid, pods := range w.podsOf {
		got[uid] = len(pods)
	}
	if !cmp.Equal(owners, got) || ready != w.podsReady || w.podTable.count("shop") != len(want) {
		t.Errorf("by owner %v, want %v; ready %d, want %d; count %d, want %d", got, owners, w.podsReady, ready, w.podTable.count("shop"), len(want))
	}
}

func TestAHandedOutListOfPodsNeverChanges(t *testing.T) {
	w := shop(t, 2)
	before := w.pods.all()
	names := func(list []*k8s.PodRow) (out []string) {
		for _, p := range list {
			out = append(out, p.Name+p.Reason)
		}
		return out
	}
	was := names(before)
	if &before[0] != &w.pods.all()[0] {
		t.Error("nothing changed, and yet there is another list")
	}
	w.podTable.drop("p-shop-service-000-1")
	changed := pod("shop", "service-001", 2, false)
	changed.ResourceVersion = "999"
	if _, err := w.podTable.put(changed); err != nil {
		t.Fatal(err)
	}
	if after := w.pods.all(); len(after) != 5 || after[4].Reason != "CrashLoopBackOff" {
		t.Errorf("after a delete and a change: %v", names(after))
	}
	if !cmp.Equal(was, names(before)) {
		t.Errorf("the list handed out before was written to: %v", names(before))
	}
}

func TestTooManyEventsLetTheOldestGo(t *testing.T) {
	w := newWorld()
	start := time.Unix(1.7e9, 0)
	const n = keptEvents*2 + 10
	for i := range n {
		e := warning("shop", "Pod", fmt.Sprint("pod-", i), fmt.Sprint("pod-", i), "BackOff", start.Add(time.Duration(i)*time.Second))
		if _, err := w.eventTable.put(e); err != nil {
			t.Fatal(err)
		}
	}
	list := w.sortedEvents()
	if len(list) < keptEvents || len(list) > keptEvents*5/4 {
		t.Errorf("%d events are kept, want about %d", len(list), keptEvents)
	}
	if newest := start.Add((n - 1) * time.Second); !list[0].Last.Equal(newest) {
		t.Errorf("the first is of %s, want the newest, %s", list[0].Last, newest)
	}
	if got := w.events.droppedAll() + len(list); got != n {
		t.Errorf("%d dropped and kept, want %d", got, n)
	}
	seen := map[string]struct{}{}
	for i := range n {
		seen[fmt.Sprint("e-pod-", i)] = struct{}{}
	}
	w.eventTable.sweep("", seen)
	if got := w.events.droppedAll() + len(w.sortedEvents()); got != n {
		t.Errorf("after a complete list %d dropped and kept, want %d", got, n)
	}
}

func warning(namespace, kind, uid, name, reason string, at time.Time) *corev1.Event {
	return &corev1.Event{
		TypeMeta:       metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:     metav1.ObjectMeta{Name: "e-" + name, Namespace: namespace, UID: types.UID("e-" + uid)},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: namespace, Name: name, UID: types.UID(uid)},
		Reason:         reason, Message: "back-off restarting failed container", Type: corev1.EventTypeWarning,
		Source: corev1.EventSource{Component: "kubelet"}, LastTimestamp: metav1.NewTime(at), FirstTimestamp: metav1.NewTime(at), Count: 3,
	}
}

func TestTheBoardPutsTheNewestTroubleFirst(t *testing.T) {
	at := func(m int) time.Time { return time.Unix(1.7e9, 0).Add(time.Duration(m) * time.Minute) }
	row := func(name string, severity string, since time.Time) *k8s.Workload {
		w := &k8s.Workload{Ref: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: name}}
		if err := w.Verdict.Severity.UnmarshalText([]byte(severity)); err != nil {
			t.Fatal(err)
		}
		w.Verdict.Since = since
		return w
	}
	list := []*k8s.Workload{
		row("b-old-fail", "fail", at(1)), row("ok", "ok", at(9)), row("info", "info", at(9)), row("unknown", "unknown", time.Time{}),
		row("a-new-fail", "fail", at(5)), row("warn", "warn", at(8)), row("c-new-fail", "fail", at(5)),
	}
	slices.SortFunc(list, byRank)
	var got []string
	for _, w := range list {
		got = append(got, w.Name)
	}
	if want := []string{"a-new-fail", "c-new-fail", "b-old-fail", "warn", "unknown", "info", "ok"}; !cmp.Equal(got, want) {
		t.Errorf("ranked %v, want %v", got, want)
	}
}
