package hpapane

import (
	"strconv"
	"time"

	"midwatch/k8s/hpa"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// line is one line of the pane.
type line struct {
	// key is its identity: the selection stays on it through every refresh.
	key  string
	draw func(d widget.Draw) widget.Rich
	// ages and deadlines are the times that make the line change by itself.
	ages, deadlines []time.Time
	section         string // the section it heads; "" for other lines
}

// outline collects lines.
type outline struct {
	p     *Pane
	lines []*line
	open  bool // the present section is unfolded
	// told are the groups of pods that were named already: usually all metrics
	// lack the same ones.
	told map[string]bool
}

// arrange makes the lines anew, for the width drawn last.
func (p *Pane) arrange() {
	if p.view == nil {
		p.table.SetRows(nil)
		return
	}
	o := &outline{p: p, open: true, told: map[string]bool{}}
	if e := p.view.Explanation; e != nil {
		o.summary(e)
		o.metrics(e)
		o.steps(e)
		o.forecast(e)
		o.conditions(e)
		o.past(p.view)
		o.unknown(e)
	}
	o.orphans()
	p.table.SetRows(o.lines)
}

// add appends a line unless its section is folded.
func (o *outline) add(l *line) {
	if o.open {
		o.lines = append(o.lines, l)
	}
}

// text appends a line that never changes.
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
func (o *outline) heading(section, title string, foldedAtFirst bool) {
	folded, chosen := o.p.folded[section]
	if !chosen {
		folded = foldedAtFirst
	}
	o.open = true
	o.add(&line{key: "section/" + section, section: section, draw: func(d widget.Draw) widget.Rich {
		return widget.Rich{{Token: theme.Muted, Text: foldSign(d.Styles, folded) + " "}, {Token: theme.Title, Text: title}}
	}})
	o.open = !folded
}

// fold turns the section under the cursor.
func (p *Pane) fold(section string) {
	folded, chosen := p.folded[section]
	if !chosen {
		folded = section == sectionUnknown && p.view.Explanation.Confidence == hpa.Exact
	}
	p.folded[section] = !folded
	p.arrange()
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

// arrow stands between what went in and what came out.
func arrow(st *theme.Styles) string {
	if st.Options.ASCII {
		return " -> "
	}
	return " → "
}

// summary is the sentence, and how far it can be trusted.
func (o *outline) summary(e *hpa.Explanation) {
	sev := severity(e)
	sign := theme.Severity(sev)
	st := o.p.env.Styles
	o.wrapped("summary", widget.Rich{{Token: sign, Text: st.Sign(sev) + " "}, {Token: theme.Text, Text: e.Summary}}, 2)
	v := o.p.view
	o.add(&line{key: "about", ages: []time.Time{v.Read}, draw: func(d widget.Draw) widget.Rich {
		join := widget.NewJoin(d.Styles)
		join.Add(theme.Muted, "  "+e.Name+" keeps "+strconv.Itoa(e.Min)+" to "+strconv.Itoa(e.Max))
		join.Add(confidenceToken(e.Confidence), confidence(e.Confidence))
		join.Add(theme.Muted, "read "+widget.Since(d.Now, v.Read)+" ago, every 15s: metrics cannot be watched")
		return join.Rich()
	}})
}

// severity says how much trouble the autoscaler is in.
func severity(e *hpa.Explanation) live.Severity {
	switch {
	case e.Outcome == hpa.Cannot:
		return live.Fail
	case e.Outcome == hpa.Unsure:
		return live.Unknown
	case e.LimitedBy == hpa.StepInvalid, e.LimitedBy == hpa.StepPods, e.Wants > e.Max && e.Desired == e.Max:
		return live.Warn
	case e.Outcome == hpa.Disabled, e.Desired != e.Current, e.LimitedBy != "":
		return live.Info
	}
	return live.OK
}

func confidence(c hpa.Confidence) string {
	switch c {
	case hpa.Exact:
		return "exact"
	case hpa.Approximate:
		return "approximate"
	}
	return "cannot be computed"
}

func confidenceToken(c hpa.Confidence) theme.Token {
	if c == hpa.Exact {
		return theme.OK
	}
	return theme.Warn
}
