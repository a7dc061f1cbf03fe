package try_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/try"
	"midwatch/live"
)

// spec is a readiness probe's.
func spec(t *testing.T, h corev1.ProbeHandler) probe.Spec {
	t.Helper()
	p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "api", ReadinessProbe: &corev1.Probe{ProbeHandler: h, TimeoutSeconds: 1}}}}}
	return probe.Assess(probe.Input{Pod: p}).All()[0].Spec
}

func httpGet(path string, edit ...func(*corev1.HTTPGetAction)) corev1.ProbeHandler {
	g := &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8000)}
	for _, e := range edit {
		e(g)
	}
	return corev1.ProbeHandler{HTTPGet: g}
}

func tcp() corev1.ProbeHandler {
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8000)}}
}

// to dials a server of the test whatever the port.
func to(address string) try.Dial {
	return func(ctx context.Context, _ int) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
}

func run(t *testing.T, dial try.Dial, s probe.Spec) *try.Result {
	t.Helper()
	r, err := (try.Try{Dial: dial, Patience: 300 * time.Millisecond}).Run(t.Context(), s, "10.0.3.17")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHTTP(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "\n  db: \x1b[31mdown\x1b[0m\nredis: ok\n")
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "http://elsewhere.example/x", http.StatusFound)
		case "/stuck":
			<-r.Context().Done()
		}
	})
	for path, want := range map[string]struct {
		outcome      try.Outcome
		answer, line string
	}{
		"/ok":     {try.Passed, "200 OK", ""},
		"/readyz": {try.Failed, "503 Service Unavailable", "db: ␛[31mdown␛[0m"},
		"/moved":  {try.Passed, "200 OK", ""},
		"/away":   {try.Passed, "302 Found", `<a href="http://elsewhere.example/x">Found</a>.`},
		"/stuck":  {try.Slow, "", ""},
	} {
		r := run(t, to(address), spec(t, httpGet(path)))
		if r.Outcome != want.outcome || r.Answer.String() != want.answer || r.Line.String() != want.line {
			t.Errorf("%s: %s %q %q %q", path, r.Outcome, r.Answer, r.Line, r.Err)
		}
		if r.Took <= 0 || r.Connect <= 0 {
			t.Errorf("%s: took %v after %v", path, r.Took, r.Connect)
		}
		if (r.Warning != "") != (path == "/away") {
			t.Errorf("%s: warning %q", path, r.Warning)
		}
	}
}

// TestHTTPAsksAsTheKubelet reads requests off a server that answers every one.
func TestHTTPAsksAsTheKubelet(t *testing.T) {
	asked := make(chan *http.Request, 1)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked <- r.Clone(context.Background()) })
	run(t, to(address), spec(t, httpGet("/ok?verbose", func(g *corev1.HTTPGetAction) {
		g.HTTPHeaders = []corev1.HTTPHeader{{Name: "X-Probe", Value: "yes"}}
	})))
	got := <-asked
	if got.Host != "10.0.3.17:8000" || got.Header.Get("X-Probe") != "yes" || got.URL.RawQuery != "verbose" || !strings.HasPrefix(got.UserAgent(), "kube-probe/") || got.Header.Get("Accept") != "*/*" {
		t.Errorf("asked %s %s with %v", got.Host, got.URL, got.Header)
	}
	run(t, to(address), spec(t, httpGet("/ok", func(g *corev1.HTTPGetAction) {
		g.HTTPHeaders = []corev1.HTTPHeader{{Name: "Host", Value: "api.example.com"}, {Name: "User-Agent", Value: "me"}, {Name: "Accept", Value: ""}}
	})))
	if got = <-asked; got.Host != "api.example.com" || got.UserAgent() != "me" || got.Header.Get("Accept") != "" {
		t.Errorf("asked %s with %v", got.Host, got.Header)
	}
}

func TestHTTPSWithoutVerification(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer s.Close()
	sp := spec(t, httpGet("/", func(g *corev1.HTTPGetAction) { g.Scheme = "HTTPS" }))
	if r := run(t, to(s.Listener.Addr().String()), sp); r.Outcome != try.Passed || r.Line != "fine" {
		t.Errorf("%+v", r)
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	if r := run(t, to(plain), sp); r.Outcome != try.Failed || !strings.Contains(r.Err.String(), "HTTP response to HTTPS client") {
		t.Errorf("%s %q", r.Outcome, r.Err)
	}
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // nobody has connected
	return address
}

// lateRefusal is what a connection through the API server does: it stands, and
// says so at the first read.
type lateRefusal struct{ net.Conn }

var errRefused = errors.New("refused by the kubelet")

func (lateRefusal) Read([]byte) (int, error)    { return 0, fmt.Errorf("read: %w", errRefused) }
func (lateRefusal) Write(p []byte) (int, error) { return len(p), nil }

func TestRefusals(t *testing.T) {
	late := func(context.Context, int) (net.Conn, error) {
		c, _ := net.Pipe()
		return lateRefusal{c}, nil
	}
	for name, h := range map[string]corev1.ProbeHandler{"http": httpGet("/"), "tcp": tcp(), "grpc": {GRPC: &corev1.GRPCAction{Port: 8000}}} {
		if r := run(t, to(closedPort(t)), spec(t, h)); r.Outcome != try.Refused || r.Next == "" {
			t.Errorf("%s at a closed port: %s %q", name, r.Outcome, r.Err)
		}
		for _, want := range []try.Outcome{try.Refused, try.Forbidden, try.Gone, try.Broken} {
			y := try.Try{Dial: late, Patience: 300 * time.Millisecond, Fault: func(err error) try.Outcome {
				if errors.Is(err, errRefused) {
					return want
				}
				return ""
			}}
			r, err := y.Run(t.Context(), spec(t, h), "10.0.3.17")
			if err != nil || r.Outcome != want || r.Err == "" || r.Next == "" {
				t.Errorf("%s: %v, %+v, want %s", name, err, r, want)
			}
		}
		broken := func(context.Context, int) (net.Conn, error) {
			return nil, errors.New("dial tcp 10.0.0.9:10250: i/o timeout")
		}
		if r := run(t, broken, spec(t, h)); r.Outcome != try.Broken || !strings.Contains(r.Err.String(), "10250") {
			t.Errorf("%s with no way: %s %q", name, r.Outcome, r.Err)
		}
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "SSH-2.0\r\n")
			_ = c.Close()
		}
	}()
	if r := run(t, to(l.Addr().String()), spec(t, tcp())); r.Outcome != try.Passed || r.Answer != "accepts connections, and speaks first" {
		t.Errorf("%+v", r)
	}
	silent := serve(t, func(http.ResponseWriter, *http.Request) {})
	if r := run(t, to(silent), spec(t, tcp())); r.Outcome != try.Passed || r.Answer != "accepts connections" || r.Took != 0 {
		t.Errorf("%+v", r)
	}
}

// health is a gRPC server with nothing but the health check, over net/http.
func health(t *testing.T, status map[string]int) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		if r.URL.Path != "/grpc.health.v1.Health/Check" || r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || len(body) < 5 || int(binary.BigEndian.Uint32(body[1:5])) != len(body)-5 {
			w.Header().Set("Grpc-Status", "12")
			return
		}
		service := ""
		if len(body) > 7 {
			service = string(body[7:])
		}
		n, ok := status[service]
		if !ok {
			w.Header().Set("Grpc-Status", "5")
			w.Header().Set("Grpc-Message", "unknown%20service")
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, byte(n)})
		w.Header().Set("Grpc-Status", strconv.Itoa(0))
	}))
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP1(true)
	s.Config.Protocols = p
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestGRPC(t *testing.T) {
	address := health(t, map[string]int{"": 1, "db": 2})
	for service, want := range map[string]struct {
		outcome try.Outcome
		answer  string
	}{
		"":   {try.Passed, "SERVING"},
		"db": {try.Failed, "NOT_SERVING"},
		"no": {try.Failed, `knows no service "no"`},
	} {
		r := run(t, to(address), spec(t, corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8000, Service: ptr.To(service)}}))
		if r.Outcome != want.outcome || r.Answer.String() != want.answer {
			t.Errorf("%q: %s %q (%s)", service, r.Outcome, r.Answer, r.Err)
		}
	}
	only := serve(t, func(http.ResponseWriter, *http.Request) {})
	if r := run(t, to(only), spec(t, corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8000}})); r.Outcome != try.Failed || !strings.Contains(r.Err.String(), "does not speak gRPC") {
		t.Errorf("an HTTP/1 server: %s %q", r.Outcome, r.Err)
	}
}

func TestTheEndOfTheContextIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if r, err := (try.Try{Dial: to(address)}).Run(ctx, spec(t, httpGet("/")), "10.0.3.17"); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWhatCannotBeTried(t *testing.T) {
	exec := spec(t, corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "test -f '/tmp/ok'"}}})
	for _, c := range []struct {
		spec probe.Spec
		why  string
	}{
		{exec, "start a process"},
		{spec(t, httpGet("/", func(g *corev1.HTTPGetAction) { g.Host = "db.example" })), "db.example and not the pod"},
		{spec(t, httpGet("/", func(g *corev1.HTTPGetAction) { g.Port = intstr.FromString("web") })), `port "web"`},
	} {
		if why := try.Not(c.spec); !strings.Contains(why, c.why) {
			t.Errorf("%s: %q", c.spec.Words(), why)
		}
		if _, err := (try.Try{}).Run(t.Context(), c.spec, "10.0.3.17"); err == nil {
			t.Errorf("%s was tried", c.spec.Words())
		}
	}
	want := `kubectl exec -n shop api-1 -c api -- sh -c 'test -f '\''/tmp/ok'\'''`
	if got := try.Command(k8s.Ref{Namespace: "shop", Name: "api-1"}, "api", exec); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatATryProves(t *testing.T) {
	s := spec(t, httpGet("/readyz"))
	for _, c := range []struct {
		outcome try.Outcome
		took    time.Duration
		probe   probe.Probe
		want    string
	}{
		{try.Passed, 20 * time.Millisecond, probe.Probe{State: probe.Passing}, "Both agree: it passes."},
		{try.Passed, 3 * time.Second, probe.Probe{State: probe.Passing}, "would count a failure"},
		{try.Passed, 20 * time.Millisecond, probe.Probe{State: probe.Failing, LastMessage: "dial tcp 10.0.3.17:8000: connect: connection refused"}, "listens on 127.0.0.1 only"},
		{try.Passed, 20 * time.Millisecond, probe.Probe{State: probe.Failing, LastMessage: "context deadline exceeded"}, "NetworkPolicy"},
		{try.Passed, 20 * time.Millisecond, probe.Probe{State: probe.Failing, LastMessage: "HTTP probe failed with statuscode: 503"}, "Host header"},
		{try.Passed, 20 * time.Millisecond, probe.Probe{State: probe.Failing, LastMessage: "HTTP probe failed with statuscode: 503"}, "follows within 11s"},
		{try.Failed, 20 * time.Millisecond, probe.Probe{State: probe.Failing}, "Both agree: it fails"},
		{try.Refused, 0, probe.Probe{State: probe.Failing}, "Nothing listens"},
		{try.Failed, 0, probe.Probe{State: probe.Passing}, "counts as passing for the kubelet"},
		{try.Broken, 0, probe.Probe{State: probe.Failing}, "proves nothing"},
		{try.Forbidden, 0, probe.Probe{State: probe.Passing}, "proves nothing"},
	} {
		c.probe.Spec = s
		got := strings.Join(try.Explain(&try.Result{Outcome: c.outcome, Took: c.took, Spec: s}, &c.probe), " ")
		if !strings.Contains(got, c.want) {
			t.Errorf("%s against %s: %s, want %q", c.outcome, c.probe.State, got, c.want)
		}
	}
	for o, want := range map[try.Outcome]live.Severity{try.Passed: live.OK, try.Failed: live.Fail, try.Broken: live.Unknown, try.Forbidden: live.Warn} {
		if got := (&try.Result{Outcome: o, Spec: s}).Severity(); got != want {
			t.Errorf("%s is %s, want %s", o, got, want)
		}
	}
}
