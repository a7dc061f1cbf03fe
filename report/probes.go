package report

import (
	"time"

	"midwatch/foreign"
	"midwatch/k8s/probe"
)

// maxProbes bounds the probes reported of one workload.
const maxProbes = 300

// Probe is one probe of one pod. State is passing, failing, starting, waiting
// (not run now) or unknown; Failures is how often at least, over the events the
// server still keeps.
type Probe struct {
	Pod         string       `json:"pod"`
	Container   string       `json:"container"`
	Probe       probe.Kind   `json:"probe"`
	Spec        foreign.Text `json:"spec"`
	State       probe.State  `json:"state"`
	Since       time.Time    `json:"since,omitzero"`
	Failures    int          `json:"failures"`
	LastMessage foreign.Text `json:"lastMessage,omitempty"`
	// Deadline is when the kubelet acts if nothing changes.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Probes reports the probes of a workload's pods, the worst pods first.
func Probes(reports []*probe.Report) []Probe {
	var out []Probe
	for _, r := range reports {
		for _, p := range r.All() {
			if len(out) == maxProbes {
				return out
			}
			out = append(out, Probe{
				Pod: r.Pod.Name, Container: p.Container, Probe: p.Spec.Kind, Spec: foreign.Text(p.Spec.String()), State: p.State,
				Since: p.Since.UTC(), Failures: p.Failures, LastMessage: p.LastMessage, Deadline: p.Deadline.UTC(),
			})
		}
	}
	return out
}
