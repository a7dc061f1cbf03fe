package hpa

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// groups is groupPods of replica_calculator.go. A pod that is being deleted or
// has failed is ignored; a pending one is not ready; a succeeded one that the
// selector still matches has no metric. Only CPU looks at readiness: a pod
// that starts burns CPU which says nothing about the load.
func (c *calculation) groups(samples map[string]Sample, cpu bool) Groups {
	var g Groups
	for _, p := range c.in.Pods {
		sample, found := samples[p.Name]
		switch {
		case p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed:
			g.Ignored = append(g.Ignored, p.Name)
		case p.Status.Phase == corev1.PodPending:
			g.Unready = append(g.Unready, p.Name)
		case !found:
			g.Missing = append(g.Missing, p.Name)
		case cpu && c.warming(p, sample):
			g.Unready = append(g.Unready, p.Name)
		default:
			g.Ready = append(g.Ready, p.Name)
		}
	}
	for _, list := range [][]string{g.Ready, g.Unready, g.Missing, g.Ignored} {
		slices.Sort(list)
	}
	return g
}

// warming reports a pod whose CPU does not count yet: within the initialisation
// period while it is not ready or was not for a whole window; after it only
// while it has never been ready.
func (c *calculation) warming(p *corev1.Pod, s Sample) bool {
	ready := readyCondition(p)
	if ready == nil || p.Status.StartTime == nil {
		return true
	}
	notReady := ready.Status == corev1.ConditionFalse
	started := p.Status.StartTime.Time
	if started.Add(c.flags.CPUInitialization).After(c.in.Now) {
		return notReady || s.At.Before(ready.LastTransitionTime.Add(s.Window))
	}
	return notReady && started.Add(c.flags.InitialReadinessDelay).After(ready.LastTransitionTime.Time)
}

func readyCondition(p *corev1.Pod) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == corev1.PodReady {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// runningAndReady counts as getReadyPodsCount of replica_calculator.go, which
// multiplies the ratio of Object and External metrics: here a deleted pod
// counts, and a pod that was never ready does not.
func (c *calculation) runningAndReady() int {
	n := 0
	for _, p := range c.in.Pods {
		if ready := readyCondition(p); p.Status.Phase == corev1.PodRunning && ready != nil && ready.Status == corev1.ConditionTrue {
			n++
		}
	}
	return n
}
