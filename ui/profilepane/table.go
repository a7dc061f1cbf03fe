package profilepane

import (
	"fmt"
	"strings"

	"midwatch/foreign"
	"midwatch/profiles"
	"midwatch/profiles/tree"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

func newTopTable() *widget.Table[tree.Row] {
	return widget.NewTable(func(r tree.Row) string { return rowKey(r.Name, r.File, r.Line) })
}

// rowKey tells rows apart: Python has many functions of one name, in one file
// too, and Go has none, wherever it was seen first.
func rowKey(name, file foreign.Text, line int64) string {
	if !strings.HasSuffix(file.String(), ".py") {
		return name.String()
	}
	return fmt.Sprintf("%s %s:%d", name, file, line)
}

func frameKey(f tree.Frame) string { return rowKey(f.Name, f.File, f.Line) }

// viewTable draws the functions, those that cost most themselves first.
func (v *view) viewTable(env *pane.Env, r pane.Rect) string {
	d := env.Draw(r)
	d.Focused = d.Focused && !v.onFlame
	v.table.Empty = []widget.Rich{widget.Say(theme.Muted, "no samples")}
	return v.table.View(d)
}

// topColumns are pprof's: flat, its share, the sum so far, cum, its share.
// rows are all of the tree, in the order shown.
func topColumns(t *tree.Tree, rows []tree.Row) []widget.Column[tree.Row] {
	unit := t.Type.Unit
	sum := map[int32]int64{}
	var so int64
	for _, r := range rows {
		so += r.Flat
		sum[r.Frame] = so
	}
	value := func(of func(tree.Row) int64) func(widget.Draw, tree.Row) widget.Rich {
		return func(_ widget.Draw, r tree.Row) widget.Rich {
			return widget.Plain(profiles.FormatValue(of(r), unit))
		}
	}
	share := func(token theme.Token, of func(tree.Row) int64) func(widget.Draw, tree.Row) widget.Rich {
		return func(_ widget.Draw, r tree.Row) widget.Rich {
			return widget.Say(token, strings.TrimSpace(profiles.Percent(of(r), t.Total)))
		}
	}
	flat := func(r tree.Row) int64 { return r.Flat }
	cum := func(r tree.Row) int64 { return r.Cum }
	return []widget.Column[tree.Row]{
		{ID: "flat", Title: "flat", Min: 8, Right: true, Optional: 3, Cell: value(flat)},
		{ID: "flat%", Title: "flat%", Min: 6, Right: true, Cell: share(theme.Text, flat)},
		{ID: "sum%", Title: "sum%", Min: 6, Right: true, Optional: 4, Cell: share(theme.Muted, func(r tree.Row) int64 { return sum[r.Frame] })},
		{ID: "cum", Title: "cum", Min: 8, Right: true, Optional: 2, Cell: value(cum)},
		{ID: "cum%", Title: "cum%", Min: 6, Right: true, Cell: share(theme.Text, cum)},
		{ID: "function", Title: "function", Min: 16, Flex: 1, Cell: func(_ widget.Draw, r tree.Row) widget.Rich {
			f := t.Frames[r.Frame]
			token := theme.Muted
			if tree.Own(f) {
				token = theme.Text
			}
			text := tree.Short(r.Name)
			out := widget.Say(token, text)
			if base := fileOf(f); base != "" {
				out = append(out, widget.Piece{Token: theme.Faint, Text: " " + base})
			}
			return out
		}},
	}
}

// fileOf is the last element of the file's path: Python's functions are told
// apart by it.
func fileOf(f tree.Frame) string {
	file := f.File.String()
	if !strings.HasSuffix(file, ".py") {
		return ""
	}
	return file[strings.LastIndexByte(file, '/')+1:]
}

// viewSandwich draws who calls the function and what it calls.
func (v *view) viewSandwich(env *pane.Env, r pane.Rect) string {
	s := v.sandwich
	title := widget.NewJoin(env.Styles)
	title.Add(theme.Selected, " "+tree.Short(s.name)+" ")
	title.Add(theme.Text, profiles.FormatValue(s.callees.Nodes[0].Cum, v.tree.Type.Unit)+" "+strings.TrimSpace(profiles.Percent(s.callees.Nodes[0].Cum, v.tree.Total)))
	title.Add(theme.Muted, "its callers above, what it calls below; esc goes back")
	room := max(r.H-1, 0)
	above := room / 2
	up := flame{flip: true}
	up.setTree(s.callers)
	down := flame{}
	down.setTree(s.callees)
	none := func(int32) bool { return false }
	return widget.Stack(
		up.draw(env, pane.Rect{W: r.W, H: above}, false, none),
		widget.Lines(env.Styles, []widget.Rich{title.Rich()}, r.W, min(1, r.H)),
		down.draw(env, pane.Rect{W: r.W, H: room - above}, false, none),
	)
}

// amount is a value with its share.
func amount(t *tree.Tree, v int64) string {
	return profiles.FormatValue(v, t.Type.Unit) + "  " + strings.TrimSpace(profiles.Percent(v, t.Total))
}
