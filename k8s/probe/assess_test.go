package probe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/live"
)

// want is what one probe has to be judged as; zero fields are not compared.
type want struct {
	kind     probe.Kind
	state    probe.State
	severity live.Severity
	since    time.Duration // ago
	text     string        // part of Text
	message  string        // part of LastMessage
	failures int
	deadline time.Duration // from now
	earliest time.Duration
	lint     string
}

func TestStates(t *testing.T) {
	s503 := "Readiness probe failed: HTTP probe failed with statuscode: 503"
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		events []*k8s.Event
		blind  bool // events could not be read
		want   []want
	}{
		"all well": {pod(), nil, false, []want{
			{kind: probe.Startup, state: probe.Passing, severity: live.OK, since: time.Hour},
			{kind: probe.Liveness, state: probe.Passing, severity: live.OK, text: "has not failed 3 times in a row"},
			{kind: probe.Readiness, state: probe.Passing, severity: live.OK, since: time.Hour},
		}},
		"readiness fails since it started": {
			pod(status(running("api", 6*time.Minute, true, false)), unready(6*time.Minute)),
			[]*k8s.Event{event("Unhealthy", s503, 30, 350*time.Second, 4*time.Second)}, false, []want{
				{kind: probe.Readiness, state: probe.Failing, severity: live.Fail, since: 6 * time.Minute, message: "HTTP probe failed with statuscode: 503", failures: 30},
				{kind: probe.Liveness, state: probe.Passing, severity: live.OK},
			},
		},
		"readiness was lost": {
			pod(status(running("api", time.Hour, true, false)), unready(90*time.Second)),
			[]*k8s.Event{event("Unhealthy", s503, 11, 2*time.Minute, 4*time.Second)}, false,
			[]want{{kind: probe.Readiness, state: probe.Failing, severity: live.Fail, since: 90 * time.Second, failures: 11}},
		},
		"not ready without an event": {
			pod(status(running("api", time.Hour, true, false)), unready(90*time.Second)), nil, false,
			[]want{{kind: probe.Readiness, state: probe.Failing, severity: live.Fail, text: "which proves nothing"}},
		},
		"not ready, events forbidden": {
			pod(status(running("api", time.Hour, true, false)), unready(90*time.Second)), nil, true,
			[]want{{kind: probe.Readiness, state: probe.Failing, text: "its events could not be read"}},
		},
		"ready, but has just failed": {
			pod(), []*k8s.Event{event("Unhealthy", s503, 1, 3*time.Second, 3*time.Second)}, false,
			[]want{{kind: probe.Readiness, state: probe.Passing, severity: live.Warn, failures: 1, earliest: 7 * time.Second, deadline: 18 * time.Second}},
		},
		"ready, failed long ago": {
			pod(), []*k8s.Event{event("Unhealthy", s503, 2, 20*time.Minute, 19*time.Minute)}, false,
			[]want{{kind: probe.Readiness, state: probe.Passing, severity: live.OK, failures: 2}},
		},
		"first answer is due": {
			pod(status(running("api", 4*time.Second, true, false)), unready(4*time.Second)), nil, false,
			[]want{
				{kind: probe.Readiness, state: probe.Starting, severity: live.Info},
				{kind: probe.Liveness, state: probe.Starting, severity: live.Info, text: "too short"},
			},
		},
		"starting": {
			pod(status(running("api", 20*time.Second, false, false)), unready(20*time.Second)),
			[]*k8s.Event{event("Unhealthy", "Startup probe failed: Get \"http://10.0.3.17:8000/startupz\": dial tcp 10.0.3.17:8000: connect: connection refused", 4, 18*time.Second, 3*time.Second)}, false,
			[]want{
				{kind: probe.Startup, state: probe.Starting, severity: live.Info, since: 20 * time.Second, deadline: 130 * time.Second, earliest: 125 * time.Second, failures: 4, message: "connection refused"},
				{kind: probe.Readiness, state: probe.Waiting, text: "until the startup probe has passed"},
				{kind: probe.Liveness, state: probe.Waiting},
			},
		},
		"starting, most of the budget is gone": {
			pod(status(running("api", 130*time.Second, false, false)), unready(130*time.Second)),
			[]*k8s.Event{event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 500", 26, 128*time.Second, 3*time.Second)}, false,
			[]want{{kind: probe.Startup, state: probe.Starting, severity: live.Warn, deadline: 20 * time.Second}},
		},
		"past the budget": {
			pod(status(running("api", 10*time.Minute, false, false)), unready(10*time.Minute)), nil, false,
			[]want{{kind: probe.Startup, state: probe.Unknown, severity: live.Warn, text: "past its budget of 2m30s"}},
		},
		"liveness fails": {
			pod(), []*k8s.Event{event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 2, 20*time.Second, 5*time.Second)}, false,
			[]want{{kind: probe.Liveness, state: probe.Failing, severity: live.Fail, since: 20 * time.Second, earliest: 10 * time.Second, deadline: 26 * time.Second}},
		},
		"liveness failed once, long ago": {
			pod(), []*k8s.Event{event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 1, 10*time.Minute, 10*time.Minute)}, false,
			[]want{{kind: probe.Liveness, state: probe.Passing, severity: live.OK, failures: 1}},
		},
		"liveness is killing": {
			pod(), []*k8s.Event{
				event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", 3, 40*time.Second, 5*time.Second),
				event("Killing", "Container api failed liveness probe, will be restarted", 1, 5*time.Second, 5*time.Second),
			}, false,
			[]want{{kind: probe.Liveness, state: probe.Failing, severity: live.Fail, since: 5 * time.Second, text: "being killed"}},
		},
		"liveness killed it, back-off": {
			pod(crashed(40*time.Second, 137, 5), unready(70*time.Second)), []*k8s.Event{
				event("Unhealthy", "Liveness probe failed: context deadline exceeded (Client.Timeout exceeded while awaiting headers)", 15, 10*time.Minute, 70*time.Second),
				event("Killing", "Container api failed liveness probe, will be restarted", 5, 9*time.Minute, 70*time.Second),
			}, false,
			[]want{
				{kind: probe.Liveness, state: probe.Failing, severity: live.Fail, since: 70 * time.Second, text: "(CrashLoopBackOff)", lint: "timeout of 1s"},
				{kind: probe.Readiness, state: probe.Waiting, text: "CrashLoopBackOff"},
			},
		},
		"it crashed by itself": {
			pod(crashed(40*time.Second, 1, 5), unready(40*time.Second)), []*k8s.Event{event("Killing", "Container api failed liveness probe, will be restarted", 1, 50*time.Minute, 50*time.Minute)}, false,
			[]want{{kind: probe.Liveness, state: probe.Waiting}},
		},
		"it runs again after a kill": {
			pod(status(running("api", 5*time.Minute, true, true))), []*k8s.Event{event("Killing", "Container api failed liveness probe, will be restarted", 1, 6*time.Minute, 6*time.Minute)}, false,
			[]want{{kind: probe.Liveness, state: probe.Passing, severity: live.Warn, text: "restarted before"}},
		},
		"combined events": {
			pod(status(running("api", 30*time.Minute, true, false)), unready(30*time.Minute)),
			[]*k8s.Event{event("Unhealthy", "(combined from similar events): "+s503, 61, 29*time.Minute, 8*time.Minute)}, false,
			[]want{{kind: probe.Readiness, state: probe.Failing, failures: 61, message: "statuscode: 503"}},
		},
		"errored": {
			pod(), []*k8s.Event{event("Unhealthy", "Readiness probe errored and resulted in unknown state: couldn't find port: http", 4, 30*time.Second, 3*time.Second)}, false,
			[]want{{kind: probe.Readiness, state: probe.Passing, failures: 0, message: "couldn't find port", lint: "counts for nothing"}},
		},
		"terminating": {
			pod(func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: ago(-20 * time.Second)} }), nil, false,
			[]want{{kind: probe.Liveness, state: probe.Waiting, text: "only readiness"}, {kind: probe.Readiness, state: probe.Passing}},
		},
		"ended": {
			pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }), nil, false, []want{{kind: probe.Readiness, state: probe.Waiting, text: "phase Failed"}},
		},
		"no status yet": {
			pod(func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} }), nil, false,
			[]want{{kind: probe.Startup, state: probe.Waiting, text: "not started"}, {kind: probe.Readiness, state: probe.Waiting}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := probe.Assess(probe.Input{Pod: c.pod, Events: c.events, EventsKnown: !c.blind, Now: now()})
			for _, w := range c.want {
				check(t, find(r, "api", w.kind), w)
			}
		})
	}
}

func check(t *testing.T, p *probe.Probe, w want) {
	t.Helper()
	if p == nil {
		t.Fatalf("no %s probe", w.kind)
	}
	if p.State != w.state {
		t.Errorf("%s is %s (%s), want %s", w.kind, p.State, p.Text, w.state)
	}
	if w.severity != live.Unknown && p.Severity != w.severity {
		t.Errorf("%s: severity %s, want %s", w.kind, p.Severity, w.severity)
	}
	if w.since != 0 && !p.Since.Equal(ago(w.since)) {
		t.Errorf("%s: since %v, want %v", w.kind, p.Since, ago(w.since))
	}
	if !strings.Contains(p.Text.String(), w.text) || !strings.Contains(p.LastMessage.String(), w.message) {
		t.Errorf("%s says %q (%q), want %q (%q)", w.kind, p.Text, p.LastMessage, w.text, w.message)
	}
	if w.failures != 0 && p.Failures != w.failures {
		t.Errorf("%s failed %d times, want %d", w.kind, p.Failures, w.failures)
	}
	for _, d := range []struct {
		what string
		got  time.Time
		want time.Duration
	}{{"deadline", p.Deadline, w.deadline}, {"earliest", p.Earliest, w.earliest}} {
		if d.want != 0 && !d.got.Equal(now().Add(d.want)) {
			t.Errorf("%s: %s %v from now, want %v", w.kind, d.what, d.got.Sub(now()), d.want)
		}
	}
	if w.lint != "" && !linted(p.Lints, w.lint) {
		t.Errorf("%s: no lint %q in %v", w.kind, w.lint, p.Lints)
	}
}

func linted(lints []probe.Lint, text string) bool {
	for _, l := range lints {
		if strings.Contains(l.Text.String(), text) {
			return true
		}
	}
	return false
}

func TestLints(t *testing.T) {
	edit := func(e func(*corev1.Container)) *corev1.Pod {
		return pod(func(p *corev1.Pod) { e(&p.Spec.Containers[0]) })
	}
	slow := func(p *corev1.Pod) { // ready 50 s after its start
		p.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(ago(time.Hour + 50*time.Second))
	}
	for _, c := range []struct {
		kind probe.Kind
		text string
		pod  *corev1.Pod
	}{
		{probe.Liveness, "asks the same as readiness", edit(func(c *corev1.Container) { c.LivenessProbe.HTTPGet.Path = "/readyz" })},
		{probe.Liveness, "a single failure", edit(func(c *corev1.Container) { c.LivenessProbe.FailureThreshold = 1 })},
		{probe.Liveness, "quicker than readiness", edit(func(c *corev1.Container) { c.LivenessProbe.PeriodSeconds = 2 })},
		{probe.Liveness, "no startup probe", pod(slow, func(p *corev1.Pod) { p.Spec.Containers[0].StartupProbe = nil })},
		{probe.Liveness, "in place of a startup probe", edit(func(c *corev1.Container) { c.StartupProbe, c.LivenessProbe.InitialDelaySeconds = nil, 60 })},
		{probe.Startup, "with a budget of 25s", pod(slow, func(p *corev1.Pod) { p.Spec.Containers[0].StartupProbe.FailureThreshold = 5 })},
		{probe.Startup, "most of its budget of 1m", pod(slow, func(p *corev1.Pod) { p.Spec.Containers[0].StartupProbe.FailureThreshold = 12 })},
		{probe.Readiness, "not among the container's ports", edit(func(c *corev1.Container) { c.ReadinessProbe.HTTPGet.Port = intstr.FromString("web") })},
		{probe.Readiness, "asks host 169.254.169.254", edit(func(c *corev1.Container) { c.ReadinessProbe.HTTPGet.Host = "169.254.169.254" })},
		{probe.Readiness, "longer than the period", edit(func(c *corev1.Container) { c.ReadinessProbe.TimeoutSeconds = 20 })},
		{probe.Readiness, "it has no handler", edit(func(c *corev1.Container) { c.ReadinessProbe.ProbeHandler = corev1.ProbeHandler{} })},
	} {
		r := probe.Assess(probe.Input{Pod: c.pod, EventsKnown: true, Now: now()})
		if p := find(r, "api", c.kind); !linted(p.Lints, c.text) {
			t.Errorf("%s: no lint %q in %v", c.kind, c.text, p.Lints)
		}
	}
	r := probe.Assess(probe.Input{Pod: pod(), EventsKnown: true, Now: now()})
	for _, p := range r.All() {
		if len(p.Lints) > 0 {
			t.Errorf("a good %s probe is told off: %v", p.Spec.Kind, p.Lints)
		}
	}
	r = probe.Assess(probe.Input{Pod: edit(func(c *corev1.Container) { c.ReadinessProbe = nil }), Now: now()})
	if !linted(r.Containers[0].Lints, "no readiness probe") {
		t.Errorf("a container with ports and without readiness: %v", r.Containers[0].Lints)
	}
}

func TestSidecarsInitContainersAndGates(t *testing.T) {
	p := pod(func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{
			{Name: "migrate"},
			{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), StartupProbe: &corev1.Probe{
				ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9000, Service: ptr.To("liveness")}}, PeriodSeconds: 2, FailureThreshold: 10,
			}},
		}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{
			{Name: "migrate", Ready: true, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}},
			running("proxy", 5*time.Second, false, false),
		}
		p.Status.ContainerStatuses = nil
		p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "target-health.elbv2.k8s.aws/api"}, {ConditionType: "example.com/never"}}
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: "target-health.elbv2.k8s.aws/api", Status: corev1.ConditionFalse, Reason: "Target.FailedHealthChecks", Message: "Health checks failed", LastTransitionTime: metav1.NewTime(ago(time.Minute))})
	})
	e := event("Unhealthy", `Startup probe failed: timeout: failed to connect service "10.0.3.17:9000" within 1s: context deadline exceeded`, 2, 4*time.Second, time.Second)
	e.FieldPath = "spec.initContainers{proxy}"
	r := probe.Assess(probe.Input{Pod: p, Events: []*k8s.Event{e}, EventsKnown: true, Now: now()})
	check(t, find(r, "proxy", probe.Startup), want{kind: probe.Startup, state: probe.Starting, severity: live.Info, failures: 2, deadline: 15 * time.Second})
	if got := find(r, "proxy", probe.Startup); got.Role != probe.Sidecar || got.Spec.Words() != "gRPC :9000 liveness" {
		t.Errorf("the sidecar's probe: %s %q", got.Role, got.Spec.Words())
	}
	if c := r.Containers[0]; c.Name != "migrate" || c.Role != probe.Init || c.Reason != "Completed" {
		t.Errorf("the init container: %+v", c)
	}
	check(t, find(r, "api", probe.Readiness), want{kind: probe.Readiness, state: probe.Waiting, text: "not started"})
	if len(r.Gates) != 2 || r.Gates[0].Passed || r.Gates[0].Reason != "Target.FailedHealthChecks" || !r.Gates[0].Set || r.Gates[1].Set {
		t.Errorf("gates: %+v", r.Gates)
	}
	if r.Severity.Rank() > live.Warn.Rank() {
		t.Errorf("a gate that is shut makes %s", r.Severity)
	}
}

func TestEventsWithoutAContainer(t *testing.T) {
	e := event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", 3, time.Minute, time.Second)
	e.FieldPath = ""
	one := pod(status(running("api", time.Hour, true, false)), unready(time.Minute))
	if p := find(probe.Assess(probe.Input{Pod: one, Events: []*k8s.Event{e}, EventsKnown: true, Now: now()}), "api", probe.Readiness); p.Failures != 3 {
		t.Errorf("the only readiness probe did not get the event: %d", p.Failures)
	}
	two := pod(status(running("api", time.Hour, true, false)), unready(time.Minute), func(p *corev1.Pod) {
		other := api()
		other.Name = "other"
		p.Spec.Containers = append(p.Spec.Containers, other)
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, running("other", time.Hour, true, true))
	})
	r := probe.Assess(probe.Input{Pod: two, Events: []*k8s.Event{e}, EventsKnown: true, Now: now()})
	for _, name := range []string{"api", "other"} {
		if p := find(r, name, probe.Readiness); p.Failures != 0 {
			t.Errorf("an event that may be about either was put down to %s", name)
		}
	}
}

func TestThirtyContainers(t *testing.T) {
	p := pod(unready(time.Minute), func(p *corev1.Pod) {
		p.Spec.Containers, p.Status.ContainerStatuses = nil, nil
		for i := range 30 {
			c := api()
			c.Name = fmt.Sprintf("c%02d", i)
			p.Spec.Containers = append(p.Spec.Containers, c)
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, running(c.Name, time.Hour, true, i != 17))
		}
	})
	e := event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", 3, time.Minute, time.Second)
	e.FieldPath = "spec.containers{c17}"
	r := probe.Assess(probe.Input{Pod: p, Events: []*k8s.Event{e}, EventsKnown: true, Now: now()})
	if n := len(r.All()); n != 90 {
		t.Fatalf("%d probes, want 90", n)
	}
	for _, pr := range r.All() {
		failing := pr.Container == "c17" && pr.Spec.Kind == probe.Readiness
		if (pr.State == probe.Failing) != failing {
			t.Errorf("%s of %s is %s", pr.Spec.Kind, pr.Container, pr.State)
		}
	}
	check(t, find(r, "c17", probe.Readiness), want{kind: probe.Readiness, state: probe.Failing, since: time.Minute})
}

func TestClockSkew(t *testing.T) {
	// The cluster is three minutes ahead of us.
	p := pod(status(running("api", -170*time.Second, false, false)), unready(-170*time.Second))
	e := event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 500", 2, -175*time.Second, -180*time.Second)
	r := probe.Assess(probe.Input{Pod: p, Events: []*k8s.Event{e}, EventsKnown: true, Now: now()})
	if r.Skew != 3*time.Minute {
		t.Errorf("skew %v, want 3m", r.Skew)
	}
	check(t, find(r, "api", probe.Startup), want{kind: probe.Startup, state: probe.Starting, severity: live.Info, deadline: 170*time.Second + 150*time.Second})
	// Seconds are cut off: no skew is made up.
	r = probe.Assess(probe.Input{Pod: pod(status(running("api", -time.Second, true, true))), EventsKnown: true, Now: now()})
	if r.Skew != 0 {
		t.Errorf("a second ahead counts as %v of skew", r.Skew)
	}
}

func TestFlaps(t *testing.T) {
	f := probe.Flaps{Since: ago(time.Hour)}
	for i := range 20 {
		at := ago(time.Hour - time.Duration(i)*time.Minute)
		f = f.Next(true, false, at.Add(-time.Minute), at)
		f = f.Next(false, true, at, at.Add(20*time.Second))
	}
	if len(f.Lost) != 16 || f.Dropped != 4 || f.Losses(ago(time.Hour)) != 16 {
		t.Errorf("kept %d, dropped %d, counted %d", len(f.Lost), f.Dropped, f.Losses(ago(time.Hour)))
	}
	if f.Flapping(now()) || !f.Flapping(ago(41*time.Minute)) {
		t.Error("flapping is not bound to the last minutes")
	}
	// The condition moved and is what it was: there and back in between.
	if g := (probe.Flaps{}).Next(true, true, ago(time.Hour), ago(time.Minute)); len(g.Lost) != 1 {
		t.Errorf("a transition between two looks was missed: %+v", g)
	}
	r := probe.Assess(probe.Input{Pod: pod(), Flaps: probe.Flaps{Lost: []time.Time{ago(5 * time.Minute), ago(time.Minute)}}, EventsKnown: true, Now: now()})
	if r.Severity != live.Warn {
		t.Errorf("a flapping pod is %s", r.Severity)
	}
}

func TestAHeaderIsNeverPrinted(t *testing.T) {
	p := pod(func(p *corev1.Pod) {
		p.Spec.Containers[0].ReadinessProbe.HTTPGet.HTTPHeaders = []corev1.HTTPHeader{{Name: "Authorization", Value: "Bearer hunter2"}}
	})
	r := probe.Assess(probe.Input{Pod: p, Now: now()})
	s := find(r, "api", probe.Readiness).Spec
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows the header: %s", verb, text)
		}
		if text := fmt.Sprintf(verb, s.Headers); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows the header: %s", verb, text)
		}
	}
	if s.Headers[0].Value() != "Bearer hunter2" {
		t.Error("the value is gone")
	}
}
