package probe

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Input is what a pod's probes are judged from.
type Input struct {
	Pod *corev1.Pod
	// Events are the kubelet's about the pod: Unhealthy, ProbeWarning and
	// Killing; others are passed over.
	Events []*k8s.Event
	// EventsKnown is false when they could not be read: then their absence
	// says even less.
	EventsKnown bool
	// Flaps is what our own watch has seen.
	Flaps Flaps
	Now   time.Time
}

const (
	// skewFloor is from where on a time that lies ahead of ours is put down to
	// the clocks; API times have whole seconds.
	skewFloor = 2 * time.Second
	// eventLag is how late an event may become visible.
	eventLag = 5 * time.Second
	// burst is after how many events of one source about one object the
	// recorder lets only one through every refill (events_cache.go
	// defaultSpamBurst, defaultSpamQPS).
	burst  = 25
	refill = 5 * time.Minute
	// killSlack is how far an event and the end it caused may be apart, beyond
	// the grace period.
	killSlack = 10 * time.Second
)

// assessment is a pod being judged.
type assessment struct {
	Input
	report *Report
	// now is the cluster's time, as far as it can be told.
	now   time.Time
	grace time.Duration
	// unready is how many containers that run are not ready.
	unready int
	// condition is ContainersReady, or Ready; nil when there is none.
	condition *corev1.PodCondition
	// probed counts containers with a probe of each kind.
	probed map[Kind]int
}

// Assess judges the probes of one pod.
func Assess(in Input) *Report {
	p := in.Pod
	a := &assessment{Input: in, now: in.Now, grace: 30 * time.Second, probed: map[Kind]int{}, report: &Report{
		Pod:     k8s.Ref{Kind: "Pod", Namespace: clean(p.Namespace), Name: clean(p.Name), UID: clean(string(p.UID))},
		Version: clean(p.ResourceVersion), Node: clean(p.Spec.NodeName), IP: clean(p.Status.PodIP),
		Terminating: p.DeletionTimestamp != nil, Flaps: in.Flaps, EventsKnown: in.EventsKnown, Severity: live.OK,
	}}
	if s := p.Spec.TerminationGracePeriodSeconds; s != nil {
		a.grace = time.Duration(*s) * time.Second
	}
	a.skew()
	a.conditions()
	a.count()
	for i := range p.Spec.InitContainers {
		c := &p.Spec.InitContainers[i]
		role := Init
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			role = Sidecar
		}
		a.container(c, role, p.Status.InitContainerStatuses)
	}
	for i := range p.Spec.Containers {
		a.container(&p.Spec.Containers[i], Main, p.Status.ContainerStatuses)
	}
	a.gates()
	if in.Flaps.Flapping(a.now) {
		a.worse(live.Warn)
	}
	return a.report
}

// skew looks for times ahead of ours: the cluster's clock is then at least
// that much ahead, and its times are judged by it.
func (a *assessment) skew() {
	newest := time.Time{}
	see := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	for i := range a.Pod.Status.Conditions {
		see(a.Pod.Status.Conditions[i].LastTransitionTime.Time)
	}
	for _, list := range [][]corev1.ContainerStatus{a.Pod.Status.InitContainerStatuses, a.Pod.Status.ContainerStatuses} {
		for i := range list {
			if r := list[i].State.Running; r != nil {
				see(r.StartedAt.Time)
			}
			if t := list[i].LastTerminationState.Terminated; t != nil {
				see(t.FinishedAt.Time)
			}
		}
	}
	for _, e := range a.Events {
		see(e.Last)
	}
	if ahead := newest.Sub(a.Now); ahead > skewFloor {
		a.report.Skew, a.now = ahead, newest
	}
}

func (a *assessment) conditions() {
	for i := range a.Pod.Status.Conditions {
		c := &a.Pod.Status.Conditions[i]
		switch c.Type {
		case corev1.PodReady:
			a.report.Ready, a.report.ReadySince = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
			if a.condition == nil {
				a.condition = c
			}
		case corev1.ContainersReady:
			a.condition = c
		}
	}
}

// count looks over all containers first: what is said of one depends on
// whether it is alone.
func (a *assessment) count() {
	each := func(c *corev1.Container) {
		for _, s := range specsOf(c) {
			a.probed[s.Kind]++
		}
	}
	for i := range a.Pod.Spec.InitContainers {
		each(&a.Pod.Spec.InitContainers[i])
	}
	for i := range a.Pod.Spec.Containers {
		each(&a.Pod.Spec.Containers[i])
	}
	for i := range a.Pod.Status.ContainerStatuses {
		if s := &a.Pod.Status.ContainerStatuses[i]; s.State.Running != nil && !s.Ready {
			a.unready++
		}
	}
}

func statusOf(list []corev1.ContainerStatus, name string) *corev1.ContainerStatus {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func (a *assessment) container(spec *corev1.Container, role Role, statuses []corev1.ContainerStatus) {
	out := Container{Name: clean(spec.Name), Role: role}
	s := statusOf(statuses, spec.Name)
	if s != nil {
		out.Ready, out.Restarts = s.Ready, int(s.RestartCount)
		if s.State.Running != nil {
			out.Running = s.State.Running.StartedAt.Time
		}
		// Without a startup probe the kubelet reports started once it runs;
		// older ones leave it out.
		out.Started = s.Started != nil && *s.Started || s.Started == nil && spec.StartupProbe == nil && s.State.Running != nil
		out.Reason = whyNot(s)
		out.StartTook = a.startTook(s)
	} else {
		out.Reason = "not started"
	}
	specs := specsOf(spec)
	for _, sp := range specs {
		p := Probe{Container: out.Name, Role: role, Spec: sp, NotKnown: sp.notKnown()}
		h := listen(a.Events, out.Name, sp.Kind, a.probed[sp.Kind] == 1)
		h.fill(&p, out.Running)
		a.judge(&p, &out, s)
		a.lint(&p, &out, specs, spec)
		if p.Severity.Rank() < a.report.Severity.Rank() {
			a.report.Severity = p.Severity
		}
		out.Probes = append(out.Probes, p)
	}
	out.Lints = lintContainer(&out, specs, spec)
	a.report.Containers = append(a.report.Containers, out)
}

// whyNot is why a container does not run.
func whyNot(s *corev1.ContainerStatus) string {
	switch {
	case s.State.Running != nil:
		return ""
	case s.State.Waiting != nil:
		if s.State.Waiting.Reason == "" {
			return "waiting"
		}
		return clean(s.State.Waiting.Reason)
	case s.State.Terminated != nil:
		if s.State.Terminated.Reason == "" {
			return fmt.Sprintf("ended with exit code %d", s.State.Terminated.ExitCode)
		}
		return clean(s.State.Terminated.Reason)
	}
	return "not started"
}

// startTook is how long a container that has been ready since its start, and
// is the one that made the pod's containers ready, took for it. A transition
// before the container's start belongs to an earlier run.
func (a *assessment) startTook(s *corev1.ContainerStatus) time.Duration {
	if s.State.Running == nil || !s.Ready || a.condition == nil || a.condition.Status != corev1.ConditionTrue {
		return 0
	}
	if len(a.Pod.Spec.Containers) != 1 {
		return 0 // the last of several to become ready set the time
	}
	took := a.condition.LastTransitionTime.Sub(s.State.Running.StartedAt.Time)
	// A container that lost its readiness later tells nothing about its start.
	if took < 0 || took > time.Hour || len(a.Flaps.Lost) > 0 {
		return 0
	}
	return took
}

// judge says what a probe does now.
func (a *assessment) judge(p *Probe, c *Container, s *corev1.ContainerStatus) {
	switch {
	case a.Pod.Status.Phase == corev1.PodSucceeded || a.Pod.Status.Phase == corev1.PodFailed:
		p.set(Waiting, live.OK, time.Time{}, "the pod has ended (phase "+clean(string(a.Pod.Status.Phase))+"): the kubelet probes it no more")
	case c.Running.IsZero():
		a.notRunning(p, c, s)
	case a.report.Terminating && p.Spec.Kind != Readiness:
		p.set(Waiting, live.OK, a.Pod.DeletionTimestamp.Time, "the pod is being deleted: only readiness is still probed")
	case p.Spec.Kind == Startup:
		a.startup(p, c)
	case !c.Started:
		p.set(Waiting, live.OK, c.Running, "is not run until the startup probe has passed")
	case p.Spec.Kind == Readiness:
		a.readiness(p, c)
	default:
		a.liveness(p, c)
	}
}

func (p *Probe) set(state State, sev live.Severity, since time.Time, text string) {
	p.State, p.Severity, p.Since, p.Text = state, sev, since, foreign.CleanN(text, maxPath)
}

// notRunning judges a probe whose container does not run: it is to blame if it
// was it that had the container killed.
func (a *assessment) notRunning(p *Probe, c *Container, s *corev1.ContainerStatus) {
	if s != nil && a.killedBy(p, s) {
		p.set(Failing, live.Fail, p.Killed, fmt.Sprintf("had the container killed; it does not run now (%s)", c.Reason))
		return
	}
	p.set(Waiting, live.Info, time.Time{}, "is not run: the container does not run ("+c.Reason+")")
}

// killedBy reports whether the container's last end fits the kubelet's word
// that this probe had it killed.
func (a *assessment) killedBy(p *Probe, s *corev1.ContainerStatus) bool {
	if p.Killed.IsZero() {
		return false
	}
	end := s.State.Terminated
	if end == nil {
		end = s.LastTerminationState.Terminated
	}
	if end == nil {
		return false
	}
	grace := a.grace
	if p.Spec.Grace >= 0 {
		grace = p.Spec.Grace
	}
	d := end.FinishedAt.Sub(p.Killed)
	return d >= -killSlack && d <= grace+killSlack
}

// startup: started is reported; while it is false the probe runs.
func (a *assessment) startup(p *Probe, c *Container) {
	if c.Started {
		p.set(Passing, live.OK, time.Time{}, "has passed; it is not run again until the container restarts")
		if c.StartTook > 0 {
			p.Since = c.Running.Add(c.StartTook)
		}
		if p.Killed.After(c.Running.Add(-a.grace-killSlack)) || c.Restarts > 0 && !p.Killed.IsZero() {
			p.Severity = live.Info
		}
		return
	}
	least, most := p.Spec.Window()
	p.Earliest, p.Deadline = c.Running.Add(least), c.Running.Add(p.Spec.Budget())
	a.recheck(p.Deadline)
	used := a.now.Sub(c.Running)
	switch {
	case p.Killed.After(c.Running):
		p.set(Failing, live.Fail, p.Killed, "has used up its budget: the container is being killed")
		p.Deadline, p.Earliest = time.Time{}, time.Time{}
	case used > most+eventLag:
		p.set(Unknown, live.Warn, c.Running, fmt.Sprintf("is past its budget of %s and the container still runs: the kubelet has not reported, or its clock is not ours", short(p.Spec.Budget())))
		p.Deadline, p.Earliest = time.Time{}, time.Time{}
	case a.fails(p, c.Running):
		sev := live.Info
		if used*5 > p.Spec.Budget()*4 || p.Killed.Before(c.Running) && !p.Killed.IsZero() {
			sev = live.Warn // four fifths are gone, or it was killed for this before
		}
		p.set(Starting, sev, c.Running, fmt.Sprintf("has not passed since the container started, which may take %s", short(p.Spec.Budget())))
	default:
		p.set(Starting, live.Info, c.Running, fmt.Sprintf("has not passed yet; the container may take %s to start", short(p.Spec.Budget())))
	}
}

// fails reports whether failures of the container's present run are known.
func (a *assessment) fails(p *Probe, running time.Time) bool {
	return !p.LastFailure.IsZero() && !p.LastFailure.Before(running.Truncate(time.Second))
}

// recent reports whether the newest failure known may belong to a run of
// failures that is still on: the next probe has not had to answer since, or
// the recorder has begun to drop events.
func (a *assessment) recent(p *Probe) bool {
	since := a.now.Sub(p.LastFailure)
	if since <= p.Spec.Period+p.Spec.Timeout+eventLag {
		return true
	}
	return p.Failures >= burst && since <= refill+p.Spec.Period
}

// readiness: ready is reported, so the decision is known; what leads to it is
// not.
func (a *assessment) readiness(p *Probe, c *Container) {
	if c.Ready {
		a.isReady(p, c)
		return
	}
	lost := a.condition != nil && a.condition.Status == corev1.ConditionFalse && a.condition.LastTransitionTime.After(c.Running.Add(time.Second))
	first := c.Running.Add(p.Spec.InitialDelay + p.Spec.Period + p.Spec.Timeout)
	fails := a.fails(p, c.Running)
	if !fails && !lost && a.now.Before(first.Add(eventLag)) {
		p.set(Starting, live.Info, c.Running, "has not passed yet; the first answer is due")
		p.Deadline = first
		a.recheck(first.Add(eventLag))
		return
	}
	since, sev := c.Running, live.Fail
	if lost && a.unready <= 1 {
		since = a.condition.LastTransitionTime.Time
	}
	if _, most := p.Spec.Window(); !lost && !fails && a.now.Sub(c.Running) < most {
		sev = live.Warn
	}
	p.set(Failing, sev, since, "the container is reported not ready"+a.silence(p, fails))
}

// silence says why no failure is known of a container that is not ready.
func (a *assessment) silence(p *Probe, fails bool) string {
	switch {
	case fails:
		return ""
	case !a.EventsKnown:
		return "; its events could not be read"
	case p.LastFailure.IsZero():
		return "; no failure is among the events kept, which proves nothing"
	}
	return "; the failures known belong to an earlier run of the container"
}

// isReady judges a readiness probe whose last decision was good: the run of
// failures that undoes it may have begun.
func (a *assessment) isReady(p *Probe, c *Container) {
	since := time.Time{}
	if a.condition != nil && a.condition.Status == corev1.ConditionTrue {
		since = later(a.condition.LastTransitionTime.Time, c.Running)
	}
	p.set(Passing, live.OK, since, "the container is reported ready")
	if a.fails(p, c.Running) && p.LastFailure.After(since) && a.recent(p) && !p.Errored {
		p.Severity = live.Warn
		p.Text = foreign.Text("still counts as ready, but the last probe known has failed: " + failures(p.Spec.Failure) + " in a row take the pod out")
		a.deadline(p)
	}
}

// liveness: nothing is reported but the restarts it causes. A container that
// runs has not failed often enough in a row.
func (a *assessment) liveness(p *Probe, c *Container) {
	switch {
	case p.Killed.After(c.Running):
		p.set(Failing, live.Fail, p.Killed, "has failed often enough: the container is being killed")
		return
	case a.fails(p, c.Running) && a.recent(p) && !p.Errored:
		since, sev := later(p.FirstFailure, c.Running), live.Fail
		if p.Failures < min(2, p.Spec.Failure) {
			sev = live.Warn
		}
		p.set(Failing, sev, since, "the last probe known has failed; the container is restarted after "+failures(p.Spec.Failure)+" in a row")
		a.deadline(p)
		return
	}
	_, most := p.Spec.Window()
	if !p.Killed.IsZero() {
		p.set(Passing, live.Warn, c.Running, "has had the container restarted before; since it runs again it has not failed "+inARow(p.Spec.Failure))
		return
	}
	if settled := c.Running.Add(most); a.now.Before(settled) {
		p.set(Starting, live.Info, c.Running, "nothing is known yet: the container runs too short for a restart")
		a.recheck(settled)
		return
	}
	p.set(Passing, live.OK, c.Running, "has not failed "+inARow(p.Spec.Failure)+", else the container would have been restarted")
}

func inARow(n int) string {
	if n == 1 {
		return "even once"
	}
	return fmt.Sprintf("%d times in a row", n)
}

// deadline is when the kubelet acts on a run of failures that is on. How many
// there were in a row is not reported: it may be the first, or the last but
// one.
func (a *assessment) deadline(p *Probe) {
	p.Earliest = p.LastFailure.Add(p.Spec.Period)
	p.Deadline = p.LastFailure.Add(time.Duration(p.Spec.Failure-1)*p.Spec.Period + p.Spec.Timeout)
	if p.Spec.Failure == 1 {
		p.Earliest, p.Deadline = p.LastFailure, p.LastFailure
	}
	a.recheck(p.LastFailure.Add(p.Spec.Period + p.Spec.Timeout + eventLag))
}

// gates judges the conditions that something outside the kubelet has to set.
func (a *assessment) gates() {
	for _, g := range a.Pod.Spec.ReadinessGates {
		gate := Gate{Type: clean(string(g.ConditionType))}
		for i := range a.Pod.Status.Conditions {
			c := &a.Pod.Status.Conditions[i]
			if c.Type != g.ConditionType {
				continue
			}
			gate.Set, gate.Passed, gate.Since = true, c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
			gate.Reason, gate.Message = clean(c.Reason), foreign.CleanN(c.Message, maxPath)
		}
		if !gate.Passed {
			a.worse(live.Warn)
		}
		a.report.Gates = append(a.report.Gates, gate)
	}
}

func (a *assessment) worse(sev live.Severity) {
	if sev.Rank() < a.report.Severity.Rank() {
		a.report.Severity = sev
	}
}

// recheck notes when a judgement changes by itself, in our time.
func (a *assessment) recheck(at time.Time) {
	at = at.Add(-a.report.Skew)
	if at.After(a.Now) && (a.report.Recheck.IsZero() || at.Before(a.report.Recheck)) {
		a.report.Recheck = at
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
