package rollout

import (
	"cmp"
	"fmt"
	"slices"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// trouble is what keeps some pods from being available, grouped by cause.
type trouble struct {
	// finding is one pod's that is typical: its text is the commonest.
	finding
	pods []*k8s.PodRow
	// of is how many pods the group was taken from; which says what pods those
	// are: new, old or empty.
	of    int
	which string
	// oldToo counts pods of old revisions with the same trouble: then this
	// rollout is not its cause.
	oldToo int
	texts  map[string]int
}

// sameCause is what pods of one group have in common. Nodes are not part of
// it: pods lost with three nodes are one story.
func (f *finding) sameCause() string {
	object := f.object
	switch f.kind {
	case k8s.CauseNodeLost, k8s.CauseKubelet, k8s.CauseTerminating, k8s.CausePreempting, k8s.CauseOOM:
		object = ""
	}
	return string(f.kind) + "\x00" + f.container + "\x00" + object
}

// sortPods tells pods of the new revision from others and from those that are
// leaving. With pods whose revision cannot be told (isOwn nil), all are own.
func (a *assessment) sortPods(isOwn func(*k8s.PodRow) bool) {
	a.ownRevision = isOwn
	for _, p := range a.Pods {
		switch {
		case p.Terminating() || p.Phase == "Failed" || p.Phase == "Succeeded":
			a.leaving = append(a.leaving, p)
		case isOwn == nil || isOwn(p):
			a.own = append(a.own, p)
		default:
			a.old = append(a.old, p)
		}
	}
}

// lookAtPods finds the troubles of the new revision's pods, and of pods that
// do not go away. lost is how many pods the revision lacks: only then do pods
// that have failed matter, as their controllers replace them.
func (a *assessment) lookAtPods(lost int) {
	a.looked = true
	kind := ""
	if len(a.old) > 0 {
		kind = "new"
	}
	a.troubles = a.group(a.own, kind)
	if lost > 0 && len(a.troubles) == 0 {
		a.troubles = a.group(a.failedLately(), "")
	}
	if len(a.troubles) == 0 {
		return
	}
	for _, old := range a.group(a.old, "old") {
		for _, t := range a.troubles {
			if t.fatal && old.fatal && t.kind == old.kind && t.container == old.container {
				t.oldToo = len(old.pods)
			}
		}
	}
}

// lookAtAllPods is lookAtPods for controllers that wait for pods of any
// revision, and for pods that are leaving.
func (a *assessment) lookAtAllPods(lost int) {
	a.looked = true
	pods := append(slices.Clone(a.own), a.old...)
	a.troubles = a.group(append(pods, a.stuckLeaving()...), "")
	if lost > 0 && len(a.troubles) == 0 {
		a.troubles = a.group(a.failedLately(), "")
	}
}

// failedLately are pods that ended as Failed in the last minutes and were not
// deleted: evicted, or not admitted by their node.
func (a *assessment) failedLately() []*k8s.PodRow {
	var out []*k8s.PodRow
	for _, p := range a.leaving {
		if p.Phase == "Failed" && !p.Terminating() && a.within(newest(p.Created, newest(p.ReadySince, p.LastRestart)), failedWindow) {
			out = append(out, p)
		}
	}
	return out
}

// stuckLeaving are pods whose grace period is over and that are still there:
// their node is lost, or a finalizer holds them.
func (a *assessment) stuckLeaving() []*k8s.PodRow {
	var out []*k8s.PodRow
	for _, p := range a.leaving {
		if p.Terminating() && !a.within(p.Deleted, terminatingGrace) {
			out = append(out, p)
		}
	}
	return out
}

// group examines pods that are not available and groups them by cause: fatal
// groups first, then the larger ones, then the newer ones.
func (a *assessment) group(pods []*k8s.PodRow, which string) []*trouble {
	var groups []*trouble
	var byCause map[string]*trouble
	for _, p := range pods {
		if at, ok := p.AvailableAt(a.o.MinReady); ok {
			if at.After(a.Now) {
				a.soon(at)
			}
			continue
		}
		f := a.examine(p)
		cause := f.sameCause()
		g := byCause[cause]
		if g == nil {
			g = &trouble{finding: f, of: len(pods), which: which, texts: map[string]int{}}
			if byCause == nil {
				byCause = map[string]*trouble{}
			}
			byCause[cause] = g
			groups = append(groups, g)
		} else {
			g.join(&f)
		}
		g.texts[f.text]++
		g.pods = append(g.pods, p)
	}
	for _, g := range groups {
		slices.SortFunc(g.pods, func(x, y *k8s.PodRow) int { return cmp.Compare(x.Name, y.Name) })
	}
	slices.SortFunc(groups, func(x, y *trouble) int {
		if x.fatal != y.fatal {
			if x.fatal {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(y.pods), len(x.pods)), y.since.Compare(x.since), cmp.Compare(x.sameCause(), y.sameCause()))
	})
	return groups
}

// join adds another pod's finding to its group. The commonest text speaks for
// all, among equals the one that comes first in the alphabet, whatever order
// the pods came in.
func (g *trouble) join(f *finding) {
	since, fatal := earliest(g.since, f.since), g.fatal || f.fatal
	next, event := earliest(g.next, f.next), g.event
	if event == nil || (f.event != nil && f.event.Last.After(event.Last)) {
		event = f.event
	}
	if n, m := g.texts[f.text]+1, g.texts[g.text]; n > m || (n == m && f.text < g.text) {
		g.finding = *f
	}
	if event == nil {
		event = g.event
	}
	g.since, g.fatal, g.next, g.event = since, fatal, next, event
}

// fatal is the worst trouble that waiting will not mend; nil when there is
// none.
func (a *assessment) fatal() *trouble {
	if len(a.troubles) > 0 && a.troubles[0].fatal {
		return a.troubles[0]
	}
	return nil
}

// waiting are the pods of the new revision that are not available yet, by
// name: what a rollout without room waits for.
func (a *assessment) waiting() []string {
	names := a.unavailable(a.own)
	slices.Sort(names)
	return names
}

// waitingForAny are those of all revisions, in the order of their ordinals: a
// StatefulSet or DaemonSet waits for any of them.
func (a *assessment) waitingForAny() []string {
	pods := slices.Concat(a.own, a.old, a.stuckLeaving())
	slices.SortFunc(pods, func(x, y *k8s.PodRow) int {
		return cmp.Or(cmp.Compare(x.Ordinal, y.Ordinal), cmp.Compare(x.Name, y.Name))
	})
	return a.unavailable(pods)
}

func (a *assessment) unavailable(pods []*k8s.PodRow) []string {
	var out []string
	for _, p := range pods {
		if at, ok := p.AvailableAt(a.o.MinReady); !ok || at.After(a.Now) {
			out = append(out, p.Name)
		}
	}
	return out
}

// maxPodEvidence is how many pods of a group are named as evidence.
const maxPodEvidence = 5

// evidence of every trouble: its pods in their own words, and the event that
// explains them.
func (a *assessment) evidence() []live.Evidence {
	var out []live.Evidence
	for _, g := range a.troubles {
		out = append(out, g.evidence()...)
	}
	return out[:min(len(out), maxEvidence/2)]
}

func (t *trouble) evidence() []live.Evidence {
	var out []live.Evidence
	for _, p := range t.pods[:min(len(t.pods), maxPodEvidence)] {
		out = append(out, live.Evidence{Kind: "pod", Ref: p.Ref().String(), At: notReadySince(p), Count: p.Restarts, Text: podWords(p, t)})
	}
	if t.event != nil {
		out = append(out, eventEvidence(t.event))
	}
	return out
}

// podWords is what a pod says: "CrashLoopBackOff: back-off …; last exit 1
// (Error)".
func podWords(p *k8s.PodRow, t *trouble) foreign.Text {
	text := orWord(p.Reason, t.reason)
	if p.Container != "" {
		text = p.Container + ": " + text
	}
	if p.Message != "" {
		text += ": " + p.Message.String()
	}
	if p.ExitReason != "" {
		text += fmt.Sprintf("; last exit %d (%s)", p.ExitCode, p.ExitReason)
	}
	if p.Terminating() {
		text += "; being deleted"
	}
	if p.Node != "" {
		text += "; on " + p.Node
	}
	return foreign.CleanN(text, maxText)
}
