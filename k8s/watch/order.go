package watch

import (
	"cmp"
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
	if len(o.fresh)+len(o.gone) > fewChanges {
		o.sorted = o.sortAll()
	} else {
		o.sorted = o.patched()
	}
	clear(o.fresh)
	clear(o.gone)
	return o.sorted
}

// fewChanges is up to where patching a copy is cheaper than sorting.
const fewChanges = 256

// patched is a copy of the list with the changes put in place. A pod that
// changed left and arrived under the same name.
func (o *podOrder) patched() []*k8s.PodRow {
	list := make([]*k8s.PodRow, len(o.sorted), len(o.sorted)+len(o.fresh))
	copy(list, o.sorted)
	for p := range o.fresh {
		if i, found := slices.BinarySearchFunc(list, p, byName); found {
			list[i] = p
		} else {
			list = slices.Insert(list, i, p)
		}
	}
	for p := range o.gone {
		if i, found := slices.BinarySearchFunc(list, p, byName); found && list[i] == p {
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

func (o *podOrder) sortAll() []*k8s.PodRow {
	list := make([]*k8s.PodRow, 0, len(o.sorted)+len(o.fresh))
	for _, p := range o.sorted {
		if _, ok := o.gone[p]; !ok {
			list = append(list, p)
		}
	}
	for p := range o.fresh {
		list = append(list, p)
	}
	slices.SortFunc(list, byName)
	return list
}

func byName(a, b *k8s.PodRow) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}
