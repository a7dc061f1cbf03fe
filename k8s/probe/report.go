package probe

import (
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// State is what a probe does now, as far as it can be told.
type State string

// The states.
const (
	Passing  State = "passing"  // its last decision was good
	Failing  State = "failing"  // the last answers known were bad
	Starting State = "starting" // has not passed yet, and still may
	Waiting  State = "waiting"  // is not run now: no container, or the startup probe comes first
	Unknown  State = "unknown"
)

// Role is what a container is for.
type Role string

// The roles that can have probes; other init containers cannot (validation).
const (
	Main    Role = ""
	Sidecar Role = "sidecar"
	Init    Role = "init"
)

// Probe is one probe, judged.
type Probe struct {
	Container string
	Role      Role
	Spec      Spec
	State     State
	Severity  live.Severity
	// Since is when it came to be so, as near as the API tells; zero if not
	// known.
	Since time.Time
	// Text says what the state was read from, in one sentence without relative
	// times.
	Text foreign.Text
	// Failures is how often it failed at least, over the events the server
	// still keeps, between FirstFailure and LastFailure; recorders drop what
	// repeats too fast. SeveralRuns says that they began before the container's
	// present run.
	Failures                  int
	FirstFailure, LastFailure time.Time
	SeveralRuns               bool
	// Combined says that only a merged event was left of some of them.
	Combined bool
	// LastMessage is what the kubelet said last, without "Readiness probe
	// failed:".
	LastMessage foreign.Text
	// Errored says that LastMessage is not an answer: the probe could not be
	// run, and the kubelet threw the result away.
	Errored bool
	// Warning is what the kubelet warned of although the probe passed.
	Warning foreign.Text
	// Deadline is when the kubelet acts if nothing changes; Earliest when it
	// may do so already. Zero when it will not, or nobody can tell.
	Deadline, Earliest time.Time
	// Killed is when this probe last had the container killed; zero if it is
	// not known to have.
	Killed time.Time
	// NotKnown says what nobody outside the kubelet can tell about it.
	NotKnown []string
	Lints    []Lint
}

// Lint is something about a spec that will hurt.
type Lint struct {
	Severity live.Severity
	Text     foreign.Text
}

// Container is one container of the pod with its probes.
type Container struct {
	Name string
	Role Role
	// Running is since when it runs; zero when it does not.
	Running  time.Time
	Started  bool
	Ready    bool
	Restarts int
	// Reason is why it does not run: CrashLoopBackOff, ContainerCreating.
	Reason string
	// StartTook is how long it took from its start to being ready, when that
	// can be told; zero otherwise.
	StartTook time.Duration
	Probes    []Probe
	Lints     []Lint
}

// Gate is a readiness gate: a condition that something outside the kubelet has
// to set before the pod counts as ready.
type Gate struct {
	Type   string
	Passed bool
	// Set is false when nobody has written the condition yet.
	Set     bool
	Since   time.Time
	Reason  string
	Message foreign.Text
}

// Report is everything about the probes of one pod.
type Report struct {
	Pod k8s.Ref
	// Version is the pod's resourceVersion, for equality only.
	Version string
	Node    string
	IP      string
	// Hash is the pod's template (PodRow.Revision).
	Terminating bool
	Ready       bool
	ReadySince  time.Time
	Containers  []Container
	Gates       []Gate
	Flaps       Flaps
	// Severity is the worst of its probes'.
	Severity live.Severity
	// Skew is by how much the cluster's clock is ahead of ours at least; 0 when
	// that cannot be seen. Times are judged by the cluster's clock then.
	Skew time.Duration
	// EventsKnown is false when the events about the pod could not be read.
	EventsKnown bool
	// Recheck is when a judgement changes without anything happening; zero for
	// never.
	Recheck time.Time
}

// All are the pod's probes in order.
func (r *Report) All() []*Probe {
	var out []*Probe
	for i := range r.Containers {
		for j := range r.Containers[i].Probes {
			out = append(out, &r.Containers[i].Probes[j])
		}
	}
	return out
}
