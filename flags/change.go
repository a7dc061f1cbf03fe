package flags

import (
	"time"

	"midwatch/action"
	"midwatch/foreign"
)

// Change is one entry of a provider's audit log.
type Change struct {
	ID string
	At time.Time
	// By is who did it, as the provider says. A token of a service hides the
	// person behind it; Service is then true.
	By      foreign.Text
	Service bool
	// Environment and Key say where. Either may be empty for a change that
	// concerns more than one.
	Environment, Key string
	// Action is the provider's word: "feature-environment-enabled",
	// "updateOn".
	Action foreign.Text
	// Summary says it in one sentence.
	Summary foreign.Text
	// Comment is what the author gave as the reason.
	Comment foreign.Text
	// Diff lists what differs, field by field; empty when the entry does not
	// carry both sides.
	Diff []action.Field
}

// Stats counts how often a flag was evaluated.
type Stats struct {
	// Since and Until bound what was counted.
	Since, Until time.Time
	Counts       []Count
	// Arms counts the variants beside the boolean, where a provider has both
	// (Unleash).
	Arms []Count
	// Apps names the applications that reported, when known.
	Apps []foreign.Text
	// Note says what the numbers are not. Providers count evaluations, not
	// users, so no test of a split may be run on them.
	Note foreign.Text
}

// Count is how often one variation was served.
type Count struct {
	Variant foreign.Text
	N       int64
}

// Total is the sum of the counts.
func (s *Stats) Total() int64 {
	var n int64
	if s != nil {
		for _, c := range s.Counts {
			n += c.N
		}
	}
	return n
}

// Of is the count of one variation.
func (s *Stats) Of(variant foreign.Text) int64 {
	if s != nil {
		for _, c := range s.Counts {
			if c.Variant == variant {
				return c.N
			}
		}
	}
	return 0
}

// PerMinute is the total over the time counted, 0 when that is not known.
func (s *Stats) PerMinute() float64 {
	if s == nil {
		return 0
	}
	d := s.Until.Sub(s.Since).Minutes()
	if d <= 0 {
		return 0
	}
	return float64(s.Total()) / d
}
