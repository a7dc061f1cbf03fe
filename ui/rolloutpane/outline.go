package rolloutpane

import (
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// line is one line of the pane.
type line struct {
	// key is its identity: the selection stays on it through every refresh.
	key  string
	draw func(d widget.Draw) widget.Rich
	// enter is what the enter key does; nil for nothing.
	enter func() tea.Cmd
	// says in a word what enter does, for the footer.
	says string
	// ages and deadline are the times that make the line change by itself.
	ages     []time.Time
	deadline time.Time

	section  string // the section it heads; "" for other lines
	pod      *k8s.PodRow
	revision *k8s.Revision
	ref      k8s.Ref // what else it stands for
}

// outline collects lines.
type outline struct {
	p     *Pane
	lines []*line
	open  bool // the present section is unfolded
}

// arrange makes the lines anew, for the width drawn last.
func (p *Pane) arrange() {
	w := p.workload()
	if w == nil {
		p.table.SetRows(nil)
		return
	}
	o := &outline{p: p, open: true}
	o.verdict(w)
	o.causes(w)
	o.revision(w)
	o.progress(w)
	o.pods(w, p.detail)
	o.history(w)
	o.evidence(w)
	o.events(p.detail)
	p.table.SetRows(o.lines)
}

// add appends a line unless its section is folded.
func (o *outline) add(l *line) {
	if o.open {
		o.lines = append(o.lines, l)
	}
}

// text appends a line that never changes and does nothing.
func (o *outline) text(key string, r widget.Rich) {
	o.add(&line{key: key, draw: func(widget.Draw) widget.Rich { return r }})
}

// wrapped appends a text over as many lines as it takes.
func (o *outline) wrapped(key string, r widget.Rich, indent int) {
	for i, part := range r.Wrap(max(o.p.width, 8), indent) {
		o.text(key+"/"+strconv.Itoa(i), part)
	}
}

// heading begins a section that can be folded.
func (o *outline) heading(section, title string, notes widget.Rich, foldedAtFirst bool) {
	folded, chosen := o.p.folded[section]
	if !chosen {
		folded = foldedAtFirst
	}
	o.open = true
	o.add(&line{
		key: "section/" + section, section: section, says: "fold",
		draw: func(d widget.Draw) widget.Rich {
			return append(widget.Rich{{Token: theme.Muted, Text: foldSign(d.Styles, folded) + " "}, {Token: theme.Title, Text: title}, {Token: theme.Text, Text: "  "}}, notes...)
		},
		enter: func() tea.Cmd {
			o.p.folded[section] = !folded
			o.p.arrange()
			return nil
		},
	})
	o.open = !folded
}

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

// arrow stands between what was and what is.
func arrow(st *theme.Styles) string {
	if st.Options.ASCII {
		return " -> "
	}
	return " → "
}
