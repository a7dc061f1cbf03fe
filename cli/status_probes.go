package cli

import (
	"context"

	"midwatch/k8s"
	"midwatch/k8s/probe/read"
	"midwatch/report"
	"midwatch/ui/app"
)

// probes adds the probes of the workloads in trouble, or of those asked for by
// name, to the report. Where they cannot be read the report goes without: what
// is forbidden stands among the sources.
func (a *invocation) probes(ctx context.Context, s *app.Session, workloads []*k8s.Workload, doc *report.Status, byName bool) {
	detailed(workloads, byName, func(i int, w *k8s.Workload) {
		answer, err := read.Workload(ctx, s.Cluster.Typed(), read.Query{Workload: w.Ref, Selector: w.Selector}, a.clock.Now)
		if err == nil {
			doc.Workloads[i].Probes = report.Probes(answer.Assess(a.clock.Now(), nil, nil))
		}
	})
}
