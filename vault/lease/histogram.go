package lease

import (
	"time"

	"midwatch/live"
)

// Histogram says when the leases of a large prefix end, from a sample.
type Histogram struct {
	// Sampled of Total leases were looked up.
	Sampled, Total int
	// Buckets are by time left, the soonest first.
	Buckets []Bucket
	// States counts the sample by state.
	States map[State]int
	// Severity is the worst of the sample.
	Severity live.Severity
}

// Bucket is the leases that end within a time.
type Bucket struct {
	// Label is "< 5 min", or "gone".
	Label string
	// Within is the bucket's upper bound; 0 for those without one.
	Within time.Duration
	// Count is of the sample; Estimate is scaled to all.
	Count, Estimate int
}

// Exact reports a sample of everything: its numbers are counts, not
// estimates.
func (h *Histogram) Exact() bool { return h.Sampled >= h.Total }

// NewHistogram judges the sample. total is how many leases it stands for.
func NewHistogram(sample []Lease, total int, now time.Time, warn time.Duration) *Histogram {
	h := &Histogram{Sampled: len(sample), Total: max(total, len(sample)), States: map[State]int{}, Severity: live.OK}
	h.Buckets = []Bucket{
		{Label: "past its end"},
		{Label: "< 1 min", Within: time.Minute}, {Label: "< 5 min", Within: 5 * time.Minute}, {Label: "< 15 min", Within: 15 * time.Minute},
		{Label: "< 1 h", Within: time.Hour}, {Label: "< 6 h", Within: 6 * time.Hour}, {Label: "< 1 d", Within: 24 * time.Hour},
		{Label: "< 7 d", Within: 7 * 24 * time.Hour}, {Label: "later"}, {Label: "gone since"},
	}
	for i := range sample {
		v := Assess(&sample[i], now, warn)
		h.States[v.State]++
		if v.Severity.Rank() < h.Severity.Rank() {
			h.Severity = v.Severity
		}
		h.Buckets[h.bucket(v, now)].Count++
	}
	if h.Sampled > 0 {
		for i := range h.Buckets {
			b := &h.Buckets[i]
			b.Estimate = int(float64(b.Count)/float64(h.Sampled)*float64(h.Total) + 0.5)
		}
	}
	return h
}

func (h *Histogram) bucket(v Verdict, now time.Time) int {
	last := len(h.Buckets) - 1
	switch v.State {
	case Gone, Ended, Unreadable:
		return last
	case Irrevocable, Expired:
		return 0
	case Endless:
		return last - 1
	}
	left := v.Ends.Sub(now)
	for i := 1; i < last-1; i++ {
		if left < h.Buckets[i].Within {
			return i
		}
	}
	return last - 1
}
