package cli

import (
	"context"
	"sync"

	"midwatch/k8s"
	"midwatch/k8s/probe/read"
	"midwatch/live"
	"midwatch/report"
	"midwatch/ui/app"
)

const (
	// probedAtMost bounds the workloads whose probes are read for one report;
	// probedAtOnce how many of them side by side.
	probedAtMost = 25
	probedAtOnce = 4
)

// probes adds the probes of the workloads in trouble, or of those asked for by
// name, to the report. Where they cannot be read the report goes without: what
// is forbidden stands among the sources.
func (a *invocation) probes(ctx context.Context, s *app.Session, workloads []*k8s.Workload, doc *report.Status, byName bool) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, probedAtOnce)
	n := 0
	for i, w := range workloads {
		troubled := w.Verdict.Severity == live.Fail || w.Verdict.Severity == live.Warn
		if !byName && !troubled || w.Selector == "" {
			continue
		}
		if n++; n > probedAtMost {
			break
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answer, err := read.Workload(ctx, s.Cluster.Typed(), read.Query{Workload: w.Ref, Selector: w.Selector}, a.clock.Now)
			if err == nil {
				doc.Workloads[i].Probes = report.Probes(answer.Assess(a.clock.Now(), nil, nil))
			}
		})
	}
	wg.Wait()
}
