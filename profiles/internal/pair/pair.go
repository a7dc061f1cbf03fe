// Package pair holds the one hash table that the profile packages spend their
// time in: from (parent node, symbol) to child node.
//
// Go's map costs about three times as much for such keys, and a profile of a
// million samples asks sixty million times.
package pair

// Map maps a pair of non-negative numbers to a third. The zero value is ready
// to use. It is not safe for concurrent use.
type Map struct {
	slots []slot
	n     int
}

// slot keeps key and value together: one cache line a look-up. A key is
// stored plus one, so that zero means empty.
type slot struct {
	key   uint64
	value int32
}

func hash(key uint64) uint64 {
	key *= 0x9e3779b97f4a7c15
	return key ^ key>>29
}

// Add returns the value of (a, b). When there is none it stores next and
// reports true.
func (m *Map) Add(a, b, next int32) (value int32, added bool) {
	if m.n*4 >= len(m.slots)*3 {
		m.grow()
	}
	key := uint64(uint32(a))<<32 + uint64(uint32(b)) + 1
	mask := uint64(len(m.slots) - 1)
	for i := hash(key) & mask; ; i = (i + 1) & mask {
		s := &m.slots[i]
		if s.key == key {
			return s.value, false
		}
		if s.key == 0 {
			s.key, s.value = key, next
			m.n++
			return next, true
		}
	}
}

// Get returns the value of (a, b), or false.
func (m *Map) Get(a, b int32) (int32, bool) {
	if m.n == 0 {
		return 0, false
	}
	key := uint64(uint32(a))<<32 + uint64(uint32(b)) + 1
	mask := uint64(len(m.slots) - 1)
	for i := hash(key) & mask; ; i = (i + 1) & mask {
		switch s := m.slots[i]; s.key {
		case key:
			return s.value, true
		case 0:
			return 0, false
		}
	}
}

// Reserve makes room for n pairs.
func (m *Map) Reserve(n int) {
	size := 64
	for size*3 < n*4 {
		size *= 2
	}
	if size > len(m.slots) {
		m.resize(size)
	}
}

// Len returns how many pairs are stored.
func (m *Map) Len() int { return m.n }

func (m *Map) grow() { m.resize(max(64, 2*len(m.slots))) }

func (m *Map) resize(size int) {
	old := m.slots
	m.slots = make([]slot, size)
	mask := uint64(len(m.slots) - 1)
	for _, s := range old {
		if s.key == 0 {
			continue
		}
		i := hash(s.key) & mask
		for m.slots[i].key != 0 {
			i = (i + 1) & mask
		}
		m.slots[i] = s
	}
}
