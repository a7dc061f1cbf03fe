package controllers

import (
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// scaleHistory is what an autoscaler remembers; a restart of the real controller forgets it.
type scaleHistory struct {
	recommendations []sized
	changes         []sized
}

type sized struct {
	at time.Time
	n  int32
}

const historyKept = time.Hour

func (m *Manager) historyOf(h *autoscalingv2.HorizontalPodAutoscaler) *scaleHistory {
	if m.scale[h.UID] == nil {
		m.scale[h.UID] = &scaleHistory{}
	}
	return m.scale[h.UID]
}

func (h *scaleHistory) recommended(at time.Time, n int32) {
	h.recommendations = append(trim(h.recommendations, at), sized{at, n})
}

func (h *scaleHistory) scaled(at time.Time, change int32) {
	h.changes = append(trim(h.changes, at), sized{at, change})
}

func trim(list []sized, now time.Time) []sized {
	for len(list) > 0 && now.Sub(list[0].at) > historyKept {
		list = list[1:]
	}
	return list
}

// extreme folds the recommendations within a window into n.
func (h *scaleHistory) extreme(now time.Time, window int32, n int32, pick func(a, b int32) int32) int32 {
	for _, r := range h.recommendations {
		if now.Sub(r.at) <= seconds(window) {
			n = pick(n, r.n)
		}
	}
	return n
}

// changed sums what was added (or taken away) within a period.
func (h *scaleHistory) changed(now time.Time, period int32) (added, removed int32) {
	for _, c := range h.changes {
		if now.Sub(c.at) > seconds(period) {
			continue
		}
		if c.n > 0 {
			added += c.n
		} else {
			removed -= c.n
		}
	}
	return added, removed
}

const defaultDownWindow = 300 // --horizontal-pod-autoscaler-downscale-stabilization

// normalize applies stabilisation, rate limits and bounds: horizontal.go normalizeDesiredReplicas and
// normalizeDesiredReplicasWithBehaviors.
func (m *Manager) normalize(a *autoscaler, proposal int32) int32 {
	lo, hi := ptr.Deref(a.hpa.Spec.MinReplicas, 1), a.hpa.Spec.MaxReplicas
	n := m.stabilize(a, proposal)
	up, down := a.limits(m.now)
	limited := func(reason, message string) {
		m.setHPA(a, autoscalingv2.ScalingLimited, corev1.ConditionTrue, reason, message)
	}
	switch {
	case n > a.current && n > min(up, hi):
		if up < hi {
			limited("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
			return max(up, a.current)
		}
		limited("TooManyReplicas", "the desired replica count is more than the maximum replica count")
		return hi
	case n < a.current && n < max(down, lo):
		if down > lo {
			limited("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
			return min(down, a.current)
		}
		limited("TooFewReplicas", "the desired replica count is less than the minimum replica count")
		return lo
	}
	m.setHPA(a, autoscalingv2.ScalingLimited, corev1.ConditionFalse, "DesiredWithinRange", "the desired count is within the acceptable range")
	return n
}

func (m *Manager) stabilize(a *autoscaler, proposal int32) int32 {
	upWindow, downWindow := int32(0), int32(defaultDownWindow)
	if b := a.hpa.Spec.Behavior; b != nil {
		upWindow = ptr.Deref(b.ScaleUp.StabilizationWindowSeconds, 0)
		downWindow = ptr.Deref(b.ScaleDown.StabilizationWindowSeconds, defaultDownWindow)
	}
	least := a.history.extreme(m.now, upWindow, proposal, func(x, y int32) int32 { return min(x, y) })
	most := a.history.extreme(m.now, downWindow, proposal, func(x, y int32) int32 { return max(x, y) })
	a.history.recommended(m.now, proposal)
	n := min(max(a.current, least), most)
	switch {
	case n == proposal:
		m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionTrue, "ReadyForNewScale", "recommended size matches current size")
	case n < proposal:
		m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionTrue, "ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation")
	default:
		m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionTrue, "ScaleDownStabilized", "recent recommendations were higher than current one, applying the highest recent recommendation")
	}
	return n
}

// limits is the range the rate policies allow now.
func (a *autoscaler) limits(now time.Time) (up, down int32) {
	b := a.hpa.Spec.Behavior
	if b == nil {
		return max(2*a.current, 4), 0
	}
	return a.limit(b.ScaleUp, now, true), a.limit(b.ScaleDown, now, false)
}

func (a *autoscaler) limit(rules *autoscalingv2.HPAScalingRules, now time.Time, up bool) int32 {
	policy := ptr.Deref(rules.SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if policy == autoscalingv2.DisabledPolicySelect {
		return a.current
	}
	pick := func(x, y int32) int32 { return max(x, y) }
	if up == (policy == autoscalingv2.MinChangePolicySelect) {
		pick = func(x, y int32) int32 { return min(x, y) }
	}
	var best int32
	for i, p := range rules.Policies {
		n := a.policyLimit(p, now, up)
		if i == 0 {
			best = n
		} else {
			best = pick(best, n)
		}
	}
	return best
}

func (a *autoscaler) policyLimit(p autoscalingv2.HPAScalingPolicy, now time.Time, up bool) int32 {
	added, removed := a.history.changed(now, p.PeriodSeconds)
	start := a.current - added + removed
	percent := p.Type == autoscalingv2.PercentScalingPolicy
	switch {
	case up && percent:
		return int32(math.Ceil(float64(start) * (1 + float64(p.Value)/100)))
	case up:
		return start + p.Value
	case percent:
		return int32(float64(start) * (1 - float64(p.Value)/100))
	}
	return start - p.Value
}
