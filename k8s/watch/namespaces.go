package watch

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"midwatch/live"
)

// namespaceList is what a scope can be chosen from. It is read once per
// session, whatever the scope.
type namespaceList struct {
	session *Session
	once    sync.Once
	table   *table[string]
	feed    *feed
}

func newNamespaceList(s *Session) *namespaceList {
	l := &namespaceList{session: s}
	lock := &world{strings: newInterner()} // the table's lock and strings; no workloads
	forget := func(string) {}
	l.table = newTable(lock, of(func(n *corev1.Namespace) string { return n.Name }), forget, forget)
	res := &resource{
		name: namespacesName, topics: []string{TopicNamespaces},
		open: typed(namespacesName, kubernetes.Interface.CoreV1, func() message { return &corev1.Namespace{} }, objectFilter()),
	}
	l.feed = &feed{
		resource: res, cluster: s.opts.Cluster, lister: res.open(s.opts.Cluster, ""), rows: l.table, clock: s.opts.Clock,
		health: newHealth(s.opts.Clock.Now()), kick: make(chan struct{}, 1),
		changed: func() { s.dirty(TopicNamespaces) },
		notable: func() { s.notable(TopicNamespaces, TopicSources) },
		refused: func(*feed) {}, loaded: func(*feed) {},
	}
	return l
}

// startNamespaces begins to read them, after what judges workloads.
func (s *Session) startNamespaces() {
	s.names.once.Do(func() { s.wg.Go(func() { s.names.feed.run(s.ctx) }) })
}

func (l *namespaceList) retry() { l.feed.retry() }

func (l *namespaceList) source() live.Source {
	src := l.feed.health.state(l.session.opts.Clock.Now())
	src.Name = namespacesName
	if l.feed.health.complete() {
		src.Items = l.table.count("")
	}
	return src
}

func (l *namespaceList) value() *Namespaces {
	s := l.feed.health.state(l.session.opts.Clock.Now())
	n := &Namespaces{Known: l.feed.health.complete() && s.State != live.Forbidden, Err: s.Err}
	names := map[string]struct{}{}
	for _, ns := range l.session.knownNamespaces() {
		names[ns] = struct{}{}
	}
	if n.Known {
		clear(names) // a typed name that does not exist is no choice
		l.table.world.mu.Lock()
		for _, h := range l.table.rows {
			names[h.row] = struct{}{}
		}
		l.table.world.mu.Unlock()
	}
	n.Names = slices.Sorted(maps.Keys(names))
	return n
}
