package podlog

import (
	"errors"
	"time"

	"midwatch/k8s"
)

// AllContainers as [Query.Container] reads every container of a pod that is
// not an ordinary init container.
const AllContainers = "*"

// What a query means that does not say.
const (
	// DefaultTail is how many lines of the past a container's log begins with.
	DefaultTail = 200
	// DefaultKeep is how many lines a stream holds.
	DefaultKeep = 10_000
	// DefaultLimit is how many pods are read at the same time.
	DefaultLimit = 20
)

// Query says what to read.
type Query struct {
	// Namespace of the pods.
	Namespace string
	// Pods to begin with; see [Stream.SetPods].
	Pods []Target
	// Container by name; "" is the one kubectl reads by default (the
	// annotation kubectl.kubernetes.io/default-container, or else the first),
	// [AllContainers] every one.
	Container string
	// Follow keeps reading. Without it the log is read once.
	Follow bool
	// Previous reads the instance that ran before the last restart, once.
	Previous bool
	// Tail is how many lines of the past to begin with, per container: 0 is
	// DefaultTail, negative is everything the node keeps.
	Tail int
	// Since leaves out what is older; 0 leaves out nothing.
	Since time.Duration
	// Keep is how many lines the stream holds; 0 is DefaultKeep.
	Keep int
	// Limit is how many pods are read at the same time; 0 is DefaultLimit.
	Limit int
	// Dirty is called when there is something new, from any goroutine. It must
	// be quick. It may be nil.
	Dirty func()
}

// Target is a pod to read.
type Target struct {
	Name string
	// UID tells a pod from its successor of the same name; "" if not known.
	UID string
	// Version is anything that differs when the pod changed: a container that
	// cannot be read yet is then looked at again at once, not by the clock.
	Version string
}

// Targets are the pods of rows, in their order.
func Targets(rows []*k8s.PodRow) []Target {
	list := make([]Target, 0, len(rows))
	for _, p := range rows {
		list = append(list, Target{Name: p.Name, UID: p.UID, Version: p.Version})
	}
	return list
}

// check returns what makes the query impossible, and fills in what it leaves
// open.
func (q *Query) check() error {
	if q.Namespace == "" {
		return errors.New("read logs: no namespace is named")
	}
	if q.Previous {
		q.Follow = false
	}
	if q.Tail == 0 {
		q.Tail = DefaultTail
	}
	if q.Keep <= 0 {
		q.Keep = DefaultKeep
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	if q.Dirty == nil {
		q.Dirty = func() {}
	}
	return nil
}
