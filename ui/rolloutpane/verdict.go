package rolloutpane

import (
	"fmt"
	"strings"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/live"
	"midwatch/ui/theme"
	"midwatch/ui/widget"
)

// verdict is the sentence, the phase, since when, and what comes next.
func (o *outline) verdict(w *k8s.Workload) {
	v := &w.Verdict
	token := theme.Severity(v.Severity)
	head := entry{Key: "verdict", Draw: func(d widget.Draw) widget.Rich {
		join := widget.NewJoin(d.Styles)
		phase := d.Styles.Sign(v.Severity) + " " + string(v.Phase)
		if !v.Since.IsZero() {
			phase += " for " + widget.Since(d.Now, v.Since)
		}
		join.Add(token, phase)
		join.Add(theme.Text, v.Reason)
		if v.Since.IsZero() {
			join.Add(theme.Muted, "since when is not known")
		} else {
			join.Add(theme.Muted, "since "+v.Since.In(d.Now.Location()).Format("15:04:05"))
		}
		return join.Rich()
	}}
	if !v.Since.IsZero() {
		head.Ages = append(head.Ages, v.Since)
	}
	o.Add(head)
	if v.Message != "" {
		o.wrapped("message", widget.Say(token, v.Message.String()), 0)
	}
	o.next(w)
	if !w.PodsKnown {
		o.text("unknown pods", widget.Say(theme.Muted, "Its pods have not been looked at yet: this is from the controllers' own statuses."))
	}
}

// next is what the rollout waits for and until when.
func (o *outline) next(w *k8s.Workload) {
	r := &w.Rollout
	if len(r.BlockedBy) > 0 {
		o.wrapped("blocked", widget.Rich{{Token: theme.Muted, Text: "waits for "}, {Token: theme.Text, Text: widget.List(r.BlockedBy, 3)}}, 2)
	}
	if r.Deadline.IsZero() || w.Verdict.Severity == live.OK || w.Verdict.Phase == k8s.PhaseFailed {
		return
	}
	deadline := r.Deadline
	o.Add(entry{Key: "deadline", Deadline: deadline, Draw: func(d widget.Draw) widget.Rich {
		at := deadline.In(d.Now.Location()).Format("15:04:05")
		if !deadline.After(d.Now) {
			return widget.Rich{{Token: theme.Warn, Text: "its deadline passed at " + at}}
		}
		return widget.Rich{
			{Token: theme.Muted, Text: "counts as failed in "},
			{Token: theme.Text, Text: widget.Countdown(deadline.Sub(d.Now))},
			{Token: theme.Muted, Text: " at " + at},
		}
	}})
}

// revision says which revision replaces which, image by image, and what else
// differs between their templates.
func (o *outline) revision(w *k8s.Workload) {
	r := &w.Rollout
	now, old := &r.Revision, &r.PreviousRevision
	if now.Name == "" && now.Number == 0 {
		return
	}
	o.heading("revision", "revision", func() widget.Rich {
		if old.Name == "" || old.Name == now.Name {
			return widget.Plain(number(now))
		}
		return widget.Rich{{Token: theme.Muted, Text: number(old) + " is replaced by "}, {Token: theme.Text, Text: number(now)}}
	}(), false)
	if now.Cause != "" {
		o.text("cause", widget.Rich{{Token: theme.Muted, Text: "  cause    "}, {Token: theme.Text, Text: now.Cause.String()}})
	}
	o.images(old, now)
	o.changes()
}

func number(r *k8s.Revision) string {
	switch {
	case r.Number > 0:
		return fmt.Sprintf("%d", r.Number)
	case r.Name != "":
		return r.Name
	}
	return "?"
}

// images puts the images of the two revisions side by side.
func (o *outline) images(old, now *k8s.Revision) {
	was := map[string]string{}
	for _, i := range old.Images {
		was[i.Container] = i.Image.String()
	}
	for _, i := range now.Images {
		before, had := was[i.Container]
		o.image(i.Container, before, i.Image.String(), had || len(was) == 0)
		delete(was, i.Container)
	}
	for _, i := range old.Images {
		if before, left := was[i.Container]; left && len(now.Images) > 0 {
			o.Add(entry{Key: "image/" + i.Container, Draw: func(widget.Draw) widget.Rich {
				return widget.Rich{{Token: theme.Muted, Text: "  image    "}, {Token: theme.Text, Text: i.Container + "  "}, {Token: theme.Removed, Text: before + " (container removed)"}}
			}})
		}
	}
}

func (o *outline) image(container, before, after string, had bool) {
	o.Add(entry{Key: "image/" + container, Draw: func(d widget.Draw) widget.Rich {
		out := widget.Rich{{Token: theme.Muted, Text: "  image    "}, {Token: theme.Text, Text: container + "  "}}
		repository, tagBefore, tagAfter := splitImages(before, after)
		if whole := out.Width() + len(repository+tagBefore+tagAfter) + 3; whole > d.W {
			repository = shortImage(repository) // what differs matters more than where it is from
		}
		switch {
		case !had:
			return append(out, widget.Piece{Token: theme.Added, Text: after + " (container added)"})
		case before == "" || before == after:
			return append(out, widget.Piece{Token: theme.Muted, Text: after})
		case repository != "":
			out = append(out, widget.Piece{Token: theme.Muted, Text: repository})
		}
		return append(out, widget.Piece{Token: theme.Removed, Text: tagBefore}, widget.Piece{Token: theme.Muted, Text: arrow(d.Styles)}, widget.Piece{Token: theme.Added, Text: tagAfter})
	}})
}

// splitImages takes what two images have in common, up to the tag or digest,
// off their fronts, so that what differs is seen first.
func splitImages(before, after string) (common, a, b string) {
	cut := func(s string) int {
		if i := strings.IndexByte(s, '@'); i >= 0 {
			return i + 1
		}
		if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
			return i + 1
		}
		return 0
	}
	n := cut(before)
	if n == 0 || cut(after) != n || before[:n] != after[:n] {
		return "", before, after
	}
	return before[:n], before[n:], after[n:]
}

// changes lists what differs between the templates, as far as that was read.
func (o *outline) changes() {
	key, _, _, ok := o.p.revisions()
	if !ok || o.p.diff == nil {
		return
	}
	label := widget.Piece{Token: theme.Muted, Text: "  differs  "}
	c := o.p.diffs[key]
	switch {
	case c == nil:
		o.text("diff", widget.Rich{label, {Token: theme.Muted, Text: "press x to read what differs between the two templates"}})
	case !c.done:
		o.text("diff", widget.Rich{label, {Token: theme.Info, Text: "reading the two templates"}})
	case c.err != "":
		o.text("diff", widget.Rich{label, {Token: theme.Warn, Text: c.err.String()}, {Token: theme.Muted, Text: " (x tries again)"}})
	case len(c.changes) == 0:
		o.text("diff", widget.Rich{label, {Token: theme.Muted, Text: "nothing: the two templates are equal"}})
	}
	if c == nil {
		return
	}
	_, old, now, _ := o.p.revisions()
	for _, change := range c.changes {
		if len(old.Images) > 0 && len(now.Images) > 0 && strings.HasSuffix(change.Path.String(), "].image") {
			continue // stands above, side by side
		}
		o.Add(entry{Key: "diff/" + change.Path.String(), Draw: func(d widget.Draw) widget.Rich {
			out := widget.Rich{label, {Token: theme.Text, Text: change.Path.String() + "  "}}
			if change.Before != "" {
				out = append(out, widget.Piece{Token: theme.Removed, Text: change.Before.String()})
			}
			if change.Before != "" && change.After != "" {
				out = append(out, widget.Piece{Token: theme.Muted, Text: arrow(d.Styles)})
			}
			if change.After != "" {
				out = append(out, widget.Piece{Token: theme.Added, Text: change.After.String()})
			}
			if change.Kind != rollout.Changed {
				out = append(out, widget.Piece{Token: theme.Muted, Text: " (" + string(change.Kind) + ")"})
			}
			return out
		}})
	}
}
