package controllers

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
)

const kubeletName = "kubelet"

// podState is what a kubelet remembers of a pod. The API shows only what follows from it.
type podState struct {
	started    metav1.Time
	ip         string
	sandboxAt  time.Time // when the network is up
	containers []*container
	stopAt     time.Time // when the last container will have stopped; zero while not stopping
	goneAt     time.Time // when the API object may go
}

// syncPod moves one pod on and returns when it has to be looked at again. Pods that were put into the store with container
// statuses are left as they are until they are deleted.
func (m *Manager) syncPod(it item) time.Time {
	pod, ok := get[*corev1.Pod](m, kindPods(), it.namespace, it.name)
	if !ok {
		m.forgetPods()
		return time.Time{}
	}
	if pod.Spec.NodeName == "" {
		return time.Time{}
	}
	st := m.pods[pod.UID]
	if st == nil {
		if len(pod.Status.ContainerStatuses) > 0 && pod.DeletionTimestamp == nil {
			return time.Time{}
		}
		st = m.admitPod(pod)
	}
	if pod.DeletionTimestamp != nil {
		return m.stopPod(pod, st)
	}
	next := st.sandboxAt
	if !m.now.Before(st.sandboxAt) {
		next = time.Time{}
		for _, c := range st.containers {
			next = earliest(next, m.run(pod, c))
		}
	}
	m.writePodStatus(pod, st)
	return next
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// forgetPods drops the state of pods that no longer exist. A name may have been given to another pod already, so it looks at all.
func (m *Manager) forgetPods() {
	alive := map[string]bool{}
	for _, o := range m.store.List(kindPods(), "") {
		alive[string(o.GetUID())] = true
	}
	for uid := range m.pods {
		if !alive[string(uid)] {
			delete(m.pods, uid)
		}
	}
}

func (m *Manager) admitPod(pod *corev1.Pod) *podState {
	m.nextIP++
	st := &podState{
		started: m.stamp(), sandboxAt: m.now.Add(jitter(300*time.Millisecond, 800*time.Millisecond, pod.Name, "sandbox")),
		ip: fmt.Sprintf("10.42.%d.%d", hashOf(pod.Spec.NodeName)%8, 10+m.nextIP%240),
	}
	for i := range pod.Spec.Containers {
		st.containers = append(st.containers, &container{spec: &pod.Spec.Containers[i], stage: stageCreating, due: st.sandboxAt})
	}
	m.pods[pod.UID] = st
	return st
}

// stopPod is k/k pkg/kubelet/kubelet.go SyncTerminatingPod: the containers get their time, then the object goes.
func (m *Manager) stopPod(pod *corev1.Pod, st *podState) time.Time {
	if st.stopAt.IsZero() {
		st.stopAt = m.now.Add(m.stopTime(pod, st))
	}
	switch {
	case m.now.Before(st.stopAt):
		return st.stopAt
	case st.goneAt.IsZero():
		for _, c := range st.containers {
			if c.stage == stageRunning {
				c.end(m, Exit{Reason: "Completed"})
			}
			if c.term == nil {
				c.term = c.last
			}
			c.stage = stageEnded
		}
		st.goneAt = m.now.Add(300 * time.Millisecond)
		m.writePodStatus(pod, st)
		return st.goneAt
	case m.now.Before(st.goneAt):
		return st.goneAt
	}
	key := apiserver.Key{Resource: kindPods(), Namespace: pod.Namespace, Name: pod.Name}
	_, _, _ = m.store.Delete(key, apiserver.DeleteOptions{UID: pod.UID, GraceSeconds: ptr.To[int64](0)}) // gone already is as good
	return time.Time{}
}

func (m *Manager) stopTime(pod *corev1.Pod, st *podState) time.Duration {
	grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 30)) * time.Second
	var longest time.Duration
	for _, c := range st.containers {
		if c.stage != stageRunning {
			continue
		}
		m.containerEvent(pod, c, corev1.EventTypeNormal, "Killing", "Stopping container "+c.spec.Name)
		need := m.cfg.Behave(pod, c.spec).StopAfter
		if need == 0 {
			need = jitter(time.Second, 2*time.Second, pod.Name, "stop")
		}
		longest = max(longest, need)
	}
	return min(longest, grace)
}

func (m *Manager) containerEvent(pod *corev1.Pod, c *container, typ, reason, message string) {
	m.events.record(event{
		about: pod, path: "spec.containers{" + c.spec.Name + "}", typ: typ, reason: reason, message: message, source: kubeletName, host: pod.Spec.NodeName,
	})
}

// writePodStatus derives the API's status from the state (k/k pkg/kubelet/kubelet_pods.go generateAPIPodStatus).
func (m *Manager) writePodStatus(pod *corev1.Pod, st *podState) {
	s := pod.Status.DeepCopy()
	s.StartTime = &st.started
	s.HostIP = "10.40.1." + strconv.Itoa(int(10+hashOf(pod.Spec.NodeName)%200))
	s.HostIPs = []corev1.HostIP{{IP: s.HostIP}}
	up := !m.now.Before(st.sandboxAt)
	if up {
		s.PodIP, s.PodIPs = st.ip, []corev1.PodIP{{IP: st.ip}}
	}
	s.ContainerStatuses = nil
	var unready []string
	ran := true
	for _, c := range st.containers {
		status := c.status()
		s.ContainerStatuses = append(s.ContainerStatuses, status)
		if !status.Ready {
			unready = append(unready, c.spec.Name)
		}
		ran = ran && (c.stage == stageRunning || status.State.Terminated != nil || c.last != nil)
	}
	m.startEphemeral(pod, s)
	s.Phase = corev1.PodPending
	if ran {
		s.Phase = corev1.PodRunning
	}
	m.setPodConditions(s, up && st.goneAt.IsZero(), unready)
	if equality.Semantic.DeepEqual(&pod.Status, s) {
		return
	}
	changed := *pod
	changed.Status = *s
	_, _ = m.store.Update(&changed, apiserver.WriteOptions{Manager: kubeletName, Subresource: "status"}) // deleted meanwhile
}

// startEphemeral lets ephemeral containers run that were added to the pod.
func (m *Manager) startEphemeral(pod *corev1.Pod, s *corev1.PodStatus) {
	for i := len(s.EphemeralContainerStatuses); i < len(pod.Spec.EphemeralContainers); i++ {
		c := &pod.Spec.EphemeralContainers[i]
		s.EphemeralContainerStatuses = append(s.EphemeralContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: m.stamp()}},
		})
	}
}

func (m *Manager) setPodConditions(s *corev1.PodStatus, sandbox bool, unready []string) {
	scheduled := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: m.stamp()}
	var extra []corev1.PodCondition
	for _, c := range s.Conditions {
		switch c.Type {
		case corev1.PodScheduled:
			scheduled = c
		case corev1.DisruptionTarget:
			extra = append(extra, c)
		}
	}
	want := []corev1.PodCondition{
		{Type: corev1.PodReadyToStartContainers, Status: truth(sandbox)},
		{Type: corev1.PodInitialized, Status: corev1.ConditionTrue},
		{Type: corev1.PodReady, Status: truth(len(unready) == 0)},
		{Type: corev1.ContainersReady, Status: truth(len(unready) == 0)},
	}
	if len(unready) > 0 {
		for i := 2; i < 4; i++ {
			want[i].Reason, want[i].Message = "ContainersNotReady", "containers with unready status: ["+strings.Join(unready, " ")+"]"
		}
	}
	for i := range want {
		want[i].LastTransitionTime = m.stamp()
		for _, old := range s.Conditions {
			if old.Type == want[i].Type && old.Status == want[i].Status {
				want[i].LastTransitionTime = old.LastTransitionTime
			}
		}
	}
	s.Conditions = append(append(want, scheduled), extra...)
}

func truth(b bool) corev1.ConditionStatus {
	if b {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}
