package live

import (
	"fmt"
	"time"

	"midwatch/foreign"
)

// Severity says how much trouble something is in. The zero value is Unknown:
// what nobody judged is never shown as well.
type Severity uint8

// The severities, in no order of rank: see [Severity.Rank].
const (
	Unknown Severity = iota // could not tell
	OK                      // as it should be
	Info                    // worth knowing: moving, paused on purpose, scaled to zero
	Warn                    // needs a look: degraded, or will fail if nothing changes
	Fail                    // broken now
)

var severityNames = [...]string{"unknown", "ok", "info", "warn", "fail"}

// String returns the name used in JSON: unknown, ok, info, warn or fail.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// Rank orders severities on a board, the worst first (0). Unknown stands
// between trouble and information: it may be either.
func (s Severity) Rank() int {
	switch s {
	case Fail:
		return 0
	case Warn:
		return 1
	case Unknown:
		return 2
	case Info:
		return 3
	}
	return 4
}

// MarshalText writes the JSON name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the JSON name.
func (s *Severity) UnmarshalText(b []byte) error {
	for i, name := range severityNames {
		if name == string(b) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("severity %q: want one of %v", b, severityNames)
}

// Evidence is one observation behind a verdict. Every piece of evidence names
// the object it was read from, so that it can be opened.
type Evidence struct {
	// Kind says what sort of observation it is: condition, event, pod,
	// status, spec, revision.
	Kind string `json:"kind"`
	// Ref names the object it was read from: "Pod shop/api-7d4-x2x".
	Ref string `json:"ref"`
	// At is when it was observed by whoever wrote it; zero if not known.
	At time.Time `json:"at,omitzero"`
	// Count is how often at least; 0 when counting makes no sense.
	Count int `json:"count,omitempty"`
	// Text is what was said, cleaned.
	Text foreign.Text `json:"text"`
}
