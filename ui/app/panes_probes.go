package app

import (
	"context"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/probe/read"
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
	}, ref)
}
