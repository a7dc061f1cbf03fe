package rolloutpane

import (
	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// entry is one line of the pane.
type entry = widget.Entry[behind]

// behind is what a line stands for; its parts are empty where there is none.
type behind struct {
	// enter is what the enter key does; nil for nothing.
	enter func() tea.Cmd
	// says in a word what enter does, for the footer.
	says     string
	pod      *k8s.PodRow
	revision *k8s.Revision
	ref      k8s.Ref // what else it stands for
}

// outline collects lines.
type outline struct {
	*widget.Outline[behind]
	p *Pane
}

// arrange makes the lines anew, for the width drawn last.
func (p *Pane) arrange() {
	o := &outline{p.outline, p}
	o.Begin()
	defer o.End()
	w := p.workload()
	if w == nil {
		return
	}
	o.verdict(w)
	o.causes(w)
	o.revision(w)
	o.progress(w)
	o.pods(w, p.detail)
	o.history(w)
	o.evidence(w)
	o.events(p.detail)
}

// text appends a line that never changes and does nothing.
func (o *outline) text(key string, r widget.Rich) {
	o.Add(entry{Key: key, Draw: func(widget.Draw) widget.Rich { return r }})
}

// wrapped appends a text over as many lines as it takes.
func (o *outline) wrapped(key string, r widget.Rich, indent int) { o.Text(key, behind{}, r, indent) }

// heading begins a section that can be folded, and reports whether it is open.
func (o *outline) heading(section, title string, notes widget.Rich, foldedAtFirst bool) (open bool) {
	return o.Heading(section, foldedAtFirst, entry{
		Of: behind{says: "fold", enter: o.p.foldHere},
		Draw: func(widget.Draw) widget.Rich {
			return append(widget.Rich{{Token: theme.Title, Text: title}, {Token: theme.Text, Text: "  "}}, notes...)
		},
	})
}

// foldHere folds or unfolds the section under the cursor.
func (p *Pane) foldHere() tea.Cmd {
	p.outline.Fold()
	p.arrange()
	return nil
}

// arrow stands between what was and what is.
func arrow(st *theme.Styles) string {
	if st.Options.ASCII {
		return " -> "
	}
	return " → "
}
