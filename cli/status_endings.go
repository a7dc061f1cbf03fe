package cli

import (
	"context"
	"time"

	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/app"
)

// endingsFor bounds how long a status waits for Vault: what operators say of
// their leases is on the board already.
const endingsFor = 5 * time.Second

// withEndings asks Vault about the leases that operators hold and judges the
// board again. Without Vault, or without such leases, it is the same board.
func (a *invocation) withEndings(ctx context.Context, s *app.Session, board *watch.Board, sources []live.Source) (*watch.Board, []live.Source, error) {
	if s.Leases == nil {
		return board, sources, nil
	}
	asking, cancel := context.WithTimeout(ctx, endingsFor)
	defer cancel()
	s.Leases.Once(asking)
	return s.Watch.Once(ctx)
}
