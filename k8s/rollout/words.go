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

// withCause is "head; 1/3 new pods not ready: Reason, detail (names)". The
// detail gets what room the sentence has left.
func withCause(head string, g *trouble) string {
	text := head + "; " + g.tally() + ": " + g.reason
	width := 44
	if g.detail != "" {
		width = 24
	}
	tail := " (" + nameList(podNames(g.pods), width) + ")"
	if g.oldToo > 0 {
		tail += ", and so are " + count(g.oldToo, "old pod")
	}
	room := sentence - utf8.RuneCountInString(text+tail) - 2
	switch {
	case g.detail == "":
	case utf8.RuneCountInString(g.detail) <= room+slack:
		text += ", " + g.detail
	case room >= slack:
		text += ", " + shorten(g.detail, room)
	}
	return text + tail
}

// waitingFor is "; waiting for a, b (ContainersNotReady)".
func (g *trouble) waitingFor() string {
	reason := g.reason
	if g.detail != "" && len(g.detail) <= 2*slack {
		reason += ", " + g.detail
	}
	return "; waiting for " + nameList(podNames(g.pods), 44) + " (" + reason + ")"
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
