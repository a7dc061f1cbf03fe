package profilepane

import (
	"cmp"
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"midwatch/profiles/capture"
	"midwatch/profiles/diff"
	"midwatch/profiles/summary"
	"midwatch/profiles/tree"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// comparison is two sides as they are looked at.
type comparison struct {
	title     string // "cpu, new revision against old"
	base, now []*capture.Profile
	notes     []string
	mode      diff.Mode
	typ       string

	diff    *diff.Diff
	lines   []string
	table   *widget.Table[diff.Row]
	flame   flame
	onFlame bool
	err     string

	query string
	back  mode
}

// comparedMsg is a comparison that was made off the UI goroutine.
type comparedMsg struct {
	of    *comparison
	diff  *diff.Diff
	tree  *tree.Tree
	lines []string
	err   error
}

// sideOf is a side with its requests, if they are known of every pod; why says
// what is not known.
func sideOf(list []*capture.Profile) (s diff.Side, why string) {
	for _, p := range list {
		s.Profiles = append(s.Profiles, p.Profile)
		s.Requests += p.Requests.Count
		if p.Requests.Count <= 0 && why == "" {
			why = cmp.Or(p.Requests.Why, "the requests of "+p.Target.Pod.Name+" were not counted")
		}
	}
	if why != "" {
		s.Requests = 0
	}
	return s, why
}

// served is how many requests a side's pods served.
func served(list []*capture.Profile) (n float64) {
	for _, p := range list {
		n += p.Requests.Count
	}
	return n
}

// compare makes the comparison of two sides.
func (p *Pane) compare(c *comparison) tea.Cmd {
	c.table = widget.NewTable(func(r diff.Row) string { return r.Name.String() })
	c.back = p.mode
	if p.shown != nil {
		c.back = showing
	} else if c.back != showing {
		c.back = choosing
	}
	p.sides, p.mode = c, comparing
	return p.recompare()
}

func (p *Pane) recompare() tea.Cmd {
	c := p.sides
	o := diff.Options{Type: c.typ, Mode: c.mode}
	base, whyBase := sideOf(c.base)
	now, whyNow := sideOf(c.now)
	if why := cmp.Or(whyNow, whyBase); c.mode == diff.PerRequest && why != "" {
		c.err = "not per request: " + why
		return nil
	}
	return pane.Run(p.env.Tasks, p.id, "compare", "compare the sides", buildWithin, func(context.Context) (tea.Msg, error) {
		d, err := diff.Compare(base, now, o)
		if err != nil {
			return comparedMsg{of: c, err: err}, nil
		}
		return comparedMsg{of: c, diff: d, tree: treeOf(d), lines: summary.Diff(d)}, nil
	})
}

// treeOf lays both sides over each other: a box is as wide as both shares
// together, so that what is new and what is gone have room, and children stay
// in order of name, so that nothing jumps.
func treeOf(d *diff.Diff) *tree.Tree {
	const whole = 1 << 40
	part := func(v, total int64) int64 {
		if total == 0 {
			return 0
		}
		return int64(float64(v) / float64(total) * whole)
	}
	t := &tree.Tree{Type: d.Type, Frames: d.Frames, Nodes: make([]tree.Node, len(d.Nodes)), Total: 2 * whole}
	for i, n := range d.Nodes {
		x := &t.Nodes[i]
		x.Parent, x.Frame = n.Parent, n.Frame
		x.Self = part(n.Base.Flat, d.Base.Value) + part(n.New.Flat, d.New.Value)
	}
	for i := len(t.Nodes) - 1; i >= 0; i-- {
		x := &t.Nodes[i]
		x.Cum += x.Self
		x.Weight = max(x.Cum, -x.Cum)
		if x.Parent >= 0 {
			t.Nodes[x.Parent].Cum += x.Cum
			t.Nodes[x.Parent].Children++
		}
	}
	return t.ByName()
}

func (p *Pane) comparedSides(msg comparedMsg) {
	c := msg.of
	if p.sides != c {
		return
	}
	if msg.err != nil {
		c.err = line(msg.err)
		if c.diff == nil {
			c.lines = nil
		}
		return
	}
	c.err, c.diff, c.lines = "", msg.diff, msg.lines
	c.flame.paint = c.paintNode
	c.flame.setTree(msg.tree)
	c.table.SetColumns(compareColumns(c.diff)...)
	c.narrow()
}

// narrow keeps the rows that match what is searched for.
func (c *comparison) narrow() {
	if c.diff == nil {
		return
	}
	rows := c.diff.Rows
	if c.query != "" {
		match, err := tree.Matcher(c.query)
		if err != nil {
			return
		}
		rows = nil
		for _, r := range c.diff.Rows {
			if match(c.diff.Frames[r.Frame]) {
				rows = append(rows, r)
			}
		}
	}
	c.table.SetRows(rows[:min(len(rows), mostRows)])
}

func (c *comparison) search(query string) error {
	if query != "" {
		if _, err := tree.Matcher(query); err != nil {
			return err
		}
	}
	c.query = query
	c.narrow()
	return nil
}

// shares are a node's parts of both sides, in per cent.
func (c *comparison) shares(n int32) (base, now float64) {
	x := &c.diff.Nodes[n]
	return percent(x.Base.Cum, c.diff.Base.Value), percent(x.New.Cum, c.diff.New.Value)
}

func percent(v, total int64) float64 {
	if total == 0 {
		return 0
	}
	return 100 * float64(v) / float64(total)
}

// paintNode is the look of a box: how much of it is new, against how much is
// gone; a change of less than half a point is none.
func (c *comparison) paintNode(n int32) (theme.Token, string) {
	base, now := c.shares(n)
	delta := now - base
	size, sign := 0.0, ""
	if delta >= 0.5 || delta <= -0.5 {
		size = delta / max(base, now)
	}
	switch {
	case size > 0 && base == 0:
		sign = "+"
	case size < 0 && now == 0:
		sign = "-"
	case size > 0:
		sign = "▲"
	case size < 0:
		sign = "▼"
	}
	if sign != "" {
		sign = fmt.Sprintf("%s%.1f ", sign, max(delta, -delta))
	}
	return theme.Change(size), sign
}

// nextMode goes to the next unit that both sides can be counted in.
func (c *comparison) nextMode() {
	order := []diff.Mode{diff.Share, diff.Cores, diff.PerRequest, diff.Absolute}
	now := c.mode
	if now == diff.Auto && c.diff != nil {
		now = c.diff.Mode
	}
	for i, m := range order {
		if m == now {
			c.mode = order[(i+1)%len(order)]
			return
		}
	}
	c.mode = diff.Share
}

// nextType goes to the next sample type of both sides.
func (c *comparison) nextType() {
	types := c.base[0].Types
	for i, t := range types {
		if c.diff != nil && t == c.diff.Type {
			c.typ = types[(i+1)%len(types)].Type
			return
		}
	}
}
