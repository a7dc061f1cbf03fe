package watch

import (
	"math/rand/v2"
	"time"
)

// The pause between two attempts: doubling from the first to the last, with
// up to half of it added at random so that many consoles do not return at
// once after an API server restart.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 10 * time.Second
)

// backoff counts failures in a row.
type backoff struct{ failures int }

// next returns the pause before the next attempt, at least what the server
// asked for.
func (b *backoff) next(asked time.Duration) time.Duration {
	pause := lastPause
	if b.failures < 5 {
		pause = min(firstPause<<b.failures, lastPause)
	}
	b.failures++
	pause = max(pause, min(asked, time.Minute))
	return pause + time.Duration(rand.Int64N(int64(pause)/2))
}

func (b *backoff) reset() { b.failures = 0 }
