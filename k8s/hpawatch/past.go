package hpawatch

import (
	"slices"
	"strings"
	"sync"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/hpa"
)

const (
	// maxPasts bounds the autoscalers whose past is kept.
	maxPasts = 64
	// maxSizes bounds the sizes kept of one: an hour's.
	maxSizes = 240
)

// past is what was seen of one autoscaler.
type past struct {
	history hpa.History
	sizes   []hpa.Point // when the replicas changed, as seen here
	used    time.Time
}

// pasts keeps what was seen, by the autoscaler's UID.
type pasts struct {
	mu  sync.Mutex
	all map[string]*past
}

// of returns the past of an autoscaler; the caller holds mu.
func (p *pasts) of(uid string, now time.Time) *past {
	if p.all == nil {
		p.all = map[string]*past{}
	}
	one := p.all[uid]
	if one == nil {
		if len(p.all) >= maxPasts {
			oldest := ""
			for id, other := range p.all {
				if oldest == "" || other.used.Before(p.all[oldest].used) {
					oldest = id
				}
			}
			delete(p.all, oldest)
		}
		one = &past{}
		p.all[uid] = one
	}
	one.used = now
	return one
}

// look puts what is known of the past into the input: own looks, the
// controller's events, and when it scaled last.
func (p *pasts) look(v *View, in *hpa.Input) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.of(v.Ref.UID, v.Read)
	told := rescales(v.Events)
	one.history.FromSizes(told)
	if in.Scale.Known {
		var scaled time.Time
		if t := in.HPA.Status.LastScaleTime; t != nil {
			scaled = t.Time
		}
		one.saw(v.Read, int(in.Scale.Spec), scaled)
	}
	v.Sizes = merged(told, one.sizes, firsts(v.Events))
	in.History = hpa.History{
		Since:           one.history.Since,
		Recommendations: slices.Clone(one.history.Recommendations),
		Changes:         slices.Clone(one.history.Changes),
	}
}

// saw notes the present size, and a change since the last look as the
// controller's own when it scaled since.
func (o *past) saw(now time.Time, size int, scaled time.Time) {
	if n := len(o.sizes); n > 0 {
		last := o.sizes[n-1]
		if last.N == size {
			return
		}
		if !scaled.Before(last.At.Truncate(time.Second)) {
			o.history.Changed(scaled, size-last.N)
		}
	}
	o.sizes = append(o.sizes, hpa.Point{At: now, N: size})
	if len(o.sizes) > maxSizes {
		o.sizes = slices.Clone(o.sizes[1:])
	}
}

// remember notes what the metrics asked for.
func (p *pasts) remember(v *View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.of(v.Ref.UID, v.Read)
	if n := v.Explanation.Recommended; n >= 0 {
		one.history.Recommend(v.Read, n)
	}
	if one.history.Since.IsZero() {
		one.history.Since = v.Read
	}
	v.Wanted = slices.Clone(one.history.Recommendations)
}

// rescales are the sizes the controller's events tell of, oldest first.
func rescales(events []*k8s.Event) []hpa.Point {
	var out []hpa.Point
	for _, e := range events {
		if e.Reason != "SuccessfulRescale" {
			continue
		}
		if n, _, ok := hpa.Rescaled(strings.TrimSpace(e.Message.String())); ok {
			out = append(out, hpa.Point{At: e.Last, N: n})
		}
	}
	slices.SortStableFunc(out, func(a, b hpa.Point) int { return a.At.Compare(b.At) })
	return out
}

// firsts are the sizes of events that were counted together, when they were
// reached the first time. What was in between is not known.
func firsts(events []*k8s.Event) []hpa.Point {
	var out []hpa.Point
	for _, e := range events {
		if n, _, ok := hpa.Rescaled(strings.TrimSpace(e.Message.String())); ok && e.Reason == "SuccessfulRescale" && e.Count > 1 && !e.First.IsZero() {
			out = append(out, hpa.Point{At: e.First, N: n})
		}
	}
	return out
}

// merged are lists of sizes in order of time, without repeats.
func merged(lists ...[]hpa.Point) []hpa.Point {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(x, y hpa.Point) int { return x.At.Compare(y.At) })
	return slices.CompactFunc(all, func(x, y hpa.Point) bool { return x.N == y.N })
}
