package probe

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/live"
)

// notKnown says what the API does not carry: the kubelet keeps it, or its
// /metrics/probes, which takes rights on the node (nodes/metrics).
func (s Spec) notKnown() []string {
	out := []string{
		fmt.Sprintf("how many of the %s in a row it stands at", failures(s.Failure)),
		"when it last ran, and how long the answer took (lastProbeTime is always null)",
		"what was in the answer: the kubelet leaves the body out",
	}
	if s.Kind == Liveness {
		out = append(out, "that it passes: a success leaves no trace")
	}
	if s.Method == Exec {
		out[2] = "what the command printed when it passed"
	}
	return out
}

func (p *Probe) note(sev live.Severity, format string, args ...any) {
	p.Lints = append(p.Lints, Lint{Severity: sev, Text: foreign.CleanN(fmt.Sprintf(format, args...), maxPath)})
}

// lint looks for what will hurt in one probe.
func (a *assessment) lint(p *Probe, c *Container, all []Spec, spec *corev1.Container) {
	s := p.Spec
	switch {
	case s.Method == None:
		p.note(live.Fail, "asks nothing: it has no handler")
	case s.Port == 0 && s.PortName != "":
		p.note(live.Fail, "port %q is not among the container's ports: every probe errors, and the kubelet throws the result away", s.PortName)
	case s.Host != "":
		p.note(live.Warn, "asks host %s and not the pod: it tells whether that host answers the node", s.Host)
	}
	if s.Period < s.Timeout {
		p.note(live.Info, "timeout %s is longer than the period %s: a slow answer delays the next probe, so the real period is longer", short(s.Timeout), short(s.Period))
	}
	if timedOut(p.LastMessage.String()) {
		p.note(live.Warn, "answers took longer than the timeout of %s: the process may be slow and not broken", short(s.Timeout))
	}
	if p.Errored {
		p.note(live.Warn, "the last probe known could not be run at all; that counts for nothing, the kubelet keeps its last decision")
	}
	switch s.Kind {
	case Startup:
		a.lintStartup(p, c)
	case Liveness:
		a.lintLiveness(p, c, all, spec)
	}
}

// timedOut reads the kubelet's words for an answer that did not come in time
// (net/http's, gRPC's, and the exec prober's).
func timedOut(message string) bool {
	for _, words := range []string{"context deadline exceeded", "Client.Timeout", "i/o timeout", "did not complete within", "timed out after", "timeout: "} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

func (a *assessment) lintStartup(p *Probe, c *Container) {
	budget := p.Spec.Budget()
	switch {
	case !p.Killed.IsZero():
		p.note(live.Fail, "its budget of %s was used up before the container had started: too small, or the process never starts", short(budget))
	case c.StartTook > budget:
		p.note(live.Warn, "the container was ready %s after its start, with a budget of %s: a slower start is killed", short(c.StartTook), short(budget))
	case c.StartTook*5 > budget*4:
		p.note(live.Warn, "the container was ready %s after its start, which is most of its budget of %s", short(c.StartTook), short(budget))
	}
}

func (a *assessment) lintLiveness(p *Probe, c *Container, all []Spec, spec *corev1.Container) {
	s := p.Spec
	least, most := s.Detect()
	for _, other := range all {
		if other.Kind != Readiness {
			continue
		}
		if s.SameQuestion(other) {
			p.note(live.Warn, "asks the same as readiness: when what that depends on fails, all pods are restarted instead of only taken out")
		}
		if _, out := other.Detect(); most < out {
			p.note(live.Warn, "is quicker than readiness (%s against %s): the container is killed while traffic still goes to it", short(most), short(out))
		}
	}
	if s.Failure == 1 {
		p.note(live.Warn, "a single failure restarts the container")
	}
	if spec.StartupProbe != nil {
		return
	}
	alive := s.InitialDelay + least
	switch {
	case c.StartTook > alive:
		p.note(live.Warn, "there is no startup probe, and the container was ready %s after its start: liveness may kill it from %s on", short(c.StartTook), short(alive))
	case s.InitialDelay >= 30*time.Second:
		p.note(live.Info, "waits %s at every start in place of a startup probe: a container that hangs early is noticed that much later", short(s.InitialDelay))
	}
}

// lintContainer looks for what is missing.
func lintContainer(c *Container, all []Spec, spec *corev1.Container) []Lint {
	if c.Role == Init || len(spec.Ports) == 0 {
		return nil
	}
	for _, s := range all {
		if s.Kind == Readiness {
			return nil
		}
	}
	return []Lint{{Severity: live.Info, Text: "no readiness probe: it gets traffic from the moment it runs"}}
}
