package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"midwatch/k8s"
	"midwatch/live"
)

// trouble is what keeps pods from becoming available, grouped by cause.
type trouble struct {
	reason  string
	message string // the newest pod's own words; may be empty
	fatal   bool   // waiting longer will not help by itself
	since   time.Time
	pods    []*k8s.PodRow
	event   *k8s.Event
}

// How long a state may last before it counts as trouble: scheduling and
// volume work take their time in a healthy cluster too.
const (
	pendingGrace  = 30 * time.Second
	creatingGrace = 2 * time.Minute
)

// troubles groups the pods that are not available by what they say of
// themselves, the largest fatal group first. recheck is when a group that is
// within its grace stops being so.
func troubles(in *Input, pods []*k8s.PodRow) (groups []*trouble, recheck time.Time) {
	byReason := map[string]*trouble{}
	for _, p := range pods {
		state := p.State(in.Object.MinReady, in.Now)
		if state >= k8s.PodReady {
			continue
		}
		t, until := troubleOf(in, p, state)
		if !until.IsZero() && (recheck.IsZero() || until.Before(recheck)) {
			recheck = until
		}
		g := byReason[t.reason]
		if g == nil {
			byReason[t.reason] = t
			groups = append(groups, t)
			g = t
		} else {
			g.fatal = g.fatal || t.fatal
			if t.since.Before(g.since) {
				g.since = t.since
			}
			if g.message == "" {
				g.message, g.event = t.message, t.event
			}
		}
		g.pods = append(g.pods, p)
	}
	slices.SortStableFunc(groups, func(a, b *trouble) int {
		if a.fatal != b.fatal {
			if a.fatal {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(b.pods), len(a.pods)), cmp.Compare(a.reason, b.reason))
	})
	for _, g := range groups {
		slices.SortFunc(g.pods, func(a, b *k8s.PodRow) int { return cmp.Compare(a.Name, b.Name) })
	}
	return groups, recheck
}

func troubleOf(in *Input, p *k8s.PodRow, state k8s.PodState) (t *trouble, until time.Time) {
	t = &trouble{reason: p.Reason, message: p.Message.String(), since: p.Created}
	if t.reason == "" {
		t.reason = p.Phase
	}
	grace := func(d time.Duration, from time.Time) {
		if end := from.Add(d); end.After(in.Now) {
			until = end
		} else {
			t.fatal = true
		}
	}
	switch state {
	case k8s.PodFailed, k8s.PodCrashing, k8s.PodWaiting:
		t.fatal = true
		if state == k8s.PodCrashing && p.ExitReason != "" {
			t.message = exitWords(p)
		}
	case k8s.PodPending:
		if p.Reason == "Unschedulable" || p.Reason == "SchedulerError" {
			grace(pendingGrace, p.Created)
		} else {
			grace(creatingGrace, p.Created)
		}
	case k8s.PodUnready:
		t.since = p.ReadySince
		if t.since.IsZero() {
			t.since = p.Created
		}
		unready(in, p, t, grace)
	}
	return t, until
}

// unready judges a running pod whose probes have not passed: it is given the
// time its own probes allow before that counts as trouble.
func unready(in *Input, p *k8s.PodRow, t *trouble, grace func(time.Duration, time.Time)) {
	budget, from := in.Object.ProbeBudget, p.Created
	if !p.Started.IsZero() {
		from = p.Started
	}
	if e := newestEvent(in.Events, p.UID, "Unhealthy"); e != nil {
		t.event, t.message = e, e.Message.String()
		if strings.HasPrefix(t.message, "Readiness") {
			// The startup probe has passed, or there is none.
			t.reason, budget = "Unready", in.Object.ReadinessBudget
		}
	}
	if !p.LastRestart.IsZero() && p.LastRestart.After(from) {
		from = p.LastRestart
	}
	if !p.ReadySince.IsZero() && p.ReadySince.After(from.Add(budget)) {
		from = p.ReadySince // it was ready once, and stopped
		budget = 0
	}
	grace(max(budget, 30*time.Second), from)
}

// exitWords says how the last container of a crashing pod ended.
func exitWords(p *k8s.PodRow) string {
	words := p.ExitReason
	if p.ExitCode != 0 && p.ExitReason != "OOMKilled" {
		words = fmt.Sprintf("%s, exit %d", p.ExitReason, p.ExitCode)
	}
	if p.Message != "" && !strings.HasPrefix(p.Message.String(), "back-off") {
		words += ": " + p.Message.String()
	}
	return words
}

// names lists pods by name, at most three of them.
func names(pods []*k8s.PodRow) string {
	var out []string
	for i, p := range pods {
		if i == 3 {
			out = append(out, fmt.Sprintf("and %d more", len(pods)-3))
			break
		}
		out = append(out, p.Name)
	}
	return strings.Join(out, ", ")
}

func podNames(pods []*k8s.PodRow) []string {
	out := make([]string, 0, len(pods))
	for _, p := range pods {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return out
}

// words is the group in one clause: "api-6d5-x2x: ImagePullBackOff (…)".
func (t *trouble) words() string {
	reason := t.reason
	if reason == "ContainersNotReady" || reason == "Unready" || reason == "Running" {
		reason = "not ready"
	}
	text := names(t.pods) + ": " + reason
	if t.message != "" && !strings.HasPrefix(t.message, "containers with unready status") {
		text += " (" + short(t.message, 90) + ")"
	}
	return text
}

func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func (t *trouble) evidence() []live.Evidence {
	var out []live.Evidence
	for i, p := range t.pods {
		if i == 5 {
			break
		}
		text := p.Reason
		if p.Message != "" {
			text += ": " + p.Message.String()
		}
		out = append(out, live.Evidence{Kind: "pod", Ref: p.Ref().String(), At: t.since, Count: p.Restarts, Text: cleanText(text)})
	}
	if t.event != nil {
		out = append(out, eventEvidence(t.event))
	}
	return out
}
