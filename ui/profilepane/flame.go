package profilepane

import (
	"fmt"
	"strings"

	"midwatch/foreign"
	"midwatch/profiles/tree"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// flame is an icicle (the root on top) or, flipped, a flame.
type flame struct {
	tree *tree.Tree
	flip bool
	zoom int32
	// history is where the zoom was before, by path: node numbers change with
	// every filter.
	history [][]foreign.Text
	node    int32 // under the cursor
	more    bool  // the cursor is on the leftovers below node

	width  int // of the layout
	layout tree.Layout
	top    int // first row drawn
	paint  func(n int32) (theme.Token, string)
	looks  []look // by frame, made when first drawn
}

// look is what does not change of a frame's box.
type look struct {
	token  theme.Token
	names  []string // from the fullest to the shortest
	widths []int
}

func (f *flame) look(frame int32) *look {
	l := &f.looks[frame]
	if l.names == nil {
		l.token, l.names = colour(f.tree.Frames[frame]), tree.Names(f.tree.Frames[frame])
		for _, n := range l.names {
			l.widths = append(l.widths, widget.Width(n))
		}
	}
	return l
}

// label is the fullest name that fits, or the shortest with its middle left
// out.
func (l *look) label(w int) string {
	for i, n := range l.names {
		if l.widths[i] <= w {
			return n
		}
	}
	return tree.Ellipsis(l.names[len(l.names)-1], w, widget.Width)
}

// mostDepth bounds the rows of a layout; deeper stacks are reached by zooming.
const mostDepth = 500

// setTree takes another tree and keeps the places that it has.
func (f *flame) setTree(t *tree.Tree) {
	var zoom, node []foreign.Text
	if f.tree != nil {
		zoom, node = f.tree.Path(f.zoom), f.tree.Path(f.node)
	}
	f.tree, f.looks = t, make([]look, len(t.Frames))
	f.zoom, _ = t.Find(zoom)
	f.node, _ = t.Find(node)
	f.more, f.width, f.top = false, 0, 0
}

// lay makes the layout for a width, once.
func (f *flame) lay(w int) {
	if f.width == w && len(f.layout.Rows) > 0 {
		return
	}
	f.width = w
	f.layout = f.tree.Layout(f.zoom, tree.LayoutOptions{Width: w, Height: mostDepth, Fold: tree.Library})
}

// at finds the cursor's cell; when it is in none (too small, or outside the
// zoom) the nearest ancestor that has one.
func (f *flame) at() (row, col int) {
	for n := f.node; n >= 0; n = f.tree.Nodes[n].Parent {
		for i, cells := range f.layout.Rows {
			for j, c := range cells {
				if c.Node == n && (c.More > 0) == (f.more && n == f.node) {
					return i, j
				}
			}
		}
		if n == 0 {
			break
		}
	}
	return 0, 0
}

func (f *flame) take(row, col int) {
	c := f.layout.Rows[row][col]
	f.node, f.more = c.Node, c.More > 0
}

// Deeper, Shallower and Sideways move the cursor among the cells.
func (f *flame) deeper() {
	row, col := f.at()
	if row+1 >= len(f.layout.Rows) {
		return
	}
	here := f.layout.Rows[row][col]
	for j, c := range f.layout.Rows[row+1] {
		if c.X >= here.X && c.X < here.X+here.Width {
			f.take(row+1, j)
			return
		}
	}
}

func (f *flame) shallower() {
	row, col := f.at()
	if row == 0 {
		return
	}
	x := f.layout.Rows[row][col].X
	for j, c := range f.layout.Rows[row-1] {
		if x >= c.X && x < c.X+c.Width {
			f.take(row-1, j)
			return
		}
	}
}

func (f *flame) sideways(step int) {
	if len(f.layout.Rows) == 0 {
		return
	}
	row, col := f.at()
	f.take(row, min(max(col+step, 0), len(f.layout.Rows[row])-1))
}

// goTo selects a node, out of the zoom if it has to.
func (f *flame) goTo(n int32) {
	f.node, f.more = n, false
	for a := n; a != f.zoom; a = f.tree.Nodes[a].Parent {
		if a == 0 {
			f.zoomTo(0)
			return
		}
	}
}

// toFunction selects the heaviest node of a function.
func (f *flame) toFunction(frame int32) {
	if frame < 0 || f.tree.Nodes[f.node].Frame == frame {
		return
	}
	best := int32(-1)
	for i := range f.tree.Nodes {
		if n := &f.tree.Nodes[i]; n.Frame == frame && (best < 0 || n.Weight > f.tree.Nodes[best].Weight) {
			best = int32(i)
		}
	}
	if best >= 0 {
		f.goTo(best)
	}
}

// zoomTo makes a node the root of what is drawn and remembers where it was.
func (f *flame) zoomTo(n int32) {
	if n == f.zoom {
		return
	}
	f.history = append(f.history, f.tree.Path(f.zoom))
	f.history = f.history[max(0, len(f.history)-50):]
	f.zoom, f.width, f.top = n, 0, 0
}

// back undoes the last zoom.
func (f *flame) back() {
	if len(f.history) == 0 {
		return
	}
	f.zoom, _ = f.tree.Find(f.history[len(f.history)-1])
	f.history = f.history[:len(f.history)-1]
	f.width, f.top = 0, 0
}

// draw draws the rows that fit, with the cursor among them. hit marks what a
// search found.
func (f *flame) draw(env *pane.Env, r pane.Rect, cursor bool, hit func(n int32) bool) string {
	if r.H <= 0 || r.W <= 0 {
		return ""
	}
	f.lay(r.W)
	row, col := f.at()
	rows := len(f.layout.Rows)
	f.top = min(max(f.top, row-r.H+1), row)
	f.top = min(max(f.top, 0), max(rows-r.H, 0))
	lines := make([]widget.Rich, 0, r.H)
	for i := f.top; i < min(rows, f.top+r.H); i++ {
		at := -1
		if i == row {
			at = col
		}
		lines = append(lines, f.row(env, f.layout.Rows[i], at, cursor && env.Focused, hit))
	}
	if f.flip {
		blank := make([]widget.Rich, r.H-len(lines))
		for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
			lines[i], lines[j] = lines[j], lines[i]
		}
		lines = append(blank, lines...)
	}
	return widget.Lines(env.Styles, lines, r.W, r.H)
}

// row draws the cells of one depth; at is the cursor's, or -1.
func (f *flame) row(env *pane.Env, cells []tree.Cell, at int, cursor bool, hit func(n int32) bool) widget.Rich {
	selected := f.tree.Nodes[f.node].Frame
	var out widget.Rich
	x := 0
	for j, c := range cells {
		if c.X > x {
			out = append(out, widget.Piece{Token: theme.Text, Text: strings.Repeat(" ", c.X-x)})
		}
		token, label := f.cell(env, c)
		switch {
		case j == at && cursor:
			token = theme.Selected
		case c.More == 0 && hit(c.Node):
			token = theme.Match
		case j == at, c.More == 0 && f.tree.Nodes[c.Node].Frame == selected && selected >= 0:
			token = theme.SelectedDim
		}
		out = append(out, widget.Piece{Token: token, Text: label})
		x = c.X + c.Width
	}
	return out
}

// cell is a box's look and its text, exactly as wide as the box.
func (f *flame) cell(env *pane.Env, c tree.Cell) (theme.Token, string) {
	edge := "▏"
	if env.Styles.Options.ASCII {
		edge = "|"
	}
	room := c.Width - 1
	if c.More > 0 {
		return theme.Faint, edge + widget.Pad(fit(fmt.Sprintf("+%d", c.More), room), room, "")
	}
	n := &f.tree.Nodes[c.Node]
	if n.Frame < 0 {
		return theme.Muted, edge + widget.Pad("all", room, "")
	}
	frame := f.look(n.Frame)
	token, sign := frame.token, ""
	if f.paint != nil {
		token, sign = f.paint(c.Node)
	}
	if c.Chain > 0 {
		sign += fmt.Sprintf("┊%d ", c.Chain)
	}
	sign = fit(sign, room)
	text := sign + frame.label(room-widget.Width(sign))
	if env.Styles.Options.ASCII {
		text = inASCII.Replace(text)
	}
	return token, edge + widget.Pad(text, room, "")
}

// inASCII are the signs of a box on a terminal without Unicode; each is as
// wide as what it stands for.
var inASCII = strings.NewReplacer("▲", "^", "▼", "v", "┊", ":", "…", "~")

// fit drops a text that does not fit.
func fit(s string, w int) string {
	if widget.Width(s) > w {
		return ""
	}
	return s
}
