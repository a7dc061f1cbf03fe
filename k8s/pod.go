package k8s

import (
	"time"

	"midwatch/foreign"
)

// PodState groups pods by what they are doing now, the worst first.
type PodState uint8

// The states of a pod, as the rollout and pods panes group them.
const (
	PodFailed      PodState = iota // phase Failed: evicted, or out of restarts
	PodCrashing                    // a container waits in CrashLoopBackOff or has just died
	PodWaiting                     // a container cannot start: image, config, create errors
	PodPending                     // not scheduled, or waiting for sandbox, volumes, init
	PodUnready                     // running, not ready
	PodReady                       // ready, not yet available (minReadySeconds)
	PodAvailable                   // ready for long enough
	PodTerminating                 // being deleted
	PodSucceeded                   // phase Succeeded
)

var podStateNames = [...]string{"failed", "crashing", "waiting", "pending", "not ready", "ready", "available", "terminating", "succeeded"}

// String is the word shown beside the sign.
func (s PodState) String() string { return podStateNames[s] }

// PodRow is what midwatch keeps of a pod: a few hundred bytes instead of the
// 20 KiB of a typed Pod (strings that repeat are interned by the store). The
// full object is fetched when someone opens it. Rows are immutable.
type PodRow struct {
	UID       string
	Namespace string
	Name      string
	Node      string // empty: not scheduled
	// Version is the resourceVersion, for equality only.
	Version string
	// OwnerKind, OwnerName and OwnerUID are the controlling owner's: usually
	// a ReplicaSet; empty for a bare pod.
	OwnerKind, OwnerName, OwnerUID string
	// Revision is the pod's template identity: label pod-template-hash
	// (Deployments), controller-revision-hash (StatefulSets: the
	// ControllerRevision's name; DaemonSets: its hash part) or
	// rollouts-pod-template-hash (Argo).
	Revision string
	Phase    string // Pending, Running, Succeeded, Failed, Unknown
	Created  time.Time
	Started  time.Time // status.startTime; zero until the kubelet acted
	Deleted  time.Time // metadata.deletionTimestamp; zero unless terminating
	// ReadySince is the last transition of the Ready condition.
	ReadySince time.Time
	// RunningSince is when the newest container that runs but is not ready
	// began to run: what its probes' budgets count from. Zero when there is
	// none.
	RunningSince time.Time
	// ContainersReady of Containers are ready (sidecars count, finished init
	// containers do not).
	ContainersReady, Containers int
	// Restarts over all containers, LastRestart when the newest one ended.
	Restarts    int
	LastRestart time.Time
	// Container is the one Reason speaks of.
	Container string
	// Reason is the worst thing a container or the pod says of itself:
	// CrashLoopBackOff, ImagePullBackOff, Unschedulable, Evicted,
	// ContainersNotReady, NodeNotReady (the node controller took its Ready
	// away, its containers did not); empty for a healthy pod.
	Reason string
	// Message is what came with Reason, cleaned and capped; empty for a
	// healthy pod.
	Message foreign.Text
	// ExitReason and ExitCode are the last termination's ("OOMKilled", 137);
	// ExitReason is empty when no container ever ended.
	ExitReason string
	ExitCode   int32
	// Ready is the Ready condition.
	Ready bool
	// Starting is true while a container runs whose startup probe has not
	// passed; readiness and liveness are not probed until then.
	Starting bool
	// Ordinal is a StatefulSet pod's index; -1 for others.
	Ordinal int
	// Trouble is nil for a pod that is well.
	Trouble *PodTrouble
}

// Ail is the pod's trouble, empty for a pod that is well.
func (p *PodRow) Ail() PodTrouble {
	if p.Trouble == nil {
		return PodTrouble{}
	}
	return *p.Trouble
}

// Ref names the pod.
func (p *PodRow) Ref() Ref {
	return Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID}
}

// Terminating reports whether the pod is being deleted.
func (p *PodRow) Terminating() bool { return !p.Deleted.IsZero() }

// AvailableAt is when the pod counts as available: ready for minReady without
// a break (podutil.IsPodAvailable); ok is false while it is not ready.
func (p *PodRow) AvailableAt(minReady time.Duration) (at time.Time, ok bool) {
	if !p.Ready || p.Terminating() {
		return time.Time{}, false
	}
	return p.ReadySince.Add(minReady), true
}

// State says what the pod is doing at now.
func (p *PodRow) State(minReady time.Duration, now time.Time) PodState {
	switch {
	case p.Terminating():
		return PodTerminating
	case p.Phase == "Failed":
		return PodFailed
	case p.Phase == "Succeeded":
		return PodSucceeded
	}
	if at, ok := p.AvailableAt(minReady); ok {
		if at.After(now) {
			return PodReady
		}
		return PodAvailable
	}
	switch p.Reason {
	case "CrashLoopBackOff", "Error", "OOMKilled", "Completed", "ContainerStatusUnknown",
		"StartError", "ContainerCannotRun", "DeadlineExceeded":
		return PodCrashing
	case "", "ContainersNotReady", "ReadinessGatesNotReady", "NodeNotReady":
	case "Unschedulable", "SchedulingGated", "SchedulerError", "ContainerCreating",
		"PodInitializing", "PodReadyToStartContainers":
		return PodPending
	default:
		return PodWaiting
	}
	if p.Phase == "Pending" {
		return PodPending
	}
	return PodUnready
}
