package rollout

import (
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Input is everything known about one workload at one moment. Its slices are
// read, never written.
type Input struct {
	Object    *Object
	Sets      []*ReplicaSet         // owned by it
	Revisions []*ControllerRevision // owned by it
	Pods      []*k8s.PodRow         // owned by it or by its sets
	// SetsKnown and PodsKnown tell "none" from "not read (yet)".
	SetsKnown, PodsKnown bool
	// Events are Warning events of the workload, its sets and its pods.
	Events []*k8s.Event
	// Nodes are those that were looked up, by name (see Verdict.Clues).
	Nodes map[string]*Node
	// Now is the time by the cluster's clock, Skew how far that is ahead of
	// this machine's (negative: behind); 0 when they agree or nobody knows.
	Now  time.Time
	Skew time.Duration
}

// notObservedGrace is how long a controller may take to see a new spec before
// that is worth a warning.
const notObservedGrace = 10 * time.Second

// deletingGrace is how long a deletion may take before that is worth one.
const deletingGrace = 10 * time.Minute

// Assess judges one workload. It is pure: the same input gives the same
// verdict, and the verdict's Recheck says when time alone would change it.
func Assess(in Input) (k8s.Verdict, k8s.RolloutStatus) {
	if in.Object == nil {
		return k8s.Verdict{Phase: k8s.PhaseUnknown, Message: "nothing is known of it"}, k8s.RolloutStatus{}
	}
	a := &assessment{Input: in, o: in.Object}
	a.checkClock()
	var v k8s.Verdict
	switch in.Object.Kind {
	case k8s.Deployment:
		v = a.deployment()
	case k8s.StatefulSet:
		v = a.statefulSet()
	case k8s.DaemonSet:
		v = a.daemonSet()
	case k8s.Rollout:
		v = a.argo()
	default:
		v = k8s.Verdict{Phase: k8s.PhaseUnknown, Message: foreign.Clean("midwatch does not judge a " + in.Object.Kind)}
	}
	v.Evidence = append(v.Evidence, a.background(&v)...)
	v.Recheck = earliest(v.Recheck, a.recheck)
	a.explain(&v)
	a.status.Started = a.rolloutStart()
	return v, a.status
}

// assessment is the work on one workload: what was given and what was found
// out so far.
type assessment struct {
	Input
	o      *Object
	status k8s.RolloutStatus
	// current is the new ReplicaSet, nil when there is none (yet).
	current *ReplicaSet
	// own are pods of the new revision, old those of others; both without
	// pods that have ended or are being deleted, which are leaving.
	own, old, leaving []*k8s.PodRow
	// needed is how many pods must be available for the workload to be
	// counted so (its Available condition): users are hit below it.
	needed int
	// troubles are why pods are not available, the worst first.
	troubles []*trouble
	// recheck is when a judgement made so far changes by itself.
	recheck time.Time
	// ownRevision tells pods of the new revision; nil when nobody can.
	ownRevision func(*k8s.PodRow) bool
	// skewed is said when the cluster's clock is ahead of ours.
	skewed *live.Evidence
	// unread is said when a node that matters could not be read.
	unread *live.Evidence
	// looked is true once the pods were examined.
	looked bool
	// blocked is why pods cannot be created or deleted; nil when they can.
	blocked *blockage
	// clues are what would tell more.
	clues []k8s.Ref
	// about are the events by the object they speak of; see eventsOf.
	about map[string][]*k8s.Event
}

// soon asks to be judged again at t.
func (a *assessment) soon(t time.Time) { a.recheck = earliest(a.recheck, t) }

// within reports whether less than d has passed since from, and if so asks to
// be judged again when it has. A start that is not known is long ago.
func (a *assessment) within(from time.Time, d time.Duration) bool {
	end := from.Add(d)
	if from.IsZero() || !end.After(a.Now) {
		return false
	}
	a.soon(end)
	return true
}

// recentlyChanged reports whether the object was written so lately that pods
// it asked for may still be on their way.
func (a *assessment) recentlyChanged() bool {
	return a.within(a.o.Changed, a.o.ProbeBudget()+creatingGrace) || a.within(a.o.Created, a.o.ProbeBudget()+creatingGrace)
}

// common are the phases every kind begins with: deleting and not observed.
func (a *assessment) common() (k8s.Verdict, bool) {
	o := a.o
	switch {
	case !o.Deleted.IsZero():
		return a.deleting(), true
	case o.Generation > o.Observed:
		return a.notObserved(), true
	}
	return k8s.Verdict{}, false
}

func (a *assessment) deleting() k8s.Verdict {
	o, sev, text := a.o, live.Info, "is being deleted"
	if len(o.Finalizers) > 0 {
		text += "; finalizers: " + strings.Join(o.Finalizers, ", ")
	}
	if !a.within(o.Deleted, deletingGrace) {
		sev = live.Warn
	}
	return verdict(sev, k8s.PhaseDeleting, "Deleting", o.Deleted, "%s", text)
}

// notObserved is a spec its controller has not looked at. That is normal for
// moments only; when the spec was written is known from managedFields.
func (a *assessment) notObserved() k8s.Verdict {
	o, sev, text := a.o, live.Info, "the newest change is not yet seen by its controller"
	if !o.Changed.IsZero() && !a.within(o.Changed, notObservedGrace) {
		sev, text = live.Warn, "its controller does not see the newest change: is the controller manager down?"
	}
	v := verdict(sev, k8s.PhaseNotObserved, "NotObserved", o.Changed, "%s (generation %d, observed %d)", text, o.Generation, o.Observed)
	v.Evidence = append(v.Evidence, live.Evidence{Kind: "status", Ref: o.String(), At: o.Changed, Text: "observedGeneration is behind metadata.generation: no count below belongs to the newest spec"})
	return v
}

func (a *assessment) scaledToZero() k8s.Verdict {
	text := "scaled to zero"
	if n := max(a.o.Status.Replicas, len(a.own)+len(a.old)); n > 0 {
		text += "; " + count(n, "pod") + " still to go"
	}
	return verdict(live.Info, k8s.PhaseScaledToZero, "ScaledToZero", a.o.Changed, "%s", text)
}

// severity of being short of pods: Fail when users are hit, that is when
// fewer than needed are available or none at all; Warn otherwise.
func (a *assessment) severity(available int) live.Severity {
	if available < a.needed || available == 0 {
		return live.Fail
	}
	return live.Warn
}

// maxEvidence bounds what a verdict carries.
const maxEvidence = 16

// background is the evidence every verdict has besides its own: the
// controller's conditions and what the rollout brought.
func (a *assessment) background(v *k8s.Verdict) []live.Evidence {
	var out []live.Evidence
	if a.skewed != nil {
		out = append(out, *a.skewed)
	}
	if a.unread != nil {
		out = append(out, *a.unread)
	}
	for i := range a.o.Conditions {
		out = append(out, a.o.Conditions[i].evidence(a.o.Ref))
	}
	if s := &a.status; s.Revision.Name != "" && s.PreviousRevision.Name != "" && v.Phase != k8s.PhaseDone {
		out = append(out, revisionEvidence(a.o, &s.PreviousRevision, &s.Revision))
	}
	if a.o.HistoryLimit == 0 && v.Severity.Rank() <= live.Warn.Rank() && v.Severity != live.Unknown {
		out = append(out, live.Evidence{Kind: "spec", Ref: a.o.String(), Text: "revisionHistoryLimit is 0: no older revision is kept, so there is nothing to undo to"})
	}
	if room := maxEvidence - len(v.Evidence); len(out) > room {
		out = out[:max(room, 0)]
	}
	return out
}

func (c *Condition) evidence(ref k8s.Ref) live.Evidence {
	text := c.Type + "=" + c.Status
	if c.Reason != "" {
		text += " " + c.Reason
	}
	if c.Message != "" {
		text += ": " + c.Message.String()
	}
	return live.Evidence{Kind: "condition", Ref: ref.String(), At: c.Since, Text: foreign.CleanN(text, maxText)}
}

func earliest(times ...time.Time) (t time.Time) {
	for _, x := range times {
		if !x.IsZero() && (t.IsZero() || x.Before(t)) {
			t = x
		}
	}
	return t
}
