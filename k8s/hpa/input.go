package hpa

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
)

// Input is everything known about one autoscaler at one moment.
type Input struct {
	HPA *autoscalingv2.HorizontalPodAutoscaler
	// Scale is the target's scale subresource.
	Scale Scale
	// Pods are those the scale's selector matches; PodsErr says why they are
	// not known.
	Pods    []*corev1.Pod
	PodsErr foreign.Text
	// Readings hold the value of every metric, by its place in spec.metrics.
	// Missing ones count as not asked for.
	Readings []Reading
	// Rivals are other autoscalers that select some of the same pods.
	Rivals []string
	// History is what was recommended and scaled before, as far as is known.
	History History
	Flags   Flags
	Now     time.Time
}

// Scale is the target's scale subresource.
type Scale struct {
	// Known is false when it could not be read: Err then says why, and the
	// autoscaler's own status stands in for the numbers.
	Known bool
	Err   foreign.Text
	// Missing is true when the target does not exist, or cannot be scaled.
	Missing bool
	// Spec is the number of replicas asked for, Status of those there are.
	Spec, Status int32
	// Selector is status.selector; empty makes the autoscaler refuse.
	Selector string
}

// Availability says how far a metric's value could be read.
type Availability uint8

// The outcomes of reading a metric. With Absent, NoData and Nonsense the
// controller gets no value either; the others say nothing about what it gets.
const (
	NotAsked  Availability = iota // nobody read it
	Live                          // the API's own answer
	NoData                        // the API answered: there is no such value
	Absent                        // no server answers for this API
	Nonsense                      // the answer cannot be read as a number
	Forbidden                     // midwatch's user may not read it
	Slow                          // no answer in time, or no connection
)

var availabilityNames = [...]string{"not read", "live", "no data", "absent", "nonsense", "forbidden", "no answer"}

// String is the word for it.
func (a Availability) String() string {
	return availabilityNames[min(int(a), len(availabilityNames)-1)]
}

// fails reports that the controller cannot read the metric either.
func (a Availability) fails() bool { return a == NoData || a == Absent || a == Nonsense }

// Reading is the value of one metric as a metrics API gave it.
type Reading struct {
	State Availability
	// Err explains a State other than Live, cleaned: what was asked, what the
	// answer was.
	Err foreign.Text
	// Pods are the values by pod name, for metrics of kind Resource,
	// ContainerResource and Pods.
	Pods map[string]Sample
	// Values are the one value of an Object metric, or the series of an
	// External one, in thousandths.
	Values []int64
}

// Sample is one pod's value.
type Sample struct {
	Value  int64 // in thousandths
	At     time.Time
	Window time.Duration // over which it was measured
}

// Flags are kube-controller-manager's, which no API tells.
type Flags struct {
	Tolerance             float64       // --horizontal-pod-autoscaler-tolerance
	DownscaleWindow       time.Duration // --horizontal-pod-autoscaler-downscale-stabilization
	CPUInitialization     time.Duration // --horizontal-pod-autoscaler-cpu-initialization-period
	InitialReadinessDelay time.Duration // --horizontal-pod-autoscaler-initial-readiness-delay
	SyncPeriod            time.Duration // --horizontal-pod-autoscaler-sync-period
}

// DefaultFlags are what kube-controller-manager runs with unless told
// otherwise (pkg/controller/podautoscaler/config/v1alpha1/defaults.go).
func DefaultFlags() Flags {
	return Flags{
		Tolerance: 0.1, DownscaleWindow: 5 * time.Minute, CPUInitialization: 5 * time.Minute,
		InitialReadinessDelay: 30 * time.Second, SyncPeriod: 15 * time.Second,
	}
}

func (f Flags) filled() Flags {
	d := DefaultFlags()
	if f.Tolerance <= 0 {
		f.Tolerance = d.Tolerance
	}
	if f.DownscaleWindow <= 0 {
		f.DownscaleWindow = d.DownscaleWindow
	}
	if f.CPUInitialization <= 0 {
		f.CPUInitialization = d.CPUInitialization
	}
	if f.InitialReadinessDelay <= 0 {
		f.InitialReadinessDelay = d.InitialReadinessDelay
	}
	if f.SyncPeriod <= 0 {
		f.SyncPeriod = d.SyncPeriod
	}
	return f
}
