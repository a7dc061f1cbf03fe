package probe_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s/probe"
)

func specOf(t *testing.T, p corev1.Probe) probe.Spec {
	t.Helper()
	c := api()
	c.ReadinessProbe = &p
	r := probe.Assess(probe.Input{Pod: pod(func(pod *corev1.Pod) { pod.Spec.Containers[0] = c }), Now: now()})
	return find(r, "api", probe.Readiness).Spec
}

func TestSpecsInWords(t *testing.T) {
	for want, p := range map[string]corev1.Probe{
		"GET :8000/readyz every 10s, timeout 1s, 3 failures":           {ProbeHandler: get("/readyz", 8000)},
		"GET https://:8443/ every 10s, timeout 1s, 3 failures":         {ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Scheme: "HTTPS", Port: intstr.FromInt32(8443)}}},
		"GET :8000/a?b=c every 10s, timeout 1s, 3 failures":            {ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "a?b=c", Port: intstr.FromString("http")}}},
		"GET :web/ every 10s, timeout 1s, 3 failures":                  {ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("web")}}},
		"TCP :5432 after 5s, every 1m, timeout 2s, 1 failure":          {ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(5432)}}, InitialDelaySeconds: 5, PeriodSeconds: 60, TimeoutSeconds: 2, FailureThreshold: 1},
		"gRPC :9000 every 10s, timeout 1s, 3 failures, 2 passes":       {ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9000}}, SuccessThreshold: 2},
		"exec cat /tmp/healthy every 10s, timeout 1s, 3 failures":      {ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"cat", "/tmp/healthy"}}}},
		"exec sh -c ␛[2J every 10s, timeout 1s, 3 failures":            {ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "\x1b[2J"}}}},
		"asks nothing every 10s, timeout 1s, 3 failures":               {},
		"GET db.example:8000/readyz every 10s, timeout 1s, 3 failures": {ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Host: "db.example", Port: intstr.FromInt32(8000)}}},
	} {
		if got := specOf(t, p).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestBudgets holds the bounds to the kubelet's loop (worker.go), played
// through for every phase of its ticker and every answering time.
func TestBudgets(t *testing.T) {
	for _, s := range []probe.Spec{
		{Kind: probe.Startup, Period: 5 * time.Second, Timeout: time.Second, Failure: 30},
		{Kind: probe.Startup, InitialDelay: 7 * time.Second, Period: 3 * time.Second, Timeout: 2 * time.Second, Failure: 4},
		{Kind: probe.Startup, Period: 10 * time.Second, Timeout: time.Second, Failure: 1},
	} {
		least, most := s.Window()
		low, high := time.Hour, time.Duration(0)
		for phase := time.Duration(0); phase < s.Period; phase += 100 * time.Millisecond {
			for _, answer := range []time.Duration{0, s.Timeout} {
				at := phase // the first tick after the container's start
				for n := 0; n < s.Failure; at += s.Period {
					if at >= s.InitialDelay {
						n++
					}
				}
				end := at - s.Period + answer
				low, high = min(low, end), max(high, end)
			}
		}
		if low < least || high > most || low > least+time.Second || high < most-s.Period/5-time.Second {
			t.Errorf("%s: the kubelet ends between %v and %v, we say %v and %v", s.Timing(), low, high, least, most)
		}
		if s.Budget() < least || s.Budget() > most {
			t.Errorf("%s: the budget %v is outside its own bounds", s.Timing(), s.Budget())
		}
	}
	s := specOf(t, corev1.Probe{ProbeHandler: get("/startupz", 8000), PeriodSeconds: 5, FailureThreshold: 30})
	if s.Kind = probe.Startup; s.Promise() != "has 2m30s to start (killed between 2m25s and 2m31s)" {
		t.Errorf("%q", s.Promise())
	}
	if s.Kind = probe.Liveness; s.Promise() != "the kubelet restarts the container 2m25s to 2m31s after it breaks" {
		t.Errorf("%q", s.Promise())
	}
}

func TestURLs(t *testing.T) {
	for want, p := range map[string]struct {
		probe corev1.Probe
		ip    string
	}{
		"http://10.0.0.1:8000/readyz?verbose=1": {corev1.Probe{ProbeHandler: get("/readyz?verbose=1", 8000)}, "10.0.0.1"},
		"http://[fd00::1]:8000/readyz":          {corev1.Probe{ProbeHandler: get("/readyz", 8000)}, "fd00::1"},
		"https://10.0.0.1:8443/":                {corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Scheme: "HTTPS", Path: "/", Port: intstr.FromInt32(8443)}}}, "10.0.0.1"},
	} {
		if got := specOf(t, p.probe).URL(p.ip).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
