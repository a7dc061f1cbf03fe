package controllers

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type stage int

const (
	stageCreating    stage = iota // waiting: ContainerCreating
	stagePulling                  // waiting: ContainerCreating, the image is on its way
	stagePullError                // waiting: ErrImagePull
	stagePullBackOff              // waiting: ImagePullBackOff
	stageConfigError              // waiting: CreateContainerConfigError
	stageRunning
	stageTerminated // between an exit and the restart or the back-off
	stageBackOff    // waiting: CrashLoopBackOff
	stageEnded      // stopped for good with its pod
)

const (
	firstBackOff = 10 * time.Second // k/k pkg/kubelet/kubelet.go initial and MaxContainerBackOff
	mostBackOff  = 300 * time.Second
	healthyRun   = 10 * time.Minute // a container that ran this long starts at the first back-off again
)

// container is one container's life on its node.
type container struct {
	spec     *corev1.Container
	stage    stage
	due      time.Time // when the stage ends, or a probe is due
	until    time.Time // when the back-off ends
	attempts int
	backOff  time.Duration // the last one served; 0 before the first crash
	waiting  string        // message of the waiting state

	startedAt       time.Time
	started, ready  bool
	failures        int // of the startup or liveness probe in a row
	restarts        int32
	term, last      *corev1.ContainerStateTerminated
	id              string
	nextLiveness    time.Time
	readinessStarts time.Time
}

// run takes the container through every stage that is over, and returns when the next one will be.
func (m *Manager) run(pod *corev1.Pod, c *container) time.Time {
	for range 16 { // more stages at one instant would be a bug
		if c.due.IsZero() || c.due.After(m.now) {
			return c.due
		}
		m.advance(pod, c)
	}
	return m.now.Add(time.Second)
}

func (m *Manager) advance(pod *corev1.Pod, c *container) {
	b := m.cfg.Behave(pod, c.spec)
	if (c.stage == stageBackOff || c.stage == stagePullBackOff) && m.now.Before(c.until) {
		m.serveBackOff(pod, c)
		return
	}
	switch c.stage {
	case stageCreating, stagePullBackOff, stageConfigError:
		m.beginCreation(pod, c, b)
	case stagePulling:
		m.containerEvent(pod, c, corev1.EventTypeNormal, "Pulled", fmt.Sprintf("Successfully pulled image %q in %s (%s including waiting). Image size: %d bytes.",
			c.spec.Image, b.Pull.Round(time.Millisecond), b.Pull.Round(time.Millisecond), 80_000_000+hashOf(c.spec.Image)%90_000_000))
		m.startContainer(pod, c, b)
	case stagePullError:
		m.pullBackOff(pod, c, b)
	case stageRunning:
		m.live(pod, c, b)
	case stageTerminated:
		m.afterExit(pod, c)
	case stageBackOff:
		m.restart(pod, c, b)
	case stageEnded:
		c.due = time.Time{}
	}
}

func (m *Manager) beginCreation(pod *corev1.Pod, c *container, b Behaviour) {
	switch {
	case b.PullError != "":
		c.stage, c.waiting, c.due = stagePullError, b.PullError, m.now.Add(12*time.Second)
		m.containerEvent(pod, c, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.spec.Image))
		m.containerEvent(pod, c, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %s", c.spec.Image, b.PullError))
		m.containerEvent(pod, c, corev1.EventTypeWarning, "Failed", "Error: ErrImagePull")
	case b.ConfigError != "":
		c.stage, c.waiting, c.due = stageConfigError, b.ConfigError, m.now.Add(15*time.Second)
		m.containerEvent(pod, c, corev1.EventTypeWarning, "Failed", "Error: "+b.ConfigError)
	case b.Pull > 0 && c.id == "":
		c.stage, c.due = stagePulling, m.now.Add(b.Pull)
		m.containerEvent(pod, c, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.spec.Image))
	default:
		m.containerEvent(pod, c, corev1.EventTypeNormal, "Pulled", fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", c.spec.Image))
		m.startContainer(pod, c, b)
	}
}

func (m *Manager) pullBackOff(pod *corev1.Pod, c *container, b Behaviour) {
	wait := min(firstBackOff<<min(c.attempts, 5), mostBackOff)
	c.attempts++
	c.stage, c.until = stagePullBackOff, m.now.Add(wait)
	c.waiting = fmt.Sprintf("Back-off pulling image %q: ErrImagePull: %s", c.spec.Image, b.PullError)
	m.serveBackOff(pod, c)
}

func (m *Manager) startContainer(pod *corev1.Pod, c *container, b Behaviour) {
	c.stage, c.startedAt, c.failures, c.term = stageRunning, m.now, 0, nil
	c.id = "containerd://" + fakeDigest(string(pod.UID), c.spec.Name, fmt.Sprint(c.restarts))
	c.started, c.ready = c.spec.StartupProbe == nil, false
	c.nextLiveness, c.readinessStarts = time.Time{}, time.Time{}
	m.containerEvent(pod, c, corev1.EventTypeNormal, "Created", "Container created")
	m.containerEvent(pod, c, corev1.EventTypeNormal, "Started", "Container started")
	c.due = m.nextProbe(pod, c, b)
}

func fakeDigest(parts ...string) string {
	var sb strings.Builder
	for i := range 4 {
		fmt.Fprintf(&sb, "%016x", hashOf(append(parts, fmt.Sprint(i))...))
	}
	return sb.String()
}

// end records an exit. The container is then terminated until the kubelet decides what to do with it.
func (c *container) end(m *Manager, e Exit) {
	reason := e.Reason
	if reason == "" && e.Code != 0 {
		reason = "Error"
	} else if reason == "" {
		reason = "Completed"
	}
	c.term = &corev1.ContainerStateTerminated{
		ExitCode: e.Code, Reason: reason, Message: e.Message, StartedAt: metav1.NewTime(c.startedAt.UTC()).Rfc3339Copy(),
		FinishedAt: m.stamp(), ContainerID: c.id,
	}
	c.stage, c.started, c.ready, c.due = stageTerminated, false, false, m.now.Add(time.Second)
}

// afterExit restarts at once the first time and then backs off, twice as long each time (k/k pkg/kubelet/kuberuntime doBackOff).
func (m *Manager) afterExit(pod *corev1.Pod, c *container) {
	if c.term.FinishedAt.Sub(c.term.StartedAt.Time) > healthyRun {
		c.backOff = 0
	}
	wait := c.backOff
	c.backOff = min(max(c.backOff*2, firstBackOff), mostBackOff)
	c.last, c.term = c.term, nil
	if wait == 0 {
		c.restarts++
		c.stage, c.due = stageCreating, m.now
		return
	}
	c.stage, c.until = stageBackOff, c.last.FinishedAt.Add(wait)
	c.waiting = fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", wait, c.spec.Name, pod.Name, pod.Namespace, pod.UID)
	m.serveBackOff(pod, c)
}

// syncEvery is how often a kubelet looks at a pod whose container backs off, and says so.
const syncEvery = 15 * time.Second

func (m *Manager) serveBackOff(pod *corev1.Pod, c *container) {
	c.due = earliest(c.until, m.now.Add(syncEvery))
	if c.stage == stagePullBackOff {
		m.containerEvent(pod, c, corev1.EventTypeNormal, "BackOff", fmt.Sprintf("Back-off pulling image %q", c.spec.Image))
		m.containerEvent(pod, c, corev1.EventTypeWarning, "Failed", "Error: ImagePullBackOff")
		return
	}
	m.containerEvent(pod, c, corev1.EventTypeWarning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s_%s(%s)", c.spec.Name, pod.Name, pod.Namespace, pod.UID))
}

func (m *Manager) restart(pod *corev1.Pod, c *container, b Behaviour) {
	c.restarts++
	c.waiting = ""
	m.beginCreation(pod, c, b)
}

func (c *container) status() corev1.ContainerStatus {
	started := c.started
	s := corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, Ready: c.ready, Started: &started, RestartCount: c.restarts, ContainerID: c.id,
		Resources: c.spec.Resources.DeepCopy(),
	}
	if c.id != "" {
		repo, _, _ := strings.Cut(c.spec.Image, ":")
		s.ImageID = repo + "@sha256:" + fakeDigest(c.spec.Image)
	}
	if c.last != nil {
		s.LastTerminationState.Terminated = c.last
	}
	switch c.stage {
	case stageRunning:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.startedAt.UTC()).Rfc3339Copy()}
	case stageTerminated:
		s.State.Terminated = c.term
	case stageEnded:
		if c.term != nil {
			s.State.Terminated = c.term
			break
		}
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	default:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: c.stage.reason(), Message: c.waiting}
	}
	return s
}

func (s stage) reason() string {
	switch s {
	case stagePullError:
		return "ErrImagePull"
	case stagePullBackOff:
		return "ImagePullBackOff"
	case stageConfigError:
		return "CreateContainerConfigError"
	case stageBackOff:
		return "CrashLoopBackOff"
	}
	return "ContainerCreating"
}
