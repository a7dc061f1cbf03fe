package rollout

import (
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
	reason, detail string
	fatal          bool
	since          time.Time
	event          *k8s.Event
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
// there by itself.
func (a *assessment) examine(p *k8s.PodRow) finding {
	f := finding{reason: p.Reason, detail: p.Message.String(), since: notReadySince(p)}
	switch {
	case p.Terminating():
		f.reason, f.detail = reasonTerminating, ""
		f.fatal = !a.within(p.Deleted, terminatingGrace)
	case p.Phase == "Failed":
		f.reason, f.fatal = orWord(p.Reason, p.Phase), true
	case unscheduled(p):
		f.reason, f.detail = orWord(p.Reason, "Pending"), schedulingWords(f.detail)
		f.fatal = !a.within(p.Created, schedulingGrace)
	case p.Reason != reasonCrashLoop && p.State(a.o.MinReady, a.Now) == k8s.PodCrashing:
		// The container has just ended and is about to be restarted.
		f.detail = exitWords(p)
		f.fatal = p.Restarts > 0 || !a.within(newest(p.LastRestart, startOf(p)), firstDeathGrace)
	default:
		a.byReason(p, &f)
	}
	return f
}

// unscheduled reports whether the pod has no node yet.
func unscheduled(p *k8s.PodRow) bool {
	switch p.Reason {
	case reasonUnschedulable, reasonGated, "SchedulerError":
		return true
	case "":
		return p.Node == ""
	}
	return false
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
		f.fatal, f.detail = true, exitWords(p)
	case reasonNodeNotReady:
		f.fatal = true
		if p.Node != "" {
			f.detail = "node " + p.Node
		}
	case reasonGates:
		f.fatal, f.detail = !a.within(newest(p.ReadySince, p.RunningSince), gatesGrace), gateWords(f.detail)
	default: // image, config and create errors do not pass by themselves
		f.fatal, f.detail = true, imageWords(p.Reason, f.detail)
	}
}

// creating judges a pod whose containers do not run yet. Its status says
// nothing about volumes and the sandbox; only events do.
func (a *assessment) creating(p *k8s.PodRow, f *finding) {
	f.reason = orWord(p.Reason, reasonCreating)
	from, grace := startOf(p), creatingGrace
	e := a.newestEvent(p.Ref(), p.Created, "FailedMount", "FailedAttachVolume", "FailedMapVolume",
		"FailedPrepareDynamicResources", "FailedCreatePodSandBox", "NetworkNotReady")
	switch {
	case e != nil:
		f.reason, f.detail, f.event, grace = e.Reason, volumeWords(e.Message.String()), e, eventGrace
	case p.Started.IsZero() && p.Node != "" && p.Reason == "":
		f.reason, f.detail, grace = reasonNotStarted, "the kubelet of "+p.Node+" has not acted", startGrace
	case p.Reason == reasonInitializing && p.Container != "" && p.Message != "":
		grace = initGrace
	}
	f.fatal = !a.within(from, grace)
}

// unready judges a running pod that is not ready: a new container is given
// the time its own probes allow, one that was ready already hardly any.
func (a *assessment) unready(p *k8s.PodRow, f *finding) {
	f.reason = reasonUnready
	f.detail = ""
	if e := a.newestEvent(p.Ref(), p.RunningSince, "Unhealthy"); e != nil {
		f.event, f.detail = e, probeWords(e.Message.String())
	} else if p.Starting {
		f.detail = "startup probe not passed"
	} else if p.Containers > 1 && p.Container != "" {
		f.detail = "container " + p.Container
	}
	from := newest(p.RunningSince, startOf(p))
	switch {
	case p.Restarts > 1 && p.ExitReason != "" && a.within(p.LastRestart, backOffReset):
		// Between two back-offs of a crash loop the container runs: that the
		// verdict should not change twice a minute, it stays a crash loop.
		f.reason, f.detail, f.fatal = reasonCrashLoop, exitWords(p), true
	case !p.RunningSince.IsZero() && p.ReadySince.After(p.RunningSince.Add(time.Second)):
		f.fatal = !a.within(p.ReadySince, lostGrace)
	default:
		f.fatal = !a.within(from, a.o.ProbeBudget())
	}
}
