package rollout

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
)

// FromEvent reduces and cleans an event. When it was seen last is
// series.lastObservedTime, else lastTimestamp, else eventTime, else the
// creation time; how often is the series' count, else its own, and at least 1.
func FromEvent(e *corev1.Event, in Intern) *k8s.Event {
	out := &k8s.Event{
		UID: foreign.CleanN(string(e.UID), maxName).String(), Type: in.clean(e.Type, maxReason), Reason: in.clean(e.Reason, maxReason),
		Message: foreign.CleanN(e.Message, maxMessage),
		Involved: k8s.Ref{
			Kind: in.clean(e.InvolvedObject.Kind, maxReason), Namespace: in.clean(e.InvolvedObject.Namespace, maxName),
			Name: in.clean(e.InvolvedObject.Name, maxName), UID: in.clean(string(e.InvolvedObject.UID), maxName),
		},
		FieldPath: in.clean(e.InvolvedObject.FieldPath, maxName), Source: in.clean(e.Source.Component, maxReason),
		First: e.FirstTimestamp.Time, Last: e.LastTimestamp.Time, Count: int(e.Count),
	}
	if out.Source == "" {
		out.Source = in.clean(e.ReportingController, maxReason)
	}
	if s := e.Series; s != nil {
		out.Count = int(s.Count)
		if !s.LastObservedTime.IsZero() {
			out.Last = s.LastObservedTime.Time
		}
	}
	for _, t := range []time.Time{e.EventTime.Time, e.CreationTimestamp.Time} {
		if out.Last.IsZero() {
			out.Last = t
		}
		if out.First.IsZero() {
			out.First = t
		}
	}
	out.Count = max(out.Count, 1)
	return out
}
