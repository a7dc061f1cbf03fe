package k8s

import (
	"fmt"
	"strings"
	"time"

	"midwatch/foreign"
)

// CauseKind names why pods are not available. The set is closed; what each
// means, what it is read from and what to do about it is in rollout.Ladder.
type CauseKind string

// The kinds of cause, by the step of the evidence ladder that finds them.
const (
	// 1: the API server does not take the pod.
	CauseQuota          CauseKind = "quota"           // a ResourceQuota is used up
	CauseWebhookDenied  CauseKind = "webhook-denied"  // an admission webhook said no
	CauseWebhookDown    CauseKind = "webhook-down"    // an admission webhook does not answer
	CausePolicy         CauseKind = "policy-denied"   // a ValidatingAdmissionPolicy said no
	CausePodSecurity    CauseKind = "pod-security"    // Pod Security admission said no
	CauseLimitRange     CauseKind = "limit-range"     // outside a LimitRange
	CauseServiceAccount CauseKind = "service-account" // its ServiceAccount does not exist
	CauseNotCreated     CauseKind = "not-created"     // refused for another reason
	CauseNotDeleted     CauseKind = "not-deleted"     // old pods cannot be deleted
	// 2: no node.
	CauseUnschedulable CauseKind = "unschedulable"
	CausePreempting    CauseKind = "preempting" // other pods are being removed for it
	CauseGated         CauseKind = "scheduling-gated"
	CauseScheduler     CauseKind = "scheduler-error"
	// 3: the pod itself failed.
	CauseEvicted     CauseKind = "evicted"
	CauseNotAdmitted CauseKind = "not-admitted" // the kubelet refused it
	CausePodDeadline CauseKind = "pod-deadline" // activeDeadlineSeconds
	CauseDisrupted   CauseKind = "disrupted"    // preempted, drained, tainted away
	CausePodFailed   CauseKind = "pod-failed"
	// 4 and 5: on its node, its containers not created.
	CauseSandbox  CauseKind = "sandbox"
	CauseVolume   CauseKind = "volume"
	CauseDevice   CauseKind = "device" // a resource claim cannot be prepared
	CauseInit     CauseKind = "init"   // an init container still runs
	CauseCreating CauseKind = "creating"
	// 6: a container cannot start.
	CauseImage  CauseKind = "image"
	CauseConfig CauseKind = "config" // a Secret, a ConfigMap or a key is missing
	CauseCreate CauseKind = "container-create"
	CauseHook   CauseKind = "post-start"
	// 7 and 8: it started and ended.
	CauseCrash     CauseKind = "crash"      // ends with an error
	CauseOOM       CauseKind = "oom"        // over its memory limit
	CauseCompleted CauseKind = "completed"  // ends with 0 although it should run
	CauseKilled    CauseKind = "killed"     // by a signal nobody explains
	CauseCannotRun CauseKind = "cannot-run" // its command cannot be executed
	CauseLost      CauseKind = "lost"       // the node lost track of it
	// 9: a probe had it killed.
	CauseLiveness    CauseKind = "liveness"
	CauseStartupKill CauseKind = "startup-kill"
	// 10 and 11: it runs and is not ready.
	CauseStartup   CauseKind = "startup"
	CauseReadiness CauseKind = "readiness"
	CauseGate      CauseKind = "readiness-gate"
	// 12: ready, not yet available.
	CauseMinReady CauseKind = "min-ready"
	// 13 and 14: the pod or its node does not answer.
	CauseTerminating CauseKind = "terminating"
	CauseNodeLost    CauseKind = "node-lost"
	CauseKubelet     CauseKind = "kubelet-silent"
	// Beside the ladder: the StatefulSet controller will not replace a pod.
	CauseOrdered CauseKind = "ordered-ready"
)

// Cause is why some pods of a workload are not available: one rung of the
// evidence ladder, with how many pods stand on it. Text is for people; nobody
// parses it.
type Cause struct {
	Kind CauseKind `json:"kind"`
	// Step is the rung of the ladder, 1 to 14; 0 for what stands beside it.
	Step int `json:"step"`
	// Text says it in a few words, without counts, names of pods or times:
	// "readiness GET :8000/readyz answers 503".
	Text foreign.Text `json:"text"`
	// Fatal is true when waiting longer will plausibly not help.
	Fatal bool `json:"fatal"`
	// Reason is the cluster's own word: CrashLoopBackOff, FailedCreate.
	Reason string `json:"reason"`
	// Detail is what was said about it in full.
	Detail foreign.Text `json:"detail,omitempty"`
	// Count of Of pods have it; Of counts the pods that were looked at, Which
	// says which those are: "new", "old" or "" for any.
	Count int    `json:"count"`
	Of    int    `json:"of"`
	Which string `json:"which,omitempty"`
	// OldToo is how many pods of old revisions fail the same way: then this
	// rollout is not the cause.
	OldToo int `json:"oldToo,omitempty"`
	// Pods are the names of at most 20 of them.
	Pods []string `json:"pods,omitempty"`
	// Container, Probe (liveness, readiness, startup) and Endpoint ("GET
	// :8000/readyz") as far as they are known.
	Container string `json:"container,omitempty"`
	Probe     string `json:"probe,omitempty"`
	Endpoint  string `json:"endpoint,omitempty"`
	// Object is what is missing, full or in the way: a Secret, a quota, a
	// webhook, a node, an image.
	Object string `json:"object,omitempty"`
	// Times is how often it was reported, at least: recorders drop what
	// repeats too fast. 0 when only a status says so.
	Times int `json:"times,omitempty"`
	// Restarts of the containers of these pods.
	Restarts int `json:"restarts,omitempty"`
	// Since is when the first of the pods came to be so.
	Since time.Time `json:"since,omitzero"`
	// NextStart is when the kubelet tries next, for the pod whose turn is
	// first.
	NextStart time.Time `json:"nextStart,omitzero"`
	// Exit is how the container ended last; nil if none did.
	Exit *Exit `json:"exit,omitempty"`
	// Next is what to do about it.
	Next string `json:"next,omitempty"`
}

// Tally is "4/5 new pods".
func (c *Cause) Tally() string {
	noun := "pods"
	if c.Of == 1 {
		noun = "pod"
	}
	if c.Which != "" {
		noun = c.Which + " " + noun
	}
	return fmt.Sprintf("%d/%d %s", c.Count, c.Of, noun)
}

// Short is the verdict for a narrow column, which cuts the end: the cause
// before the counts, what to delete before why. Without a cause that waiting
// will not mend it is the message.
func (v *Verdict) Short() string {
	if len(v.Causes) == 0 || !v.Causes[0].Fatal || v.Phase == PhasePaused {
		return v.Message.String()
	}
	c := &v.Causes[0]
	switch {
	case c.Kind == CauseOrdered:
		return "delete " + strings.Join(c.Pods, ", ") + ": " + c.Text.String()
	case c.Step == 1:
		return c.Text.String()
	}
	return c.Text.String() + ", " + c.Tally()
}

// Exit is how a container ended.
type Exit struct {
	Code   int32  `json:"code"`
	Reason string `json:"reason"` // the runtime's word: OOMKilled, Error
	// Words is what the code means: "killed (SIGKILL)".
	Words string `json:"words"`
	// Said is the line of its termination message that tells most.
	Said foreign.Text `json:"said,omitempty"`
	// MemoryLimit is the container's in bytes, for OOMKilled; 0: none.
	MemoryLimit int64     `json:"memoryLimit,omitempty"`
	At          time.Time `json:"at,omitzero"`
	// Ran is how long it ran; 0 if not known.
	Ran time.Duration `json:"-"`
}

// PodTrouble is what is kept of a pod only while something is wrong with it.
type PodTrouble struct {
	// NextStart is when the kubelet starts the container that crashes again:
	// its end plus the back-off the kubelet names; zero if not known.
	NextStart time.Time
	// ExitContainer is the one PodRow.ExitCode is of; ExitStarted and ExitAt
	// bound that run, ExitSaid is the telling line of its message.
	ExitContainer       string
	ExitStarted, ExitAt time.Time
	ExitSaid            foreign.Text
	// Init is true when PodRow.Container is an init container that is no
	// sidecar.
	Init bool
	// Disruption is the DisruptionTarget condition's reason while it is True,
	// DisruptionSaid its message.
	Disruption     string
	DisruptionSaid foreign.Text
	// Nominated is the node where other pods are being preempted for it.
	Nominated string
	// Finalizers hold a pod that is being deleted.
	Finalizers string
}
