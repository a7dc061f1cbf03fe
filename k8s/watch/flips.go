package watch

import (
	"midwatch/k8s"
	"midwatch/k8s/probe"
)

// maxFlipped bounds the pods whose lost readiness is remembered.
const maxFlipped = 2000

// flipIndex remembers how often pods have stopped being ready while they were
// watched: the API keeps the last transition only. A pod that never did costs
// nothing. The world's lock guards it.
type flipIndex struct {
	of map[string]probe.Flaps // by the pod's UID
	// before is the row that is being replaced.
	before *k8s.PodRow
}

func (x *flipIndex) left(p *k8s.PodRow, replaced bool) {
	if replaced {
		x.before = p
		return
	}
	x.before = nil
	delete(x.of, p.UID)
}

func (x *flipIndex) arrived(p *k8s.PodRow) {
	was := x.before
	x.before = nil
	if was == nil || was.UID != p.UID || was.Ready == p.Ready && was.ReadySince.Equal(p.ReadySince) {
		return
	}
	old, known := x.of[p.UID]
	next := old.Next(was.Ready, p.Ready, was.ReadySince, p.ReadySince)
	if len(next.Lost) == 0 || !known && len(x.of) >= maxFlipped {
		return
	}
	if x.of == nil {
		x.of = map[string]probe.Flaps{}
	}
	x.of[p.UID] = next
}

// flapsOf are those of a workload's pods that have lost their readiness, by
// UID.
func (w *world) flapsOf(pods []*k8s.PodRow) map[string]probe.Flaps {
	var out map[string]probe.Flaps
	for _, p := range pods {
		f, ok := w.flips.of[p.UID]
		if !ok {
			continue
		}
		if out == nil {
			out = map[string]probe.Flaps{}
		}
		out[p.UID] = f
	}
	return out
}
