package demo

import (
	"math"

	"midwatch/demo/controllers"
)

// measure is the load of the world: a wave on top of a level, shared by the pods that are ready. The wave of fraud-scorer is long
// enough to watch its autoscaler follow it.
func measure(q controllers.Query) (int64, bool) {
	const mebi = 1 << 20
	minutes := float64(q.At.Unix()) / 60
	wave := func(period float64) float64 { return math.Sin(2 * math.Pi * minutes / period) }
	share := func(total float64) int64 { return int64(total / float64(q.Ready)) }
	switch q.Target + " " + q.Metric {
	case "fastapi-service cpu":
		return share(450 + 40*wave(23)), true
	case "fastapi-service memory":
		return int64(151*mebi+6*mebi*wave(47)) * 1000, true
	case "fastapi-service http_requests_per_second":
		return share(207_000 + 31_000*wave(23)), true
	case "catalog cpu":
		return share(1490 + 60*wave(31)), true
	case "fraud-scorer cpu":
		return share(900 + 420*wave(24)), true
	}
	return 0, false
}
