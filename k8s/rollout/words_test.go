package rollout

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/foreign"
	"midwatch/k8s"
)

func TestEndpointSaysWhatAProbeAsks(t *testing.T) {
	c := &corev1.Container{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8000}}}
	service := "cart"
	for want, h := range map[string]corev1.ProbeHandler{
		"GET :8000/readyz":         {HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http")}},
		"GET :admin/":              {HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("admin")}},
		"GET https 10.0.0.1:443/x": {HTTPGet: &corev1.HTTPGetAction{Path: "x", Host: "10.0.0.1", Scheme: corev1.URISchemeHTTPS, Port: intstr.FromInt32(443)}},
		"TCP :5432":                {TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(5432)}},
		"gRPC :50051 cart":         {GRPC: &corev1.GRPCAction{Port: 50051, Service: &service}},
		"exec pg_isready -q":       {Exec: &corev1.ExecAction{Command: []string{"pg_isready", "-q"}}},
		"":                         {},
	} {
		if got := Endpoint(c, &corev1.Probe{ProbeHandler: h}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if Endpoint(c, nil) != "" {
		t.Error("no probe asks nothing")
	}
}

func TestParseProbe(t *testing.T) {
	for said, want := range map[string]probeAnswer{
		"Readiness probe failed: HTTP probe failed with statuscode: 503":                                                                {"readiness", "answers 503", false},
		"Liveness probe failed: Get \"http://10.1.2.3:8000/healthz\": context deadline exceeded (Client.Timeout exceeded)":              {"liveness", "times out", false},
		"Startup probe failed: dial tcp 10.1.2.3:5432: connect: connection refused":                                                     {"startup", "refuses the connection", false},
		"Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")":                                                    {"readiness", "answers NOT_SERVING", false},
		"Readiness probe failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unimplemented": {"readiness", "has no gRPC health service", false},
		"Liveness probe failed: cat: can't open '/tmp/healthy'":                                                                         {"liveness", "fails: cat: can't open '/tmp/healthy'", false},
		"Readiness probe errored: rpc error: code = NotFound desc = failed to exec in container":                                        {"readiness", "cannot be run: rpc error: code = NotFound desc = failed to exec in container", true},
		"Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing \"http\"":                                         {"readiness", "cannot be run: strconv.Atoi: parsing \"http\"", true},
	} {
		if got, ok := parseProbe(said); !ok || got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", said, got, want)
		}
	}
	if _, ok := parseProbe("Probe terminated redirects, Response body: ok"); ok {
		t.Error("a warning about redirects is no failure")
	}
}

func TestBackOff(t *testing.T) {
	for said, want := range map[string]time.Duration{
		"back-off 2m40s restarting failed container=api pod=api-1_shop(uid)": 160 * time.Second,
		"back-off 10s restarting": 10 * time.Second, "back-off": 0, "back-off soon restarting": 0, "back-off -5s x": 0, "back-off 1000h x": 0, "": 0,
	} {
		if got := backOff(said); got != want {
			t.Errorf("%q: %s, want %s", said, got, want)
		}
	}
}

func TestExitWords(t *testing.T) {
	for _, tc := range []struct {
		reason string
		code   int32
		words  string
		kind   k8s.CauseKind
	}{
		{"Error", 1, "exits 1", k8s.CauseCrash}, {"Error", 134, "crashes with SIGABRT (exit 134)", k8s.CauseCrash}, {"Error", 139, "crashes with SIGSEGV (exit 139)", k8s.CauseCrash},
		{"Error", 143, "ended by SIGTERM (exit 143)", k8s.CauseKilled}, {"Error", 137, "killed (SIGKILL, exit 137)", k8s.CauseKilled}, {"OOMKilled", 137, "OOMKilled", k8s.CauseOOM},
		{"Completed", 0, "exits 0, but should keep running", k8s.CauseCompleted}, {"Error", 126, "command not executable (exit 126)", k8s.CauseCannotRun},
		{"StartError", 128, "its command cannot be started", k8s.CauseCannotRun}, {"Weird", 3, "Weird, exit 3", k8s.CauseCrash}, {"Error", -1073741819, "exits -1073741819", k8s.CauseCrash},
	} {
		if words, kind := exitWords(tc.reason, tc.code); words != tc.words || kind != tc.kind {
			t.Errorf("%s %d: %q %s, want %q %s", tc.reason, tc.code, words, kind, tc.words, tc.kind)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{512 << 20: "512Mi", 2 << 30: "2Gi", 1500 << 20: "1500Mi", 1_000_000_000: "953.7Mi", 100: "100B", 64 << 10: "64Ki", 1 << 40: "1Ti"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// FuzzWords: whatever a server says, the words about it are text of bounded
// length, and nothing panics.
func FuzzWords(f *testing.F) {
	for _, s := range []string{
		"", ": ", "\"", "image \"", "exceeded quota: ", "exceeded quota: a, requested: , used: , limited: ", "failed quota: a", "0/ nodes are available: ", "0/3 nodes are available: x. preemption: y",
		"violates PodSecurity \"restricted:latest\": a (b (c)), d", "violates PodSecurity ((((", "ValidatingAdmissionPolicy '", "admission webhook \"x\" denied the request", "failed calling webhook \"",
		"couldn't find key  in ", "couldn't find key k in Secret /", "secret \"\" not found", "Readiness probe failed: ", "X probe errored and resulted in state: ", "Multi-Attach error for volume \"",
		"a: b: c: d", " desc = ", "Exec lifecycle hook ([ failed - error: ", "(combined from similar events): (combined from similar events): ", "service unhealthy (responded with \"", "serviceaccount \"",
	} {
		f.Add(s, int32(137))
	}
	f.Fuzz(func(t *testing.T, s string, code int32) {
		s = foreign.CleanN(s, maxMessage).String()
		_, refused, _ := refusal(withoutEnvelope(s))
		image, _ := imageText("ErrImagePull", s)
		config, _ := configText(s)
		volume, _ := volumeText(s)
		exit, _ := exitWords(shorten(s, 20), code)
		probe, _ := parseProbe(combined(foreign.Clean(s)))
		for _, got := range []string{
			refused, image, config, volume, exit, probe.answer, probeText("readiness", s, probe.answer), schedulingText(s), sandboxText(s), hookText(s), gateName(s), trailing(s),
		} {
			if !utf8.ValidString(got) || len(got) > 3*len(s)+200 || strings.ContainsAny(got, "\x1b\n") {
				t.Errorf("%q became %q", s, got)
			}
		}
	})
}
