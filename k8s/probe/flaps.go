package probe

import "time"

// maxFlips is how many transitions of one pod are kept.
const maxFlips = 16

// flapping is how many losses of readiness within flapWindow make a pod flap.
const (
	flapWindow = 10 * time.Minute
	flapLosses = 2
)

// Flaps is what midwatch's own watch has seen of a pod's Ready condition. The
// API keeps only the last transition, so this is all anyone can know of the
// ones before. The zero value has seen nothing. It is a value: a changed one
// is a copy.
type Flaps struct {
	// Since is when the watch began to look at the pod.
	Since time.Time
	// Lost are the times the pod stopped being ready, the newest last; at most
	// maxFlips of them.
	Lost []time.Time
	// Dropped is how many older ones there is no room for.
	Dropped int
}

// Losses is how often readiness was lost since at, as far as seen.
func (f Flaps) Losses(at time.Time) int {
	n := 0
	for _, t := range f.Lost {
		if !t.Before(at) {
			n++
		}
	}
	return n
}

// Flapping reports whether the pod keeps losing its readiness.
func (f Flaps) Flapping(now time.Time) bool { return f.Losses(now.Add(-flapWindow)) >= flapLosses }

// Next is the history after one more sight of the pod. ready and since are
// its Ready condition then and before; a condition whose last transition moved
// while its status stayed has gone there and back in between.
func (f Flaps) Next(wasReady, ready bool, was, is time.Time) Flaps {
	switch {
	case wasReady && !ready:
		return f.lose(is)
	case wasReady && ready && is.After(was), !wasReady && !ready && is.After(was) && !was.IsZero():
		return f.lose(is) // once at least
	}
	return f
}

func (f Flaps) lose(at time.Time) Flaps {
	lost := append(append(make([]time.Time, 0, len(f.Lost)+1), f.Lost...), at)
	if n := len(lost) - maxFlips; n > 0 {
		lost, f.Dropped = lost[n:], f.Dropped+n
	}
	f.Lost = lost
	return f
}
