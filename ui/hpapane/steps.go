package hpapane

import (
	"fmt"
	"time"

	"midwatch/k8s/hpa"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// titles are the steps' names as they are shown.
func title(n hpa.StepName) string {
	switch n {
	case hpa.StepMetrics:
		return "load"
	case hpa.StepPods:
		return "pods"
	case hpa.StepInvalid:
		return "failing"
	case hpa.StepStabilise:
		return "window"
	}
	return string(n)
}

// steps are the waterfall: what went in, what came out, and the one that
// decided.
func (o *outline) steps(e *hpa.Explanation) {
	o.heading("why", "why", false)
	name, number := 0, 1
	for _, s := range e.Steps {
		name = max(name, widget.Width(title(s.Name)))
		number = max(number, len(fmt.Sprint(s.In)), len(fmt.Sprint(s.Out)))
	}
	number = min(number, 6)
	for i := range e.Steps {
		s := &e.Steps[i]
		st := o.p.env.Styles
		token, mark := theme.Muted, "  "
		switch {
		case s.Decided:
			token, mark = theme.Accent, decidedSign(st.Options.ASCII)+" "
		case s.In != s.Out, s.Name == hpa.StepDesired, s.Name == hpa.StepActual:
			token = theme.Text
		}
		numbers := padNumber(s.In, number) + arrow(st) + padNumber(s.Out, number)
		if s.Name == hpa.StepActual {
			numbers = padNumber(s.Out, 2*number+widget.Width(arrow(st)))
		}
		head := mark + widget.Pad(title(s.Name), name, "") + " " + numbers + "  "
		text := s.Text
		if s.Approx {
			text = "about " + text
		}
		o.wrapped("step/"+string(s.Name), widget.Rich{{Token: token, Text: head}, {Token: token, Text: text}}, widget.Width(head))
	}
}

func decidedSign(ascii bool) string {
	if ascii {
		return ">"
	}
	return "▶"
}

// forecast is where the present load leads to.
func (o *outline) forecast(e *hpa.Explanation) {
	f := e.Forecast
	if f == nil {
		return
	}
	o.heading("forecast", "forecast", false)
	o.wrapped("forecast/text", widget.Say(theme.Text, "  "+f.Text), 2)
	for _, p := range f.Points[1:] {
		o.Add(entry{Key: fmt.Sprintf("forecast/%d", p.N), Deadline: p.At, Draw: func(d widget.Draw) widget.Rich {
			return widget.Say(theme.Muted, fmt.Sprintf("  %d in %s", p.N, widget.Countdown(p.At.Sub(d.Now))))
		}})
	}
}

// conditions are the controller's own, as sentences.
func (o *outline) conditions(e *hpa.Explanation) {
	if len(e.Conditions) == 0 {
		return
	}
	o.heading("conditions", "the controller says", false)
	for i := range e.Conditions {
		c := &e.Conditions[i]
		sev := live.OK
		if c.Bad {
			sev = live.Warn
		}
		st := o.p.env.Styles
		o.wrapped("condition/"+c.Type, widget.Rich{
			{Token: theme.Severity(sev), Text: "  " + st.Sign(sev) + " "}, {Token: theme.Text, Text: c.Text},
			{Token: theme.Muted, Text: "  (" + c.Reason + ")"},
		}, 4)
	}
}

// unknown lists what no API tells.
func (o *outline) unknown(e *hpa.Explanation) {
	if len(e.Unknown) == 0 {
		return
	}
	o.heading("unknown", "what cannot be known", e.Confidence == hpa.Exact)
	for i, u := range e.Unknown {
		token := theme.Muted
		if u.Matters {
			token = theme.Warn
		}
		o.wrapped(fmt.Sprintf("unknown/%d", i), widget.Rich{{Token: token, Text: "  " + u.What}, {Token: theme.Muted, Text: ": " + u.Effect}}, 4)
	}
}

// orphans are other autoscalers here that point at nothing.
func (o *outline) orphans() {
	o.Close()
	list := o.p.view.Orphans
	if len(list) == 0 {
		return
	}
	o.heading("orphans", "autoscalers here without a target", false)
	for i, text := range list {
		st := o.p.env.Styles
		o.wrapped(fmt.Sprintf("orphan/%d", i), widget.Rich{{Token: theme.Warn, Text: "  " + st.Sign(live.Warn) + " "}, {Token: theme.Text, Text: text.String()}}, 4)
	}
}

// sampled are sizes over time as one value a cell: the size that held at the
// end of each cell's time.
func sampled(points []hpa.Point, from, to time.Time, cells int) []int {
	if len(points) == 0 || cells <= 0 || !to.After(from) {
		return nil
	}
	out := make([]int, cells)
	at := 0
	for i := range out {
		end := from.Add(time.Duration(float64(to.Sub(from)) * float64(i+1) / float64(cells)))
		for at+1 < len(points) && !points[at+1].At.After(end) {
			at++
		}
		out[i] = points[at].N
	}
	return out
}
