package profilepane

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"midwatch/live"
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

// show makes the comparison of two sides.
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

func compareColumns(d *diff.Diff) []widget.Column[diff.Row] {
	token := func(r diff.Row) theme.Token {
		switch r.Verdict {
		case diff.Regression:
			return theme.Fail
		case diff.Improvement:
			return theme.OK
		case diff.Through, diff.Within:
			return theme.Warn
		}
		return theme.Faint
	}
	return []widget.Column[diff.Row]{
		{ID: "verdict", Title: "verdict", Min: 13, Max: 24, Measure: func(r diff.Row) int {
			_, word := summary.Verdict(r)
			return 2 + widget.Width(word)
		}, Cell: func(dr widget.Draw, r diff.Row) widget.Rich {
			sign, word := summary.Verdict(r)
			if dr.Styles.Options.ASCII {
				sign = asciiSign(r.Verdict)
			}
			return widget.Say(token(r), sign+" "+word)
		}},
		{ID: "base", Title: "base", Min: 10, Right: true, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Say(theme.Muted, summary.InMode(d, r.BaseCum))
		}},
		{ID: "new", Title: "new", Min: 10, Right: true, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Plain(summary.InMode(d, r.NewCum))
		}},
		{ID: "change", Title: "change", Min: 13, Right: true, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Say(token(r), summary.Signed(d, r.Delta()))
		}},
		{ID: "function", Title: "function", Min: 16, Flex: 1, Cell: func(_ widget.Draw, r diff.Row) widget.Rich {
			return widget.Plain(tree.Short(r.Name))
		}},
	}
}

func asciiSign(v diff.Verdict) string {
	switch v {
	case diff.Regression:
		return "^"
	case diff.Improvement:
		return "v"
	case diff.Through, diff.Within:
		return ">"
	case diff.TooFew:
		return "?"
	}
	return "."
}

func (p *Pane) viewComparison(env *pane.Env, r pane.Rect) string {
	c := p.sides
	head := c.head(env, r.W)
	head = head[:min(len(head), max(1, r.H/2), r.H)]
	body := pane.Rect{W: r.W, H: r.H - len(head)}
	top := widget.Lines(env.Styles, head, r.W, len(head))
	if c.diff == nil || body.H <= 0 {
		return widget.Stack(top, widget.Lines(env.Styles, nil, body.W, body.H))
	}
	rows := body.H
	if body.H >= 16 {
		rows = body.H * 45 / 100
	} else if c.onFlame {
		rows = 0
	}
	d := env.Draw(pane.Rect{W: body.W, H: rows})
	d.Focused = d.Focused && !c.onFlame
	c.table.Empty = []widget.Rich{widget.Say(theme.Muted, "no function")}
	out := []string{top}
	if rows > 0 {
		out = append(out, c.table.View(d))
	}
	if left := body.H - rows; left > 0 {
		out = append(out,
			widget.Lines(env.Styles, []widget.Rich{legend(env)}, body.W, 1),
			c.flame.draw(env, pane.Rect{W: body.W, H: left - 1}, c.onFlame, func(int32) bool { return false }))
	}
	return widget.Stack(out...)
}

// legend explains colours and signs.
func legend(env *pane.Env) widget.Rich {
	more, less := "▲ more", "▼ less"
	if env.Styles.Options.ASCII {
		more, less = "^ more", "v less"
	}
	return widget.Rich{
		{Token: theme.Muted, Text: "share of the side: "},
		{Token: theme.Change(-1), Text: " " + less + " "}, {Token: theme.Change(0), Text: " same "}, {Token: theme.Change(1), Text: " " + more + " "},
		{Token: theme.Muted, Text: " + new  - gone  (points)"},
	}
}

func (c *comparison) head(env *pane.Env, w int) []widget.Rich {
	st := env.Styles
	line := widget.NewJoin(st)
	line.Add(theme.Chip, " "+c.title+" ")
	if c.diff != nil {
		if c.diff.Mode == diff.PerRequest {
			line.Add(theme.Text, fmt.Sprintf("per request, %.0f against %.0f", served(c.now), served(c.base)))
		} else {
			line.Add(theme.Text, "by "+c.diff.Mode.String())
		}
		line.Add(theme.Text, c.diff.Type.Type+" in "+c.diff.Type.Unit)
	}
	if c.query != "" {
		line.Add(theme.Chip, " /"+c.query+" ")
	}
	out := []widget.Rich{line.Rich()}
	if c.diff == nil && c.err == "" {
		return append(out, widget.Say(theme.Info, st.Sign(live.Info)+" comparing"))
	}
	if c.err != "" {
		out = append(out, widget.Say(theme.Fail, st.Sign(live.Fail)+" "+c.err).Wrap(max(w, 1), 2)...)
	}
	for i, l := range c.lines {
		token := theme.Text
		if i == 0 {
			token = theme.Title
		}
		out = append(out, widget.Say(token, l).Wrap(max(w, 1), 2)...)
	}
	if c.diff != nil {
		for _, warning := range append(append([]string{}, c.diff.Warnings...), c.notes...) {
			out = append(out, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+warning).Wrap(max(w, 1), 2)...)
		}
	}
	return out
}

// compared takes captures of two sides.
func (p *Pane) compared(msg sidesMsg) tea.Cmd {
	back, title := choosing, "comparison"
	if p.run != nil {
		back, title = p.run.back, p.run.what
	}
	p.run = nil
	p.mode = back
	if msg.err != nil {
		p.failed = line(msg.err)
		return nil
	}
	return p.compare(&comparison{title: title, base: msg.sides.Base, now: msg.sides.New, notes: msg.sides.Notes})
}

// takeSides captures two groups of pods at the same time.
func (p *Pane) takeSides(title string, base, other []capture.Target, req capture.Request) tea.Cmd {
	if isExec(req.Kind) {
		return p.planSides(title, base, other, req)
	}
	w := p.begin(title, req, true)
	return pane.Run(p.env.Tasks, p.id, "capture", "take the profiles for "+title, captureWithin, func(ctx context.Context) (tea.Msg, error) {
		s, err := p.src.TakeSides(ctx, base, other, req, w)
		return sidesMsg{s, err}, nil
	})
}

// request is what a comparison captures: what is shown, or else chosen.
func (p *Pane) request() (capture.Request, bool) {
	if p.mode == showing && p.shown != nil {
		return p.shown.got.Req, true
	}
	spec, ok := p.kinds.Selected()
	if !ok {
		return capture.Request{}, false
	}
	return p.requestOf(spec), true
}

// offerMsg are the pods there are now, to choose a comparison from.
type offerMsg struct{ subject *capture.Subject }

// pickComparison asks what to compare with. The pods are read anew: in the
// middle of a rollout those of a minute ago are gone.
func (p *Pane) pickComparison() tea.Cmd {
	ref, known := p.ref, p.subject
	return pane.Run(p.env.Tasks, p.id, "subject", "read the pods of "+ref.String(), askWithin, func(ctx context.Context) (tea.Msg, error) {
		s, err := p.src.Subject(ctx, ref)
		if err != nil {
			s = known // taking profiles of them says what is wrong
		}
		return offerMsg{s}, nil
	})
}

// refresh takes the pods there are now, and stays at the one that was chosen
// as long as it is there.
func (p *Pane) refresh(s *capture.Subject) {
	was, _ := p.target()
	p.pod = max(slices.IndexFunc(s.Pods, func(q capture.Pod) bool { return q.Pod.Name == was.Pod.Name }), 0)
	p.subject = s
}

func (p *Pane) offer() tea.Cmd {
	req, ok := p.request()
	target, chosen := p.target()
	if p.mode == showing && p.shown != nil {
		target, chosen = p.shown.got.Target, true
	}
	if !ok || !chosen {
		return nil
	}
	old, now, noCanary := p.subject.Canary()
	sibling, noSibling := p.subject.Sibling(target)
	var earlier []*capture.Profile
	if p.mode == showing {
		earlier = p.src.Earlier(p.shown.got)
	}
	items := []pane.PickItem{
		{Title: "the new revision with the old", Note: canaryNote(req, old, now), Disabled: noCanary},
		{Title: "this pod with a healthy sibling", Note: siblingNote(sibling), Disabled: noSibling},
		{Title: "now with this capture", Note: "takes another one: what grew, what changed", Disabled: onlyShown(p)},
	}
	for _, e := range earlier[:min(len(earlier), 6)] {
		items = append(items, pane.PickItem{
			Title: "this capture with an earlier one",
			Note:  e.Target.Pod.Name + " at " + e.At.In(p.env.Now.Location()).Format("15:04:05"),
		})
	}
	return pane.Send(pane.PickMsg{
		Title: "Compare the " + string(req.Kind) + " profile of …", Items: items,
		Done: func(i int) tea.Cmd {
			switch i {
			case 0:
				return p.takeSides(string(req.Kind)+", new revision against old", old, now, req)
			case 1:
				return p.takeSides(string(req.Kind)+", "+target.Pod.Name+" against a sibling", sibling, []capture.Target{target}, req)
			case 2:
				return p.growth(p.shown.got)
			}
			e := earlier[i-3]
			return p.compare(&comparison{title: string(req.Kind) + ", now against " + e.At.Format("15:04:05"), base: []*capture.Profile{e}, now: []*capture.Profile{p.shown.got}})
		},
	})
}

func onlyShown(p *Pane) string {
	if p.mode != showing || p.shown == nil {
		return "take a first capture before"
	}
	return ""
}

// canaryNote says what the comparison would take, and what it could see at a
// function of 10 % of a busy core.
func canaryNote(req capture.Request, old, now []capture.Target) string {
	n := min(len(old), len(now))
	if n == 0 {
		return ""
	}
	note := fmt.Sprintf("%d and %d pods", len(old), len(now))
	if seconds := req.Lasts().Seconds(); seconds > 0 && req.Kind == capture.CPU {
		samples := diff.CPUSamples(1, seconds, n)
		note += fmt.Sprintf("; sees %.1f points or more", diff.Detectable(0.1, samples, samples))
	}
	return note
}

func siblingNote(sibling []capture.Target) string {
	if len(sibling) == 0 {
		return ""
	}
	return "with " + sibling[0].Pod.Name
}

// growth takes another capture of the same pod and compares it with this one.
func (p *Pane) growth(before *capture.Profile) tea.Cmd {
	req, target := before.Req, before.Target
	if isExec(req.Kind) {
		return p.execPlan(target, req, before)
	}
	title := p.growthTitle(before)
	w := p.begin(title, req, true)
	return pane.Run(p.env.Tasks, p.id, "capture", "take the "+title, captureWithin, func(ctx context.Context) (tea.Msg, error) {
		after, err := p.src.Take(ctx, target, req, w)
		if err != nil {
			return sidesMsg{err: err}, nil
		}
		return sidesMsg{sides: &capture.Sides{Base: []*capture.Profile{before}, New: []*capture.Profile{after}}}, nil
	})
}

func (p *Pane) growthTitle(before *capture.Profile) string {
	return fmt.Sprintf("%s of %s since %s", before.Req.Kind, before.Target.Pod.Name, before.At.In(p.env.Now.Location()).Format("15:04:05"))
}

// modes are what `m` goes through.
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
