package watch

import (
	"cmp"
	"maps"
	"slices"

	"midwatch/k8s"
)

// podOrder keeps all pods of a world by namespace and name, so that the list
// of 10,000 need not be sorted anew for every change: changes are gathered
// and merged in when somebody looks.
type podOrder struct {
	sorted []*k8s.PodRow // immutable once handed out
	gone   map[*k8s.PodRow]struct{}
	fresh  map[*k8s.PodRow]struct{}
}

func (o *podOrder) arrived(p *k8s.PodRow) {
	if o.fresh == nil {
		o.fresh, o.gone = map[*k8s.PodRow]struct{}{}, map[*k8s.PodRow]struct{}{}
	}
	o.fresh[p] = struct{}{}
}

func (o *podOrder) left(p *k8s.PodRow) {
	if _, ok := o.fresh[p]; ok {
		delete(o.fresh, p)
		return
	}
	o.gone[p] = struct{}{}
}

// all returns the pods in order. The slice is never written again; the same
// one is returned until something changes.
func (o *podOrder) all() []*k8s.PodRow {
	if len(o.fresh) == 0 && len(o.gone) == 0 {
		return o.sorted
	}
	fresh := slices.SortedFunc(maps.Keys(o.fresh), byName)
	merged := make([]*k8s.PodRow, 0, len(o.sorted)+len(fresh)-len(o.gone))
	for _, p := range o.sorted {
		if _, ok := o.gone[p]; ok {
			continue
		}
		for len(fresh) > 0 && byName(fresh[0], p) < 0 {
			merged, fresh = append(merged, fresh[0]), fresh[1:]
		}
		merged = append(merged, p)
	}
	o.sorted = append(merged, fresh...)
	o.fresh, o.gone = map[*k8s.PodRow]struct{}{}, map[*k8s.PodRow]struct{}{}
	return o.sorted
}

func byName(a, b *k8s.PodRow) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}
