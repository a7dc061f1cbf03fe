package tree

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"
)

// WriteFolded writes the tree as folded stacks, "root;…;leaf VALUE", which
// every flame graph tool reads. Semicolons within names become colons, and
// functions of Python carry their file, as py-spy writes them.
func (t *Tree) WriteFolded(w io.Writer) error {
	out := bufio.NewWriter(w)
	var stack []string
	t.Walk(0, func(n int32, enter bool) bool {
		if n == 0 {
			return true
		}
		if !enter {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, folded(t.Frames[t.Nodes[n].Frame]))
		if self := t.Nodes[n].Self; self != 0 {
			fmt.Fprintf(out, "%s %d\n", strings.Join(stack, ";"), self)
		}
		return true
	})
	return out.Flush()
}

// folded is a frame within a folded stack.
func folded(f Frame) string {
	name := f.Name.String()
	if isPython(f) && strings.HasSuffix(f.File.String(), ".py") {
		name += " (" + path.Base(f.File.String()) + ")"
	}
	return strings.ReplaceAll(name, ";", ":")
}

// WriteFlame writes the tree as a flame of plain text, width cells wide and
// at most height rows deep, root on top.
func (t *Tree) WriteFlame(w io.Writer, width, height int) error {
	l := t.Layout(0, LayoutOptions{Width: width, Height: height, Fold: Library})
	out := bufio.NewWriter(w)
	for _, row := range l.Rows {
		var line strings.Builder
		at := 0
		for _, c := range row {
			line.WriteString(strings.Repeat(" ", c.X-at))
			line.WriteString(t.box(c))
			at = c.X + c.Width
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	if l.Deeper {
		fmt.Fprintln(out, "(deeper calls are not shown)")
	}
	return out.Flush()
}

// box draws one cell as "▏name   ".
func (t *Tree) box(c Cell) string {
	room := c.Width - 1
	var label string
	switch {
	case c.More > 0:
		label = fmt.Sprintf("+%d", c.More)
	case c.Chain > 0:
		label = fmt.Sprintf("┊%d ", c.Chain)
		if rest := Label(t.Frames[t.Nodes[c.Node].Frame], room-utf8.RuneCountInString(label), utf8.RuneCountInString); rest != "" {
			label += rest
		}
	case t.Nodes[c.Node].Frame < 0:
		label = "all"
	default:
		label = Label(t.Frames[t.Nodes[c.Node].Frame], room, utf8.RuneCountInString)
	}
	n := utf8.RuneCountInString(label)
	if n > room {
		label, n = "", 0
	}
	return "▏" + label + strings.Repeat(" ", room-n)
}
