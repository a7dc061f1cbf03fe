package probe_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"midwatch/k8s"
	"midwatch/k8s/probe"
)

// BenchmarkAssess judges one pod of three probes with thirty events, and one of thirty containers.
func BenchmarkAssess(b *testing.B) {
	var events []*k8s.Event
	for i := range 30 {
		events = append(events, event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", i, 0, 0))
	}
	wide := pod(func(p *corev1.Pod) {
		for len(p.Spec.Containers) < 30 {
			p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers[0])
		}
	})
	for name, p := range map[string]*corev1.Pod{"three probes": pod(), "thirty containers": wide} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				probe.Assess(probe.Input{Pod: p, Events: events, EventsKnown: true, Now: now()})
			}
		})
	}
}
