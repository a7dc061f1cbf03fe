package cli

import (
	"context"
	"time"

	"midwatch/k8s"
	"midwatch/report"
	"midwatch/ui/app"
)

// flagsFor bounds how long a status waits for the flag providers: the board is
// worth more than its flags.
const flagsFor = 10 * time.Second

// workloadFlags reads the flags of workloads in trouble, or of those asked for by
// name. What cannot be read is left out: the board's own verdict stands.
func (a *invocation) workloadFlags(ctx context.Context, s *app.Session, workloads []*k8s.Workload, doc *report.Status, byName bool) {
	if s.Flags.Watch == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flagsFor)
	defer cancel()
	board, err := s.Flags.Watch.Once(ctx)
	if err != nil || len(board.Rows) == 0 {
		return
	}
	detailed(workloads, byName, func(i int, w *k8s.Workload) {
		doc.Workloads[i].Flags = report.Flags(board, s.Flags.Watch.Uses(ctx, w.Ref))
	})
}
