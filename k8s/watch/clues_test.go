package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/rollout"
)

// once reads a cluster's board and returns the one workload of it.
func once(t *testing.T, c *cluster) *k8s.Workload {
	t.Helper()
	s := Start(t.Context(), Options{Cluster: c, Clock: &clock{}})
	defer s.Close()
	b, _, err := s.Once(deadline(t))
	if err != nil || len(b.Workloads) != 1 {
		t.Fatalf("board %+v: %v", b, err)
	}
	return b.Workloads[0]
}

// killedPod is a pod whose container was killed with 137, and the ordinary
// event that says why.
func killedPod(t *testing.T, c *cluster) {
	t.Helper()
	service(t, c, "shop", "checkout", 1, 0)
	p := pod("shop", "checkout", 0, false)
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated.ExitCode = 137
	put(t, c, p)
	put(t, c, &corev1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}, ObjectMeta: metav1.ObjectMeta{Name: "killing", Namespace: "shop", UID: "e1"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: p.Name, UID: p.UID, FieldPath: "spec.containers{api}"},
		Type:           "Normal", Reason: "Killing", Message: "Container api failed liveness probe, will be restarted", Count: 3,
		FirstTimestamp: metav1.NewTime(time.Now().Add(-time.Minute)), LastTimestamp: metav1.Now(),
	})
}

func TestOrdinaryEventsOfKilledPodsAreLookedUp(t *testing.T) {
	c := newCluster(t)
	killedPod(t, c)
	w := once(t, c)
	if len(w.Verdict.Causes) != 1 || w.Verdict.Causes[0].Kind != k8s.CauseLiveness || w.Verdict.Causes[0].Times != 3 {
		t.Errorf("causes %+v", w.Verdict.Causes)
	}
	if n := requests(c, "list", "events", "shop"); n != 1 {
		t.Errorf("the pod's events were listed %d times, want once", n)
	}
}

func TestNothingIsLookedUpForTheWell(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 3, 3)
	once(t, c)
	if n := requests(c, "list", "events", "shop") + requests(c, "get", "nodes", ""); n != 0 {
		t.Errorf("%d requests for clues although nothing is wrong", n)
	}
}

// lostPod is a pod whose node the node controller took for lost: its
// containers still say they are ready.
func lostPod(t *testing.T, c *cluster) {
	t.Helper()
	service(t, c, "shop", "checkout", 1, 0)
	p := pod("shop", "checkout", 0, true)
	p.Status.Conditions[0].Status = corev1.ConditionFalse
	put(t, c, p)
	put(t, c, &corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: "node-1", UID: "n1"},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady", Message: "PLEG is not healthy",
			LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour)),
		}}},
	})
}

func TestNodesOfPodsInTroubleAreLookedUp(t *testing.T) {
	c := newCluster(t)
	lostPod(t, c)
	w := once(t, c)
	if len(w.Verdict.Causes) != 1 || w.Verdict.Causes[0].Text != "node node-1 is not ready: PLEG is not healthy" {
		t.Errorf("causes %+v", w.Verdict.Causes)
	}
	if n := requests(c, "get", "nodes", ""); n != 1 {
		t.Errorf("the node was read %d times, want once", n)
	}
}

func TestThatNodesMayNotBeReadIsSaid(t *testing.T) {
	c := newCluster(t)
	lostPod(t, c)
	star := []string{"*"}
	c.Allow(apiserver.Rule{Verbs: []string{"list", "watch"}, Groups: star, Resources: star})
	w := once(t, c)
	if len(w.Verdict.Causes) != 1 || w.Verdict.Causes[0].Text != "node node-1 is not ready" {
		t.Errorf("causes %+v", w.Verdict.Causes)
	}
	said := false
	for _, e := range w.Verdict.Evidence {
		said = said || strings.Contains(e.Text.String(), "could not be read: forbidden: get nodes")
	}
	if !said {
		t.Errorf("evidence %+v", w.Verdict.Evidence)
	}
}

func TestCluesAreBounded(t *testing.T) {
	w := newWorld()
	for i := range 3 * cluesHeld {
		c := &clue{at: time.Unix(int64(i), 0), node: &rollout.Node{}}
		w.keepClue(k8s.Ref{Kind: "Node", Name: fmt.Sprint("node-", i)}, c)
	}
	newest := k8s.Ref{Kind: "Node", Name: fmt.Sprint("node-", 3*cluesHeld-1)}
	if len(w.clues) != cluesHeld || w.clues[newest] == nil {
		t.Errorf("%d clues held, want %d, the newest among them", len(w.clues), cluesHeld)
	}
}

// skewed is a cluster whose connection knows that its clock is ahead.
type skewed struct {
	*cluster
	by time.Duration
}

func (c skewed) Skew() time.Duration { return c.by }

func TestTheClusterIsJudgedByItsOwnClock(t *testing.T) {
	c := newCluster(t)
	service(t, c, "shop", "checkout", 1, 0)
	at := metav1.NewTime(time.Now().Add(-10 * time.Minute)) // ten minutes behind ours
	p := pod("shop", "checkout", 0, false)
	p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "api", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}}
	p.Status.StartTime, p.Status.Conditions[0].LastTransitionTime, p.CreationTimestamp = &at, at, at
	put(t, c, p)
	for by, fatal := range map[time.Duration]bool{0: true, -10 * time.Minute: false} {
		s := Start(t.Context(), Options{Cluster: skewed{c, by}, Clock: &clock{}})
		b, _, err := s.Once(deadline(t))
		s.Close()
		if err != nil || len(b.Workloads) != 1 || len(b.Workloads[0].Verdict.Causes) != 1 {
			t.Fatalf("skew %s: board %+v: %v", by, b, err)
		}
		v := b.Workloads[0].Verdict
		named := false
		for _, e := range v.Evidence {
			named = named || e.Text == "the cluster's clock is 10m0s behind this machine's: ages on the screen are wrong by that, judged by the cluster's"
		}
		if v.Causes[0].Fatal != fatal || named != (by != 0) {
			t.Errorf("skew %s: %+v, evidence %+v", by, v.Causes[0], v.Evidence)
		}
	}
}
