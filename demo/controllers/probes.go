package controllers

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// killed is what the kernel reports of a container that was killed because a probe failed.
func killed() Exit { return Exit{Code: 137, Reason: "Error"} }

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

func readyAfter(pod *corev1.Pod, b Behaviour) time.Duration {
	if b.ReadyAfter > 0 {
		return b.ReadyAfter
	}
	return jitter(3*time.Second, 6*time.Second, pod.Name, "ready")
}

// nextProbe is when a running container has to be looked at: its exit, or the next probe whose outcome can matter. Probes of a
// healthy container are not simulated, so that a healthy world costs nothing.
func (m *Manager) nextProbe(pod *corev1.Pod, c *container, b Behaviour) time.Time {
	var next time.Time
	if b.RunFor > 0 {
		next = c.startedAt.Add(b.RunFor)
	}
	if b.LivenessFails != "" && c.spec.LivenessProbe != nil {
		next = earliest(next, m.livenessDue(c, b))
	}
	switch {
	case !c.started && b.StartupFails != "":
		p := c.spec.StartupProbe
		next = earliest(next, c.startedAt.Add(seconds(p.InitialDelaySeconds)+time.Duration(c.failures+1)*seconds(p.PeriodSeconds)))
	case !c.started:
		next = earliest(next, c.startedAt.Add(readyAfter(pod, b)))
	case !c.ready && b.NotReady != "" && c.spec.ReadinessProbe != nil:
		next = earliest(next, m.readinessDue(c))
	case !c.ready:
		next = earliest(next, m.readyAt(pod, c, b))
	}
	return next
}

// readyAt is when the readiness probe of a healthy container first succeeds.
func (m *Manager) readyAt(pod *corev1.Pod, c *container, b Behaviour) time.Time {
	if c.spec.ReadinessProbe == nil {
		return c.startedAt
	}
	at := readyAfter(pod, b)
	if c.spec.StartupProbe == nil {
		at = max(at, seconds(c.spec.ReadinessProbe.InitialDelaySeconds))
	}
	return c.startedAt.Add(at)
}

func (m *Manager) readinessDue(c *container) time.Time {
	p := c.spec.ReadinessProbe
	if c.readinessStarts.IsZero() {
		return laterOf(c.startedAt.Add(seconds(p.InitialDelaySeconds)), c.startedAt.Add(time.Second))
	}
	return c.readinessStarts.Add(seconds(p.PeriodSeconds))
}

func (m *Manager) livenessDue(c *container, b Behaviour) time.Time {
	p := c.spec.LivenessProbe
	if c.nextLiveness.IsZero() {
		return c.startedAt.Add(max(b.LivenessAfter, seconds(p.InitialDelaySeconds)))
	}
	return c.nextLiveness
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// live is one look at a running container.
func (m *Manager) live(pod *corev1.Pod, c *container, b Behaviour) {
	switch {
	case b.RunFor > 0 && !m.now.Before(c.startedAt.Add(b.RunFor)):
		c.end(m, b.Exit)
		return
	case b.LivenessFails != "" && c.spec.LivenessProbe != nil && !m.now.Before(m.livenessDue(c, b)):
		if m.livenessFailed(pod, c, b) {
			return
		}
	case !c.started && b.StartupFails != "":
		if m.startupFailed(pod, c, b) {
			return
		}
	case !c.started:
		c.started = true
		if b.NotReady == "" || c.spec.ReadinessProbe == nil {
			c.ready = true // the kubelet probes readiness at once when startup succeeds
		}
	case !c.ready && b.NotReady != "" && c.spec.ReadinessProbe != nil:
		c.readinessStarts = m.now
		m.containerEvent(pod, c, corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed: "+b.NotReady)
	case !c.ready:
		c.ready = true
	}
	c.due = m.nextProbe(pod, c, b)
}

func (m *Manager) livenessFailed(pod *corev1.Pod, c *container, b Behaviour) bool {
	p := c.spec.LivenessProbe
	c.failures++
	c.nextLiveness = m.now.Add(seconds(p.PeriodSeconds))
	m.containerEvent(pod, c, corev1.EventTypeWarning, "Unhealthy", "Liveness probe failed: "+b.LivenessFails)
	if c.failures < int(p.FailureThreshold) {
		return false
	}
	m.containerEvent(pod, c, corev1.EventTypeNormal, "Killing", fmt.Sprintf("Container %s failed liveness probe, will be restarted", c.spec.Name))
	c.end(m, killed())
	return true
}

func (m *Manager) startupFailed(pod *corev1.Pod, c *container, b Behaviour) bool {
	p := c.spec.StartupProbe
	c.failures++
	m.containerEvent(pod, c, corev1.EventTypeWarning, "Unhealthy", "Startup probe failed: "+b.StartupFails)
	if c.failures < int(p.FailureThreshold) {
		return false
	}
	m.containerEvent(pod, c, corev1.EventTypeNormal, "Killing", fmt.Sprintf("Container %s failed startup probe, will be restarted", c.spec.Name))
	c.end(m, killed())
	return true
}
