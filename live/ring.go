package live

import "sync"

// Ring keeps the newest facts of a kind that must not vanish unseen, and
// counts those that had to make room. It is safe for concurrent use.
type Ring[T any] struct {
	mu    sync.Mutex
	items []T
	start int    // index of the oldest item once the ring is full
	added uint64 // how many were ever added
	limit int
}

// NewRing makes a ring that holds at most limit facts.
func NewRing[T any](limit int) *Ring[T] { return &Ring[T]{limit: max(limit, 1)} }

// Add appends facts, dropping the oldest when the ring is full.
func (r *Ring[T]) Add(facts ...T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range facts {
		if len(r.items) < r.limit {
			r.items = append(r.items, f)
		} else {
			r.items[r.start] = f
			r.start = (r.start + 1) % r.limit
		}
		r.added++
	}
}

// Since returns the facts added after the first n, oldest first, how many
// have ever been added, and how many of the asked-for ones fell out before
// they could be read.
func (r *Ring[T]) Since(n uint64) (facts []T, added, lost uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.added - uint64(len(r.items))
	if n < oldest {
		lost, n = oldest-n, oldest
	}
	if n > r.added {
		n = r.added
	}
	facts = make([]T, 0, r.added-n)
	for i := n - oldest; i < uint64(len(r.items)); i++ {
		facts = append(facts, r.items[(r.start+int(i))%len(r.items)])
	}
	return facts, r.added, lost
}

// Dropped is how many facts have fallen out so far.
func (r *Ring[T]) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.added - uint64(len(r.items))
}
