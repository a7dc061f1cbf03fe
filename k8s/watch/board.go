package watch

import (
	"slices"
	"sync"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// boardCache is the last board and what it was made from.
type boardCache struct {
	mu      sync.Mutex // held while a board is made: one at a time
	board   *Board
	changes uint64
	recheck time.Time
	// ranked are the entries in the order of the last board: one that moves
	// between two boards is cheaper to place than all of them are to sort.
	ranked []*entry
}

// boardNow judges what changed and returns the board, the same one as before
// when nothing did, and when time alone will change it.
func (r *run) boardNow() (*Board, time.Time) {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	// What is said to be complete is asked for first: verdicts may know more
	// than a board admits, never less.
	fresh := &Board{Scope: r.scope, PodsLoading: r.podsLoading(), Loading: r.loading(), Restricted: r.restricted()}
	r.judge()
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &r.board
	skew := r.session.skew()
	if c.board != nil && c.changes == w.changes && sameFlags(c.board, fresh) {
		return c.board, byOurs(c.recheck, skew)
	}
	fresh.Pods, fresh.PodsReady = len(w.podTable.rows), w.podsReady
	fresh.Workloads = make([]*k8s.Workload, 0, len(w.objects))
	c.recheck = time.Time{}
	c.rank(w)
	for _, e := range c.ranked {
		fresh.Workloads = append(fresh.Workloads, e.judged)
		c.recheck = sooner(c.recheck, e.recheck)
	}
	c.board, c.changes = fresh, w.changes
	return fresh, byOurs(c.recheck, skew)
}

// byOurs is a time of the cluster's clock by ours.
func byOurs(t time.Time, skew time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-skew)
}

// rank brings the entries up to date: those that are gone leave, those judged
// for the first time come, all are in order. Entries that arrived since the
// judging are dirty and come with the next board. The caller holds the world's
// lock.
func (c *boardCache) rank(w *world) {
	c.ranked = slices.DeleteFunc(c.ranked, func(e *entry) bool { return w.objects[e.object.UID] != e })
	if len(c.ranked) < len(w.objects) {
		for _, e := range w.objects {
			if e.judged != nil && !e.ranked {
				e.ranked = true
				c.ranked = append(c.ranked, e)
			}
		}
	}
	order := func(a, b *entry) int { return byRank(a.judged, b.judged) }
	if !slices.IsSortedFunc(c.ranked, order) {
		slices.SortFunc(c.ranked, order)
	}
}

func sameFlags(a, b *Board) bool {
	return a.PodsLoading == b.PodsLoading && slices.Equal(a.Loading, b.Loading) && slices.Equal(a.Restricted, b.Restricted)
}

// sooner is the earlier of two times of which zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// sourceNames are the sources in the order of the waves.
func sourceNames(waves [][]*resource) []string {
	var names []string
	for _, wave := range waves {
		for _, res := range wave {
			names = append(names, res.name)
		}
	}
	return names
}

// sources are the states of all feeds of the run, one line for a resource.
func (r *run) sources(now time.Time) []live.Source {
	list := make([]live.Source, 0, 12)
	for _, name := range r.names {
		list = append(list, r.source(name, now))
	}
	return list
}

// source merges the feeds of a resource: the least settled state wins, and a
// refusal in one of several namespaces is told beside the state of the rest.
func (r *run) source(name string, now time.Time) live.Source {
	feeds := r.list(name)
	if len(feeds) == 0 {
		return live.Source{Name: name, State: live.Loading, Since: r.since}
	}
	var refusal foreign.Text
	merged := live.Source{Since: r.since}
	items := 0
	for i, f := range feeds {
		s := f.health.state(now)
		if f.health.complete() {
			s.Items = f.rows.count(f.namespace)
		}
		if s.State == live.Forbidden && refusal == "" {
			refusal = s.Err
		}
		items += s.Items
		if i == 0 || rank(s.State) < rank(merged.State) {
			heard := merged.Heard
			merged = s
			merged.Heard = later(heard, s.Heard)
		} else {
			merged.Heard = later(merged.Heard, s.Heard)
		}
	}
	merged.Name, merged.Items = name, items
	if merged.Err == "" {
		merged.Err = refusal
	}
	return merged
}

// rank orders states by how much is still to come of them.
func rank(s live.State) int {
	return slices.Index([]live.State{live.Loading, live.Unreachable, live.Stale, live.Ready, live.Forbidden, live.Absent}, s)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// worst merges the states of the sources something was made from.
func worst(sources []live.Source) live.Source {
	return slices.MinFunc(sources, func(a, b live.Source) int { return rank(a.State) - rank(b.State) })
}

// standing is the state of a snapshot made from these resources, and when it
// changes by itself.
func (r *run) standing(now time.Time, names ...string) (live.Source, time.Time) {
	list := make([]live.Source, 0, len(names))
	var recheck time.Time
	for _, name := range names {
		s := r.source(name, now)
		if s.State == live.Unreachable && !s.Heard.IsZero() {
			recheck = sooner(recheck, s.Heard.Add(live.StaleAfter))
		}
		list = append(list, s)
	}
	return worst(list), recheck
}

// podsLoading reports whether pods of the scope are still to come.
func (r *run) podsLoading() bool {
	feeds := r.list(podsName)
	return len(feeds) == 0 || slices.ContainsFunc(feeds, func(f *running) bool { return !f.health.over() })
}

// loading names the resources whose first answer is not complete.
func (r *run) loading() []string {
	var names []string
	for _, name := range r.names {
		feeds := r.list(name)
		if len(feeds) == 0 || slices.ContainsFunc(feeds, func(f *running) bool { return !f.health.over() }) {
			names = append(names, name)
		}
	}
	return names
}

// restricted says what may not be read.
func (r *run) restricted() []string {
	var list []string
	for _, name := range r.names {
		instead := ""
		feeds := r.list(name)
		for _, f := range feeds {
			if f.instead && f.health.refusal() == "" {
				if instead != "" {
					instead += ", "
				}
				instead += f.namespace
			}
		}
		for _, f := range feeds {
			why := f.health.refusal()
			if why == "" {
				continue
			}
			if f.namespace == "" && instead != "" {
				why += foreign.Text("; reading " + instead + " only")
			}
			list = append(list, why.String())
		}
	}
	return list
}
