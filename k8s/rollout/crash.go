package rollout

import (
	"strings"
	"time"

	"midwatch/k8s"
)

// killSlack is how far the kubelet's event about killing a container may lie
// from the container's end, beyond its grace period.
const killSlack = 10 * time.Second

// crash says why a container that started and ended did so: not the back-off
// it waits in, but its last termination, and who killed it if somebody did.
func (a *assessment) crash(p *k8s.PodRow, f *finding) {
	ail := p.Ail()
	f.next = ail.NextStart
	if f.container == "" {
		f.container = ail.ExitContainer
	}
	c := a.container(p, f.container)
	limit := int64(0)
	if c != nil {
		limit = c.MemoryLimit
	}
	f.exit, f.kind = exitOf(p, limit)
	if f.exit == nil {
		f.text = "crashes, and how it ended is not known"
		a.inContainer(p, f)
		return
	}
	f.detail = orWord(f.exit.Said.String(), f.detail)
	f.text = crashText(f.exit, f.kind)
	if f.kind == k8s.CauseOOM && c != nil {
		f.object = "memory limit " + Bytes(limit)
		if limit == 0 {
			f.object, f.text = "", "OOMKilled without a limit of its own: its node ran out"
		}
	}
	if f.exit.Code == 137 || f.exit.Code == 143 || f.kind == k8s.CauseCompleted {
		a.killer(p, c, f)
	}
	a.inContainer(p, f)
}

// killer looks for the probe that had the container killed: the kubelet's
// Killing event about that container near its end (kuberuntime_container.go
// killContainer), else a failure of its liveness or startup probe right before
// it. A container that obeys SIGTERM may well exit 0.
func (a *assessment) killer(p *k8s.PodRow, c *Container, f *finding) {
	if f.kind == k8s.CauseOOM {
		return
	}
	a.ask(p.Ref())
	var about []*k8s.Event
	for _, e := range a.eventsOf(p.Ref()) {
		if name := containerOfEvent(e); name == "" || name == f.container {
			about = append(about, e)
		}
	}
	probe := killedBy(about, f)
	answer := ""
	for _, e := range about {
		got, ok := killingAnswer(e, probe, f)
		if !ok || answer != "" {
			continue
		}
		probe, answer = got.probe, got.answer
		if f.event == nil {
			f.event = e
		}
	}
	if probe == "" {
		return
	}
	f.kind, f.probe, f.endpoint = k8s.CauseLiveness, probe, c.endpoint(probe)
	if probe == "startup" {
		f.kind = k8s.CauseStartupKill
	}
	f.text = "killed: " + probeText(probe, f.endpoint, orWord(answer, "failed"))
	f.detail = f.event.Message.String()
}

// killedBy is the probe that the kubelet says it kills the container for;
// empty when it says none, or another reason.
func killedBy(about []*k8s.Event, f *finding) (probe string) {
	for _, e := range about {
		if e.Reason != "Killing" || !near(e, f) {
			continue
		}
		said := e.Message.String()
		switch {
		case strings.Contains(said, "failed liveness probe"):
			probe, f.event = "liveness", e
		case strings.Contains(said, "failed startup probe"):
			probe, f.event = "startup", e
		case strings.Contains(said, "definition changed"):
			f.text, f.event = "killed because its definition changed", e
		}
	}
	return probe
}

// killingAnswer reads an event about a failure of the probe that killed the
// container, or while that is not known of one that may have: a readiness probe
// kills nothing.
func killingAnswer(e *k8s.Event, probe string, f *finding) (probeAnswer, bool) {
	if e.Reason != "Unhealthy" {
		return probeAnswer{}, false
	}
	got, ok := parseProbe(combined(e.Message))
	switch {
	case !ok || got.errored || got.probe == "readiness":
		return probeAnswer{}, false
	case probe == "":
		return got, near(e, f)
	}
	return got, got.probe == probe
}

// near reports whether an event lies at a container's end: not after it, and
// not longer before it than the container's grace period, which is not known,
// so that a minute counts. Where the end looks like a kill it may be older: a
// kubelet tells of a pod's events only once in five minutes when there were
// many (client-go tools/record/events_cache.go).
func near(e *k8s.Event, f *finding) bool {
	if f.exit == nil || f.exit.At.IsZero() {
		return false
	}
	before := time.Minute
	if f.exit.Code == 137 || f.exit.Code == 143 {
		before = spamInterval
	}
	d := f.exit.At.Sub(e.Last)
	return d >= -killSlack && d <= before+killSlack
}

// spamInterval is how rarely the recorder lets an object's events through once
// it had its share.
const spamInterval = 5 * time.Minute
