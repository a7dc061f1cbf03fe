package watch

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/k8s"
)

// A pod that goes in and out of its Services shows only the last transition:
// the others are counted where they pass by.
func TestLostReadinessIsRemembered(t *testing.T) {
	w := newWorld()
	start := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	see := func(version string, ready bool, since time.Duration) {
		t.Helper()
		p := pod("shop", "api", 0, ready)
		p.ResourceVersion = version
		status := corev1.ConditionFalse
		if ready {
			status = corev1.ConditionTrue
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(start.Add(since))}}
		if _, err := w.podTable.put(p); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() []*k8s.PodRow { return w.pods.all() }
	see("1", true, 0)
	see("2", true, 0)
	if f := w.flapsOf(rows()); f != nil {
		t.Fatalf("a pod that stayed ready is remembered: %v", f)
	}
	see("3", false, time.Minute)
	see("4", true, 2*time.Minute)
	see("5", false, 3*time.Minute)
	see("6", false, 5*time.Minute) // back and lost again while nobody saw it
	uid := rows()[0].UID
	f := w.flapsOf(rows())[uid]
	if len(f.Lost) != 3 || !f.Lost[0].Equal(start.Add(time.Minute)) || !f.Flapping(start.Add(6*time.Minute)) {
		t.Errorf("remembered %v", f.Lost)
	}
	w.podTable.drop(uid)
	if len(w.flips.of) != 0 {
		t.Error("a pod that is gone is still remembered")
	}
	see("7", true, 9*time.Minute)
	if f := w.flapsOf(rows()); f != nil {
		t.Errorf("a pod seen anew has a past: %v", f)
	}
}
