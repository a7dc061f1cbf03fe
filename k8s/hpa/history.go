package hpa

import (
	"slices"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// History is what was recommended and scaled before, as far as is known. The
// controller keeps its own in memory and loses it when it restarts.
type History struct {
	// Since is when somebody began to look; zero for never.
	Since time.Time
	// Recommendations are what the metrics asked for at each look, before
	// windows and limits, oldest first.
	Recommendations []Point
	// Changes are by how much the target was scaled, and when, oldest first.
	Changes []Point
}

// remembered is how many recommendations and changes are kept: an hour's, at
// one look every 15 seconds. No window or period may be longer.
const (
	remembered  = 240
	longestKept = time.Hour
)

// Recommend remembers what the metrics asked for at a time.
func (h *History) Recommend(at time.Time, n int) {
	if h.Since.IsZero() {
		h.Since = at
	}
	h.Recommendations = trimmed(append(h.Recommendations, Point{at, n}), at)
}

// sameChange is how far apart the controller's event and its status may tell
// of the same change.
const sameChange = 3 * time.Second

// Changed remembers that the target was scaled by n; a change that is known
// already counts once.
func (h *History) Changed(at time.Time, n int) {
	if n == 0 || at.IsZero() {
		return
	}
	for _, c := range h.Changes {
		if c.N == n && c.At.Sub(at).Abs() <= sameChange {
			return
		}
	}
	h.Changes = append(h.Changes, Point{at, n})
	slices.SortStableFunc(h.Changes, func(a, b Point) int { return a.At.Compare(b.At) })
	h.Changes = trimmed(h.Changes, at)
}

func trimmed(list []Point, now time.Time) []Point {
	for len(list) > remembered || len(list) > 0 && now.Sub(list[0].At) > longestKept {
		list = list[1:]
	}
	return slices.Clone(list)
}

// Rescaled reads the size out of the message of a SuccessfulRescale event:
// "New size: 6; reason: cpu resource utilization above target".
func Rescaled(message string) (size int, why string, ok bool) {
	rest, found := strings.CutPrefix(message, "New size: ")
	if !found {
		return 0, "", false
	}
	number, why, _ := strings.Cut(rest, "; reason: ")
	n, err := strconv.Atoi(number)
	return n, why, err == nil && n >= 0
}

// FromSizes makes changes out of the sizes that the target was scaled to. The
// size before the first is not known, so that one is left out.
func (h *History) FromSizes(sizes []Point) {
	sizes = slices.Clone(sizes)
	slices.SortStableFunc(sizes, func(a, b Point) int { return a.At.Compare(b.At) })
	for i := 1; i < len(sizes); i++ {
		h.Changed(sizes[i].At, sizes[i].N-sizes[i-1].N)
	}
}

// covers reports whether all recommendations of a window are known: somebody
// looked all the time, or the autoscaler is younger than that.
func (h *History) covers(hpa *autoscalingv2.HorizontalPodAutoscaler, now time.Time, window time.Duration) bool {
	if window <= 0 {
		return true
	}
	begin := now.Add(-window)
	if h.Since.IsZero() {
		return false
	}
	created := hpa.CreationTimestamp.Time
	return !h.Since.After(begin) || !created.IsZero() && !h.Since.After(created.Add(sameChange))
}

// knowsChanges reports whether all changes within a period are known. Without
// one since, there is none: status.lastScaleTime says when the last was.
func (h *History) knowsChanges(hpa *autoscalingv2.HorizontalPodAutoscaler, now time.Time, period time.Duration) bool {
	begin := now.Add(-period)
	last := hpa.Status.LastScaleTime
	if last == nil || last.Time.Before(begin) || !h.Since.IsZero() && !h.Since.After(begin) {
		return true
	}
	created := hpa.CreationTimestamp.Time
	return !h.Since.IsZero() && !created.IsZero() && !h.Since.After(created.Add(sameChange))
}

// recommendations are those known, led by the one that must have been there.
// A controller begins with the size it finds. For the time before anybody
// looked the conditions tell: an autoscaler that is not held back by a rate
// had the present size among its recommendations.
func (c *calculation) recommendations() []Point {
	h := &c.in.History
	list := slices.Clone(h.Recommendations)
	if limited := condition(c.in.HPA, autoscalingv2.ScalingLimited); limited != nil && limited.Status == corev1.ConditionTrue &&
		(limited.Reason == "ScaleDownLimit" || limited.Reason == "ScaleUpLimit") {
		return list
	}
	at := h.Since
	if at.IsZero() {
		at = c.in.Now
	}
	if len(list) > 0 && list[0].At.Before(at) {
		return list
	}
	size := c.current
	for _, change := range h.Changes { // what it was when the looking began
		if change.At.After(at) {
			size -= change.N
		}
	}
	return append([]Point{{at, size}}, list...)
}

func condition(h *autoscalingv2.HorizontalPodAutoscaler, kind autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range h.Status.Conditions {
		if h.Status.Conditions[i].Type == kind {
			return &h.Status.Conditions[i]
		}
	}
	return nil
}
