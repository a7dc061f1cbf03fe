package podlog_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"midwatch/demo"
	"midwatch/k8s/podlog"
)

// TestDemoWorld reads every pod of a namespace of the demo, running and
// crashing ones alike, by its own API.
func TestDemoWorld(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 40, 0, 0, time.UTC)
	d, err := demo.Open(demo.Options{Seed: 1, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	w := newWorld(t)
	w.client = kubernetes.NewForConfigOrDie(d.RESTConfig())
	pods, err := w.client.CoreV1().Pods("payments").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all, restarted []string
	for _, p := range pods.Items {
		all = append(all, p.Name)
		for _, c := range p.Status.ContainerStatuses {
			if c.LastTerminationState.Terminated != nil {
				restarted = append(restarted, p.Name)
				break
			}
		}
	}
	if len(restarted) == 0 {
		t.Fatal("nothing ever restarted in the demo's payments")
	}

	s := w.open(t, podlog.Query{Namespace: "payments", Pods: targets(all...), Container: podlog.AllContainers, Tail: 20})
	w.until(t, s, "all were read", func() bool { return s.Status().Ended })
	lines, _, lost := s.Since(0)
	if len(lines) < len(all) || lost > 0 {
		t.Errorf("%d lines of %d pods, %d lost", len(lines), len(all), lost)
	}
	for _, l := range lines {
		if l.At.IsZero() || !l.Note && l.At.After(now) {
			t.Fatalf("the line %q of %s has the time %v", l.Text, l.Pod, l.At)
		}
	}

	s = w.open(t, podlog.Query{Namespace: "payments", Pods: targets(restarted...), Container: podlog.AllContainers, Previous: true, Tail: 5})
	w.until(t, s, "the previous instances were read", func() bool { return s.Status().Ended })
	written := 0
	for _, l := range texts(s) {
		if !isNote(l) {
			written++
		}
	}
	if written == 0 {
		t.Errorf("no previous log of %v: %q", restarted, texts(s))
	}
}
