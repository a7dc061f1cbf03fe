package capture

// What is kept of earlier captures, to compare with later ones.
const (
	mostKept      = 12
	mostKeptBytes = 64 << 20
)

// keep remembers a capture until newer ones push it out.
func (t *Taker) keep(p *Profile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p)
	bytes := 0
	for i := len(t.kept) - 1; i >= 0; i-- {
		if bytes += len(t.kept[i].Raw); len(t.kept)-i > mostKept || bytes > mostKeptBytes && i < len(t.kept)-1 {
			t.kept = append([]*Profile(nil), t.kept[i+1:]...)
			return
		}
	}
}

// Earlier returns captures of the same kind from the same workload that were
// taken before p, the newest first; those of the same pod come first.
func (t *Taker) Earlier(p *Profile) []*Profile {
	t.mu.Lock()
	defer t.mu.Unlock()
	var same, others []*Profile
	for i := len(t.kept) - 1; i >= 0; i-- {
		k := t.kept[i]
		if k == p || k.Req.Kind != p.Req.Kind || k.Target.workload() != p.Target.workload() || k.At.After(p.At) {
			continue
		}
		if k.Target.Pod.Name == p.Target.Pod.Name {
			same = append(same, k)
		} else {
			others = append(others, k)
		}
	}
	return append(same, others...)
}
