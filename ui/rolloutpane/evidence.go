package rolloutpane

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"midwatch/k8s"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/ui/pane"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// history lists the revisions one can go back to.
func (o *outline) history(w *k8s.Workload) {
	revisions := w.Rollout.Revisions
	if len(revisions) == 0 {
		return
	}
	o.heading("history", "history", widget.Say(theme.Muted, fmt.Sprintf("%d revisions, U goes back to the one under the cursor", len(revisions))), false)
	for i := range revisions {
		r := &revisions[i]
		l := entry{
			Key: "revision/" + r.Name, Of: behind{revision: r}, Ages: []time.Time{r.Created},
			Draw: func(d widget.Draw) widget.Rich { return revisionLine(d, r) },
		}
		if o.p.canUndoTo(r) {
			l.Of.says = "undo to it"
			l.Of.enter = func() tea.Cmd { return o.p.verbs.Undo(o.p.env, w, r.Number) }
		}
		o.Add(l)
	}
	o.Close()
}

func revisionLine(d widget.Draw, r *k8s.Revision) widget.Rich {
	mark := " "
	if r.New {
		mark = "*"
	}
	out := widget.Rich{
		{Token: theme.Accent, Text: "  " + mark},
		{Token: theme.Text, Text: widget.Pad(number(r), 5, "") + " "},
		{Token: theme.Muted, Text: widget.Pad(widget.Since(d.Now, r.Created), widget.AgeWidth, "") + " "},
	}
	join := widget.NewJoin(d.Styles)
	if r.Current > 0 || r.Desired > 0 {
		join.Add(theme.Text, fmt.Sprintf("%d/%d pods ready", r.Ready, max(r.Desired, r.Current)))
	}
	images := make([]string, len(r.Images))
	for i, image := range r.Images {
		images[i] = shortImage(image.Image.String())
	}
	join.Add(theme.Text, strings.Join(images, " "))
	join.Add(theme.Muted, r.Cause.String())
	return append(out, join.Rich()...)
}

// shortImage is an image without its registry.
func shortImage(image string) string {
	if i := strings.LastIndexByte(image, '/'); i >= 0 {
		return image[i+1:]
	}
	return image
}

// evidence lists what the verdict was read from.
func (o *outline) evidence(w *k8s.Workload) {
	list := w.Verdict.Evidence
	if len(list) == 0 {
		return
	}
	o.heading("evidence", "evidence", widget.Say(theme.Muted, "what the verdict was read from"), false)
	for i := range list {
		e := &list[i]
		ref := parseRef(e.Ref)
		l := entry{
			Key: "evidence/" + strconv.Itoa(i) + e.Kind + e.Ref, Of: behind{ref: ref},
			Draw: func(d widget.Draw) widget.Rich { return evidenceLine(d, e) },
		}
		if !e.At.IsZero() {
			l.Ages = []time.Time{e.At}
		}
		if !ref.IsZero() {
			l.Of.says = "open"
			l.Of.enter = func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: opens(e.Kind, ref), Ref: ref}) }
		}
		o.Add(l)
	}
	o.Close()
}

// opens is the pane that shows where a piece of evidence was read.
func opens(kind string, ref k8s.Ref) pane.ID {
	if kind == "event" || ref.Kind == "Pod" {
		return pane.Events
	}
	return pane.YAML
}

// parseRef reads what [k8s.Ref.String] wrote: "Pod shop/api-1".
func parseRef(s string) k8s.Ref {
	kind, rest, ok := strings.Cut(s, " ")
	if !ok {
		return k8s.Ref{}
	}
	ref := k8s.Ref{Kind: kind, Name: rest}
	if namespace, name, namespaced := strings.Cut(rest, "/"); namespaced {
		ref.Namespace, ref.Name = namespace, name
	}
	return ref
}

func evidenceLine(d widget.Draw, e *live.Evidence) widget.Rich {
	age := "-"
	if !e.At.IsZero() {
		age = widget.Since(d.Now, e.At)
	}
	text := e.Text.String()
	if e.Count > 1 {
		text = atLeast(d.Styles, e.Count) + " " + text
	}
	out := widget.Rich{
		{Token: theme.Muted, Text: "  " + widget.Pad(age, widget.AgeWidth, "") + " "},
		{Token: theme.Muted, Text: widget.Pad(e.Kind, 9, "") + " "},
		{Token: theme.Text, Text: text},
	}
	if e.Ref != "" {
		out = append(out, widget.Piece{Token: theme.Faint, Text: "  " + e.Ref})
	}
	return out
}

// atLeast is a count that is a floor: recorders drop what repeats too fast.
func atLeast(st *theme.Styles, n int) string {
	if st.Options.ASCII {
		return ">=" + strconv.Itoa(n) + "x"
	}
	return "≥" + strconv.Itoa(n) + "×"
}

// maxEvents is how many warnings are listed; the events pane has all.
const maxEvents = 20

// events lists the newest warnings about the workload and what it owns.
func (o *outline) events(detail *watch.Detail) {
	if len(detail.Events) == 0 {
		return
	}
	o.heading("warnings", "warnings", widget.Say(theme.Muted, fmt.Sprintf("%d events, the newest first", len(detail.Events))), false)
	for _, e := range detail.Events[:min(len(detail.Events), maxEvents)] {
		o.Add(entry{
			Key: "event/" + e.UID, Ages: []time.Time{e.Last},
			Of: behind{
				ref: e.Involved, says: "events",
				enter: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: pane.Events, Ref: e.Involved}) },
			},
			Draw: func(d widget.Draw) widget.Rich {
				count := ""
				if e.Count > 1 {
					count = atLeast(d.Styles, e.Count) + " "
				}
				return widget.Rich{
					{Token: theme.Muted, Text: "  " + widget.Pad(widget.Since(d.Now, e.Last), widget.AgeWidth, "") + " "},
					{Token: theme.Warn, Text: count + e.Reason + " "},
					{Token: theme.Text, Text: e.Message.String()},
					{Token: theme.Faint, Text: "  " + e.Involved.String()},
				}
			},
		})
	}
	o.Close()
}
