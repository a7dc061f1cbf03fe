package probe

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/foreign"
)

// Kind is what a probe decides.
type Kind string

// The kinds, in the order the kubelet uses them in a container's life.
const (
	Startup   Kind = "startup"   // until it passes, the others are not run; failing kills the container
	Liveness  Kind = "liveness"  // failing kills the container
	Readiness Kind = "readiness" // failing takes the pod out of its Services
)

// Method is how a probe asks.
type Method string

// The methods.
const (
	HTTP Method = "http"
	TCP  Method = "tcp"
	GRPC Method = "grpc"
	Exec Method = "exec"
	None Method = "" // a probe without a handler, which the API server refuses
)

// The API server's defaults (pkg/apis/core/v1/defaults.go SetDefaults_Probe),
// for objects that did not pass through it.
const (
	defaultPeriod    = 10 * time.Second
	defaultTimeout   = time.Second
	defaultThreshold = 3
)

const (
	maxName = 253
	maxPath = 1024
	maxArgs = 40
)

// Header is one HTTP header of a probe. Its value may be a credential: it is
// sent by [midwatch/k8s/probe/try] and never shown.
type Header struct {
	Name  string
	value string
}

// Value is what the kubelet sends.
func (h Header) Value() string { return h.value }

// String leaves the value out.
func (h Header) String() string { return h.Name }

// GoString leaves the value out.
func (h Header) GoString() string { return h.Name }

// Spec is one probe of one container, its defaults filled in.
type Spec struct {
	Kind   Kind
	Method Method
	// Port is the number asked; 0 when the name could not be resolved, and for
	// exec. PortName is the name in the spec, if it is one.
	Port     int
	PortName string
	// Scheme, Host, Path and Headers are an HTTP probe's. Host is set only when
	// another host than the pod is asked.
	Scheme, Host, Path string
	Headers            []Header
	// Service is what a gRPC probe asks about; "" is the whole server.
	Service string
	// Command is an exec probe's, cleaned.
	Command []foreign.Text

	InitialDelay, Period, Timeout time.Duration
	// Success and Failure are the thresholds, in results in a row.
	Success, Failure int
	// Grace is the probe's own terminationGracePeriodSeconds; negative when the
	// pod's applies.
	Grace time.Duration
}

// specsOf are the probes of a container.
func specsOf(c *corev1.Container) []Spec {
	var out []Spec
	for _, p := range []struct {
		kind  Kind
		probe *corev1.Probe
	}{{Startup, c.StartupProbe}, {Liveness, c.LivenessProbe}, {Readiness, c.ReadinessProbe}} {
		if p.probe != nil {
			out = append(out, specOf(p.kind, p.probe, c))
		}
	}
	return out
}

func specOf(kind Kind, p *corev1.Probe, c *corev1.Container) Spec {
	s := Spec{
		Kind: kind, InitialDelay: seconds(p.InitialDelaySeconds), Period: orDefault(seconds(p.PeriodSeconds), defaultPeriod),
		Timeout: orDefault(seconds(p.TimeoutSeconds), defaultTimeout),
		Success: max(int(p.SuccessThreshold), 1), Failure: int(p.FailureThreshold), Grace: -1,
	}
	if s.Failure <= 0 {
		s.Failure = defaultThreshold
	}
	if p.TerminationGracePeriodSeconds != nil {
		s.Grace = time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
	}
	switch {
	case p.HTTPGet != nil:
		s.http(p.HTTPGet, c)
	case p.TCPSocket != nil:
		s.Method, s.Host = TCP, clean(p.TCPSocket.Host)
		s.port(p.TCPSocket.Port, c)
	case p.GRPC != nil:
		s.Method, s.Port = GRPC, int(p.GRPC.Port)
		if p.GRPC.Service != nil {
			s.Service = clean(*p.GRPC.Service)
		}
	case p.Exec != nil:
		s.Method = Exec
		for _, arg := range p.Exec.Command[:min(len(p.Exec.Command), maxArgs)] {
			s.Command = append(s.Command, foreign.CleanN(arg, maxPath))
		}
	}
	return s
}

func (s *Spec) http(g *corev1.HTTPGetAction, c *corev1.Container) {
	s.Method, s.Scheme, s.Host = HTTP, strings.ToLower(clean(string(g.Scheme))), clean(g.Host)
	if s.Scheme == "" {
		s.Scheme = "http"
	}
	s.Path = foreign.CleanN(g.Path, maxPath).String()
	if s.Path == "" {
		s.Path = "/" // SetDefaults_HTTPGetAction
	}
	s.port(g.Port, c)
	for _, h := range g.HTTPHeaders {
		s.Headers = append(s.Headers, Header{Name: clean(h.Name), value: h.Value})
	}
}

// port resolves a name among the container's own ports, as the kubelet does
// (pkg/probe/util.go ResolveContainerPort).
func (s *Spec) port(p intstr.IntOrString, c *corev1.Container) {
	if p.Type == intstr.Int {
		s.Port = int(p.IntVal)
		return
	}
	s.PortName = clean(p.StrVal)
	for i := range c.Ports {
		if c.Ports[i].Name == p.StrVal {
			s.Port = int(c.Ports[i].ContainerPort)
			return
		}
	}
	if n, err := strconv.Atoi(p.StrVal); err == nil {
		s.Port = n
	}
}

// Words is what is asked: "GET :8000/readyz", "TCP :5432",
// "gRPC :9000 liveness", "exec cat /tmp/healthy".
func (s Spec) Words() string {
	port := ":" + strconv.Itoa(s.Port)
	if s.Port == 0 {
		port = ":" + s.PortName
	}
	switch s.Method {
	case HTTP:
		where := port
		if s.Host != "" {
			where = s.Host + port
		}
		if s.Scheme == "https" {
			where = "https://" + where
		}
		return "GET " + where + s.path()
	case TCP:
		return "TCP " + s.Host + port
	case GRPC:
		return strings.TrimSpace("gRPC " + port + " " + s.Service)
	case Exec:
		args := make([]string, len(s.Command))
		for i, a := range s.Command {
			args[i] = a.String()
		}
		return "exec " + strings.Join(args, " ")
	}
	return "asks nothing"
}

func (s Spec) path() string {
	if strings.HasPrefix(s.Path, "/") {
		return s.Path
	}
	return "/" + s.Path
}

// Timing is when and how often: "after 5s, every 10s, timeout 1s, 3 failures".
func (s Spec) Timing() string {
	var b strings.Builder
	if s.InitialDelay > 0 {
		fmt.Fprintf(&b, "after %s, ", short(s.InitialDelay))
	}
	fmt.Fprintf(&b, "every %s, timeout %s, %s", short(s.Period), short(s.Timeout), failures(s.Failure))
	if s.Success > 1 {
		fmt.Fprintf(&b, ", %d passes", s.Success)
	}
	return b.String()
}

// String is both, for reports: "GET :8000/readyz every 10s, timeout 1s, 3 failures".
func (s Spec) String() string { return s.Words() + " " + s.Timing() }

// Budget is how long a container may take to start under a startup probe, as
// it is commonly reckoned: initialDelay + period x failureThreshold. See
// [Spec.Window] for what the kubelet makes of it.
func (s Spec) Budget() time.Duration {
	return s.InitialDelay + time.Duration(s.Failure)*s.Period
}

// Window bounds when the kubelet sees the last of its failureThreshold
// failures, counted from the container's start. The first probe falls anywhere
// within one period after the initial delay (the worker's ticker runs on from
// before the container), and an answer may take the whole timeout.
func (s Spec) Window() (least, most time.Duration) {
	least = s.InitialDelay + time.Duration(s.Failure-1)*s.Period
	return least, s.Budget() + s.Timeout
}

// Detect bounds how long a container may be broken before the kubelet acts on
// it: between period x (failureThreshold-1) and period x failureThreshold +
// timeout.
func (s Spec) Detect() (least, most time.Duration) {
	n := time.Duration(s.Failure)
	return (n - 1) * s.Period, n*s.Period + s.Timeout
}

// SameQuestion reports whether two probes ask the same thing.
func (s Spec) SameQuestion(o Spec) bool {
	return s.Method == o.Method && s.Method != None && s.Words() == o.Words()
}

// Act is what the kubelet does when the probe has failed often enough.
func (s Spec) Act() string {
	if s.Kind == Readiness {
		return "takes the pod out of its Services"
	}
	return "restarts the container"
}

// Promise is the budget in words, with the kubelet's own jitter.
func (s Spec) Promise() string {
	if s.Kind == Startup {
		least, most := s.Window()
		return fmt.Sprintf("has %s to start (killed between %s and %s)", short(s.Budget()), short(least), short(most))
	}
	least, most := s.Detect()
	text := fmt.Sprintf("the kubelet %s %s to %s after it breaks", s.Act(), short(least), short(most))
	if s.Kind == Readiness {
		text += fmt.Sprintf(", and back within %s", short(time.Duration(s.Success)*s.Period+s.Timeout))
	}
	return text
}

// URL is what an HTTP probe asks of a pod with this address, put together as
// the kubelet does (pkg/probe/http/request.go formatURL).
func (s Spec) URL(podIP string) *url.URL {
	host := s.Host
	if host == "" {
		host = podIP
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u, err := url.Parse(s.Path)
	if err != nil {
		u = &url.URL{Path: s.Path}
	}
	u.Scheme, u.Host = s.Scheme, host+":"+strconv.Itoa(s.Port)
	return u
}

func clean(s string) string { return foreign.CleanN(s, maxName).String() }

func seconds(n int32) time.Duration { return time.Duration(max(n, 0)) * time.Second }

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// short is "1m30s" or "500ms", without zero parts.
func short(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	if d >= time.Second {
		d = d.Round(time.Second)
	} else {
		d = d.Round(time.Millisecond)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func failures(n int) string {
	if n == 1 {
		return "1 failure"
	}
	return strconv.Itoa(n) + " failures"
}
