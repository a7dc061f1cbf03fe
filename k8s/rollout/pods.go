package rollout

import (
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// maxPodMessage bounds what is kept of a sick pod's own words, in bytes.
const maxPodMessage = 256

// Reasons that more than one place speaks of. All but the last two are the
// kubelet's, the scheduler's or the node controller's own words.
const (
	reasonCrashLoop      = "CrashLoopBackOff"
	reasonCreating       = "ContainerCreating"
	reasonInitializing   = "PodInitializing"
	reasonNoSandbox      = "PodReadyToStartContainers"
	reasonUnready        = "ContainersNotReady"
	reasonGates          = "ReadinessGatesNotReady"
	reasonNodeNotReady   = "NodeNotReady"
	reasonUnschedulable  = "Unschedulable"
	reasonGated          = "SchedulingGated"
	reasonSchedulerError = "SchedulerError"
	reasonTerminating    = "Terminating" // kubectl's word
	reasonNotStarted     = "NotStarted"  // midwatch's: the kubelet has not acted
)

// FromPod reduces a pod to the row that is kept of it. Only what a sick pod
// says of itself costs memory beyond the row.
func FromPod(p *corev1.Pod, in Intern) *k8s.PodRow {
	row := &k8s.PodRow{
		UID: foreign.CleanN(string(p.UID), maxName).String(), Namespace: in.clean(p.Namespace, maxName),
		Name: foreign.CleanN(p.Name, maxName).String(), Node: in.clean(p.Spec.NodeName, maxName), Version: foreign.CleanN(p.ResourceVersion, maxReason).String(),
		Phase: in.clean(string(p.Status.Phase), maxReason), Created: p.CreationTimestamp.Time, Deleted: deleted(p), Ordinal: -1,
	}
	row.OwnerKind, row.OwnerName, row.OwnerUID = owner(p.OwnerReferences, in)
	row.Revision = in.clean(podRevision(p, row.OwnerKind), maxName)
	if row.OwnerKind == k8s.StatefulSet {
		row.Ordinal = ordinal(p)
	}
	if p.Status.StartTime != nil {
		row.Started = p.Status.StartTime.Time
	}
	countContainers(row, p)
	if _, t := lastTermination(p); t != nil {
		row.ExitReason, row.ExitCode, row.LastRestart = in.clean(exitReason(t), maxReason), t.ExitCode, t.FinishedAt.Time
	}
	if c := podCondition(p, corev1.PodReady); c != nil {
		row.Ready, row.ReadySince = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
	}
	if r := reasonOf(p, row.Ready); r.reason != "" {
		row.Container = in.clean(r.container, maxName)
		row.Reason, row.Message = in.clean(r.reason, maxReason), foreign.CleanN(r.message, maxPodMessage)
	}
	if row.Reason != "" || row.Terminating() {
		row.Trouble = ail(row, p, in)
	}
	return row
}

// podRevision is the pod's template identity under its owner's label; a bare
// pod's label is anybody's.
func podRevision(p *corev1.Pod, ownerKind string) string {
	switch ownerKind {
	case k8s.StatefulSet, k8s.DaemonSet:
		return p.Labels[appsv1.ControllerRevisionHashLabelKey]
	case "ReplicaSet":
		if v := p.Labels[argoHashLabel]; v != "" {
			return v
		}
		return p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	return ""
}

// ordinal is a StatefulSet pod's index: the label, before 1.28 the name's end.
func ordinal(p *corev1.Pod) int {
	text := p.Labels[podIndexLabel]
	if text == "" {
		text = p.Name[strings.LastIndexByte(p.Name, '-')+1:]
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func podCondition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// countContainers counts containers and sidecars, restarts of all, and says
// since when an unready one runs.
func countContainers(row *k8s.PodRow, p *corev1.Pod) {
	row.Containers = len(p.Spec.Containers)
	sidecars := 0
	for i := range p.Spec.InitContainers {
		if isSidecar(&p.Spec.InitContainers[i]) {
			sidecars++
		}
	}
	row.Containers += sidecars
	count := func(cs *corev1.ContainerStatus, serves bool) {
		row.Restarts += int(cs.RestartCount)
		if serves && cs.Ready {
			row.ContainersReady++
		}
		if r := cs.State.Running; r != nil && serves && !cs.Ready {
			if r.StartedAt.After(row.RunningSince) {
				row.RunningSince = r.StartedAt.Time
			}
			row.Starting = row.Starting || (cs.Started != nil && !*cs.Started)
		}
	}
	for i := range p.Status.ContainerStatuses {
		count(&p.Status.ContainerStatuses[i], true)
	}
	for i := range p.Status.InitContainerStatuses {
		cs := &p.Status.InitContainerStatuses[i]
		count(cs, sidecars > 0 && isSidecarNamed(p, cs.Name))
	}
}

func isSidecarNamed(p *corev1.Pod, name string) bool {
	for i := range p.Spec.InitContainers {
		if c := &p.Spec.InitContainers[i]; c.Name == name {
			return isSidecar(c)
		}
	}
	return false
}

// lastTermination is the newest end of any container that is worth knowing:
// init containers that did their work and ended well are not.
func lastTermination(p *corev1.Pod) (container string, newest *corev1.ContainerStateTerminated) {
	consider := func(cs *corev1.ContainerStatus, t *corev1.ContainerStateTerminated) {
		if t != nil && (newest == nil || t.FinishedAt.After(newest.FinishedAt.Time)) {
			container, newest = cs.Name, t
		}
	}
	for i := range p.Status.InitContainerStatuses {
		cs := &p.Status.InitContainerStatuses[i]
		if t := cs.State.Terminated; t != nil && t.ExitCode != 0 {
			consider(cs, t)
		}
		if t := cs.LastTerminationState.Terminated; t != nil && (t.ExitCode != 0 || isSidecarNamed(p, cs.Name)) {
			consider(cs, t)
		}
	}
	for i := range p.Status.ContainerStatuses {
		cs := &p.Status.ContainerStatuses[i]
		consider(cs, cs.State.Terminated)
		consider(cs, cs.LastTerminationState.Terminated)
	}
	return container, newest
}

// exitReason is the runtime's word for an end, or ours where it gave none.
func exitReason(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.ExitCode == 0:
		return "Completed"
	}
	return "Error"
}

// said is what a pod says of itself.
type said struct{ reason, message, container string }

// reasonOf climbs the evidence ladder; the first rung that holds speaks: the
// pod's own failure, scheduling, init containers in their order, the sandbox,
// the sickest container, the Ready condition.
func reasonOf(p *corev1.Pod, ready bool) said {
	switch p.Status.Phase {
	case corev1.PodSucceeded:
		return said{}
	case corev1.PodFailed:
		return failureOf(p)
	}
	if c := podCondition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse {
		message := c.Message
		if n := p.Status.NominatedNodeName; n != "" {
			message = "preempting pods on " + n + "; " + message
		}
		return said{reason: c.Reason, message: message}
	}
	if r := initReason(p); r.reason != "" {
		return r
	}
	sick := sickest(p)
	if sick.rank < rankCreating {
		return sick.said
	}
	if ready {
		return said{}
	}
	if c := podCondition(p, corev1.PodReadyToStartContainers); c != nil && c.Status == corev1.ConditionFalse && p.Status.Phase == corev1.PodPending {
		return said{reason: reasonNoSandbox, message: orWord(c.Message, "no network sandbox yet")}
	}
	if sick.rank == rankCreating {
		return sick.said
	}
	return readyReason(p)
}

// failureOf is why a pod is Failed: its own reason (Evicted, OutOfcpu), who
// disrupted it, or how its container ended.
func failureOf(p *corev1.Pod) said {
	if p.Status.Reason != "" {
		return said{reason: p.Status.Reason, message: p.Status.Message}
	}
	if c := podCondition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return said{reason: c.Reason, message: c.Message}
	}
	if s := sickest(p); s.reason != "" {
		return s.said
	}
	if _, t := lastTermination(p); t != nil {
		return said{reason: exitReason(t), message: t.Message}
	}
	return said{reason: "Failed", message: p.Status.Message}
}

// initReason looks at the init containers in their order: the first that has
// not done its part is what everything after it waits for.
func initReason(p *corev1.Pod) said {
	for i := range p.Status.InitContainerStatuses {
		cs := &p.Status.InitContainerStatuses[i]
		sidecar := isSidecarNamed(p, cs.Name)
		if t := cs.State.Terminated; t != nil && t.ExitCode == 0 && !sidecar {
			continue
		}
		if sidecar && cs.Started != nil && *cs.Started {
			continue // it has done its part; the pod's readiness is sickest's
		}
		if r := containerReason(cs); r.rank < rankCreating {
			return r.said
		}
		switch {
		case cs.State.Running != nil && sidecar:
			return said{reason: reasonInitializing, message: "sidecar " + cs.Name + " has not started", container: cs.Name}
		case cs.State.Running != nil:
			return said{reason: reasonInitializing, message: "init container " + cs.Name + " is running", container: cs.Name}
		}
		return said{} // it waits for the sandbox, an image or a volume
	}
	return said{}
}

// The ranks of what a container says, the sickest first.
const (
	rankCrashing = iota // back-off after it died
	rankWaiting         // cannot start
	rankDead            // has just ended
	rankCreating        // on its way
	rankNone
)

type ranked struct {
	said
	rank int
}

// sickest is the worst thing any container or sidecar says.
func sickest(p *corev1.Pod) ranked {
	worst := ranked{rank: rankNone}
	consider := func(cs *corev1.ContainerStatus) {
		if r := containerReason(cs); r.rank < worst.rank {
			worst = r
		}
	}
	for i := range p.Status.ContainerStatuses {
		consider(&p.Status.ContainerStatuses[i])
	}
	for i := range p.Status.InitContainerStatuses {
		if cs := &p.Status.InitContainerStatuses[i]; isSidecarNamed(p, cs.Name) {
			consider(cs)
		}
	}
	return worst
}

// containerReason is what one container says. What is behind a back-off is
// the last termination, so its message is the one kept.
func containerReason(cs *corev1.ContainerStatus) ranked {
	w, dead := cs.State.Waiting, cs.State.Terminated
	switch {
	case w != nil && w.Reason == reasonCrashLoop:
		message := w.Message
		if t := cs.LastTerminationState.Terminated; t != nil && t.Message != "" {
			message = telling(t.Message)
		}
		return ranked{said{w.Reason, message, cs.Name}, rankCrashing}
	case w != nil && (w.Reason == reasonCreating || w.Reason == reasonInitializing):
		return ranked{said{w.Reason, w.Message, cs.Name}, rankCreating}
	case w != nil && w.Reason != "":
		return ranked{said{w.Reason, w.Message, cs.Name}, rankWaiting}
	case dead != nil:
		return ranked{said{exitReason(dead), telling(dead.Message), cs.Name}, rankDead}
	}
	return ranked{rank: rankNone}
}

// telling is the line of a termination message that most likely says why: the
// message is the container's last log lines when terminationMessagePolicy is
// FallbackToLogsOnError. A Go panic and a JVM's exception say it first, a
// Python traceback and most others last.
func telling(message string) string {
	last := ""
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		for _, head := range []string{"panic: ", "fatal error: ", "Exception in thread "} {
			if strings.HasPrefix(line, head) {
				return line
			}
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// readyReason is why a pod whose containers run is not ready. The node
// controller takes Ready away and keeps the old reason (or none) when it loses
// a node: the containers then still say they are ready.
func readyReason(p *corev1.Pod) said {
	c := podCondition(p, corev1.PodReady)
	if c == nil || c.Status == corev1.ConditionTrue {
		return said{}
	}
	unready := ""
	for i := range p.Status.ContainerStatuses {
		if cs := &p.Status.ContainerStatuses[i]; !cs.Ready && unready == "" {
			unready = cs.Name
		}
	}
	for i := range p.Status.InitContainerStatuses {
		if cs := &p.Status.InitContainerStatuses[i]; !cs.Ready && unready == "" && isSidecarNamed(p, cs.Name) {
			unready = cs.Name
		}
	}
	if unready == "" && len(p.Status.ContainerStatuses) > 0 && c.Reason != reasonGates {
		return said{reason: reasonNodeNotReady, message: "its node was lost; the containers were ready"}
	}
	return said{reason: orWord(c.Reason, reasonUnready), message: c.Message, container: unready}
}

func orWord(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// newest is the later of two times.
func newest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
