package rollout

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// ail gathers what is kept of a pod only while something is wrong with it. The
// end it tells of is the one of the container the row's reason speaks of, if
// that ever ended, as a pod with thirty containers has many last terminations.
func ail(row *k8s.PodRow, p *corev1.Pod, in Intern) *k8s.PodTrouble {
	out := &k8s.PodTrouble{Nominated: in.clean(p.Status.NominatedNodeName, maxName)}
	cs := statusOf(p, row.Container)
	if t := endOf(cs); t != nil {
		row.ExitReason, row.ExitCode = in.clean(exitReason(t), maxReason), t.ExitCode
		ended(out, row.Container, t)
		if w := cs.State.Waiting; w != nil {
			if d := backOff(w.Message); d > 0 && !t.FinishedAt.IsZero() {
				out.NextStart = t.FinishedAt.Add(d)
			}
		}
	} else if name, t := lastTermination(p); t != nil {
		ended(out, in.clean(name, maxName), t)
	}
	out.Init = row.Container != "" && isInit(p, row.Container)
	if c := podCondition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		out.Disruption, out.DisruptionSaid = in.clean(c.Reason, maxReason), foreign.CleanN(c.Message, maxPodMessage)
	}
	if row.Terminating() {
		out.Finalizers = in.clean(strings.Join(p.Finalizers, ", "), maxPodMessage)
	}
	return out
}

func ended(out *k8s.PodTrouble, container string, t *corev1.ContainerStateTerminated) {
	out.ExitContainer, out.ExitStarted, out.ExitAt = container, t.StartedAt.Time, t.FinishedAt.Time
	out.ExitSaid = foreign.CleanN(telling(t.Message), maxPodMessage)
}

func statusOf(p *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			if name != "" && list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// endOf is how a container ended last; nil if it never did.
func endOf(cs *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	switch {
	case cs == nil:
		return nil
	case cs.State.Terminated != nil:
		return cs.State.Terminated
	}
	return cs.LastTerminationState.Terminated
}

func isInit(p *corev1.Pod, name string) bool {
	for i := range p.Spec.InitContainers {
		if c := &p.Spec.InitContainers[i]; c.Name == name {
			return !isSidecar(c)
		}
	}
	return false
}

// backOff reads how long the kubelet waits from "back-off 2m40s restarting
// failed container=api pod=…" (kuberuntime_manager.go doBackOff); 0 if it does
// not say.
func backOff(message string) time.Duration {
	rest, ok := strings.CutPrefix(message, "back-off ")
	if !ok {
		return 0
	}
	word, _, _ := strings.Cut(rest, " ")
	d, err := time.ParseDuration(word)
	if err != nil || d < 0 || d > time.Hour {
		return 0
	}
	return d
}
