package rollout

import (
	"fmt"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Input is everything known about one workload at one moment.
type Input struct {
	Object    *Object
	Sets      []*ReplicaSet         // owned by it
	Revisions []*ControllerRevision // owned by it
	Pods      []*k8s.PodRow         // owned by it or by its sets
	// SetsKnown and PodsKnown tell "none" from "not read (yet)".
	SetsKnown, PodsKnown bool
	// Events are Warning events of the workload, its sets and its pods.
	Events []*k8s.Event
	Now    time.Time
}

// notObservedGrace is how long a controller may take to see a new spec before
// that is worth a warning.
const notObservedGrace = 10 * time.Second

// Assess judges one workload. It is pure: the same input gives the same
// verdict, and the verdict's Recheck says when time alone would change it.
func Assess(in Input) (k8s.Verdict, k8s.RolloutStatus) {
	var v k8s.Verdict
	var s k8s.RolloutStatus
	switch in.Object.Kind {
	case k8s.Deployment:
		v, s = assessDeployment(&in)
	case k8s.StatefulSet:
		v, s = assessStatefulSet(&in)
	case k8s.DaemonSet:
		v, s = assessDaemonSet(&in)
	case k8s.Rollout:
		v, s = assessArgo(&in)
	default:
		return k8s.Verdict{Phase: k8s.PhaseUnknown, Message: foreign.Clean("midwatch does not judge a " + in.Object.Kind)}, s
	}
	if v.Since.IsZero() {
		v.Since = in.Object.Created
	}
	return v, s
}

// verdict composes one; the message is cleaned again, as it quotes names.
func verdict(sev live.Severity, phase k8s.Phase, reason string, since time.Time, format string, args ...any) k8s.Verdict {
	return k8s.Verdict{Severity: sev, Phase: phase, Reason: reason, Since: since, Message: foreign.CleanN(fmt.Sprintf(format, args...), 400)}
}

// common are the phases every kind begins with: deleting and not observed.
func common(in *Input) (k8s.Verdict, bool) {
	o := in.Object
	if !o.Deleted.IsZero() {
		return verdict(live.Info, k8s.PhaseDeleting, "Deleting", o.Deleted, "is being deleted"), true
	}
	if o.Generation <= o.Observed {
		return k8s.Verdict{}, false
	}
	// When the spec changed is not recorded; the newest thing that is known
	// to be older than the change bounds it.
	since := o.Created
	for _, c := range o.Conditions {
		if c.Updated.After(since) {
			since = c.Updated
		}
	}
	sev, text := live.Info, "the newest change is not yet seen by its controller"
	recheck := time.Time{}
	switch {
	case o.changedAt.IsZero() || in.Now.Sub(o.changedAt) < notObservedGrace:
		if !o.changedAt.IsZero() {
			recheck = o.changedAt.Add(notObservedGrace)
		}
	default:
		sev, text, since = live.Warn, "its controller has not seen the newest change: is the controller manager down?", o.changedAt
	}
	v := verdict(sev, k8s.PhaseNotObserved, "NotObserved", since, "%s (generation %d, observed %d)", text, o.Generation, o.Observed)
	v.Recheck = recheck
	return v, true
}

func (o *Object) condition(kind string) *Condition {
	for i := range o.Conditions {
		if o.Conditions[i].Type == kind {
			return &o.Conditions[i]
		}
	}
	return nil
}

func (c *Condition) evidence(ref k8s.Ref) live.Evidence {
	return live.Evidence{Kind: "condition", Ref: ref.String(), At: c.Since, Text: foreign.CleanN(c.Type+"="+c.Status+" "+c.Reason+": "+c.Message.String(), 400)}
}

// newestEvent finds the newest event of a reason about one object.
func newestEvent(events []*k8s.Event, uid string, reasons ...string) *k8s.Event {
	var newest *k8s.Event
	for _, e := range events {
		for _, r := range reasons {
			if e.Reason == r && (uid == "" || e.Involved.UID == uid) && (newest == nil || e.Last.After(newest.Last)) {
				newest = e
			}
		}
	}
	return newest
}

func eventEvidence(e *k8s.Event) live.Evidence {
	return live.Evidence{Kind: "event", Ref: e.Involved.String(), At: e.Last, Count: e.Count, Text: foreign.CleanN(e.Reason+": "+e.Message.String(), 400)}
}

func cleanText(s string) foreign.Text { return foreign.CleanN(s, 400) }
