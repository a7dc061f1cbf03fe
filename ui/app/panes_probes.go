package app

import (
	"context"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/read"
	"midwatch/k8s/probe/try"
	"midwatch/ui/pane"
	"midwatch/ui/probespane"
)

func newProbes(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return probespane.New(id, probespane.Reads{
		Pods: func(ctx context.Context, q read.Query) (*read.Answer, error) {
			return read.Workload(ctx, d.Session.Cluster.Typed(), q, d.Clock.Now)
		},
		Pause: func(ctx context.Context, wait time.Duration) error {
			due, stop := d.Clock.After(wait)
			defer stop()
			select {
			case <-due:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		Try: d.tryProbe(),
	}, ref)
}

// tryProbe runs one probe once over a connection into the pod.
func (d Deps) tryProbe() func(context.Context, k8s.Ref, string, probe.Spec) (*try.Result, error) {
	if d.Session == nil || d.Session.Cluster == nil {
		return nil
	}
	return func(ctx context.Context, pod k8s.Ref, podIP string, s probe.Spec) (*try.Result, error) {
		return try.Into(d.Session.Cluster, pod, d.Clock).Run(ctx, s, podIP)
	}
}
