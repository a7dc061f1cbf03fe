package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Incident writes each workload as the first paragraph of an incident report:
// what is wrong and since when, what changed before it, who is affected, what
// to do next; and below it the evidence.
func (s *Status) Incident(w io.Writer) error {
	var b strings.Builder
	for i := range s.Workloads {
		if i > 0 {
			b.WriteString("\n")
		}
		s.incident(&b, &s.Workloads[i])
	}
	for _, line := range s.footnotes()[1:] {
		b.WriteString("\nNot seen: " + cell(line) + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the status as Markdown: %w", err)
	}
	return nil
}

func (s *Status) incident(b *strings.Builder, w *Workload) {
	fmt.Fprintf(b, "## %s: %s\n\n", cell(w.Namespace+"/"+w.Name), headline(w))
	sentences := []string{s.wrong(w), s.others(w), s.changed(w), affected(w), autoscaled(w), s.deadline(w), next(w)}
	var told []string
	for _, t := range sentences {
		if t != "" {
			told = append(told, t)
		}
	}
	b.WriteString(strings.Join(told, " ") + "\n")
	if len(w.Evidence) > 0 && w.Severity != live.OK {
		b.WriteString("\nEvidence:\n")
		for _, e := range w.Evidence {
			b.WriteString("- " + s.evidence(&e) + "\n")
		}
	}
	fmt.Fprintf(b, "\n_%s, context %s, read at %s by midwatch._\n", w.Kind, cell(s.Context), s.At.Format(time.RFC3339))
}

// headline is the state in words: "rollout stuck", "available again".
func headline(w *Workload) string {
	switch w.Phase {
	case k8s.PhaseFailed:
		return "rollout failed"
	case k8s.PhaseBlocked:
		return "rollout blocked until someone acts"
	case k8s.PhaseStalling:
		return "rollout stuck"
	case k8s.PhaseDegraded:
		return "degraded"
	case k8s.PhaseProgressing:
		return "changing"
	case k8s.PhaseDone:
		return "well"
	case k8s.PhasePaused:
		return "paused"
	case k8s.PhaseScaledToZero:
		return "scaled to zero"
	case k8s.PhaseManualUpdate:
		return "waits for pods to be deleted by hand"
	case k8s.PhaseDeleting:
		return "being deleted"
	case k8s.PhaseNotObserved:
		return "its newest change is not seen yet"
	}
	return "not judged"
}

// wrong is the first cause in a sentence of its own, else the verdict's.
func (s *Status) wrong(w *Workload) string {
	c := w.mainCause()
	if c == nil {
		return "**" + sentence(w.Message) + "**" + s.since(w.Since, " Since ") + dot(w.Since)
	}
	who := fmt.Sprintf("%d of %d %s", c.Count, c.Of, plural(c.Of, c.Which, "pod"))
	are := "are"
	if c.Count == 1 {
		are = "is"
	}
	var text string
	switch {
	case c.Kind == k8s.CauseNotDeleted:
		text = "**" + sentence(c.Text) + "**"
	case c.Step == 1:
		text = fmt.Sprintf("**The API server refuses the pods: %s.** %s %s missing", cell(c.Text.String()), who, are)
	case c.Kind == k8s.CauseOrdered:
		text = fmt.Sprintf("**%s must be deleted: %s**", cell(strings.Join(c.Pods, ", ")), cell(c.Text.String()))
	default:
		text = fmt.Sprintf("**%s %s not available: %s**", who, are, cell(c.Text.String()))
		if c.Container != "" {
			text += " (container " + cell(c.Container) + ")"
		}
	}
	text += s.since(c.Since, ", since ")
	if c.Restarts > 0 && c.Exit != nil {
		text += fmt.Sprintf(", after %s", plural1(c.Restarts, "restart"))
		if !c.NextStart.IsZero() {
			text += ", next start at " + s.clock(c.NextStart)
		}
	}
	text += "."
	if c.OldToo > 0 {
		text += " Pods of the old revision fail the same way, so this rollout is not the cause."
	}
	return text
}

// mainCause is the cause the paragraph is about; nil where nothing is wrong or
// nothing is known.
func (w *Workload) mainCause() *k8s.Cause {
	if len(w.Causes) == 0 || w.Severity == live.OK || w.Severity == live.Info {
		return nil
	}
	return &w.Causes[0]
}

// others names further causes.
func (s *Status) others(w *Workload) string {
	if w.mainCause() == nil || len(w.Causes) < 2 {
		return ""
	}
	var list []string
	for _, c := range w.Causes[1:] {
		list = append(list, fmt.Sprintf("%s (%s)", cell(c.Text.String()), plural1(c.Count, "pod")))
	}
	return "Besides: " + strings.Join(list, "; ") + "."
}

// changed is what came before it: the revision, its images, what its author
// said.
func (s *Status) changed(w *Workload) string {
	r := w.Rollout
	if r.Revision == "" || w.Phase == k8s.PhaseDone {
		return ""
	}
	since := w.Since
	if c := w.mainCause(); c != nil && !c.Since.IsZero() {
		since = c.Since
	}
	text := "Before it"
	if !since.IsZero() && r.StartedAt.After(since.Add(time.Minute)) {
		text = "Since then"
	}
	text += ", revision " + cell(r.PreviousRevision) + " was replaced by " + cell(r.Revision)
	if r.PreviousRevision == "" {
		text = "Revision " + cell(r.Revision) + " is the first one, made"
	}
	text += s.since(r.StartedAt, " at ")
	switch changes := imageChanges(r.PreviousImages, r.Images); {
	case len(changes) > 0:
		text += ": " + strings.Join(changes, "; ")
	case len(r.PreviousImages) > 0 && len(r.Images) > 0:
		text += " with the same images: the change is elsewhere in the template"
	}
	if r.ChangeCause != "" {
		text += " (" + cell(r.ChangeCause.String()) + ")"
	}
	return text + "."
}

func imageChanges(before, after []k8s.Image) []string {
	was := map[string]foreign.Text{}
	for _, i := range before {
		was[i.Container] = i.Image
	}
	var out []string
	for _, i := range after {
		if old, ok := was[i.Container]; ok && old != i.Image {
			out = append(out, fmt.Sprintf("%s `%s` → `%s`", cell(i.Container), code(old), code(i.Image)))
		}
	}
	return out
}

// affected is who notices: available pods of wanted ones.
func affected(w *Workload) string {
	r := w.Rollout
	if r.Desired == 0 || w.Severity == live.OK {
		return ""
	}
	text := fmt.Sprintf("%d of %d wanted pods are available", r.TotalAvailable, r.Desired)
	if w.Kind == k8s.DaemonSet {
		text = fmt.Sprintf("It is available on %d of %d nodes", r.TotalAvailable, r.Desired)
	}
	switch {
	case r.TotalAvailable == 0:
		text = "Nothing is available: everybody who needs it is affected"
	case r.TotalAvailable >= r.Desired && r.Available < r.TotalAvailable && w.Phase != k8s.PhaseProgressing:
		text += ": the old revision still serves, and users should not notice yet"
	case r.TotalAvailable < r.Desired:
		text += fmt.Sprintf(": it serves with %d %% of what it should have", r.TotalAvailable*100/r.Desired)
	}
	if !r.PodsKnown {
		text += "; its pods could not be read, so this rests on the controller's counts"
	}
	return text + "."
}

func (s *Status) deadline(w *Workload) string {
	switch d := w.Rollout.Deadline; {
	case d.IsZero() || w.Severity == live.OK || w.Phase == k8s.PhaseFailed:
		return ""
	case d.Before(s.At):
		return "Its progress deadline passed at " + s.clock(d) + "."
	default:
		return "It counts as failed at " + s.clock(d) + " if nothing moves."
	}
}

func next(w *Workload) string {
	c := w.mainCause()
	if c == nil || c.Next == "" {
		return ""
	}
	text := "Next: " + c.Next
	if r := w.Rollout; w.Kind == k8s.Deployment && r.PreviousRevision != "" && c.OldToo == 0 && (w.Phase == k8s.PhaseFailed || w.Phase == k8s.PhaseStalling) {
		text += fmt.Sprintf(" The undo is `kubectl -n %s rollout undo deployment/%s`.", code(foreign.Text(w.Namespace)), code(foreign.Text(w.Name)))
	}
	if len(w.Delete) > 0 {
		text = fmt.Sprintf("Next: `kubectl -n %s delete pod %s`. %s", code(foreign.Text(w.Namespace)), code(foreign.Text(strings.Join(w.Delete, " "))), c.Next)
	}
	return text
}

func (s *Status) evidence(e *live.Evidence) string {
	text := cell(e.Text.String())
	if e.Ref != "" {
		text = cell(e.Ref) + ": " + text
	}
	if e.Count > 1 && e.Kind == "event" {
		text += fmt.Sprintf(" (at least %d times)", e.Count)
	}
	return text + s.since(e.At, ", ")
}

// since is "LEAD02:58 UTC (6m ago)"; empty for a time that is not known.
func (s *Status) since(t time.Time, lead string) string {
	if t.IsZero() {
		return ""
	}
	return lead + s.clock(t) + " (" + s.age(t) + " ago)"
}

// clock is a time of day, with the date when it is not of the last 20 hours.
func (s *Status) clock(t time.Time) string {
	t = t.UTC()
	if d := s.At.Sub(t); d > 20*time.Hour || d < -20*time.Hour {
		return t.Format("2006-01-02 15:04 UTC")
	}
	return t.Format("15:04 UTC")
}

func dot(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "."
}

// sentence begins with a capital and ends with a full stop.
func sentence(t foreign.Text) string {
	text := strings.TrimSuffix(cell(t.String()), ".")
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func plural1(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func plural(n int, which, noun string) string {
	if n != 1 {
		noun += "s"
	}
	if which != "" {
		noun = which + " " + noun
	}
	return noun
}

// code keeps foreign text inside a code span.
func code(t foreign.Text) string { return strings.ReplaceAll(t.String(), "`", "'") }
