package controllers

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"midwatch/demo/apiserver"
)

// eventTTL is kube-apiserver's --event-ttl.
const eventTTL = time.Hour

// recorder writes events as client-go's tools/record does: the same event again counts up, and one object cannot flood the
// cluster (25 at once, then one in five minutes).
type recorder struct {
	m       *Manager
	known   map[eventID]string // to the event's name
	budgets map[spamKey]*bucket
	seq     int
}

type eventID struct {
	object                         types.UID
	path, typ, reason, source, msg string
}

type spamKey struct {
	object types.UID
	source string
}

type bucket struct {
	tokens float64
	at     time.Time
}

const (
	spamBurst  = 25
	spamRefill = 5 * time.Minute
)

func newRecorder(m *Manager) *recorder {
	return &recorder{m: m, known: map[eventID]string{}, budgets: map[spamKey]*bucket{}}
}

// event is what happened to an object.
type event struct {
	about                apiserver.Object
	path                 string // fieldPath, for containers
	typ, reason, message string
	source, host         string
}

func (m *Manager) normal(about apiserver.Object, source, reason, format string, args ...any) {
	m.events.record(event{about: about, typ: corev1.EventTypeNormal, reason: reason, message: fmt.Sprintf(format, args...), source: source})
}

func (m *Manager) warn(about apiserver.Object, source, reason, format string, args ...any) {
	m.events.record(event{about: about, typ: corev1.EventTypeWarning, reason: reason, message: fmt.Sprintf(format, args...), source: source})
}

func (r *recorder) record(e event) {
	if r.m.quiet || !r.spend(spamKey{object: e.about.GetUID(), source: e.source}) {
		return
	}
	id := eventID{object: e.about.GetUID(), path: e.path, typ: e.typ, reason: e.reason, source: e.source, msg: e.message}
	if name, ok := r.known[id]; ok && r.again(e.about.GetNamespace(), name) {
		return
	}
	r.seq++
	ev := r.build(e, fmt.Sprintf("%s.%016x", e.about.GetName(), uint64(r.m.now.UnixNano())+uint64(r.seq)))
	// A namespace that is going away takes no events; nothing is lost.
	if _, err := r.m.store.Create(ev, apiserver.WriteOptions{}); err == nil {
		r.known[id] = ev.Name
	}
}

// again counts a known event up; false when it has expired.
func (r *recorder) again(namespace, name string) bool {
	key := apiserver.Key{Resource: kindEvents(), Namespace: namespace, Name: name}
	_, err := r.m.store.Modify(key, apiserver.WriteOptions{}, func(o apiserver.Object) (apiserver.Object, error) {
		ev := o.(*corev1.Event)
		ev.Count++
		ev.LastTimestamp = r.m.stamp()
		return ev, nil
	})
	return err == nil
}

func (r *recorder) build(e event, name string) *corev1.Event {
	gvk := e.about.GetObjectKind().GroupVersionKind()
	namespace := e.about.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return &corev1.Event{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		InvolvedObject: corev1.ObjectReference{
			Kind: gvk.Kind, APIVersion: gvk.GroupVersion().String(), Namespace: e.about.GetNamespace(), Name: e.about.GetName(),
			UID: e.about.GetUID(), ResourceVersion: e.about.GetResourceVersion(), FieldPath: e.path,
		},
		Type: e.typ, Reason: e.reason, Message: e.message, Count: 1,
		FirstTimestamp: r.m.stamp(), LastTimestamp: r.m.stamp(),
		Source: corev1.EventSource{Component: e.source, Host: e.host}, ReportingController: e.source, ReportingInstance: e.host,
	}
}

func (r *recorder) spend(k spamKey) bool {
	b := r.budgets[k]
	if b == nil {
		b = &bucket{tokens: spamBurst, at: r.m.now}
		r.budgets[k] = b
	}
	b.tokens = min(spamBurst, b.tokens+float64(r.m.now.Sub(b.at))/float64(spamRefill))
	b.at = r.m.now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// expireEvents removes what is older than the TTL, and what the recorder remembered of it.
func (m *Manager) expireEvents() time.Time {
	var next time.Time
	for _, o := range m.store.List(kindEvents(), "") {
		ev := o.(*corev1.Event)
		end := ev.LastTimestamp.Add(eventTTL)
		if end.After(m.now) {
			next = earliest(next, end)
			continue
		}
		m.remove(kindEvents(), ev)
		m.events.forget(ev)
	}
	return next
}

func (r *recorder) forget(ev *corev1.Event) {
	delete(r.known, eventID{
		object: ev.InvolvedObject.UID, path: ev.InvolvedObject.FieldPath, typ: ev.Type, reason: ev.Reason, source: ev.Source.Component, msg: ev.Message,
	})
	k := spamKey{object: ev.InvolvedObject.UID, source: ev.Source.Component}
	if b := r.budgets[k]; b != nil && r.m.now.Sub(b.at) > eventTTL {
		delete(r.budgets, k)
	}
}
