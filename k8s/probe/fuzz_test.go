package probe_test

import (
	"testing"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/probe"
)

// FuzzEvents gives the assessment whatever a kubelet, or somebody who may
// write events, could say.
func FuzzEvents(f *testing.F) {
	for _, m := range []string{
		"Readiness probe failed: HTTP probe failed with statuscode: 503", "(combined from similar events): Liveness probe failed: ", "Startup probe errored and resulted in unknown state: x",
		"Container api failed liveness probe, will be restarted", " probe ", "Liveness probe", "Readiness probe warning: Probe terminated redirects", "spec.containers{",
	} {
		f.Add("Unhealthy", m, "spec.containers{api}", 3, int64(-5), int64(-1))
		f.Add("Killing", m, m, -1, int64(0), int64(1<<40))
		f.Add("ProbeWarning", m, "", 1<<30, int64(3), int64(-1<<40))
	}
	f.Fuzz(func(t *testing.T, reason, message, path string, count int, first, last int64) {
		e := &k8s.Event{
			Reason: reason, Message: foreign.Clean(message), FieldPath: path, Count: count,
			First: now().Add(time.Duration(first) * time.Second), Last: now().Add(time.Duration(last) * time.Second),
		}
		r := probe.Assess(probe.Input{Pod: pod(), Events: []*k8s.Event{e}, EventsKnown: true, Now: now()})
		if len(r.All()) != 3 {
			t.Fatalf("%d probes", len(r.All()))
		}
		for _, p := range r.All() {
			if p.Failures < 0 || p.State == "" || p.Text == "" {
				t.Errorf("%+v", p)
			}
			if p.State == probe.Waiting {
				t.Errorf("an event stopped %s from being run", p.Spec.Kind)
			}
		}
	})
}
