package apiserver

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Key names one stored object.
type Key struct {
	Resource        schema.GroupResource
	Namespace, Name string
}

func (k Key) String() string {
	return fmt.Sprintf("%s %s/%s", k.Resource, k.Namespace, k.Name)
}

// Change is one write: what was (nil when added) and what is (the last state when deleted).
type Change struct {
	Key Key
	// RV is the resourceVersion the write was given.
	RV       uint64
	Type     watch.EventType
	Old, New Object
}

// Store holds every object of one server. It is safe for concurrent use; objects it returns are shared and must not be modified.
type Store struct {
	now     func() time.Time
	history int

	mu         sync.RWMutex
	ids        *idSource
	rv         uint64
	kinds      map[schema.GroupResource]*bucket
	dependents map[types.UID]map[Key]struct{}
	observers  []func(Change)
}

// bucket is one resource's objects and the tail of its changes.
type bucket struct {
	res     *Resource
	objects map[types.NamespacedName]Object
	order   []types.NamespacedName // sorted; nil when it must be rebuilt
	changes []Change               // ascending RV, at most 2*history
	floor   uint64                 // changes up to and including this RV are forgotten
	notify  chan struct{}          // closed and replaced by every write
}

func newStore(o Options) *Store {
	return &Store{
		now: o.Now, history: o.History, ids: newIDSource(o.Seed), rv: o.FirstVersion,
		kinds: map[schema.GroupResource]*bucket{}, dependents: map[types.UID]map[Key]struct{}{},
	}
}

func (s *Store) register(res *Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[res.GroupResource()] = &bucket{
		res: res, objects: map[types.NamespacedName]Object{}, notify: make(chan struct{}), floor: s.rv,
	}
}

// Observe calls fn after every write, in order, with the store locked: fn must return at once and must not use the store.
func (s *Store) Observe(fn func(Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers, fn)
}

// Get returns the object, or false when there is none.
func (s *Store) Get(gr schema.GroupResource, namespace, name string) (Object, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.kinds[gr]
	if b == nil {
		return nil, false
	}
	o, ok := b.objects[types.NamespacedName{Namespace: namespace, Name: name}]
	return o, ok
}

// List returns the objects of a namespace ("" means all) in the order of namespace and name.
func (s *Store) List(gr schema.GroupResource, namespace string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.kinds[gr]
	if b == nil {
		return nil
	}
	return b.list(namespace)
}

// Dependents returns the keys of the objects whose ownerReferences name the UID, in a stable order.
func (s *Store) Dependents(uid types.UID) []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dependentsLocked(uid)
}

func (s *Store) dependentsLocked(uid types.UID) []Key {
	return slices.SortedFunc(maps.Keys(s.dependents[uid]), func(a, b Key) int { return strings.Compare(a.String(), b.String()) })
}

// Version returns the resourceVersion of the last write.
func (s *Store) Version() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rv
}

// Resources returns the registered kinds in the order of group, version and name.
func (s *Store) Resources() []*Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Resource, 0, len(s.kinds))
	for _, b := range s.kinds {
		out = append(out, b.res)
	}
	slices.SortFunc(out, func(a, b *Resource) int {
		return strings.Compare(a.Group+"/"+a.Version+"/"+a.Plural, b.Group+"/"+b.Version+"/"+b.Plural)
	})
	return out
}

// list must be called with the store locked for writing: it may rebuild the order.
func (b *bucket) list(namespace string) []Object {
	if b.order == nil {
		b.order = slices.SortedFunc(maps.Keys(b.objects), compareNames)
	}
	out := make([]Object, 0, len(b.order))
	for _, k := range b.order {
		if namespace == "" || k.Namespace == namespace {
			out = append(out, b.objects[k])
		}
	}
	return out
}

func compareNames(a, b types.NamespacedName) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// snapshot returns the objects as they were at resourceVersion at (0 means now) and the version they stand for. ok is false when
// the history no longer reaches back that far.
func (s *Store) snapshot(b *bucket, namespace string, at uint64) (objs []Object, rv uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == 0 || at >= s.rv {
		return b.list(namespace), s.rv, true
	}
	if at < b.floor {
		return nil, 0, false
	}
	past := maps.Clone(b.objects)
	for _, c := range slices.Backward(b.changes) {
		if c.RV <= at {
			break
		}
		name := types.NamespacedName{Namespace: c.Key.Namespace, Name: c.Key.Name}
		if c.Type == watch.Added {
			delete(past, name)
		} else {
			past[name] = c.Old
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(past), compareNames) {
		if namespace == "" || name.Namespace == namespace {
			objs = append(objs, past[name])
		}
	}
	return objs, at, true
}

// since returns the changes after rv and a channel that is closed by the next write. ok is false when rv is too old.
func (s *Store) since(b *bucket, rv uint64) (changes []Change, next <-chan struct{}, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if rv < b.floor {
		return nil, nil, false
	}
	i, _ := slices.BinarySearchFunc(b.changes, rv+1, func(c Change, v uint64) int {
		switch {
		case c.RV < v:
			return -1
		case c.RV > v:
			return 1
		}
		return 0
	})
	return slices.Clone(b.changes[i:]), b.notify, true
}

// commit stores (or with watch.Deleted removes) an object and tells everyone. The caller holds the lock and gives up obj.
func (s *Store) commit(b *bucket, typ watch.EventType, old, obj Object) {
	s.rv++
	obj.SetResourceVersion(strconv.FormatUint(s.rv, 10))
	name := types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	key := Key{Resource: b.res.GroupResource(), Namespace: name.Namespace, Name: name.Name}
	if old != nil {
		s.unindex(key, old)
	}
	if typ == watch.Deleted {
		delete(b.objects, name)
		b.order = nil
	} else {
		if old == nil {
			b.order = nil
		}
		b.objects[name] = obj
		s.index(key, obj)
	}
	change := Change{Key: key, RV: s.rv, Type: typ, Old: old, New: obj}
	b.remember(change, s.history)
	for _, fn := range s.observers {
		fn(change)
	}
}

func (b *bucket) remember(c Change, limit int) {
	b.changes = append(b.changes, c)
	if len(b.changes) > 2*limit {
		drop := len(b.changes) - limit
		b.floor = b.changes[drop-1].RV
		b.changes = slices.Clone(b.changes[drop:])
	}
	close(b.notify)
	b.notify = make(chan struct{})
}

func (s *Store) index(key Key, obj Object) {
	for _, ref := range obj.GetOwnerReferences() {
		set := s.dependents[ref.UID]
		if set == nil {
			set = map[Key]struct{}{}
			s.dependents[ref.UID] = set
		}
		set[key] = struct{}{}
	}
}

func (s *Store) unindex(key Key, obj Object) {
	for _, ref := range obj.GetOwnerReferences() {
		set := s.dependents[ref.UID]
		delete(set, key)
		if len(set) == 0 {
			delete(s.dependents, ref.UID)
		}
	}
}

// Compact forgets the history of every resource: a watch from an older version gets 410 Expired, as after etcd's compaction.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.kinds {
		b.changes, b.floor = nil, s.rv
	}
}
