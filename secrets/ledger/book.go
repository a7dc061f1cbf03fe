package ledger

import (
	"slices"
	"time"

	"midwatch/foreign"
	"midwatch/secrets"
	"midwatch/vault/lease"
)

// maxKnown bounds how many leases are remembered: those of operators, and
// those that somebody looked at.
const maxKnown = 2000

// book is what is known of leases.
type book struct {
	byID   map[lease.ID]*lease.Lease
	byPath map[foreign.Text][]*lease.Lease
	order  []lease.ID // the oldest first
}

func newBook() *book {
	return &book{byID: map[lease.ID]*lease.Lease{}, byPath: map[foreign.Text][]*lease.Lease{}}
}

// add remembers a lease, in the place of what was known of it. What could not
// be read teaches nothing.
func (b *book) add(l lease.Lease) {
	if l.Err != nil {
		return
	}
	b.forget(l.ID)
	b.byID[l.ID] = &l
	b.byPath[l.ID.Path()] = append(b.byPath[l.ID.Path()], &l)
	b.order = append(b.order, l.ID)
	for len(b.order) > maxKnown {
		b.forget(b.order[0])
	}
}

func (b *book) forget(id lease.ID) {
	if b.byID[id] == nil {
		return
	}
	delete(b.byID, id)
	path := id.Path()
	b.byPath[path] = slices.DeleteFunc(b.byPath[path], func(l *lease.Lease) bool { return l.ID == id })
	if len(b.byPath[path]) == 0 {
		delete(b.byPath, path)
	}
	b.order = slices.DeleteFunc(b.order, func(x lease.ID) bool { return x == id })
}

// current is what Vault said of the lease that an operator holds, unless the
// operator renewed it since; nil when that is not known.
func (b *book) current(h *secrets.Held) *lease.Lease {
	if h.Lease == "" {
		return nil
	}
	l := b.byID[lease.ID(h.Lease)]
	// The operator's times have no fractions.
	if l == nil || l.ReadAt.Before(h.Renewed.Add(-time.Second)) {
		return nil
	}
	return l
}
