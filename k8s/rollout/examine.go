package rollout

import (
	"strings"
	"time"

	"midwatch/k8s"
)

// How long a state may last before waiting for it to pass counts as useless:
// scheduling, volumes and init containers take their time in a healthy
// cluster too.
const (
	schedulingGrace  = time.Minute      // an autoscaler adds a node in one to three
	creatingGrace    = 2 * time.Minute  // sandbox, volumes, pulling the image
	eventGrace       = 30 * time.Second // an event already says that these fail
	startGrace       = 30 * time.Second // the kubelet picks up a pod at once
	initGrace        = 5 * time.Minute  // an init container that runs
	gatesGrace       = 2 * time.Minute  // a load balancer registering the pod
	lostGrace        = 30 * time.Second // was ready, stopped: three probes of 10 s
	firstDeathGrace  = 30 * time.Second // died once, is being restarted
	terminatingGrace = 30 * time.Second // beyond the pod's own grace period
	failedWindow     = 10 * time.Minute // how long a Failed pod is news
	backOffReset     = 10 * time.Minute // kubelet: a run this long ends the back-off
)

// finding is why one pod is not available.
type finding struct {
	kind k8s.CauseKind
	// reason is the cluster's own word, text the cause in a few of ours,
	// detail what was said in full.
	reason, text, detail string
	// container, probe, endpoint and object are what it is about.
	container, probe, endpoint, object string
	fatal                              bool
	since, next                        time.Time
	event                              *k8s.Event
	exit                               *k8s.Exit
}

// notReadySince is when the pod came to be not ready: the Ready condition's
// transition, which the kubelet first sets when it accepts the pod.
func notReadySince(p *k8s.PodRow) time.Time {
	switch {
	case p.Terminating():
		return p.Deleted
	case !p.ReadySince.IsZero():
		return p.ReadySince
	case !p.Started.IsZero():
		return p.Started
	}
	return p.Created
}

// startOf is when the kubelet accepted the pod, else when it was created.
func startOf(p *k8s.PodRow) time.Time {
	if !p.Started.IsZero() {
		return p.Started
	}
	return p.Created
}

// examine says why a pod is not available, and whether it will plausibly get
// there by itself. It climbs the evidence ladder (see [Ladder]); what the
// pod's row says of itself was chosen by the same order (see reasonOf).
func (a *assessment) examine(p *k8s.PodRow) finding {
	f := finding{reason: p.Reason, detail: p.Message.String(), container: p.Container, since: notReadySince(p)}
	switch {
	case p.Terminating():
		a.terminating(p, &f)
	case p.Phase == "Failed":
		failedPod(p, &f)
	case unscheduled(p):
		a.scheduling(p, &f)
	case p.Reason != reasonCrashLoop && p.State(a.o.MinReady, a.Now) == k8s.PodCrashing:
		// The container has just ended and is about to be restarted.
		a.crash(p, &f)
		f.fatal = p.Restarts > 0 || !a.within(newest(p.LastRestart, startOf(p)), firstDeathGrace)
	default:
		a.byReason(p, &f)
	}
	return f
}

// unscheduled reports whether the pod has no node yet.
func unscheduled(p *k8s.PodRow) bool {
	switch p.Reason {
	case reasonUnschedulable, reasonGated, reasonSchedulerError:
		return true
	case "":
		return p.Node == ""
	}
	return false
}

// terminating judges a pod that is being deleted: deletionTimestamp is when
// its grace period ends.
func (a *assessment) terminating(p *k8s.PodRow, f *finding) {
	f.kind, f.reason, f.detail, f.container = k8s.CauseTerminating, reasonTerminating, "", ""
	f.fatal = !a.within(p.Deleted, terminatingGrace)
	f.text = "terminating"
	if !f.fatal {
		return
	}
	node := a.node(p)
	switch held := p.Ail().Finalizers; {
	case node.lost():
		f.text, f.object = "cannot terminate: "+node.words(), "Node "+p.Node
	case held != "":
		f.text, f.object = "cannot terminate: finalizers "+held, "finalizers "+held
	default:
		f.text = "still terminating after its grace period"
	}
}

// failedPod is a pod that ended for good: its own reason, or who disrupted it.
func failedPod(p *k8s.PodRow, f *finding) {
	f.reason, f.fatal = orWord(p.Reason, p.Phase), true
	ail := p.Ail()
	said := f.detail
	switch {
	case ail.Disruption != "" && p.Reason != "Evicted":
		f.kind, f.text, f.detail = k8s.CauseDisrupted, disruptionText(ail.Disruption), ail.DisruptionSaid.String()
		f.reason = ail.Disruption
		return
	case f.reason == "Evicted":
		why, _, _ := strings.Cut(said, ". ") // then come thresholds and who used how much
		f.kind, f.text = k8s.CauseEvicted, "evicted"+colon(strings.TrimSuffix(why, "."))
	case f.reason == "DeadlineExceeded":
		f.kind, f.text = k8s.CausePodDeadline, "ran longer than activeDeadlineSeconds"
	case strings.HasPrefix(f.reason, "OutOf"), f.reason == "NodeAffinity", f.reason == "UnexpectedAdmissionError", f.reason == "Preempting", f.reason == "SysctlForbidden",
		f.reason == "NodePorts", f.reason == "TopologyAffinityError", f.reason == "PodOSSelectorNodeLabelDoesNotMatch", f.reason == "UnsupportedOS":
		said = strings.TrimPrefix(strings.TrimPrefix(said, "Pod was rejected: "), "Node didn't have enough resource: ")
		f.kind, f.text = k8s.CauseNotAdmitted, "refused by its node: "+f.reason+colon(said)
	case p.ExitReason != "":
		f.exit, f.kind = exitOf(p, 0)
		f.text = crashText(f.exit, f.kind)
	default:
		f.kind, f.text = k8s.CausePodFailed, f.reason+colon(said)
	}
}

// disruptionText says who ended the pod (api/core/v1 types.go
// PodReasonPreemptionByScheduler and the following; apis/scheduling).
func disruptionText(reason string) string {
	switch reason {
	case "PreemptionByScheduler":
		return "preempted by a pod of higher priority"
	case "TerminationByKubelet":
		return "ended by its kubelet: the node is short of something or shuts down"
	case "DeletionByTaintManager":
		return "ended by a NoExecute taint of its node"
	case "EvictionByEvictionAPI":
		return "evicted through the API, as a drain does"
	case "DeletionByPodGC":
		return "removed because its node is gone"
	}
	return reason
}

// scheduling judges a pod without a node.
func (a *assessment) scheduling(p *k8s.PodRow, f *finding) {
	f.reason, f.container = orWord(p.Reason, "Pending"), ""
	f.fatal = !a.within(p.Created, schedulingGrace)
	ail := p.Ail()
	switch {
	case f.reason == reasonGated:
		f.kind, f.text = k8s.CauseGated, "not scheduled until its scheduling gates are removed"
	case f.reason == reasonSchedulerError:
		f.kind, f.text = k8s.CauseScheduler, "the scheduler fails"+colon(f.detail)
	case ail.Nominated != "":
		f.kind, f.text, f.object = k8s.CausePreempting, "other pods are being removed from "+ail.Nominated+" for it", "Node "+ail.Nominated
	case f.reason == reasonUnschedulable:
		f.kind, f.text = k8s.CauseUnschedulable, schedulingText(f.detail)
	default:
		f.kind, f.text = k8s.CauseUnschedulable, "not scheduled yet, the scheduler has said nothing"
	}
}

// byReason examines a pod on a node by what it says of itself.
func (a *assessment) byReason(p *k8s.PodRow, f *finding) {
	switch p.Reason {
	case reasonNoSandbox, reasonCreating, reasonInitializing:
		a.creating(p, f)
	case "", reasonUnready:
		if p.Reason == "" && p.Phase == "Pending" {
			a.creating(p, f)
			return
		}
		a.unready(p, f)
	case reasonCrashLoop:
		f.fatal = true
		a.crash(p, f)
	case reasonNodeNotReady:
		f.kind, f.fatal, f.container = k8s.CauseNodeLost, true, ""
		f.text, f.object = a.node(p).words(), "Node "+p.Node
	case reasonGates:
		f.fatal = !a.within(newest(p.ReadySince, p.RunningSince), gatesGrace)
		gate := gateName(f.detail)
		f.kind, f.text, f.object = k8s.CauseGate, "readiness gate "+gate+" is not open", "readiness gate "+gate
	default:
		f.fatal = true
		a.cannotStart(p, f)
	}
}

// cannotStart is a container that waits with a reason that does not pass by
// itself: image, configuration and create errors.
func (a *assessment) cannotStart(p *k8s.PodRow, f *finding) {
	switch {
	case strings.Contains(p.Reason, "Image") || p.Reason == "RegistryUnavailable" || p.Reason == "SignatureValidationFailed":
		f.kind = k8s.CauseImage
		f.text, f.object = imageText(p.Reason, f.detail)
		// Kubelets before 1.31 keep the registry's answer out of the status
		// while they back off; the event still has it.
		if e := a.newestEvent(p.Ref(), p.Created, "Failed"); e != nil && strings.Contains(e.Message.String(), "pull") {
			f.event = e
			if text, image := imageText(p.Reason, combined(e.Message)); strings.Count(text, ": ") > strings.Count(f.text, ": ") {
				f.text, f.object = text, orWord(f.object, image)
			}
		}
	case p.Reason == "CreateContainerConfigError":
		f.kind = k8s.CauseConfig
		f.text, f.object = configText(f.detail)
	case p.Reason == "PostStartHookError":
		f.kind, f.text = k8s.CauseHook, "its postStart hook fails"+colon(hookText(f.detail))
	case p.Reason == "CreatePodSandboxError", p.Reason == "ConfigPodSandboxError":
		f.kind, f.text = k8s.CauseSandbox, sandboxText(f.detail)
	case p.Reason == "RunContainerError":
		f.kind, f.text = k8s.CauseCannotRun, "its command cannot be started"+colon(trailing(f.detail))
	case p.Reason == "CreateContainerError":
		f.kind, f.text = k8s.CauseCreate, "its container cannot be created"+colon(f.detail)
	default:
		f.kind, f.text = k8s.CauseCreate, p.Reason+colon(f.detail)
	}
	a.inContainer(p, f)
}

// inContainer names the container where a pod has several.
func (a *assessment) inContainer(p *k8s.PodRow, f *finding) {
	switch {
	case f.container == "":
	case p.Ail().Init:
		f.text = "init " + f.container + ": " + f.text
	case p.Containers > 1:
		name := f.container
		if more := p.Containers - p.ContainersReady - 1; more > 0 && p.ContainersReady > 0 {
			name += " and " + count(more, "more container")
		}
		f.text = name + ": " + f.text
	}
}

// creating judges a pod whose containers do not run yet. Its status says
// nothing about volumes and the sandbox; only events do.
func (a *assessment) creating(p *k8s.PodRow, f *finding) {
	f.kind, f.reason = k8s.CauseCreating, orWord(p.Reason, reasonCreating)
	f.text = "its containers are not created yet"
	from, grace := startOf(p), creatingGrace
	e := a.newestEvent(p.Ref(), p.Created, "FailedMount", "FailedAttachVolume", "FailedMapVolume",
		"FailedPrepareDynamicResources", "FailedCreatePodSandBox", "NetworkNotReady")
	switch {
	case e != nil:
		f.byEvent(e)
		grace = eventGrace
	case p.Started.IsZero() && p.Node != "" && p.Reason == "":
		f.kind, f.reason, f.container, grace = k8s.CauseKubelet, reasonNotStarted, "", startGrace
		f.text, f.object = "the kubelet of "+p.Node+" has not acted on it", "Node "+p.Node
		if node := a.node(p); node.lost() {
			f.text = node.words()
		}
	case p.Reason == reasonInitializing && p.Container != "" && p.Message != "":
		f.kind, grace = k8s.CauseInit, initGrace
		f.text = f.detail
	case p.Reason == reasonNoSandbox:
		f.kind, f.text = k8s.CauseSandbox, "no network sandbox yet, and no event says why"
	default:
		a.ask(p.Ref())
		if pull := a.newestEvent(p.Ref(), p.Created, "Pulling", "Pulled", "Created"); pull != nil && pull.Reason == "Pulling" {
			image := quoted(pull.Message.String(), "image ")
			f.event, f.object, f.text = pull, image, "still pulling "+image[strings.LastIndexByte(image, '/')+1:]
		} else if !a.within(from, grace) {
			f.text = "its containers are not created, and no event says why"
		}
	}
	f.fatal = !a.within(from, grace)
}

// byEvent takes the cause from an event about a pod that is being created.
func (f *finding) byEvent(e *k8s.Event) {
	said := combined(e.Message)
	f.reason, f.detail, f.event, f.container = e.Reason, said, e, ""
	switch e.Reason {
	case "FailedCreatePodSandBox", "NetworkNotReady":
		f.kind, f.text = k8s.CauseSandbox, sandboxText(said)
	case "FailedPrepareDynamicResources":
		f.kind, f.text = k8s.CauseDevice, "its resource claims cannot be prepared"+colon(trailing(said))
	default:
		f.kind = k8s.CauseVolume
		f.text, f.object = volumeText(said)
	}
}

// unready judges a running pod that is not ready: a new container is given
// the time its own probes allow, one that was ready already hardly any.
func (a *assessment) unready(p *k8s.PodRow, f *finding) {
	if p.Restarts > 1 && p.ExitReason != "" && a.within(p.LastRestart, backOffReset) {
		// Between two back-offs of a crash loop the container runs: that the
		// verdict should not change twice a minute, it stays a crash loop.
		f.reason, f.fatal = reasonCrashLoop, true
		a.crash(p, f)
		return
	}
	f.reason, f.probe, f.kind = reasonUnready, "readiness", k8s.CauseReadiness
	if p.Starting {
		f.probe, f.kind = "startup", k8s.CauseStartup
	}
	answer := "has not passed yet"
	if e := a.newestEvent(p.Ref(), p.RunningSince, "Unhealthy"); e != nil {
		f.event, f.detail = e, combined(e.Message)
		f.container = orWord(containerOfEvent(e), f.container)
		if got, ok := parseProbe(f.detail); ok {
			answer = got.answer
			f.probe = got.probe
		} else {
			answer = f.detail
		}
	}
	c := a.container(p, f.container)
	f.endpoint = c.endpoint(f.probe)
	f.text = probeText(f.probe, f.endpoint, answer)
	if c != nil && f.endpoint == "" && f.event == nil {
		f.text, f.probe = "not ready, without a "+f.probe+" probe of its own", ""
	}
	a.inContainer(p, f)
	if !p.RunningSince.IsZero() && p.ReadySince.After(p.RunningSince.Add(time.Second)) {
		f.fatal = !a.within(p.ReadySince, lostGrace)
	} else {
		f.fatal = !a.within(newest(p.RunningSince, startOf(p)), a.o.ProbeBudget())
	}
}

// container is what the template says of a pod's container; nil where the pod
// is of another template.
func (a *assessment) container(p *k8s.PodRow, name string) *Container {
	if a.ownRevision != nil && !a.ownRevision(p) {
		return nil
	}
	if name == "" && len(a.o.Containers) == 1 {
		return &a.o.Containers[0]
	}
	return a.o.container(name)
}
