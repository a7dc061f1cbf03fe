package k8s

import (
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// Phase is where a workload's rollout stands. The set is closed.
type Phase string

// The phases, in the order they are looked for (facts: kubernetes
// pkg/controller/deployment, statefulset, daemon; argo-rollouts utils).
const (
	PhaseDeleting     Phase = "Deleting"     // deletionTimestamp is set
	PhaseNotObserved  Phase = "NotObserved"  // the controller has not seen the newest spec
	PhasePaused       Phase = "Paused"       // paused by someone
	PhaseScaledToZero Phase = "ScaledToZero" // nobody wants pods
	PhaseFailed       Phase = "Failed"       // deadline exceeded, aborted, cannot create a ReplicaSet
	PhaseBlocked      Phase = "Blocked"      // will not move until someone acts (StatefulSet trap)
	PhaseDegraded     Phase = "Degraded"     // rolled out, but fewer available than wanted; or pods cannot be created
	PhaseStalling     Phase = "Stalling"     // new pods are failing; the deadline has not passed yet
	PhaseProgressing  Phase = "Progressing"  // moving
	PhaseManualUpdate Phase = "ManualUpdate" // OnDelete: old pods stay until deleted by hand
	PhaseDone         Phase = "Done"         // as it should be
	PhaseUnknown      Phase = "Unknown"      // not enough was readable to tell
)

// Verdict is one judgement: where a thing stands, how bad that is, why, since
// when, and what it was read from. It is data; [Verdict.Message] is composed
// once by the assessor and nobody parses it.
type Verdict struct {
	Severity live.Severity `json:"severity"`
	Phase    Phase         `json:"phase"`
	// Reason is the controller's or kubelet's own word where there is one:
	// ProgressDeadlineExceeded, CrashLoopBackOff, FailedCreate.
	Reason string `json:"reason"`
	// Message is one sentence: the cause first, as narrow columns cut the end,
	// then how far it got and which pods, by name.
	Message foreign.Text `json:"message"`
	// Causes are why pods are not available, the worst first.
	Causes []Cause `json:"causes,omitempty"`
	// Delete are pods that only deleting will move on (see PhaseBlocked).
	Delete []Ref `json:"delete,omitempty"`
	// Clues are what the assessment would like to know besides: nodes, and
	// pods whose ordinary events would tell more. They are read for workloads
	// in trouble only.
	Clues []Ref `json:"-"`
	// Since is when it came to be so; zero if not known.
	Since    time.Time       `json:"since,omitzero"`
	Evidence []live.Evidence `json:"evidence,omitempty"`
	// Recheck is when the verdict changes without an event; zero for never.
	Recheck time.Time `json:"-"`
}

// Revision is one version of a workload's pod template.
type Revision struct {
	// Number is what kubectl rollout history shows; 0 if not known.
	Number int64
	// Name is the ReplicaSet's or ControllerRevision's.
	Name string
	UID  string
	// Hash is what its pods carry in PodRow.Revision.
	Hash    string
	Created time.Time
	// Images by container name, cleaned; nil when the template is not loaded.
	Images []Image
	// Cause is annotation kubernetes.io/change-cause.
	Cause foreign.Text
	// Desired, Current, Ready and Available are its own pods, not the
	// workload's sums. For a StatefulSet or DaemonSet they are counted.
	Desired, Current, Ready, Available int
	// New marks the revision being rolled out (or in place), chosen by
	// template, never by number.
	New bool
}

// Image is a container's image.
type Image struct {
	Container string       `json:"container"`
	Image     foreign.Text `json:"image"`
}

// RolloutStatus is how far a rollout is. Counts are pods.
type RolloutStatus struct {
	// Revision and PreviousRevision are the new and the newest old one that
	// still has, or last had, pods; Number 0 and Name "" when there is none.
	Revision, PreviousRevision Revision
	// Started is when the rollout to Revision began: a rollback takes up a
	// revision that is older. Zero if not known.
	Started time.Time
	// Desired is spec.replicas (DaemonSet: desiredNumberScheduled). Updated,
	// Ready and Available belong to the new revision; Total counts all pods.
	Desired, Updated, Ready, Available, Total int
	// OldReplicas are pods of old revisions that still run.
	OldReplicas int
	// TotalReady and TotalAvailable count over all revisions.
	TotalReady, TotalAvailable int
	// Surge and Unavailable are the strategy's limits in pods, rounded as
	// the controller rounds them.
	Surge, Unavailable int
	// Strategy is RollingUpdate, Recreate, OnDelete, Canary or BlueGreen.
	Strategy string
	// Partition is a StatefulSet's; 0 otherwise.
	Partition int
	Paused    bool
	// Deadline is when the controller will call the rollout failed; zero
	// when it never will.
	Deadline time.Time
	// BlockedBy are the pods the rollout waits for, by name.
	BlockedBy []string
	// MinReady is spec.minReadySeconds.
	MinReady time.Duration
	// Step, Steps, Weight are an Argo canary's; Steps 0 otherwise.
	Step, Steps, Weight int
	// Revisions are all known ones, the newest first.
	Revisions []Revision
}

// HPAStatus is the line a HorizontalPodAutoscaler has on the board.
type HPAStatus struct {
	Name             string
	Min, Max         int
	Current, Desired int
	// AtMax is true when the autoscaler wants more than it may have
	// (ScalingLimited with TooManyReplicas).
	AtMax bool
	// Stabilising is true while a window holds it where it is: Since is then
	// when that was seen first, which may be later than when it began.
	Stabilising bool
	// Problem is the reason of a False AbleToScale or ScalingActive
	// condition; empty when it works.
	Problem string
	Message foreign.Text
	Since   time.Time
}

// Workload is one judged row of the board. It is immutable.
type Workload struct {
	Ref
	Verdict Verdict
	Rollout RolloutStatus
	// HPA is nil when none targets the workload.
	HPA *HPAStatus
	// Labels that select its pods, as a selector string.
	Selector string
	// Created is the object's age; Changed when its template last changed.
	Created, Changed time.Time
	Restarts         int
	// Endings are credentials of its pods that end soon without being renewed,
	// or have ended, the worst first. The verdict's sentence says the first.
	Endings []Ending
	// PodsKnown is false until the workload's pods have been looked at: the
	// verdict then rests on the controllers' own statuses alone.
	PodsKnown bool
}
