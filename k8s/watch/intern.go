package watch

import "sync"

// internLimit bounds the table: beyond it, it starts anew. Rows keep the
// strings they have; only the sharing between old and new rows ends. A
// cluster of 50,000 pods has some thousands of nodes, ReplicaSets and images.
const internLimit = 32 << 10

// interner makes equal strings share their bytes: of 20 pods of a ReplicaSet
// only name and UID differ. It is safe for concurrent use.
type interner struct {
	mu    sync.Mutex
	table map[string]string
}

func newInterner() *interner { return &interner{table: map[string]string{}} }

// intern returns a string equal to s that other rows share.
func (in *interner) intern(s string) string {
	if s == "" {
		return ""
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if shared, ok := in.table[s]; ok {
		return shared
	}
	if len(in.table) >= internLimit {
		clear(in.table)
	}
	in.table[s] = s
	return s
}
