package podlog

import (
	"context"
	"time"

	"midwatch/live"
)

// Topic is the name of the topic that says "there are new log lines". Its key
// is the reader's own. Lines are facts, not a snapshot: the reader fetches
// them from its [Stream], at the pace the hub sets.
const Topic = "logs"

// Build is the [live.Builder] of [Topic].
func Build(_ context.Context, t live.Topic, now time.Time) live.Snapshot {
	return live.Snapshot{Topic: t, At: now, State: live.Ready}
}
