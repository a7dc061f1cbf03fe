package hpapane

import (
	"fmt"
	"strconv"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/hpa"
	"midwatch/k8s/hpawatch"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

const (
	sparkCells = 40
	shownPast  = 8 // events
)

// past is how many replicas there were, what the metrics asked for while
// somebody looked, and what the controller's events tell.
func (o *outline) past(v *hpawatch.View) {
	if len(v.Sizes) == 0 && len(v.Events) == 0 && v.EventsErr == "" {
		return
	}
	o.heading("past", "before", false)
	if len(v.Sizes) > 0 {
		o.spark("replicas", theme.Info, v.Sizes, v.Read)
	}
	if len(v.Wanted) > 1 {
		o.spark("asked for", theme.Muted, v.Wanted, v.Read)
	}
	if v.EventsErr != "" {
		o.wrapped("past/err", widget.Say(theme.Warn, "  events: "+v.EventsErr.String()), 4)
	}
	shown := 0
	for _, e := range v.Events {
		if shown == shownPast {
			break
		}
		shown++
		o.event(e)
	}
}

// spark is one row of bars with its first and last number.
func (o *outline) spark(name string, token theme.Token, points []hpa.Point, now time.Time) {
	from := points[0].At
	o.Add(entry{Key: "past/" + name, Ages: []time.Time{from}, Draw: func(d widget.Draw) widget.Rich {
		cells := min(sparkCells, max(d.W-32, 4))
		out := widget.Say(theme.Muted, "  "+widget.Pad(name, 9, "")+" ")
		values := sampled(points, from, now, cells)
		if len(values) == 0 {
			return append(out, widget.Piece{Token: theme.Text, Text: strconv.Itoa(points[len(points)-1].N)})
		}
		low, high := values[0], values[0]
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
		out = append(out, widget.Spark(d.Styles, token, values, cells)...)
		text := fmt.Sprintf(" %d", high)
		if low != high {
			text = fmt.Sprintf(" %d to %d", low, high)
		}
		return append(out, widget.Piece{Token: theme.Muted, Text: text + ", " + widget.Since(d.Now, from)})
	}})
}

// event is one of the controller's.
func (o *outline) event(e *k8s.Event) {
	token := theme.Text
	if e.Type == "Warning" {
		token = theme.Warn
	}
	o.Add(entry{Key: "event/" + e.UID, Ages: []time.Time{e.Last}, Draw: func(d widget.Draw) widget.Rich {
		text := e.Reason + ": " + e.Message.String()
		if n, why, ok := hpa.Rescaled(e.Message.String()); ok && e.Reason == "SuccessfulRescale" {
			text = fmt.Sprintf("scaled to %d: %s", n, why)
		}
		if e.Count > 1 {
			text += fmt.Sprintf(" (at least %d times)", e.Count)
		}
		return widget.Rich{{Token: theme.Muted, Text: "  " + widget.Pad(widget.Since(d.Now, e.Last), widget.AgeWidth, "") + " "}, {Token: token, Text: text}}
	}})
}
