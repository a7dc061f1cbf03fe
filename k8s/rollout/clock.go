package rollout

import (
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// skewTolerance is how far ahead of our clock the cluster's may be before it
// is said so: less comes from seconds being cut off and from clocks that are
// kept by different servers.
const skewTolerance = 15 * time.Second

// checkClock looks for times that lie in our future: then the cluster's clock
// is ahead of this machine's, and everything is reckoned by the newest time the
// cluster told, or a container that has failed for minutes would count as just
// started. That it is behind ours cannot be told from its times, which may
// simply be old, but from the date of its answers (see Input.Skew).
func (a *assessment) checkClock() {
	if a.Skew != 0 {
		side := "ahead of"
		if a.Skew < 0 {
			side = "behind"
		}
		text := "the cluster's clock is " + a.Skew.Abs().Round(10*time.Second).String() + " " + side + " this machine's: ages on the screen are wrong by that, judged by the cluster's"
		a.skewed = &live.Evidence{Kind: "clock", Ref: a.o.String(), Text: foreign.CleanN(text, maxText)}
	}
	newestSeen := time.Time{}
	for _, e := range a.Events {
		newestSeen = newest(newestSeen, e.Last)
	}
	for _, p := range a.Pods {
		for _, t := range [...]time.Time{p.Created, p.Started, p.ReadySince, p.RunningSince, p.LastRestart} {
			newestSeen = newest(newestSeen, t)
		}
	}
	ahead := newestSeen.Add(-skewTolerance)
	if !ahead.After(a.Now) {
		return
	}
	a.soon(ahead)
	a.skewed = &live.Evidence{
		Kind: "clock", Ref: a.o.String(), At: newestSeen,
		Text: "the cluster's clock is ahead of this machine's: its newest time lies in our future, so ages are shown too young; judged by the cluster's clock",
	}
	a.Now = newestSeen.In(a.Now.Location())
}
