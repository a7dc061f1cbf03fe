package hpa

import (
	"time"

	"midwatch/foreign"
)

// Explanation is why an autoscaler wants what it wants.
type Explanation struct {
	Name string
	// Target is "Deployment shop/checkout".
	Target string
	// Min and Max are the limits in force.
	Min, Max int
	// Current is spec.replicas of the target, Actual how many replicas it has
	// (status.replicas), Ready how many of its pods are ready; Ready is -1
	// when the pods are not known.
	Current, Actual, Ready int
	// Wants is what the metrics ask for before windows, rates and limits;
	// -1 when no metric could be computed.
	Wants int
	// Desired is what the controller sets next, if nothing else changes.
	Desired int
	// Outcome says what the controller does.
	Outcome Outcome
	// LimitedBy is what keeps Desired from Wants: a step's name, or empty.
	LimitedBy StepName
	Metrics   []Metric
	Steps     []Step
	// Summary is the one sentence: "7, and not 12: 3 pods give no metrics, so
	// the scale-up is cancelled".
	Summary    string
	Confidence Confidence
	// Unknown lists what cannot be known, with its effect.
	Unknown []Unknown
	// Conditions are the controller's own, as sentences.
	Conditions []Condition
	// Forecast says where this load leads to; nil when it leads nowhere else.
	Forecast *Forecast
	// Predicted is what the controller will write into its conditions.
	Predicted Predicted
	// Recommended is what the controller remembers of this round for its
	// windows; -1 when it computes nothing.
	Recommended int
}

// Outcome is what the controller does at its next look.
type Outcome string

// The outcomes.
const (
	Scales   Outcome = "scales"   // it sets Desired
	Stays    Outcome = "stays"    // Desired is Current
	Disabled Outcome = "disabled" // the target was scaled to 0 by hand
	Cannot   Outcome = "cannot"   // it has no metric, no target, or a rival
	Unsure   Outcome = "unknown"  // too little could be read
)

// Confidence says how far an explanation can be trusted.
type Confidence string

// The confidences, the best first.
const (
	// Exact: recomputed from live values, with everything the windows need.
	Exact Confidence = "exact"
	// Approximate: some of it is read off the status, or assumed.
	Approximate Confidence = "approximate"
	// None: it cannot be computed.
	None Confidence = "none"
)

// StepName names one step of the waterfall. The set is closed.
type StepName string

// The steps, in the order they are taken.
const (
	StepMetrics    StepName = "metrics"       // the load alone, as if every pod gave its share
	StepPods       StepName = "pods"          // pods without a metric, or not ready
	StepTolerance  StepName = "tolerance"     // too close to the target to move
	StepInvalid    StepName = "invalid"       // some metrics fail: no scale-down
	StepStabilise  StepName = "stabilisation" // the window
	StepRate       StepName = "rate"          // the policies
	StepLimits     StepName = "limits"        // minimum and maximum
	StepDisabled   StepName = "disabled"      // scaled to zero
	StepNoDecision StepName = "no decision"   // nothing could be computed
	StepDesired    StepName = "desired"
	StepActual     StepName = "actual"
)

// Step is one step of the waterfall, in replicas.
type Step struct {
	Name    StepName `json:"name"`
	In      int      `json:"in"`
	Out     int      `json:"out"`
	Text    string   `json:"text"`
	Decided bool     `json:"decided,omitempty"` // it made the number what it is
	Approx  bool     `json:"approximate,omitempty"`
}

// Unit is what a metric's values count.
type Unit uint8

// The units.
const (
	Plain   Unit = iota // thousandths of whatever it is
	Percent             // whole percents of the request
	Cores               // thousandths of a core
	Bytes               // thousandths of a byte
)

// Metric is one metric's way from a value to a proposal.
type Metric struct {
	// Name is "cpu", "cpu of api", "http_requests_per_second"; Type is
	// Resource, ContainerResource, Pods, Object or External; Object what an
	// Object metric describes.
	Name, Type, Object string
	State              Availability
	// FromStatus is true when the value is the one the controller reported.
	FromStatus bool
	// Computed is false when it has no proposal: Problem says why, Reason is
	// the controller's word for it.
	Computed bool
	Problem  string
	Reason   string
	// Current and Target are in Unit; PerPod says that they are averages.
	Current, Target int64
	Unit            Unit
	PerPod          bool
	// Ratio is Current over Target as the controller computes it first, and
	// Corrected after pods without a metric and unready ones are put in.
	Ratio, CorrectedRatio float64
	Groups                Groups
	// Raw is what the value alone asks for, Filled after the correction for
	// pods, Proposal after the tolerance.
	Raw, Filled, Proposal int
	// Note says in words what happened on the way; empty when nothing did.
	Note string
	// Odd says that a value cannot be true: below zero, or beyond all measure.
	Odd string
}

// Groups are the pods as the controller sorts them, by name.
type Groups struct {
	Ready, Unready, Missing, Ignored []string
}

// Unknown is something no API tells.
type Unknown struct {
	What   string `json:"what"`
	Effect string `json:"effect"`
	// Matters is true when it could make this very explanation wrong.
	Matters bool `json:"matters"`
}

// Condition is one condition of the autoscaler as a sentence.
type Condition struct {
	Type, Reason string
	True         bool
	// Bad marks what needs a look.
	Bad   bool
	Text  string
	Said  foreign.Text // the controller's own message
	Since time.Time
}

// Predicted are the reasons the controller gives in its conditions after the
// round that is explained; empty for those it does not set.
type Predicted struct {
	AbleToScale, ScalingActive, ScalingLimited string
}

// Forecast is where the present load leads to if it stays as it is.
type Forecast struct {
	Text string
	// Points are the sizes on the way; the first is the next decision.
	Points []Point
}

// Point is a number of replicas at a time.
type Point struct {
	At time.Time `json:"at"`
	N  int       `json:"n"`
}
