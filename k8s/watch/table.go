package watch

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// held is a row with what its table has to know of the object.
type held[T any] struct {
	namespace, version string
	row                T
}

// table keeps the rows of one resource by UID and tells the world about
// comings and goings. Its methods take the world's lock.
type table[T any] struct {
	world *world
	rows  map[string]held[T]
	// perNamespace counts rows, so that a source's size costs nothing to tell.
	perNamespace map[string]int
	reduce       func(runtime.Object) (T, error)
	// arrived and left keep the world's indexes; they hold its lock.
	arrived, left func(T)
	// swept is told how many rows a complete list had; may be nil.
	swept func(namespace string, listed int)
}

func newTable[T any](w *world, reduce func(runtime.Object) (T, error), arrived, left func(T)) *table[T] {
	return &table[T]{world: w, rows: map[string]held[T]{}, perNamespace: map[string]int{}, reduce: reduce, arrived: arrived, left: left}
}

// of adapts a reduction of one typed object.
func of[O runtime.Object, T any](reduce func(O) T) func(runtime.Object) (T, error) {
	return func(o runtime.Object) (T, error) {
		typed, ok := o.(O)
		if !ok {
			var none T
			return none, fmt.Errorf("read %T where %T was asked for", o, typed)
		}
		return reduce(typed), nil
	}
}

// put reduces the object outside the lock and keeps its row. An object that
// is already known in this version, as most are after a relist, changes
// nothing.
func (t *table[T]) put(o runtime.Object) (string, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return "", fmt.Errorf("read %T: %w", o, err)
	}
	uid, version := string(m.GetUID()), m.GetResourceVersion()
	if t.has(uid, version) {
		return uid, nil
	}
	row, err := t.reduce(o)
	if err != nil {
		return uid, fmt.Errorf("read %s/%s: %w", m.GetNamespace(), m.GetName(), err)
	}
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	t.keep(uid, held[T]{namespace: t.world.strings.intern(m.GetNamespace()), version: version, row: row})
	return uid, nil
}

func (t *table[T]) has(uid, version string) bool {
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	h, ok := t.rows[uid]
	return ok && version != "" && h.version == version
}

// keep stores a row; the caller holds the lock.
func (t *table[T]) keep(uid string, h held[T]) {
	if old, ok := t.rows[uid]; ok {
		t.left(old.row)
	} else {
		t.perNamespace[h.namespace]++
	}
	t.rows[uid] = h
	t.arrived(h.row)
}

func (t *table[T]) drop(uid string) {
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	t.remove(uid)
}

// remove drops a row; the caller holds the lock.
func (t *table[T]) remove(uid string) {
	h, ok := t.rows[uid]
	if !ok {
		return
	}
	delete(t.rows, uid)
	if t.perNamespace[h.namespace]--; t.perNamespace[h.namespace] == 0 {
		delete(t.perNamespace, h.namespace)
	}
	t.left(h.row)
}

func (t *table[T]) sweep(namespace string, seen map[string]struct{}) {
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	for uid, h := range t.rows {
		if _, ok := seen[uid]; !ok && (namespace == "" || h.namespace == namespace) {
			t.remove(uid)
		}
	}
	if t.swept != nil {
		t.swept(namespace, len(seen))
	}
}

func (t *table[T]) count(namespace string) int {
	t.world.mu.Lock()
	defer t.world.mu.Unlock()
	if namespace == "" {
		return len(t.rows)
	}
	return t.perNamespace[namespace]
}
