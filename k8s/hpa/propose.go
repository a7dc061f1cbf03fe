package hpa

import "fmt"

// proposal is the largest of all metrics', at each stage of its making.
type proposal struct {
	raw, filled, final int
	// by, rawBy are the metrics that asked for the most; nil when none could
	// be computed.
	by, rawBy *Metric
	invalid   int
	first     *Metric // the first that failed
	// refused is true when the controller does nothing: all metrics failed,
	// or some did and the rest asks for fewer.
	refused bool
}

// propose is computeReplicasForMetrics of horizontal.go: the largest proposal
// wins, the first of equals; a metric that fails does not stop a scale-up.
func (c *calculation) propose(metrics []Metric) proposal {
	var p proposal
	for i := range metrics {
		m := &metrics[i]
		if !m.Computed {
			if p.first == nil {
				p.first = m
			}
			p.invalid++
			continue
		}
		if p.rawBy == nil || m.Raw > p.raw {
			p.raw, p.rawBy = m.Raw, m
		}
		if p.by == nil || m.Filled > p.filled {
			p.filled = m.Filled
		}
		if p.by == nil || p.final == 0 || m.Proposal > p.final {
			p.final, p.by = m.Proposal, m
		}
	}
	p.refused = p.by == nil || p.invalid > 0 && p.final < c.current
	// desiredReplicas begins with 0.
	p.raw, p.filled, p.final = max(p.raw, 0), max(p.filled, 0), max(p.final, 0)
	return p
}

// uncertain reports that a metric failed for us and not for the controller, as
// far as anybody can say.
func uncertain(metrics []Metric) *Metric {
	for i := range metrics {
		if m := &metrics[i]; !m.Computed && (m.State == Forbidden || m.State == Slow || m.State == NotAsked) {
			return m
		}
	}
	return nil
}

// why says what a metric's value asks for: "cpu at 118 % of its request,
// target 70 %".
func (m *Metric) why() string {
	return fmt.Sprintf("%s at %s, target %s", m.label(), m.Value(), m.TargetValue())
}

func (m *Metric) label() string {
	switch {
	case m.Object != "":
		return m.Name + " on " + m.Object
	case m.Type == "External":
		return "external " + m.Name
	}
	return m.Name
}
