package hpa

import (
	"fmt"
	"math"
)

// calculation is one round of one autoscaler.
type calculation struct {
	in       *Input
	flags    Flags
	behave   *behaviour // nil without spec.behavior
	up, down float64    // tolerances
	current  int        // spec.replicas of the target
	actual   int        // its status.replicas
	min, max int
}

// within reports a ratio too close to 1 to act on.
func (c *calculation) within(ratio float64) bool { return 1-c.down <= ratio && ratio <= 1+c.up }

// usage computes the ratio of values to a target, and the current value as it
// stands in the status.
type usage func(values map[string]int64) (ratio float64, current int64, problem string)

// fill is what a pod without a metric counts for when the load asks for fewer.
type fill func(pod string) int64

// utilisation is GetResourceUtilizationRatio of metrics/utilization.go: the
// sum of usages over the sum of requests, in whole percents.
func utilisation(requests map[string]int64, target int64) usage {
	return func(values map[string]int64) (float64, int64, string) {
		var used, asked int64
		for pod, v := range values {
			request, known := requests[pod]
			if known {
				used, asked = used+v, asked+request
			}
		}
		if asked == 0 {
			return 0, 0, "the metrics are of none of its pods"
		}
		percent := int64(int32(float64(used*100) / float64(asked)))
		if used < math.MaxInt64/100 && used > math.MinInt64/100 {
			percent = int64(int32(used * 100 / asked))
		}
		return float64(percent) / float64(target), percent, ""
	}
}

// average is GetMetricUsageRatio: the mean, divided as integers.
func average(target int64) usage {
	return func(values map[string]int64) (float64, int64, string) {
		var sum int64
		for _, v := range values {
			sum += v
		}
		current := sum / int64(len(values))
		return float64(current) / float64(target), current, ""
	}
}

// fromPods turns pods' values into a proposal: GetResourceReplicas and
// calcPlainMetricReplicas of replica_calculator.go, which differ in u and f
// alone.
func (c *calculation) fromPods(m *Metric, g Groups, values map[string]int64, u usage, f fill) {
	m.Groups = g
	for _, list := range [][]string{g.Ignored, g.Unready} {
		for _, pod := range list {
			delete(values, pod)
		}
	}
	if len(values) == 0 {
		m.fail(noValues(g))
		return
	}
	ratio, current, problem := u(values)
	if problem != "" {
		m.fail(problem)
		return
	}
	m.Computed, m.Ratio, m.CorrectedRatio, m.Current = true, ratio, ratio, current
	upUnready := len(g.Unready) > 0 && ratio > 1
	if !upUnready && len(g.Missing) == 0 {
		m.Raw = times(ratio, len(g.Ready))
		m.Filled, m.Proposal = m.Raw, m.Raw
		c.tolerate(m, ratio)
		return
	}
	all := len(g.Ready) + len(g.Missing)
	if upUnready {
		all += len(g.Unready)
	}
	m.Raw = times(ratio, all)
	c.putIn(g, values, ratio, upUnready, f)
	again, _, problem := u(values)
	if problem != "" {
		m.fail(problem)
		return
	}
	m.CorrectedRatio = again
	m.Filled = times(again, len(values))
	cancelled := turned(ratio, again) || again < 1 && m.Filled > c.current || again > 1 && m.Filled < c.current
	m.Note = corrected(m, g, upUnready, cancelled)
	if cancelled {
		m.Filled = c.current
	}
	m.Proposal = m.Filled
	c.tolerate(m, again)
}

// turned reports that a ratio is on the other side of the target now.
func turned(before, now float64) bool { return before < 1 && now > 1 || before > 1 && now < 1 }

// putIn gives values to pods without any, so that they hold back: idle when
// the load asks for more, busy when it asks for fewer.
func (c *calculation) putIn(g Groups, values map[string]int64, ratio float64, upUnready bool, f fill) {
	for _, pod := range g.Missing {
		switch {
		case ratio < 1:
			values[pod] = f(pod)
		case ratio > 1:
			values[pod] = 0
		}
	}
	if upUnready {
		for _, pod := range g.Unready {
			values[pod] = 0
		}
	}
}

// tolerate leaves the replicas alone when the ratio is close to 1.
func (c *calculation) tolerate(m *Metric, ratio float64) {
	if !c.within(ratio) {
		return
	}
	if m.Proposal != c.current && m.Note == "" {
		m.Note = fmt.Sprintf("within the tolerance of %s", c.tolerance(ratio))
	}
	m.Proposal = c.current
}

// times is n pods at a ratio, rounded up and kept within what a number of
// replicas can be.
func times(ratio float64, n int) int { return whole(ratio * float64(n)) }

func whole(f float64) int {
	f = math.Ceil(f)
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= math.MinInt32:
		return math.MinInt32
	}
	return int(f)
}
