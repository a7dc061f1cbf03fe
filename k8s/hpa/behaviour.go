package hpa

import (
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// behaviour is spec.behavior with its defaults filled in, which the server
// does when anything of it is set (pkg/apis/autoscaling/v2/defaults.go).
type behaviour struct{ up, down rules }

type rules struct {
	window   time.Duration
	choice   autoscalingv2.ScalingPolicySelect
	policies []autoscalingv2.HPAScalingPolicy
}

func behaviourOf(b *autoscalingv2.HorizontalPodAutoscalerBehavior, flags Flags) *behaviour {
	if b == nil {
		return nil
	}
	percent := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}
	pods := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15}
	return &behaviour{
		up:   rulesOf(b.ScaleUp, 0, pods, percent),
		down: rulesOf(b.ScaleDown, flags.DownscaleWindow, percent),
	}
}

func rulesOf(r *autoscalingv2.HPAScalingRules, window time.Duration, policies ...autoscalingv2.HPAScalingPolicy) rules {
	out := rules{window: window, choice: autoscalingv2.MaxChangePolicySelect, policies: policies}
	if r == nil {
		return out
	}
	if r.StabilizationWindowSeconds != nil {
		out.window = time.Duration(*r.StabilizationWindowSeconds) * time.Second
	}
	if r.SelectPolicy != nil {
		out.choice = *r.SelectPolicy
	}
	if r.Policies != nil {
		out.policies = r.Policies
	}
	return out
}

// tolerances are the controller's, unless the autoscaler has its own (beta
// since 1.35, stable in 1.37).
func tolerances(b *autoscalingv2.HorizontalPodAutoscalerBehavior, flags Flags) (up, down float64) {
	up, down = flags.Tolerance, flags.Tolerance
	if b == nil {
		return up, down
	}
	if r := b.ScaleUp; r != nil && r.Tolerance != nil {
		up = r.Tolerance.AsApproximateFloat64()
	}
	if r := b.ScaleDown; r != nil && r.Tolerance != nil {
		down = r.Tolerance.AsApproximateFloat64()
	}
	return up, down
}

// longest is the longest period of the policies.
func (r *rules) longest() time.Duration {
	var longest time.Duration
	for _, p := range r.policies {
		longest = max(longest, time.Duration(p.PeriodSeconds)*time.Second)
	}
	return longest
}

// limit is how far the rate policies let current go:
// calculateScaleUpLimitWithScalingRules and
// calculateScaleDownLimitWithBehaviors of horizontal.go. by is the policy that
// set it; nil when scaling in this direction is disabled.
func (r *rules) limit(current int, up bool, changes []Point, now time.Time) (n int, by *autoscalingv2.HPAScalingPolicy) {
	if r.choice == autoscalingv2.DisabledPolicySelect {
		return current, nil
	}
	// The most change is the biggest number upwards and the smallest downwards.
	biggest := up == (r.choice != autoscalingv2.MinChangePolicySelect)
	n = math.MaxInt32
	if biggest {
		n = math.MinInt32
	}
	for i := range r.policies {
		p := &r.policies[i]
		start := current - changed(changes, now, time.Duration(p.PeriodSeconds)*time.Second)
		proposed := allowed(p, start, up)
		if by == nil || biggest && proposed > n || !biggest && proposed < n {
			n, by = proposed, p
		}
	}
	return n, by
}

// allowed is how far one policy goes from where its period began. Upwards it
// is rounded up, or a small target would never grow; downwards it is cut off.
func allowed(p *autoscalingv2.HPAScalingPolicy, start int, up bool) int {
	percent := p.Type == autoscalingv2.PercentScalingPolicy
	switch {
	case percent && up:
		return whole(float64(start) * (1 + float64(p.Value)/100))
	case percent:
		return int(float64(start) * (1 - float64(p.Value)/100))
	case up:
		return start + int(p.Value)
	}
	return start - int(p.Value)
}

// changed is by how much the replicas grew within a period.
func changed(changes []Point, now time.Time, period time.Duration) int {
	n := 0
	for _, c := range changes {
		if c.At.After(now.Add(-period)) {
			n += c.N
		}
	}
	return n
}
