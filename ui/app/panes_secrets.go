package app

import (
	"context"
	"time"

	"midwatch/k8s"
	"midwatch/secrets/read"
	"midwatch/ui/pane"
	"midwatch/ui/secretspane"
)

func newSecrets(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	var sync secretspane.Syncer
	if d.Session != nil && d.Session.Change != nil {
		sync = d.Session.Change
	}
	return secretspane.New(id, func(ctx context.Context, ref k8s.Ref) (*read.Report, error) {
		r, err := read.Workload(ctx, d.Session.Cluster, ref, d.Clock.Now())
		if err == nil {
			d.Session.Leases.Fill(ctx, r)
		}
		return r, err
	}, d.wait, d.planner(), sync, ref)
}

// wait lets time pass on the console's clock.
func (d Deps) wait(ctx context.Context, after time.Duration) error {
	if after <= 0 {
		return ctx.Err()
	}
	due, stop := d.Clock.After(after)
	defer stop()
	select {
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
