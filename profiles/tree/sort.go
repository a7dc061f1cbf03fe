package tree

import "slices"

// link orders each node's children. Parents come before their children in
// t.Nodes, so one pass over a sorted list of all nodes is enough.
func (t *Tree) link(less func(a, b *Node) int) {
	// Group children by parent: counting sort into one slice.
	start := make([]int32, len(t.Nodes)+1)
	for i := 1; i < len(t.Nodes); i++ {
		start[t.Nodes[i].Parent+1]++
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	order := make([]int32, len(t.Nodes))
	fill := append([]int32(nil), start...)
	for i := 1; i < len(t.Nodes); i++ {
		p := t.Nodes[i].Parent
		order[fill[p]] = int32(i)
		fill[p]++
	}
	for p := range t.Nodes {
		group := order[start[p]:start[p+1]]
		if len(group) > 1 {
			slices.SortFunc(group, func(a, b int32) int { return less(&t.Nodes[a], &t.Nodes[b]) })
		}
		t.Nodes[p].FirstChild = -1
		for k := len(group) - 1; k >= 0; k-- {
			t.Nodes[group[k]].NextSibling = t.Nodes[p].FirstChild
			t.Nodes[p].FirstChild = group[k]
		}
	}
}

// ByName returns a tree whose children are in order of name rather than size,
// for views that must not jump when numbers change: live and diff.
func (t *Tree) ByName() *Tree {
	c := *t
	c.byName = true
	c.Nodes = slices.Clone(t.Nodes)
	c.link(func(a, b *Node) int { return compareText(t.Frames[a.Frame].Name, t.Frames[b.Frame].Name) })
	return &c
}
