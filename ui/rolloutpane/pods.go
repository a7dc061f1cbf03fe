package rolloutpane

import (
	"cmp"
	"fmt"
	"slices"
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

// manyPods is from how many pods on a group of healthy ones is folded at first.
const manyPods = 8

// podSeverity is how bad a pod's state is by itself.
func podSeverity(s k8s.PodState) live.Severity {
	switch s {
	case k8s.PodFailed, k8s.PodCrashing, k8s.PodWaiting:
		return live.Fail
	case k8s.PodPending, k8s.PodUnready:
		return live.Warn
	case k8s.PodReady, k8s.PodTerminating:
		return live.Info
	}
	return live.OK
}

// pods lists the workload's pods by state, the worst first.
func (o *outline) pods(w *k8s.Workload, detail *watch.Detail) {
	if len(detail.Pods) == 0 {
		if detail.PodsLoading {
			o.heading("pods", "pods", widget.Say(theme.Info, "loading"), false)
		}
		return
	}
	now := o.p.snapshot.At
	groups := map[k8s.PodState][]*k8s.PodRow{}
	width := 0
	for _, pod := range detail.Pods {
		s := pod.State(w.Rollout.MinReady, now)
		groups[s] = append(groups[s], pod)
		width = max(width, widget.Width(pod.Name))
	}
	notes := widget.Say(theme.Muted, strconv.Itoa(len(detail.Pods)))
	if detail.PodsLoading {
		notes = widget.Say(theme.Info, fmt.Sprintf("%d so far, more are arriving", len(detail.Pods)))
	}
	if open := o.heading("pods", "pods", notes, false); !open {
		return
	}
	for s := k8s.PodFailed; s <= k8s.PodSucceeded; s++ {
		if group := groups[s]; len(group) > 0 {
			o.group(w, s, group, min(width, max(12, o.Width*2/5)))
		}
	}
	o.Close()
}

// group is the pods in one state; many healthy ones are folded to a line.
func (o *outline) group(w *k8s.Workload, s k8s.PodState, pods []*k8s.PodRow, width int) {
	sev := podSeverity(s)
	defer o.Close()
	if len(pods) > manyPods {
		if open := o.heading("pods/"+s.String(), fmt.Sprintf("%d %s", len(pods), s), nil, sev == live.OK); !open {
			return
		}
	}
	slices.SortFunc(pods, func(a, b *k8s.PodRow) int {
		return cmp.Or(cmp.Compare(b.Restarts, a.Restarts), cmp.Compare(a.Ordinal, b.Ordinal), cmp.Compare(a.Name, b.Name))
	})
	for _, pod := range pods {
		o.Add(entry{
			Key: "pod/" + pod.Name + "/" + pod.UID, Ages: podTimes(pod),
			Draw: func(d widget.Draw) widget.Rich { return podLine(d, w, pod, s, sev, width) },
			Of: behind{
				pod: pod, says: "events",
				enter: func() tea.Cmd { return pane.Send(pane.OpenMsg{Pane: pane.Events, Ref: pod.Ref()}) },
			},
		})
	}
}

func podTimes(pod *k8s.PodRow) []time.Time {
	if pod.Restarts > 0 {
		return []time.Time{pod.Created, pod.LastRestart}
	}
	return []time.Time{pod.Created}
}

// podLine is one pod: sign, name, state and why, restarts, which revision,
// node, age.
func podLine(d widget.Draw, w *k8s.Workload, pod *k8s.PodRow, s k8s.PodState, sev live.Severity, width int) widget.Rich {
	token := theme.Severity(sev)
	out := widget.Rich{
		{Token: token, Text: "  " + d.Styles.Sign(sev) + " "},
		{Token: theme.Text, Text: widget.PadMiddle(d.Styles, pod.Name, width) + " "},
		{Token: token, Text: s.String()},
	}
	facts := widget.NewJoin(d.Styles)
	var why []string
	if pod.Reason != "" {
		why = append(why, pod.Reason)
	}
	if pod.ExitReason != "" && s != k8s.PodAvailable {
		why = append(why, fmt.Sprintf("last exit %d %s", pod.ExitCode, pod.ExitReason))
	}
	if len(why) > 0 {
		facts.Add(theme.Text, strings.Join(why, ", "))
	}
	if pod.Restarts > 0 {
		facts.Add(theme.Warn, fmt.Sprintf("%d restarts, last %s ago", pod.Restarts, widget.Since(d.Now, pod.LastRestart)))
	}
	facts.Add(theme.Muted, revisionWord(w, pod))
	facts.Add(theme.Muted, widget.Since(d.Now, pod.Created)+" old")
	facts.Add(theme.Muted, pod.Node)
	if pod.Message != "" {
		facts.Add(theme.Text, pod.Message.String())
	}
	return append(append(out, widget.Piece{Token: theme.Text, Text: " "}), facts.Rich()...)
}

// revisionWord is which revision a pod is of; "" when that is not known.
func revisionWord(w *k8s.Workload, pod *k8s.PodRow) string {
	for i := range w.Rollout.Revisions {
		if r := &w.Rollout.Revisions[i]; pod.Revision != "" && r.Hash == pod.Revision {
			return "rev " + number(r)
		}
	}
	return ""
}
