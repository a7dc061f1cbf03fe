package rollout

import (
	"strings"
	"time"
	"unicode/utf8"

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
	kind k8s.CauseKind
	// reason is the controller's word, text the cause in a few of ours, said
	// what the API server said, object what refused.
	reason, text, said, object string
	// times is how often at least.
	times    int
	since    time.Time
	evidence []live.Evidence
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
	return a.block(condition, subject, event)
}

// createEvent is the same for a workload that creates its pods itself: the
// event is about the workload, and there is no condition.
func (a *assessment) createEvent(lacks bool) *blockage {
	e := a.newestEvent(a.o.Ref, time.Time{}, "FailedCreate")
	if e == nil || !lacks || !a.within(e.Last, createEventWindow) {
		return nil
	}
	return a.block(nil, a.o.Ref, e)
}

// block notes why pods cannot be created, in words of its own.
func (a *assessment) block(c *Condition, subject k8s.Ref, e *k8s.Event) *blockage {
	if c == nil && e == nil {
		return nil
	}
	b := &blockage{}
	if c != nil {
		b.reason, b.said, b.since = c.Reason, c.Message.String(), c.Since
		b.evidence = append(b.evidence, c.evidence(subject))
	}
	if e != nil && (c == nil || c.Reason == e.Reason) {
		b.reason, b.said, b.times = e.Reason, combined(e.Message), e.Count
		b.since = earliest(b.since, e.First)
		b.evidence = append([]live.Evidence{eventEvidence(e)}, b.evidence...)
	}
	b.said = withoutEnvelope(b.said)
	b.kind, b.text, b.object = refusal(b.said)
	if b.reason == "FailedDelete" {
		b.kind, b.text = k8s.CauseNotDeleted, "old pods cannot be deleted: "+b.text
	}
	a.blocked = b
	return b
}

// sentence is "no new pods: quota compute is used up: … since 23:29; head".
func (a *assessment) blockedSentence(b *blockage, head string) string {
	lead := "no new pods: "
	if b.kind == k8s.CauseNotDeleted {
		lead = ""
	}
	tail := a.clock(b.since) + "; " + head
	room := max(sentence+slack-utf8.RuneCountInString(lead+tail), 60)
	return lead + shorten(b.text, room) + tail
}

// withoutEnvelope is what the API server said, without the controllers' words
// around it:
//
//	Error creating: pods "api-7d4-" is forbidden: exceeded quota: …
//	create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: …
func withoutEnvelope(text string) string {
	for _, envelope := range []string{"Error creating: ", " failed error: ", " is forbidden: "} {
		if _, rest, ok := strings.Cut(text, envelope); ok && rest != "" {
			text = rest
		}
	}
	return text
}
