package controllers

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/apiserver"
)

const schedulerName = "default-scheduler"

// schedule binds a pod to the node with the fewest pods among those its requests fit on.
func (m *Manager) schedule(it item) time.Time {
	pod, ok := get[*corev1.Pod](m, kindPods(), it.namespace, it.name)
	if !ok || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return time.Time{}
	}
	node, why := m.pickNode(pod)
	if node == "" {
		m.setScheduled(pod, corev1.PodCondition{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: why, LastTransitionTime: m.stamp(),
		})
		m.warn(pod, schedulerName, "FailedScheduling", "%s", why)
		return m.now.Add(20 * time.Second)
	}
	m.bind(pod, node)
	return time.Time{}
}

func (m *Manager) bind(pod *corev1.Pod, node string) {
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	bound.ResourceVersion = ""
	stored, err := m.store.Update(bound, apiserver.WriteOptions{})
	if err != nil {
		return // deleted meanwhile
	}
	pod = stored.(*corev1.Pod)
	m.normal(pod, schedulerName, "Scheduled", "Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, node)
	m.setScheduled(pod, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: m.stamp()})
}

func (m *Manager) setScheduled(pod *corev1.Pod, c corev1.PodCondition) {
	changed := pod.DeepCopy()
	if cur := podCondition(changed, corev1.PodScheduled); cur != nil {
		if cur.Status == c.Status && cur.Message == c.Message {
			return
		}
		*cur = c
	} else {
		changed.Status.Conditions = append(changed.Status.Conditions, c)
	}
	_, _ = m.store.Update(changed, apiserver.WriteOptions{Manager: "kube-scheduler", Subresource: "status"}) // deleted meanwhile
}

// spread is how many other pods one of the same workload weighs: replicas go to different nodes first.
const spread = 20

// load is what a node carries: thousandths of cores, bytes, and how little one wants another pod there.
type load struct {
	cpu, memory int64
	weight      int
}

// pickNode returns the node, or the scheduler's sentence about why there is none.
func (m *Manager) pickNode(pod *corev1.Pod) (node, why string) {
	nodes := m.store.List(kindNodes(), "")
	if pinned := daemonNode(pod); pinned != "" {
		for _, o := range nodes {
			if o.GetName() == pinned {
				return pinned, ""
			}
		}
	}
	loads := m.loads(pod)
	cpuWanted, memoryWanted := requests(pod)
	best, cordoned, cpu, memory := "", 0, 0, 0
	for _, o := range nodes {
		n := o.(*corev1.Node)
		l := loads[n.Name]
		switch {
		case n.Spec.Unschedulable:
			cordoned++
		case exceeds(l.cpu+cpuWanted, n.Status.Allocatable, corev1.ResourceCPU):
			cpu++
		case exceeds((l.memory+memoryWanted)*1000, n.Status.Allocatable, corev1.ResourceMemory):
			memory++
		case best == "" || l.weight < loads[best].weight:
			best = n.Name
		}
	}
	if best != "" {
		return best, ""
	}
	return "", unschedulable(len(nodes), cordoned, cpu, memory)
}

func (m *Manager) loads(pod *corev1.Pod) map[string]load {
	loads := map[string]load{}
	for _, o := range m.store.List(kindPods(), "") {
		p := o.(*corev1.Pod)
		if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		l := loads[p.Spec.NodeName]
		cpu, memory := requests(p)
		l.cpu, l.memory, l.weight = l.cpu+cpu, l.memory+memory, l.weight+1
		if p.Namespace == pod.Namespace && p.Labels["app"] == pod.Labels["app"] {
			l.weight += spread
		}
		loads[p.Spec.NodeName] = l
	}
	return loads
}

func unschedulable(nodes, cordoned, cpu, memory int) string {
	why := fmt.Sprintf("0/%d nodes are available:", nodes)
	sep := " "
	for _, r := range []struct {
		n    int
		text string
	}{{cpu, "Insufficient cpu"}, {memory, "Insufficient memory"}, {cordoned, "node(s) were unschedulable"}} {
		if r.n > 0 {
			why += fmt.Sprintf("%s%d %s", sep, r.n, r.text)
			sep = ", "
		}
	}
	return why + fmt.Sprintf(". preemption: 0/%d nodes are available: %d No preemption victims found for incoming pod.", nodes, nodes)
}

// requests are thousandths of cores and bytes.
func requests(p *corev1.Pod) (cpu, memory int64) {
	for i := range p.Spec.Containers {
		r := p.Spec.Containers[i].Resources.Requests
		cpu += r.Cpu().MilliValue()
		memory += r.Memory().Value()
	}
	return cpu, memory
}

// exceeds compares thousandths with what a node has; a node that does not say has enough.
func exceeds(want int64, have corev1.ResourceList, name corev1.ResourceName) bool {
	limit, ok := have[name]
	return ok && want > limit.MilliValue()
}
