package profilepane

import (
	"context"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/foreign"
	"midwatch/live"
	"midwatch/profiles"
	"midwatch/profiles/capture"
	"midwatch/profiles/summary"
	"midwatch/profiles/tree"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// buildWithin bounds making a view; the largest profiles take seconds.
const buildWithin = time.Minute

// chip is one filter in force.
type chip struct {
	kind string // hide, focus
	name foreign.Text
}

// view is one profile as it is looked at.
type view struct {
	got   *capture.Profile
	typ   int
	chips []chip
	own   bool
	fold  bool
	label string // label root

	tree  *tree.Tree
	lines []string
	table *widget.Table[tree.Row]
	flame flame
	// onFlame says which side has the cursor.
	onFlame  bool
	sandwich *sandwich

	query string
	hits  *tree.Hits
	hit   int
}

// sandwich shows one function between its callers and its callees.
type sandwich struct {
	name             foreign.Text
	callers, callees *tree.Tree
}

func newView(got *capture.Profile) *view {
	v := &view{got: got, table: newTopTable()}
	if i, err := got.TypeIndex(""); err == nil {
		v.typ = i
	}
	return v
}

// builtMsg is a view that was made off the UI goroutine.
type builtMsg struct {
	of      *view
	tree    *tree.Tree
	rows    []tree.Row
	columns []widget.Column[tree.Row]
	lines   []string
}

// mostRows bounds the top table.
const mostRows = 2000

// rebuild makes the tree with the filters in force.
func (p *Pane) rebuild() tea.Cmd {
	v := p.shown
	prof, o := v.got.Profile, v.options()
	return pane.Run(p.env.Tasks, p.id, "tree", "sum the profile up", buildWithin, func(context.Context) (tea.Msg, error) {
		t := tree.Build(prof, o)
		rows := t.Top(tree.ByFlat)
		return builtMsg{of: v, tree: t, rows: rows[:min(len(rows), mostRows)], columns: topColumns(t, rows), lines: summary.Lines(prof, t)}, nil
	})
}

func (v *view) options() tree.Options {
	o := tree.Options{Type: v.typ, FoldRecursion: v.fold, LabelRoot: v.label}
	if v.own {
		o.Own = tree.Own
	}
	o.Hide, o.Focus = v.pattern("hide"), v.pattern("focus")
	return o
}

// pattern matches the functions of all chips of a kind.
func (v *view) pattern(kind string) *regexp.Regexp {
	var parts []string
	for _, c := range v.chips {
		if c.kind == kind {
			parts = append(parts, regexp.QuoteMeta(c.name.String()))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return regexp.MustCompile("^(?:" + strings.Join(parts, "|") + ")$")
}

func (p *Pane) built(msg builtMsg) {
	v := msg.of
	if p.shown != v {
		return
	}
	v.lines = msg.lines
	v.setTree(msg.tree)
	v.table.SetColumns(msg.columns...)
	v.table.SetRows(msg.rows)
	v.link(true)
	if v.query != "" {
		_ = v.search(v.query) // it was right before
	}
}

// setTree takes a new tree and stays where the user was, as far as it has
// that place.
func (v *view) setTree(t *tree.Tree) {
	v.sandwich = nil
	v.tree = t
	v.flame.setTree(t)
}

// selected is the function under the cursor, or -1.
func (v *view) selected() int32 {
	if v.tree == nil {
		return -1
	}
	if v.onFlame && v.sandwich == nil {
		return v.tree.Nodes[v.flame.node].Frame
	}
	if r, ok := v.table.Selected(); ok {
		return r.Frame
	}
	return -1
}

// name is the function under the cursor.
func (v *view) name() foreign.Text {
	if f := v.selected(); f >= 0 {
		return v.tree.Frames[f].Name
	}
	return ""
}

// link moves the other side to what was selected on this one.
func (v *view) link(fromTable bool) {
	if v.tree == nil {
		return
	}
	if !fromTable {
		if f := v.tree.Nodes[v.flame.node].Frame; f >= 0 {
			v.table.Select(frameKey(v.tree.Frames[f]))
		}
		return
	}
	if r, ok := v.table.Selected(); ok {
		v.flame.toFunction(r.Frame)
	}
}

// search looks for functions and goes to the first.
func (v *view) search(query string) error {
	v.query, v.hits, v.hit = query, nil, 0
	if query == "" || v.tree == nil {
		return nil
	}
	match, err := tree.Matcher(query)
	if err != nil {
		return err
	}
	v.hits = v.tree.Search(match)
	v.goToHit(0)
	return nil
}

// goToHit selects the n-th hit.
func (v *view) goToHit(n int) {
	if v.hits == nil || len(v.hits.Nodes) == 0 {
		return
	}
	v.hit = (n%len(v.hits.Nodes) + len(v.hits.Nodes)) % len(v.hits.Nodes)
	v.flame.goTo(v.hits.Nodes[v.hit])
	v.link(false)
}

// head is what stands above table and flame.
func (v *view) head(env *pane.Env, w int) []widget.Rich {
	st := env.Styles
	out := []widget.Rich{v.chipLine(env)}
	if v.tree == nil {
		return append(out, widget.Say(theme.Info, st.Sign(live.Info)+" summing it up"))
	}
	for i, l := range v.lines {
		token := theme.Text
		if i == 0 {
			token = theme.Title
		}
		out = append(out, widget.Say(token, l).Wrap(max(w, 1), 2)...)
	}
	for _, warning := range v.got.Warnings {
		if !slices.Contains(v.lines, warning) {
			out = append(out, widget.Say(theme.Warn, st.Sign(live.Warn)+" "+warning).Wrap(max(w, 1), 2)...)
		}
	}
	if v.hits != nil {
		line := widget.NewJoin(st)
		line.Add(theme.Match, " /"+v.query+" ")
		if len(v.hits.Nodes) == 0 {
			line.Add(theme.Warn, "nothing matches")
		} else {
			line.Add(theme.Text, fmt.Sprintf("%d of %d", v.hit+1, len(v.hits.Nodes)))
			line.Add(theme.Text, fmt.Sprintf("matched %s cum, %s self", profiles.Percent(v.hits.Cum, v.tree.Total), profiles.Percent(v.hits.Self, v.tree.Total)))
		}
		out = append(out, line.Rich())
	}
	return out
}

// chipLine says what is shown and what was filtered.
func (v *view) chipLine(env *pane.Env) widget.Rich {
	line := widget.NewJoin(env.Styles)
	line.Add(theme.Chip, " "+string(v.got.Req.Kind)+" ")
	if v.typ < len(v.got.Types) {
		t := v.got.Types[v.typ]
		line.Add(theme.Text, t.Type+" in "+t.Unit)
	}
	line.Add(theme.Muted, v.got.Exactness.String())
	if v.tree != nil {
		line.Add(theme.Text, "total "+profiles.FormatValue(v.tree.Total, v.tree.Type.Unit))
	}
	line.Add(theme.Muted, v.got.At.In(env.Now.Location()).Format("15:04:05"))
	for _, c := range v.chips {
		line.Add(theme.Chip, " "+c.kind+" "+tree.Short(c.name)+" ")
	}
	if v.own {
		line.Add(theme.Chip, " own code ")
	}
	if v.fold {
		line.Add(theme.Chip, " recursion folded ")
	}
	if v.label != "" {
		line.Add(theme.Chip, " by label "+foreign.Clean(v.label).String()+" ")
	}
	return line.Rich()
}

// sideBySide is from how wide table and flame stand beside each other.
const sideBySide = 110

// clockNote is from how many rows on there is room to say what the other clock
// would show.
const clockNote = 30

// clock says which clock the profile is by, and what that hides.
func (v *view) clock(w int) []widget.Rich {
	s, _ := capture.Of(v.got.Req.Kind)
	other, ok := capture.Of(s.Toggle)
	if !ok {
		return nil
	}
	return widget.Say(theme.Muted, "w: "+other.Title+"; "+s.Note).Wrap(max(w, 1), 3)
}

func (p *Pane) viewProfile(env *pane.Env, r pane.Rect) string {
	v := p.shown
	head := append(v.head(env, r.W), p.failure(env, r.W)...)
	if r.H >= clockNote {
		head = append(head, v.clock(r.W)...)
	}
	head = head[:min(len(head), max(1, r.H/2), r.H)]
	body := pane.Rect{W: r.W, H: r.H - len(head)}
	top := widget.Lines(env.Styles, head, r.W, len(head))
	if v.tree == nil || body.H <= 0 {
		return widget.Stack(top, widget.Lines(env.Styles, nil, body.W, body.H))
	}
	if v.sandwich != nil {
		return widget.Stack(top, v.viewSandwich(env, body))
	}
	if body.W < sideBySide {
		if v.onFlame {
			return widget.Stack(top, v.viewFlame(env, body))
		}
		return widget.Stack(top, v.viewTable(env, body))
	}
	left := body.W * 45 / 100
	return widget.Stack(top, beside(v.viewTable(env, pane.Rect{W: left, H: body.H}), v.viewFlame(env, pane.Rect{W: body.W - left - 1, H: body.H})))
}

// beside puts two blocks of the same height next to each other.
func beside(left, right string) string {
	l, r := strings.Split(left, "\n"), strings.Split(right, "\n")
	var b strings.Builder
	for i := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l[i])
		b.WriteByte(' ')
		if i < len(r) {
			b.WriteString(r[i])
		}
	}
	return b.String()
}

func (v *view) viewFlame(env *pane.Env, r pane.Rect) string {
	return v.flame.draw(env, r, v.onFlame, func(n int32) bool { return v.hits != nil && v.hits.Has(n) })
}

// View draws what the pane is at.
func (p *Pane) View(env *pane.Env, r pane.Rect) string {
	p.env = env
	if r.W <= 0 || r.H <= 0 {
		return widget.Lines(env.Styles, nil, r.W, r.H)
	}
	switch {
	case p.mode == running && p.run != nil:
		return p.viewProgress(env, r)
	case p.mode == showing && p.shown != nil:
		return p.viewProfile(env, r)
	case p.mode == comparing && p.sides != nil:
		return p.viewComparison(env, r)
	}
	return p.viewChooser(env, r)
}

// colour is a frame's look: stable for its package.
func colour(f tree.Frame) theme.Token {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tree.Package(f))) // never fails
	return theme.Flame(h.Sum32(), tree.Own(f))
}
