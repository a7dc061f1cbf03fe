package hpa

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// past is what the controller remembers.
type past struct{ recommendations, changes []Point }

// normalised is what windows, rates and limits make of a proposal.
type normalised struct {
	stabilised, rated, n int
	able, limited        string // the reasons it puts into its conditions
	// held is the recommendation that keeps the number where it is, until
	// when it is in the window; zero when none does.
	held  Point
	until time.Time
	rate  int // how far the policies allow to go
	by    *autoscalingv2.HPAScalingPolicy
}

// normalise is normalizeDesiredReplicas of horizontal.go, or with
// spec.behavior normalizeDesiredReplicasWithBehaviors.
func (c *calculation) normalise(current, proposed int, p past, now time.Time) normalised {
	if c.behave == nil {
		return c.plain(current, proposed, p, now)
	}
	out := c.stabilise(current, proposed, p, now)
	out.able = "ReadyForNewScale"
	if out.stabilised != proposed {
		out.able = "ScaleDownStabilized"
		if proposed >= current {
			out.able = "ScaleUpStabilized"
		}
	}
	c.rate(current, p, now, &out)
	return out
}

// plain is without spec.behavior: the window works downwards only, a round at
// most doubles (from four on), and nothing slows a scale-down.
func (c *calculation) plain(current, proposed int, p past, now time.Time) normalised {
	out := normalised{stabilised: proposed, able: "ReadyForNewScale", limited: "DesiredWithinRange"}
	begin := now.Add(-c.flags.DownscaleWindow)
	for _, r := range p.recommendations {
		if !r.At.Before(begin) && r.N >= out.stabilised && r.N > proposed {
			out.stabilised, out.held = r.N, r
		}
	}
	if out.stabilised != proposed {
		out.able, out.until = "ScaleDownStabilized", out.held.At.Add(c.flags.DownscaleWindow)
	}
	const factor, least = 2, 4
	out.rate = max(factor*current, least)
	ceiling, reason := c.max, "TooManyReplicas"
	if c.max > out.rate {
		ceiling, reason = out.rate, "ScaleUpLimit"
	}
	out.rated, out.n = min(out.stabilised, max(out.rate, current)), out.stabilised
	switch {
	case out.stabilised < c.min:
		out.n, out.limited = c.min, "TooFewReplicas"
	case out.stabilised > ceiling:
		out.n, out.limited = ceiling, reason
	}
	return out
}

// stabilise is stabilizeRecommendationWithBehaviors: upwards the lowest
// recommendation of a window counts, downwards the highest.
func (c *calculation) stabilise(current, proposed int, p past, now time.Time) normalised {
	out := normalised{}
	low, high := Point{N: proposed}, Point{N: proposed}
	upBegin, downBegin := now.Add(-c.behave.up.window), now.Add(-c.behave.down.window)
	for _, r := range p.recommendations {
		if r.At.After(upBegin) && r.N <= low.N && r.N < proposed {
			low = r
		}
		if r.At.After(downBegin) && r.N >= high.N && r.N > proposed {
			high = r
		}
	}
	out.stabilised = min(max(current, low.N), high.N)
	switch {
	case proposed > current && out.stabilised < proposed:
		out.held, out.until = low, low.At.Add(c.behave.up.window)
	case proposed < current && out.stabilised > proposed:
		out.held, out.until = high, high.At.Add(c.behave.down.window)
	}
	return out
}

// rate is convertDesiredReplicasWithBehaviorRate.
func (c *calculation) rate(current int, p past, now time.Time, out *normalised) {
	out.n, out.rated, out.limited = out.stabilised, out.stabilised, "DesiredWithinRange"
	switch {
	case out.stabilised > current:
		n, by := c.behave.up.limit(current, true, p.changes, now)
		out.rate, out.by = max(n, current), by
		out.rated = min(out.stabilised, out.rate)
		if out.n = min(out.rated, c.max); out.n < out.stabilised {
			out.limited = "TooManyReplicas"
			if c.max > out.rate {
				out.limited = "ScaleUpLimit"
			}
		}
	case out.stabilised < current:
		n, by := c.behave.down.limit(current, false, p.changes, now)
		out.rate, out.by = min(n, current), by
		out.rated = max(out.stabilised, out.rate)
		if out.n = max(out.rated, c.min); out.n > out.stabilised {
			out.limited = "TooFewReplicas"
			if c.min < out.rate {
				out.limited = "ScaleDownLimit"
			}
		}
	}
}

// policy says a rate policy in words: "4 pods in 60 s".
func policy(p *autoscalingv2.HPAScalingPolicy) string {
	if p.Type == autoscalingv2.PercentScalingPolicy {
		return fmt.Sprintf("%d %% in %s", p.Value, short(time.Duration(p.PeriodSeconds)*time.Second))
	}
	return fmt.Sprintf("%s in %s", counting(int(p.Value), "pod"), short(time.Duration(p.PeriodSeconds)*time.Second))
}
