package rollout

import (
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// createEventWindow is how long after a FailedCreate event its set counts as
// still failing if it lacks pods: controllers back off up to 1000 s
// (client-go util/workqueue default rate limiter), and the condition beside it
// vanishes on any sync without an error.
const createEventWindow = 1000 * time.Second

// eventsOf are the events about one object. Events carry the UID of what they
// speak of; where one is missing the name has to do.
func (a *assessment) eventsOf(r k8s.Ref) []*k8s.Event {
	if a.about == nil && len(a.Events) > 0 {
		a.about = make(map[string][]*k8s.Event, len(a.Events))
		for _, e := range a.Events {
			key := e.Involved.UID
			if key == "" {
				key = e.Involved.Key()
			}
			a.about[key] = append(a.about[key], e)
		}
	}
	if list, ok := a.about[r.UID]; ok && r.UID != "" {
		return list
	}
	return a.about[r.Key()]
}

// newestEvent is the newest event about an object with one of the reasons, at
// or after since; nil when there is none. Absence proves nothing: recorders
// drop what repeats too fast, and events are kept for an hour.
func (a *assessment) newestEvent(r k8s.Ref, since time.Time, reasons ...string) *k8s.Event {
	var newest *k8s.Event
	for _, e := range a.eventsOf(r) {
		if e.Last.Before(since) || (newest != nil && !e.Last.After(newest.Last)) {
			continue
		}
		for _, reason := range reasons {
			if e.Reason == reason {
				newest = e
			}
		}
	}
	return newest
}

func eventEvidence(e *k8s.Event) live.Evidence {
	return live.Evidence{Kind: "event", Ref: e.Involved.String(), At: e.Last, Count: e.Count, Text: foreign.CleanN(e.Reason+": "+e.Message.String(), maxText)}
}

// blockage is why pods cannot be created (or deleted).
type blockage struct {
	reason, text string
	since        time.Time
	evidence     []live.Evidence
}

// creationBlocked looks for a ReplicaSet that cannot create or delete pods:
// the workload's ReplicaFailure condition, a set's own, or a fresh FailedCreate
// event on a set that lacks pods. The condition's message is frozen at the
// first error for as long as the condition stays (replica_set_utils.go
// calculateStatus), so the newest event speaks, and the condition only without
// one.
func (a *assessment) creationBlocked() *blockage {
	condition, subject := a.o.condition("ReplicaFailure"), a.o.Ref
	if condition != nil && condition.Status != "True" {
		condition = nil
	}
	var event *k8s.Event
	for _, rs := range a.Sets {
		if condition == nil && rs.Failure != nil {
			condition, subject = rs.Failure, rs.Ref
		}
		lacks := rs.Status.Replicas < rs.Replicas
		if e := a.newestEvent(rs.Ref, time.Time{}, "FailedCreate"); e != nil && (event == nil || e.Last.After(event.Last)) &&
			(condition != nil || lacks && a.within(e.Last, createEventWindow)) {
			event = e
		}
	}
	return blocked(condition, subject, event)
}

// createEvent is the same for a workload that creates its pods itself: the
// event is about the workload, and there is no condition.
func (a *assessment) createEvent(lacks bool) *blockage {
	e := a.newestEvent(a.o.Ref, time.Time{}, "FailedCreate")
	if e == nil || !lacks || !a.within(e.Last, createEventWindow) {
		return nil
	}
	return blocked(nil, a.o.Ref, e)
}

func blocked(c *Condition, subject k8s.Ref, e *k8s.Event) *blockage {
	if c == nil && e == nil {
		return nil
	}
	b := &blockage{}
	if c != nil {
		b.reason, b.text, b.since = c.Reason, c.Message.String(), c.Since
		b.evidence = append(b.evidence, c.evidence(subject))
	}
	if e != nil && (c == nil || c.Reason == e.Reason) {
		b.reason, b.text = e.Reason, e.Message.String()
		b.since = earliest(b.since, e.First)
		b.evidence = append([]live.Evidence{eventEvidence(e)}, b.evidence...)
	}
	return b
}

// what it is that does not work.
func (b *blockage) what() string {
	if b.reason == "FailedDelete" {
		return "old pods cannot be deleted"
	}
	return "pods cannot be created"
}

// words is what the API server said, without the controllers' envelope:
//
//	Error creating: pods "api-7d4-" is forbidden: exceeded quota: …
//	create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: …
func (b *blockage) words() string {
	text := b.text
	for _, envelope := range []string{"Error creating: ", " failed error: ", " is forbidden: "} {
		if _, rest, ok := strings.Cut(text, envelope); ok && rest != "" {
			text = rest
		}
	}
	return text
}
