package rolloutpane

import (
	"fmt"
	"strconv"

	"midwatch/k8s"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// progress is how far the rollout is: the workload's pods, then those of each
// revision that has or wants any, within the strategy's limits.
func (o *outline) progress(w *k8s.Workload) {
	r := &w.Rollout
	o.heading("progress", "progress", widget.Rich{
		{Token: theme.Text, Text: fmt.Sprintf("%d of %d updated", r.Updated, r.Desired)},
		{Token: theme.Muted, Text: fmt.Sprintf(", %d ready, %d available", r.TotalReady, r.TotalAvailable)},
	}, false)
	total := k8s.Revision{Desired: r.Desired, Current: r.Total, Ready: r.TotalReady, Available: r.TotalAvailable}
	o.bar("all", "all", &total)
	for i := range r.Revisions {
		rev := &r.Revisions[i]
		if rev.Desired == 0 && rev.Current == 0 {
			continue
		}
		name := "old " + number(rev)
		if rev.New {
			name = "new " + number(rev)
		}
		o.bar("rev/"+rev.Name, name, rev)
	}
	if limits := limits(w); limits != "" {
		o.wrapped("limits", widget.Say(theme.Muted, "  "+limits), 2)
	}
	if w.HPA != nil {
		o.hpa(w.HPA)
	}
}

// barWidth is the bar's, where there is room.
const barWidth = 24

func (o *outline) bar(key, name string, r *k8s.Revision) {
	n := min(barWidth, max(4, o.Width/3))
	o.Add(entry{Key: "bar/" + key, Draw: func(d widget.Draw) widget.Rich {
		missing := max(0, r.Desired-r.Current)
		out := widget.Say(theme.Muted, "  "+widget.Pad(name, 8, "")+" ")
		out = append(out, widget.Bar(d.Styles, []widget.Segment{
			{N: r.Available, Token: theme.OK, Fill: widget.Solid},
			{N: r.Ready - r.Available, Token: theme.Info, Fill: widget.Dense},
			{N: r.Current - r.Ready, Token: theme.Warn, Fill: widget.Light},
			{N: missing, Token: theme.Faint, Fill: widget.Hollow},
		}, n)...)
		text := fmt.Sprintf(" %d available", r.Available)
		if r.Ready > r.Available {
			text += fmt.Sprintf(", %d ready", r.Ready-r.Available)
		}
		if r.Current > r.Ready {
			text += fmt.Sprintf(", %d not ready", r.Current-r.Ready)
		}
		if missing > 0 {
			text += fmt.Sprintf(", %d missing", missing)
		}
		return append(out, widget.Piece{Token: theme.Text, Text: text + " of " + strconv.Itoa(r.Desired)})
	}})
}

// limits says in words how the strategy bounds the rollout.
func limits(w *k8s.Workload) string {
	r := &w.Rollout
	switch {
	case r.Steps > 0:
		text := fmt.Sprintf("%s: step %d of %d, weight %d %%", r.Strategy, r.Step, r.Steps, r.Weight)
		if r.Paused {
			text += ", paused"
		}
		return text
	case r.Strategy == "Recreate":
		return "Recreate: all old pods go before the first new one comes"
	case r.Strategy == "OnDelete":
		return "OnDelete: old pods stay until someone deletes them"
	case w.Kind == k8s.StatefulSet && r.Partition > 0:
		return fmt.Sprintf("partition %d: only pods from ordinal %d on are updated, the highest first", r.Partition, r.Partition)
	case w.Kind == k8s.StatefulSet:
		return "one by one, from the highest ordinal down to 0"
	case r.Strategy == "":
		return ""
	}
	return fmt.Sprintf("%s: at most %d more than %d and %d unavailable", r.Strategy, r.Surge, r.Desired, r.Unavailable)
}

func (o *outline) hpa(h *k8s.HPAStatus) {
	o.Add(entry{Key: "hpa", Draw: func(d widget.Draw) widget.Rich {
		join := widget.NewJoin(d.Styles)
		join.Add(theme.Muted, fmt.Sprintf("  autoscaler %s keeps %d to %d, has %d, wants %d", h.Name, h.Min, h.Max, h.Current, h.Desired))
		if h.AtMax {
			join.Add(theme.Warn, "capped at its maximum")
		}
		if h.Problem != "" {
			join.Add(theme.Warn, h.Problem)
			join.Add(theme.Warn, h.Message.String())
		}
		return join.Rich()
	}})
}
