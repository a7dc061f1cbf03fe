package hpapane

import (
	"strconv"
	"time"

	"midwatch/k8s/hpa"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// nothing is what a line of the pane stands for: all are about the one
// autoscaler.
type nothing struct{}

// entry is one line.
type entry = widget.Entry[nothing]

// outline collects lines.
type outline struct {
	*widget.Outline[nothing]
	p *Pane
	// told are the groups of pods that were named already: usually all metrics
	// lack the same ones.
	told map[string]bool
}

// arrange makes the lines anew, for the width drawn last.
func (p *Pane) arrange() {
	o := &outline{Outline: p.outline, p: p, told: map[string]bool{}}
	o.Begin()
	defer o.End()
	if p.view == nil {
		return
	}
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
}

// wrapped appends a text over as many lines as it takes.
func (o *outline) wrapped(key string, r widget.Rich, indent int) { o.Text(key, nothing{}, r, indent) }

// heading begins a section that can be folded.
func (o *outline) heading(section, title string, foldedAtFirst bool) {
	o.Heading(section, foldedAtFirst, entry{Draw: func(widget.Draw) widget.Rich { return widget.Say(theme.Title, title) }})
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
	o.Add(entry{Key: "about", Ages: []time.Time{v.Read}, Draw: func(d widget.Draw) widget.Rich {
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
