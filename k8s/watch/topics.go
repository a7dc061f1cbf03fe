package watch

import (
	"slices"
	"strings"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/probe"
)

// The topics a session provides to the hub.
const (
	// TopicBoard is every workload of the scope, ranked: a *Board.
	TopicBoard = "board"
	// TopicWorkload, with a workload's Ref.Key(), is that one: a *Detail.
	TopicWorkload = "workload"
	// TopicPods is the pods of the scope, or with a workload's key its own: a
	// *PodList.
	TopicPods = "pods"
	// TopicEvents is the Warning events of the scope, or with an object's key
	// those about it (a workload's key: also about its ReplicaSets and pods):
	// an *EventList.
	TopicEvents = "events"
	// TopicSources is the health of what all this was read from: a
	// []live.Source.
	TopicSources = "sources"
	// TopicNamespaces is what there is to choose a scope from: a *Namespaces.
	TopicNamespaces = "namespaces"
)

// Scope says which namespaces a session reads. The zero value is all of them.
type Scope struct {
	// Namespaces are sorted and without duplicates; empty means all.
	Namespaces []string
}

// NewScope makes the scope of the named namespaces, of all when there are
// none.
func NewScope(namespaces ...string) Scope {
	names := slices.DeleteFunc(slices.Clone(namespaces), func(s string) bool { return s == "" })
	slices.Sort(names)
	return Scope{Namespaces: slices.Compact(names)}
}

// All reports whether every namespace is in the scope.
func (s Scope) All() bool { return len(s.Namespaces) == 0 }

// Has reports whether the namespace is in the scope.
func (s Scope) Has(namespace string) bool {
	return s.All() || slices.Contains(s.Namespaces, namespace)
}

// String is "all namespaces", "shop" or "shop, team-01".
func (s Scope) String() string {
	if s.All() {
		return "all namespaces"
	}
	return strings.Join(s.Namespaces, ", ")
}

// Board is every workload of a scope, judged and ranked. It is immutable, and
// the same pointer is handed out for as long as nothing on it changed.
type Board struct {
	Scope Scope
	// Workloads are ranked by severity, the worst first; among equals the one
	// that got there most recently first (on call, the newest trouble is the
	// news; long-standing trouble is known), then by namespace and name.
	Workloads []*k8s.Workload
	// PodsLoading is true while pods of the scope are still arriving. Verdicts
	// may then still gain detail; [k8s.Workload.PodsKnown] says which.
	PodsLoading bool
	// Pods and PodsReady count the pods held so far.
	Pods, PodsReady int
	// Loading names the sources whose first answer is not complete.
	Loading []string
	// Restricted says in sentences what could not be read, and therefore not
	// judged: "forbidden: list events in shop".
	Restricted []string
}

// Detail is one workload with what belongs to it.
type Detail struct {
	// Workload is nil when Missing, or when nothing was read yet.
	Workload *k8s.Workload
	// Pods of all its revisions, the newest revision first, then by name.
	Pods []*k8s.PodRow
	// PodsLoading is true until its pods have been looked at.
	PodsLoading bool
	// Events are Warnings about it, its ReplicaSets and its pods, the newest
	// first.
	Events []*k8s.Event
	// Flaps are those of its pods that stopped being ready while they were
	// watched, by UID.
	Flaps map[string]probe.Flaps
	// Missing is true when the workload is not, or no longer, in the scope.
	Missing bool
}

// PodList is pods by namespace and name.
type PodList struct {
	Pods []*k8s.PodRow
	// Total is len(Pods).
	Total int
	// Loading is true while more are arriving.
	Loading bool
}

// EventList is Warning events, the newest first.
type EventList struct {
	Events []*k8s.Event
	// Dropped is how many older ones were let go because there were too many.
	Dropped int
	// Loading is true while more are arriving.
	Loading bool
}

// Namespaces is what a scope can be chosen from.
type Namespaces struct {
	// Names are sorted. When the list may not be read they are the ones known
	// otherwise: the context's and those typed so far.
	Names []string
	// Known is true when Names is the cluster's own, complete list.
	Known bool
	// Err says why not.
	Err foreign.Text
}
