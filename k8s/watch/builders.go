package watch

import (
	"cmp"
	"context"
	"slices"
	"time"

	"midwatch/k8s"
	"midwatch/live"
)

// provide tells the hub who builds the topics of this package.
func (s *Session) provide() {
	if s.opts.Hub == nil {
		return
	}
	for name, build := range map[string]func(live.Topic, time.Time) live.Snapshot{
		TopicBoard: s.buildBoard, TopicWorkload: s.buildWorkload, TopicPods: s.buildPods,
		TopicEvents: s.buildEvents, TopicSources: s.buildSources, TopicNamespaces: s.buildNamespaces,
	} {
		s.opts.Hub.Provide(name, func(_ context.Context, t live.Topic, now time.Time) live.Snapshot { return build(t, now) })
	}
}

// judgedFrom are the resources a board cannot do without.
func judgedFrom() []string { return []string{deploymentsName, statefulSetsName, daemonSetsName} }

// sourceOfKind is the source of the workload with a key.
func sourceOfKind(key string) string {
	ref, err := k8s.ParseKey(key)
	if err != nil {
		return deploymentsName
	}
	switch ref.Kind {
	case k8s.StatefulSet:
		return statefulSetsName
	case k8s.DaemonSet:
		return daemonSetsName
	case k8s.Rollout:
		return rolloutsName
	}
	return deploymentsName
}

// snapshot carries the state of the sources a value was made from.
func snapshot(s live.Source, value any, recheck time.Time) live.Snapshot {
	return live.Snapshot{State: s.State, Since: s.Since, Err: s.Err, Value: value, Recheck: recheck}
}

func (s *Session) buildBoard(_ live.Topic, now time.Time) live.Snapshot {
	r := s.current()
	board, recheck := r.boardNow()
	state, stale := r.standing(now, judgedFrom()...)
	return snapshot(state, board, sooner(recheck, stale))
}

func (s *Session) buildWorkload(t live.Topic, now time.Time) live.Snapshot {
	r := s.current()
	s.Select(t.Key)
	_, recheck := r.boardNow()
	state, stale := r.standing(now, sourceOfKind(t.Key))
	return snapshot(state, r.detail(t.Key, state.State), sooner(recheck, stale))
}

// detail gathers one workload.
func (r *run) detail(key string, state live.State) *Detail {
	known := r.known()
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byKey[key]
	if e == nil || e.judged == nil {
		return &Detail{Missing: e == nil && state == live.Ready, PodsLoading: state == live.Loading}
	}
	d := &Detail{Workload: e.judged, PodsLoading: !e.judged.PodsKnown && !known.pods(e.object.Namespace)}
	d.Pods = w.podsFor(e, &setGuesses{world: w})
	d.Events = w.eventsFor(e, d.Pods)
	d.Flaps = w.flapsOf(d.Pods)
	slices.SortStableFunc(d.Pods, byRevision(e.judged))
	return d
}

// byRevision puts the pods of the newest revision first.
func byRevision(w *k8s.Workload) func(a, b *k8s.PodRow) int {
	place := map[string]int{w.Rollout.Revision.Hash: -1}
	for i, rev := range w.Rollout.Revisions {
		if _, ok := place[rev.Hash]; !ok {
			place[rev.Hash] = i
		}
	}
	at := func(p *k8s.PodRow) int {
		if i, ok := place[p.Revision]; ok {
			return i
		}
		return len(place)
	}
	return func(a, b *k8s.PodRow) int { return cmp.Compare(at(a), at(b)) }
}

func (s *Session) buildPods(t live.Topic, now time.Time) live.Snapshot {
	r := s.current()
	state, recheck := r.standing(now, podsName)
	list := &PodList{}
	if t.Key == "" {
		r.world.mu.Lock()
		list.Pods = r.world.pods.all()
		r.world.mu.Unlock()
		list.Loading = r.podsLoading()
	} else {
		s.Select(t.Key)
		r.boardNow()
		d := r.detail(t.Key, state.State)
		list.Pods, list.Loading = d.Pods, d.PodsLoading
		if d.Workload != nil && d.Workload.PodsKnown && state.State == live.Loading {
			state.State = live.Ready
		}
	}
	list.Total = len(list.Pods)
	return snapshot(state, list, recheck)
}

func (s *Session) buildEvents(t live.Topic, now time.Time) live.Snapshot {
	r := s.current()
	state, recheck := r.standing(now, eventsName)
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	list := &EventList{Loading: state.State == live.Loading, Dropped: w.events.droppedAll()}
	switch e := w.byKey[t.Key]; {
	case t.Key == "":
		list.Events = w.sortedEvents()
	case e != nil:
		list.Events = w.eventsFor(e, w.podsFor(e, &setGuesses{world: w}))
	default:
		for _, ev := range w.sortedEvents() {
			if ev.Involved.Key() == t.Key {
				list.Events = append(list.Events, ev)
			}
		}
	}
	return snapshot(state, list, recheck)
}

func (s *Session) buildSources(_ live.Topic, now time.Time) live.Snapshot {
	r := s.current()
	list := append(r.sources(now), s.names.source())
	_, recheck := r.standing(now, r.names...)
	return live.Snapshot{State: live.Ready, Value: list, Recheck: recheck}
}

func (s *Session) buildNamespaces(live.Topic, time.Time) live.Snapshot {
	src := s.names.source()
	if src.State == live.Forbidden {
		src.State = live.Ready // the names known otherwise are the answer; Err says so
	}
	return snapshot(src, s.names.value(), time.Time{})
}
