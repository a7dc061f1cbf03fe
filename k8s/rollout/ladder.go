package rollout

import "midwatch/k8s"

// Rung is one kind of cause on the evidence ladder: where it is read, and what
// to do about it.
type Rung struct {
	// Step is 1 to 14; the first step that holds speaks for a pod. 0 stands
	// beside the ladder.
	Step int
	Kind k8s.CauseKind
	// Evidence is what it is read from.
	Evidence string
	// Next is what to do about it.
	Next string
}

// Ladder is every kind of cause there is, in the order in which evidence is
// looked for. docs/CAUSES.md is made from it.
func Ladder() []Rung {
	return []Rung{
		{1, k8s.CauseQuota, "the newest FailedCreate event of the ReplicaSet (StatefulSet, DaemonSet), else its ReplicaFailure condition, whose message is frozen at the first error: exceeded quota, failed quota", "Raise the ResourceQuota, lower the requests, or free what else counts against it; a rollout needs room for its surge."},
		{1, k8s.CauseWebhookDenied, "the same: admission webhook \"…\" denied the request", "Read what the webhook says: change the pod template, or ask the webhook's owners."},
		{1, k8s.CauseWebhookDown, "the same: failed calling webhook \"…\"", "Bring the webhook's Service back; until then nothing it watches over can be created."},
		{1, k8s.CausePolicy, "the same: ValidatingAdmissionPolicy '…' denied request", "Change the pod template to what the policy allows."},
		{1, k8s.CausePodSecurity, "the same: violates PodSecurity \"…\"", "Change the template's securityContext to what the namespace's level allows, or the namespace's label."},
		{1, k8s.CauseLimitRange, "the same: maximum or minimum … usage per …, limit to request ratio", "Bring the containers' requests and limits into the LimitRange."},
		{1, k8s.CauseServiceAccount, "the same: serviceaccount \"…\" not found", "Create the ServiceAccount, or correct the name in the template."},
		{1, k8s.CauseNotCreated, "the same, any other refusal; a ReplicaSetCreateError condition", "Read what the API server says; it refuses the pod as it is written."},
		{1, k8s.CauseNotDeleted, "FailedDelete in the ReplicaFailure condition", "Find out who may not delete pods here: the controller was refused."},
		{2, k8s.CauseUnschedulable, "condition PodScheduled=False Unschedulable", "Give the cluster room or the pod less to ask for; taints, selectors and spread rules are named with how many nodes they rule out."},
		{2, k8s.CausePreempting, "the same with status.nominatedNodeName", "Wait: pods of lower priority are being removed for it."},
		{2, k8s.CauseGated, "condition PodScheduled=False SchedulingGated", "Whoever put spec.schedulingGates there has to take them away."},
		{2, k8s.CauseScheduler, "condition PodScheduled=False SchedulerError", "Read the scheduler's log: it failed, it did not decide."},
		{3, k8s.CauseEvicted, "phase Failed, reason Evicted", "Find out what fills the node: disk, memory or pids; requests that match real use get pods evicted last."},
		{3, k8s.CauseNotAdmitted, "phase Failed, reason OutOfcpu, OutOfmemory, OutOfpods, NodeAffinity, UnexpectedAdmissionError", "The node had less room than the scheduler believed: look for static pods and for a changed node."},
		{3, k8s.CausePodDeadline, "phase Failed, reason DeadlineExceeded", "Take activeDeadlineSeconds out of the template: a service has none."},
		{3, k8s.CauseDisrupted, "phase Failed with condition DisruptionTarget: preempted, drained, tainted away", "Nothing is wrong with the pod; look at who disrupts, and at priorities and taints."},
		{3, k8s.CausePodFailed, "phase Failed for another reason", "Read the pod's message."},
		{4, k8s.CauseSandbox, "condition PodReadyToStartContainers=False; events FailedCreatePodSandBox, NetworkNotReady", "Look at the network plugin on that node."},
		{5, k8s.CauseVolume, "waiting ContainerCreating; events FailedMount, FailedAttachVolume, FailedMapVolume", "Create what is missing, or free the volume from the node that still has it."},
		{5, k8s.CauseDevice, "waiting ContainerCreating; event FailedPrepareDynamicResources", "Look at the driver of the resource claim on that node."},
		{5, k8s.CauseInit, "init container statuses, in order: the first that has not done its part", "Read the init container's log: everything after it waits."},
		{5, k8s.CauseCreating, "waiting ContainerCreating or PodInitializing, no event says why; event Pulling means a slow pull", "Wait for a slow pull; otherwise look at the node."},
		{6, k8s.CauseImage, "waiting ErrImagePull, ImagePullBackOff, InvalidImageName, ErrImageNeverPull, ImageInspectError, RegistryUnavailable, SignatureValidationFailed; event Failed", "Correct the image, push it, or give the pod a pull secret; undo meanwhile."},
		{6, k8s.CauseConfig, "waiting CreateContainerConfigError: a Secret, ConfigMap or key is missing", "Create the missing object or key; the kubelet tries again by itself."},
		{6, k8s.CauseCreate, "waiting CreateContainerError or another word of the runtime", "Read what the runtime says; a name conflict or a bad mount is usual."},
		{6, k8s.CauseHook, "waiting PostStartHookError", "Correct the postStart hook: its failure kills the container."},
		{7, k8s.CauseCrash, "waiting CrashLoopBackOff or just terminated: the last termination's code and message", "Read the logs from before the restart (L); undo if it came with this rollout."},
		{8, k8s.CauseOOM, "last termination OOMKilled", "Undo, or raise the container's memory limit; the previous logs (L) may say what it was doing."},
		{8, k8s.CauseCompleted, "last termination with exit 0 in a workload that should run on", "Its command ends by itself: correct the command or the entry point."},
		{8, k8s.CauseKilled, "last termination with 137 or 143 that no probe and no OOM explains", "Look at the node (its own OOM killer, a manual kill) and at the termination grace period."},
		{8, k8s.CauseCannotRun, "exit 126, 127, StartError, ContainerCannotRun, RunContainerError", "Correct the command or the image: what should run is not there or not executable."},
		{8, k8s.CauseLost, "last termination ContainerStatusUnknown", "The node lost the container: look at the node."},
		{9, k8s.CauseLiveness, "event Killing \"failed liveness probe\", or failures of it right before an exit with 137, 143 or 0", "Find out why the endpoint fails under load; a liveness probe that asks for dependencies kills healthy processes."},
		{9, k8s.CauseStartupKill, "event Killing \"failed startup probe\", or failures of it right before the end", "Give it more time (failureThreshold x periodSeconds), or find out why it starts slower than before."},
		{10, k8s.CauseStartup, "running, started=false; event Unhealthy \"Startup probe failed\"", "Wait for its budget to end, or read the log of what it does so long."},
		{11, k8s.CauseReadiness, "running, ready=false; event Unhealthy \"Readiness probe failed\"", "Ask the endpoint yourself and read the log; undo if it came with this rollout."},
		{11, k8s.CauseGate, "Ready=False ReadinessGatesNotReady, containers ready", "The pod is well; the controller that owns the gate (a load balancer's, usually) has to open it."},
		{12, k8s.CauseMinReady, "Ready for less than minReadySeconds", "Wait: the time it counts as available is known."},
		{13, k8s.CauseTerminating, "deletionTimestamp passed: finalizers, node", "Look at its node; take the finalizer's owner to task, or remove the finalizer."},
		{13, k8s.CauseNodeLost, "Ready=False while the containers were ready; event NodeNotReady; the node's Ready condition", "Look at the node; its pods are replaced when they are evicted, after five minutes by default."},
		{14, k8s.CauseKubelet, "on a node, no startTime and no container statuses; the node's Ready condition", "Look at the kubelet of that node."},
		{0, k8s.CauseOrdered, "a StatefulSet with podManagementPolicy OrderedReady has a pod of an older revision that is not ready and will not be", "Delete the pod (D): the controller makes it anew from the present template; until then it waits for it, whatever the template says."},
	}
}

func rungOf(kind k8s.CauseKind) Rung {
	for _, r := range Ladder() {
		if r.Kind == kind {
			return r
		}
	}
	return Rung{}
}

func stepOf(kind k8s.CauseKind) int { return rungOf(kind).Step }

func adviceFor(kind k8s.CauseKind) string { return rungOf(kind).Next }
