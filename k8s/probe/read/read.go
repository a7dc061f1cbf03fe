// Package read fetches what a workload's probes are judged from: its pods in
// full, and what the kubelet said about them. The watch keeps rows only and
// Warnings only; specs, started containers and the kubelet's Killing events are
// read when someone looks.
package read

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/k8s/rollout"
)

const (
	within = 15 * time.Second
	// MaxPods bounds the pods read of one workload; its specs are the same in
	// all of them, and nobody looks at more one by one.
	MaxPods = 60
	// eachUpTo is the number of pods whose events are read pod by pod; above
	// it those of the namespace are, by reason.
	eachUpTo  = 8
	perPod    = 200
	perReason = 500
)

// Query says which pods.
type Query struct {
	Workload k8s.Ref
	// Selector selects the workload's pods.
	Selector string
	// Names are the pods that belong to it; others that match are left out.
	// Nil takes all.
	Names []string
}

// Answer is what was read, to be judged as often as the time asks for it.
type Answer struct {
	At   time.Time
	pods []*corev1.Pod
	// More says that there are pods beyond the first MaxPods.
	More   bool
	events []*k8s.Event
	// EventsErr is why the events could not be read; empty when they were.
	EventsErr foreign.Text
}

// Of is an answer made of what was read elsewhere.
func Of(at time.Time, pods []*corev1.Pod, events []*k8s.Event) *Answer {
	return &Answer{At: at, pods: pods, events: events}
}

// Versions are the resourceVersions of the pods read, by name.
func (a *Answer) Versions() map[string]string {
	out := make(map[string]string, len(a.pods))
	for _, p := range a.pods {
		out[p.Name] = p.ResourceVersion
	}
	return out
}

// Pods are how many pods were read.
func (a *Answer) Pods() int { return len(a.pods) }

// Assess judges the pods as of now, by severity and name. watched are events
// that came in since, flaps what the watch has seen, by UID; both may be nil.
func (a *Answer) Assess(now time.Time, watched []*k8s.Event, flaps map[string]probe.Flaps) []*probe.Report {
	about := map[string][]*k8s.Event{}
	seen := map[string]*k8s.Event{}
	for _, list := range [][]*k8s.Event{a.events, watched} {
		for _, e := range list {
			if old := seen[e.UID]; old != nil && !old.Last.Before(e.Last) {
				continue
			}
			seen[e.UID] = e
		}
	}
	for _, e := range seen {
		about[e.Involved.UID] = append(about[e.Involved.UID], e)
	}
	out := make([]*probe.Report, 0, len(a.pods))
	for _, p := range a.pods {
		uid := string(p.UID)
		out = append(out, probe.Assess(probe.Input{
			Pod: p, Events: about[uid], EventsKnown: a.EventsErr == "" || len(about[uid]) > 0, Flaps: flaps[uid], Now: now,
		}))
	}
	slices.SortStableFunc(out, func(x, y *probe.Report) int {
		if d := x.Severity.Rank() - y.Severity.Rank(); d != 0 {
			return d
		}
		return strings.Compare(x.Pod.Name, y.Pod.Name)
	})
	return out
}

// Workload reads the pods of a workload and the kubelet's events about them.
// That the events may not be read is part of the answer; that the pods may not
// is an error.
func Workload(ctx context.Context, client kubernetes.Interface, q Query, now func() time.Time) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if q.Selector == "" {
		return nil, fmt.Errorf("read the pods of %s: it has no selector", q.Workload)
	}
	list, err := client.CoreV1().Pods(q.Workload.Namespace).List(ctx, metav1.ListOptions{LabelSelector: q.Selector, Limit: MaxPods})
	if err != nil {
		return nil, fmt.Errorf("read the pods of %s: %w", q.Workload, err)
	}
	a := &Answer{At: now(), More: list.Continue != ""}
	for i := range list.Items {
		p := &list.Items[i]
		if q.Names == nil || slices.Contains(q.Names, p.Name) {
			p.ManagedFields = nil
			a.pods = append(a.pods, p)
		}
	}
	a.readEvents(ctx, client, q.Workload.Namespace)
	return a, nil
}

func (a *Answer) readEvents(ctx context.Context, client kubernetes.Interface, namespace string) {
	var selectors []fields.Set
	limit := int64(perPod)
	if len(a.pods) <= eachUpTo {
		for _, p := range a.pods {
			selectors = append(selectors, fields.Set{"involvedObject.uid": string(p.UID)})
		}
	} else {
		limit = perReason
		for _, reason := range []string{probe.ReasonUnhealthy, probe.ReasonKilling, probe.ReasonWarning} {
			selectors = append(selectors, fields.Set{"involvedObject.kind": "Pod", "reason": reason})
		}
	}
	for _, s := range selectors { // one after the other: they are small, and the console is a guest
		list, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: s.AsSelector().String(), Limit: limit})
		if err != nil {
			a.EventsErr = foreign.Clean(fmt.Sprintf("read the events of %s: %v", namespace, err))
			return
		}
		for i := range list.Items {
			switch e := rollout.FromEvent(&list.Items[i], nil); e.Reason {
			case probe.ReasonUnhealthy, probe.ReasonKilling, probe.ReasonWarning:
				a.events = append(a.events, e)
			}
		}
		if list.Continue != "" {
			a.EventsErr = foreign.Clean(fmt.Sprintf("%s has more events than are read: counts are lower than they were", namespace))
		}
	}
}
