package watch

import (
	"cmp"
	"slices"

	"midwatch/k8s"
)

// keptEvents bounds the Warning events held: 10,000 pods that do not fit
// leave as many within an hour, and nobody reads more than the newest.
const keptEvents = 5000

// eventIndex finds events by what they speak of.
type eventIndex struct {
	about map[string][]*k8s.Event // by the object's UID, or Ref.Key() without one
	// dropped counts the older ones let go, per namespace of the feed.
	dropped map[string]int
	sorted  []*k8s.Event // cache of newestFirst; nil when it is out of date
}

func newEventIndex() eventIndex {
	return eventIndex{about: map[string][]*k8s.Event{}, dropped: map[string]int{}}
}

func involved(e *k8s.Event) string {
	if e.Involved.UID != "" {
		return e.Involved.UID
	}
	return e.Involved.Key()
}

func (x *eventIndex) add(e *k8s.Event) {
	x.about[involved(e)] = append(x.about[involved(e)], e)
	x.sorted = nil
}

func (x *eventIndex) remove(e *k8s.Event) {
	takeOut(x.about, involved(e), e)
	x.sorted = nil
}

// of appends the events about an object.
func (x *eventIndex) of(list []*k8s.Event, r k8s.Ref) []*k8s.Event {
	if r.UID != "" {
		list = append(list, x.about[r.UID]...)
	}
	return append(list, x.about[r.Key()]...)
}

func (x *eventIndex) droppedAll() (n int) {
	for _, d := range x.dropped {
		n += d
	}
	return n
}

func newestFirst(a, b *k8s.Event) int {
	return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.UID, b.UID))
}

// trimEvents lets the oldest go when there are a quarter too many; the caller
// holds the lock.
func (w *world) trimEvents() {
	if len(w.eventTable.rows) <= keptEvents+keptEvents/4 {
		return
	}
	for _, e := range w.sortedEvents()[keptEvents:] {
		ns := w.eventTable.rows[e.UID].namespace
		w.eventTable.remove(e.UID)
		w.events.dropped[ns]++
	}
}

// eventsSwept corrects the count of dropped events after a complete list:
// what the list had and the table has not.
func (w *world) eventsSwept(namespace string, listed int) {
	if namespace == "" {
		clear(w.events.dropped)
		w.events.dropped[""] = max(0, listed-len(w.eventTable.rows))
		return
	}
	w.events.dropped[namespace] = max(0, listed-w.eventTable.perNamespace[namespace])
}

// sortedEvents are all events held, the newest first; the caller holds the
// lock and does not write to the slice.
func (w *world) sortedEvents() []*k8s.Event {
	if w.events.sorted == nil {
		list := make([]*k8s.Event, 0, len(w.eventTable.rows))
		for _, h := range w.eventTable.rows {
			list = append(list, h.row)
		}
		slices.SortFunc(list, newestFirst)
		w.events.sorted = list
	}
	return w.events.sorted
}
