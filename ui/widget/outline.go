package widget

import (
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/ui/theme"
)

// Entry is one line of an [Outline].
type Entry[T any] struct {
	// Key is its identity: the selection stays on it through every refresh.
	Key string
	// Draw makes the line; it is called for visible lines only.
	Draw func(d Draw) Rich
	// Ages and Deadline are the times that make the line change by itself.
	Ages     []time.Time
	Deadline time.Time
	// Section is the name of the section it heads; "" for other lines.
	Section string
	// Of is what the line stands for; the zero T for nothing.
	Of T
}

// Outline is a list of lines in sections that fold. The pane makes the lines
// anew whenever something changed, between [Outline.Begin] and [Outline.End];
// what is folded and what is selected stays.
type Outline[T any] struct {
	*Table[*Entry[T]]
	// Width is what wrapped text is laid out for; see [Outline.SetWidth].
	Width  int
	folded map[string]bool // sections whose fold the user chose
	drawn  map[string]bool // whether the sections there are now are folded
	lines  []*Entry[T]
	open   bool // the present section is unfolded
}

// NewOutline makes an empty outline.
func NewOutline[T any]() *Outline[T] {
	o := &Outline[T]{Width: 80, folded: map[string]bool{}, drawn: map[string]bool{}}
	o.Table = NewTable(func(e *Entry[T]) string { return e.Key }, Column[*Entry[T]]{
		ID: "line", Min: 1, Flex: 1, Cell: func(d Draw, e *Entry[T]) Rich { return e.Draw(d) },
	})
	o.NoHeader = true
	return o
}

// Forget drops lines, selection and folds: what follows is about something
// else.
func (o *Outline[T]) Forget() {
	clear(o.folded)
	o.Reset()
}

// SetWidth notes the width to lay out for and reports whether it is another
// than before: the lines have to be made anew then.
func (o *Outline[T]) SetWidth(w int) bool {
	changed := w != o.Width
	o.Width = w
	return changed
}

// Begin starts a new set of lines.
func (o *Outline[T]) Begin() {
	o.lines, o.open = nil, true
	clear(o.drawn)
}

// End shows them.
func (o *Outline[T]) End() { o.SetRows(o.lines) }

// Add appends a line unless its section is folded.
func (o *Outline[T]) Add(e Entry[T]) {
	if o.open {
		o.lines = append(o.lines, &e)
	}
}

// Text appends a text that never changes, over as many lines as it takes; lines
// after the first are indented.
func (o *Outline[T]) Text(key string, of T, r Rich, indent int) {
	for i, part := range r.Wrap(max(o.Width, 8), indent) {
		o.Add(Entry[T]{Key: key + "/" + strconv.Itoa(i), Of: of, Draw: func(Draw) Rich { return part }})
	}
}

// Heading begins a section; its line is e, drawn behind the sign that says
// whether it is folded. It reports whether the section is open: what would be
// added to a folded one need not be made.
func (o *Outline[T]) Heading(section string, foldedAtFirst bool, e Entry[T]) (open bool) {
	folded, chosen := o.folded[section]
	if !chosen {
		folded = foldedAtFirst
	}
	o.drawn[section] = folded
	draw := e.Draw
	e.Section, e.Key = section, "section/"+section
	e.Draw = func(d Draw) Rich {
		return append(Rich{{theme.Muted, foldSign(d.Styles, folded) + " "}}, draw(d)...)
	}
	o.lines = append(o.lines, &e)
	o.open = !folded
	return o.open
}

// Close ends the present section: lines that follow belong to none.
func (o *Outline[T]) Close() { o.open = true }

func foldSign(st *theme.Styles, folded bool) string {
	switch {
	case st.Options.ASCII && folded:
		return "+"
	case st.Options.ASCII:
		return "-"
	case folded:
		return "▸"
	}
	return "▾"
}

// Fold folds or unfolds the section whose heading is selected; the caller then
// makes the lines anew. It reports whether there was one.
func (o *Outline[T]) Fold() bool {
	e, ok := o.Selected()
	if !ok || e.Section == "" {
		return false
	}
	o.folded[e.Section] = !o.drawn[e.Section]
	return true
}

// Chosen is what the selected line stands for.
func (o *Outline[T]) Chosen() (of T, ok bool) {
	e, ok := o.Selected()
	if !ok {
		return of, false
	}
	return e.Of, true
}

// Jump goes to the next heading below (1) or above (-1).
func (o *Outline[T]) Jump(step int) tea.Cmd {
	rows, at := o.Rows(), o.Cursor()
	for i := at + step; i >= 0 && i < len(rows); i += step {
		if rows[i].Section != "" {
			o.Move(i - at)
			break
		}
	}
	return nil
}

// Until is for how long the ages and countdowns on the screen stay true.
func (o *Outline[T]) Until(now time.Time) (until time.Duration) {
	for _, e := range o.Visible() {
		for _, at := range e.Ages {
			until = Sooner(until, SinceUntil(now, at))
		}
		if !e.Deadline.IsZero() {
			_, left := CountdownFor(e.Deadline.Sub(now))
			until = Sooner(until, left)
		}
	}
	return until
}
