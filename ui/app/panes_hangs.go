package app

import (
	"context"

	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/k8s/depend/read"
	"midwatch/ui/hangspane"
	"midwatch/ui/pane"
)

func newHangs(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return hangspane.New(id, func(ctx context.Context, w *k8s.Workload, pods []string) (*depend.Report, error) {
		q := read.QueryOf(w)
		q.Names = pods
		in, err := read.Workload(ctx, d.Session.Cluster, q, d.Clock.Now)
		if err != nil {
			return nil, err
		}
		return depend.Assess(*in), nil
	}, ref)
}
