package hpapane

import (
	"fmt"
	"strings"

	"midwatch/k8s/hpa"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// metrics are the current values against their targets.
func (o *outline) metrics(e *hpa.Explanation) {
	if len(e.Metrics) == 0 {
		return
	}
	o.heading("metrics", "metrics", false)
	name, value := 0, 0
	for i := range e.Metrics {
		m := &e.Metrics[i]
		name, value = max(name, widget.Width(m.Name)), max(value, widget.Width(values(m)))
	}
	name, value = min(name, 28), min(value, 28)
	for i := range e.Metrics {
		o.metric(i, &e.Metrics[i], name, value)
	}
}

// values is "118 % of 70 %".
func values(m *hpa.Metric) string {
	text := m.Value() + " of " + m.TargetValue()
	if m.FromStatus {
		text = "about " + text
	}
	return text
}

// gaugeWidth is the bar's, where there is room.
const gaugeWidth = 20

func (o *outline) metric(i int, m *hpa.Metric, name, value int) {
	key := fmt.Sprintf("metric/%d", i)
	o.Add(entry{Key: key, Draw: func(d widget.Draw) widget.Rich {
		st := d.Styles
		out := widget.Rich{{Token: theme.Text, Text: "  " + widget.PadMiddle(st, m.Name, name) + " "}}
		w := min(gaugeWidth, max(d.W-name-value-18, 4))
		if !m.Computed {
			out = append(out, widget.Gauge(st, theme.Faint, 0, float64(m.Target), w)...)
			return append(out, widget.Piece{Token: theme.Warn, Text: " " + st.Sign(live.Warn) + " " + m.State.String()})
		}
		token := theme.OK
		if m.Ratio > 1 {
			token = theme.Warn
		}
		out = append(out, widget.Gauge(st, token, float64(m.Current), float64(m.Target), w)...)
		out = append(out, widget.Piece{Token: theme.Text, Text: " " + widget.Pad(values(m), value, "") + " "})
		asks := fmt.Sprintf("asks for %d", m.Proposal)
		if m.Raw != m.Proposal {
			asks += fmt.Sprintf(", not %d", m.Raw)
		}
		return append(out, widget.Piece{Token: theme.Muted, Text: asks})
	}})
	switch {
	case !m.Computed:
		o.wrapped(key+"/problem", widget.Rich{{Token: theme.Text, Text: "    "}, {Token: theme.Warn, Text: m.Problem}}, 4)
	case m.Note != "":
		o.wrapped(key+"/note", widget.Rich{{Token: theme.Text, Text: "    "}, {Token: theme.Muted, Text: m.Note}}, 4)
	}
	if odd := m.Odd; odd != "" {
		o.wrapped(key+"/odd", widget.Rich{{Token: theme.Text, Text: "    "}, {Token: theme.Warn, Text: odd}}, 4)
	}
	for j, g := range []struct {
		names []string
		what  string
	}{{m.Groups.Missing, "without metric"}, {m.Groups.Unready, "not ready"}, {m.Groups.Ignored, "ending"}} {
		if len(g.names) > 0 && !o.told[g.what+strings.Join(g.names, "/")] {
			o.told[g.what+strings.Join(g.names, "/")] = true
			text := fmt.Sprintf("    %s: %s", g.what, widget.List(g.names, 3))
			o.wrapped(fmt.Sprintf("%s/group/%d", key, j), widget.Say(theme.Muted, text), 4+len(g.what)+2)
		}
	}
}

// padNumber writes a number of replicas to the right of n cells.
func padNumber(n, width int) string {
	text := fmt.Sprint(n)
	return strings.Repeat(" ", max(width-len(text), 0)) + text
}
