package probe

import (
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
)

// The kubelet's reasons (k/k pkg/kubelet/events/event.go).
const (
	ReasonUnhealthy = "Unhealthy"
	ReasonWarning   = "ProbeWarning"
	ReasonKilling   = "Killing"
)

// combinedPrefix is what client-go puts before the last of many similar
// messages (tools/record/events_cache.go).
const combinedPrefix = "(combined from similar events): "

// said is one event of the kubelet about a probe, taken apart.
type said struct {
	kind      Kind
	container string // "" when the event does not say
	text      string
	combined  bool
	errored   bool
	event     *k8s.Event
}

// parse takes an Unhealthy or ProbeWarning event apart: "Readiness probe
// failed: HTTP probe failed with statuscode: 503", "Liveness probe errored and
// resulted in unknown state: …", "Readiness probe warning: …"
// (prober.go recordContainerEvent calls).
func parse(e *k8s.Event) (said, bool) {
	s := said{event: e, container: containerOf(e.FieldPath)}
	text, combined := strings.CutPrefix(e.Message.String(), combinedPrefix)
	s.combined = combined
	word, rest, ok := strings.Cut(text, " probe ")
	if !ok {
		return s, false
	}
	switch Kind(strings.ToLower(word)) {
	case Liveness, Readiness, Startup:
		s.kind = Kind(strings.ToLower(word))
	default:
		return s, false
	}
	head, tail, ok := strings.Cut(rest, ": ")
	if !ok {
		head, tail = strings.TrimSuffix(rest, ":"), ""
	}
	s.errored = strings.HasPrefix(head, "errored") || head == "error"
	s.text = strings.TrimSpace(tail)
	if s.text == "" {
		s.text = "no reason given"
	}
	return s, true
}

// containerOf reads "spec.containers{api}" and "spec.initContainers{proxy}".
func containerOf(fieldPath string) string {
	_, rest, ok := strings.Cut(fieldPath, "{")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "}")
	return name
}

// killing reads "Container api failed liveness probe, will be restarted"
// (kuberuntime_manager.go computePodActions).
func killing(e *k8s.Event) (container string, kind Kind, ok bool) {
	text := e.Message.String()
	for _, k := range []Kind{Liveness, Startup} {
		head, _, found := strings.Cut(text, " failed "+string(k)+" probe")
		if !found {
			continue
		}
		name := containerOf(e.FieldPath)
		if name == "" {
			name = head[strings.LastIndexByte(head, ' ')+1:]
		}
		return name, k, true
	}
	return "", "", false
}

// heard is what the events say about one probe.
type heard struct {
	failures          int
	first, last       time.Time
	text              string
	combined, errored bool
	warning           string
	killed            time.Time
}

// listen gathers the events about one probe of a container. alone says that
// no other container of the pod has a probe of this kind: events that do not
// name their container are about it.
func listen(events []*k8s.Event, container string, kind Kind, alone bool) heard {
	var h heard
	for _, e := range events {
		switch e.Reason {
		case ReasonKilling:
			if name, k, ok := killing(e); ok && name == container && k == kind && e.Last.After(h.killed) {
				h.killed = e.Last
			}
		case ReasonUnhealthy, ReasonWarning:
			s, ok := parse(e)
			if !ok || s.kind != kind || (s.container != container && (s.container != "" || !alone)) {
				continue
			}
			if e.Reason == ReasonWarning {
				h.warning = s.text
				continue
			}
			h.take(s)
		}
	}
	return h
}

func (h *heard) take(s said) {
	e := s.event
	h.combined = h.combined || s.combined
	if !s.errored {
		h.failures += max(e.Count, 1)
	}
	if h.first.IsZero() || e.First.Before(h.first) {
		h.first = e.First
	}
	if !e.Last.Before(h.last) {
		h.last, h.text, h.errored = e.Last, s.text, s.errored
	}
}

func (h *heard) fill(p *Probe, runningSince time.Time) {
	p.Failures, p.FirstFailure, p.LastFailure = h.failures, h.first, h.last
	p.SeveralRuns = !runningSince.IsZero() && !h.first.IsZero() && h.first.Before(runningSince)
	p.Combined, p.Errored = h.combined, h.errored
	p.LastMessage, p.Warning = foreign.CleanN(h.text, maxPath), foreign.CleanN(h.warning, maxPath)
	p.Killed = h.killed
}
