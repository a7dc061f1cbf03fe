package rollout

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// maxPodMessage bounds what is kept of a sick pod's own words, in bytes.
const maxPodMessage = 256

// FromPod reduces a pod to the row that is kept of it.
func FromPod(p *corev1.Pod, in Intern) *k8s.PodRow {
	row := &k8s.PodRow{
		UID: string(p.UID), Namespace: in.of(p.Namespace), Name: p.Name, Node: in.of(p.Spec.NodeName), Version: p.ResourceVersion,
		Phase: in.of(string(p.Status.Phase)), Created: p.CreationTimestamp.Time, Deleted: deleted(p), Ordinal: -1,
		Revision: in.of(revisionOf(p)),
	}
	for i := range p.OwnerReferences {
		if o := &p.OwnerReferences[i]; o.Controller != nil && *o.Controller {
			row.OwnerKind, row.OwnerName, row.OwnerUID = in.of(o.Kind), in.of(o.Name), in.of(string(o.UID))
			if o.Kind == k8s.StatefulSet {
				row.Ordinal = ordinal(p.Name)
			}
		}
	}
	if p.Status.StartTime != nil {
		row.Started = p.Status.StartTime.Time
	}
	countContainers(row, p)
	reasonOf(row, p, in)
	return row
}

func revisionOf(p *corev1.Pod) string {
	for _, label := range []string{"pod-template-hash", "controller-revision-hash", argoHashLabel} {
		if v := p.Labels[label]; v != "" {
			return v
		}
	}
	return ""
}

func ordinal(name string) int {
	i := strings.LastIndexByte(name, '-')
	n, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return -1
	}
	return n
}

func countContainers(row *k8s.PodRow, p *corev1.Pod) {
	row.Containers = len(p.Spec.Containers)
	for i := range p.Spec.InitContainers {
		if isSidecar(&p.Spec.InitContainers[i]) {
			row.Containers++
		}
	}
	count := func(cs *corev1.ContainerStatus, ready bool) {
		if ready && cs.Ready {
			row.ContainersReady++
		}
		row.Restarts += int(cs.RestartCount)
		if t := cs.LastTerminationState.Terminated; t != nil && t.FinishedAt.After(row.LastRestart) {
			row.LastRestart = t.FinishedAt.Time
		}
	}
	for i := range p.Status.ContainerStatuses {
		count(&p.Status.ContainerStatuses[i], true)
	}
	for i := range p.Status.InitContainerStatuses {
		cs := &p.Status.InitContainerStatuses[i]
		count(cs, i < len(p.Spec.InitContainers) && isSidecar(&p.Spec.InitContainers[i]))
	}
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// reasonOf finds the worst thing the pod says of itself, the first that
// applies: scheduling, the pod's own reason, a waiting or dead container (init
// containers in their order first), the Ready condition.
func reasonOf(row *k8s.PodRow, p *corev1.Pod, in Intern) {
	conds := map[corev1.PodConditionType]*corev1.PodCondition{}
	for i := range p.Status.Conditions {
		conds[p.Status.Conditions[i].Type] = &p.Status.Conditions[i]
	}
	if c := conds[corev1.PodReady]; c != nil {
		row.Ready, row.ReadySince = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
	}
	say := func(reason, message string) {
		row.Reason, row.Message = in.of(string(foreign.CleanN(reason, 64))), foreign.CleanN(message, maxPodMessage)
	}
	if c := conds[corev1.PodScheduled]; c != nil && c.Status == corev1.ConditionFalse {
		say(c.Reason, c.Message)
		return
	}
	if p.Status.Phase == corev1.PodFailed && p.Status.Reason != "" {
		say(p.Status.Reason, p.Status.Message)
		return
	}
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			if containerReason(row, &list[i], say) {
				row.Container = in.of(list[i].Name)
				return
			}
		}
	}
	if p.Status.Phase == corev1.PodSucceeded || row.Ready {
		return
	}
	if c := conds[corev1.PodReadyToStartContainers]; c != nil && c.Status == corev1.ConditionFalse && p.Status.Phase == corev1.PodPending {
		say("PodReadyToStartContainers", c.Message)
		return
	}
	if c := conds[corev1.PodReady]; c != nil && c.Status != corev1.ConditionTrue {
		say(c.Reason, c.Message)
	}
}

// containerReason says what is wrong with one container, if anything. The
// last termination is kept even of a container that runs again.
func containerReason(row *k8s.PodRow, cs *corev1.ContainerStatus, say func(reason, message string)) bool {
	dead := cs.State.Terminated
	if last := cs.LastTerminationState.Terminated; dead == nil && last != nil {
		dead = last
	}
	if dead != nil && (dead.ExitCode != 0 || cs.State.Terminated == nil) && row.ExitReason == "" {
		row.ExitReason, row.ExitCode = string(foreign.CleanN(dead.Reason, 64)), dead.ExitCode
		if row.ExitReason == "" {
			row.ExitReason = "Error"
		}
	}
	switch w := cs.State.Waiting; {
	case w != nil && w.Reason == "CrashLoopBackOff" && dead != nil && dead.Message != "":
		say(w.Reason, dead.Message)
		return true
	case w != nil && w.Reason != "" && w.Reason != "PodInitializing":
		say(w.Reason, w.Message)
		return true
	}
	if t := cs.State.Terminated; t != nil && t.ExitCode != 0 {
		reason := t.Reason
		if reason == "" {
			reason = "Error"
		}
		say(reason, t.Message)
		return true
	}
	return false
}

// FromEvent reduces and cleans an event.
func FromEvent(e *corev1.Event, in Intern) *k8s.Event {
	out := &k8s.Event{
		UID: string(e.UID), Type: in.of(e.Type), Reason: in.of(string(foreign.CleanN(e.Reason, 64))), Message: foreign.CleanN(e.Message, 1024),
		Involved: k8s.Ref{
			Kind: in.of(e.InvolvedObject.Kind), Namespace: in.of(e.InvolvedObject.Namespace),
			Name: in.of(string(foreign.CleanN(e.InvolvedObject.Name, 253))), UID: in.of(string(e.InvolvedObject.UID)),
		},
		FieldPath: in.of(string(foreign.CleanN(e.InvolvedObject.FieldPath, 128))), Source: in.of(string(foreign.CleanN(e.Source.Component, 64))),
		First: e.FirstTimestamp.Time, Last: e.LastTimestamp.Time, Count: int(e.Count),
	}
	if out.Source == "" {
		out.Source = in.of(string(foreign.CleanN(e.ReportingController, 64)))
	}
	if s := e.Series; s != nil {
		out.Count = int(s.Count)
		if !s.LastObservedTime.IsZero() {
			out.Last = s.LastObservedTime.Time
		}
	}
	for _, t := range []time.Time{e.EventTime.Time, e.CreationTimestamp.Time} {
		if out.Last.IsZero() {
			out.Last = t
		}
		if out.First.IsZero() {
			out.First = t
		}
	}
	out.Count = max(out.Count, 1)
	return out
}
