package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

const (
	// maxText bounds a message or a piece of evidence, in bytes.
	maxText = 512
	// sentence is how long a verdict's message may get before details are
	// left out, in characters.
	sentence = 120
	// slack is how much longer it may get rather than cut a detail short, and
	// how much of a detail is worth showing.
	slack = 14
)

// verdict composes one. Nothing in a message may depend on how much time has
// passed: ages and countdowns are drawn from the times beside it.
func verdict(sev live.Severity, phase k8s.Phase, reason string, since time.Time, format string, args ...any) k8s.Verdict {
	return k8s.Verdict{Severity: sev, Phase: phase, Reason: reason, Since: since, Message: foreign.CleanN(fmt.Sprintf(format, args...), maxText)}
}

// count is "1 pod", "2 pods".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func allUp(n int) string {
	if n == 1 {
		return "its pod is up to date and available"
	}
	return fmt.Sprintf("all %d pods are up to date and available", n)
}

// nameList lists names while they fit into width characters, at least one.
func nameList(names []string, width int) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 && b.Len()+len(name)+2 > width {
			fmt.Fprintf(&b, " and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}

func podNames(pods []*k8s.PodRow) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return out
}

// shorten cuts s to at most n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:max(n-1, 0)]), " .,:;") + "…"
}

// withCause is the sentence about pods that waiting will not mend: "4/5 new
// pods: readiness GET :8000/readyz answers 503 since 23:29; stuck at 1 of 5
// updated (pods)". The cause comes first and whole where it can be: a narrow
// column cuts the end.
func (a *assessment) withCause(head string, g *trouble) string {
	lead := g.tally() + ": "
	since := a.clock(g.since)
	tail := since + "; " + head
	if g.oldToo > 0 {
		// What it is not matters more than how far it got.
		since += "; old pods fail the same way: not this rollout"
		if tail = since + "; " + head; utf8.RuneCountInString(lead+g.text+tail) > sentence+slack {
			tail = since
		}
	}
	room := func(more string) int {
		return sentence + slack - utf8.RuneCountInString(lead+g.text+tail+more)
	}
	for _, width := range []int{44, 0} {
		if names := " (" + nameList(podNames(g.pods), width) + ")"; room(names) >= 0 {
			return lead + g.text + tail + names
		}
	}
	if r := room(""); r < 0 {
		return lead + shorten(g.text, max(utf8.RuneCountInString(g.text)+r, 40)) + tail
	}
	return lead + g.text + tail
}

// clock is " since 23:29", in the zone of whoever asks; a day or more ago it
// names the day. Unlike an age it does not go stale while it stands there.
func (a *assessment) clock(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	since = since.In(a.Now.Location())
	if a.within(since, sameDay) {
		return " since " + since.Format("15:04")
	}
	return " since " + since.Format("2 Jan")
}

// sameDay is how long a time of day alone says when something was.
const sameDay = 20 * time.Hour

// waitingFor is "; readiness GET :8000/readyz has not passed yet (a, b)": what
// pods that are on their way still lack.
func (g *trouble) waitingFor() string {
	return "; " + shorten(g.text, 64) + " (" + nameList(podNames(g.pods), 44) + ")"
}

// withWords is "head: words", the words cut to what room is left.
func withWords(head, words string) string {
	return head + ": " + shorten(words, max(sentence-utf8.RuneCountInString(head)-2, 60))
}

// revisionEvidence says what images a rollout brought.
func revisionEvidence(o *Object, before, after *k8s.Revision) live.Evidence {
	text := "revision " + revisionName(before) + " to " + revisionName(after)
	changes := imageChanges(before.Images, after.Images)
	switch {
	case len(changes) > 0:
		text += ": " + strings.Join(changes, "; ")
	case len(before.Images) > 0 && len(after.Images) > 0:
		text += ": same images"
	}
	if after.Cause != "" {
		text += " (" + after.Cause.String() + ")"
	}
	kind := "ReplicaSet"
	if o.Kind == k8s.StatefulSet || o.Kind == k8s.DaemonSet {
		kind = "ControllerRevision"
	}
	ref := k8s.Ref{Kind: kind, Namespace: o.Namespace, Name: after.Name}
	return live.Evidence{Kind: "revision", Ref: ref.String(), At: after.Created, Text: foreign.CleanN(text, maxText)}
}

func revisionName(r *k8s.Revision) string {
	if r.Number == 0 {
		return r.Name
	}
	return fmt.Sprint(r.Number)
}

func imageChanges(before, after []k8s.Image) []string {
	was := map[string]foreign.Text{}
	for _, i := range before {
		was[i.Container] = i.Image
	}
	var out []string
	for _, i := range after {
		if old, ok := was[i.Container]; ok && old != i.Image {
			out = append(out, fmt.Sprintf("%s %s -> %s", i.Container, old, i.Image))
		}
	}
	return out
}

func cleaned(s string) foreign.Text { return foreign.CleanN(s, maxText) }
