package controllers

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// pickNode returns the node, or the scheduler's sentence about why there is none.
func (m *Manager) pickNode(pod *corev1.Pod) (node, why string) {
	pinned := daemonNode(pod)
	used := map[string]corev1.ResourceList{}
	count := map[string]int{}
	for _, o := range m.store.List(kindPods(), "") {
		p := o.(*corev1.Pod)
		if p.Spec.NodeName != "" && p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded {
			used[p.Spec.NodeName] = add(used[p.Spec.NodeName], requests(p))
			count[p.Spec.NodeName]++
			if metav1.GetControllerOf(p) != nil && p.Labels["app"] == pod.Labels["app"] && p.Namespace == pod.Namespace {
				count[p.Spec.NodeName] += spread
			}
		}
	}
	want := requests(pod)
	nodes := m.store.List(kindNodes(), "")
	best, cordoned, cpu, memory := "", 0, 0, 0
	for _, o := range nodes {
		n := o.(*corev1.Node)
		if pinned != "" {
			if n.Name == pinned {
				return n.Name, ""
			}
			continue
		}
		total := add(used[n.Name], want)
		switch {
		case n.Spec.Unschedulable:
			cordoned++
		case exceeds(total, n.Status.Allocatable, corev1.ResourceCPU):
			cpu++
		case exceeds(total, n.Status.Allocatable, corev1.ResourceMemory):
			memory++
		case best == "" || count[n.Name] < count[best]:
			best = n.Name
		}
	}
	if best != "" {
		return best, ""
	}
	return "", unschedulable(len(nodes), cordoned, cpu, memory)
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

func requests(p *corev1.Pod) corev1.ResourceList {
	var sum corev1.ResourceList
	for _, c := range p.Spec.Containers {
		sum = add(sum, c.Resources.Requests)
	}
	return sum
}

func add(a, b corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, l := range []corev1.ResourceList{a, b} {
		for name, q := range l {
			have := out[name].DeepCopy()
			have.Add(q)
			out[name] = have
		}
	}
	return out
}

func exceeds(want, have corev1.ResourceList, name corev1.ResourceName) bool {
	limit, ok := have[name]
	if !ok {
		return false
	}
	q, ok := want[name]
	if !ok {
		q = resource.Quantity{}
	}
	return q.Cmp(limit) > 0
}
