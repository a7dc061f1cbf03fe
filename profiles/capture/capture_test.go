package capture_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/pprof/profile"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/profiles/capture"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == standIn {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
		return
	}
	goleak.VerifyTestMain(m,
		// Idle connections of client-go's shared transport.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// world is an API server with pods whose ports are served by handlers.
type world struct {
	*apiserver.Server
	taker *capture.Taker

	mu      sync.Mutex
	ports   map[int]http.Handler
	notes   []action.Note
	serving sync.WaitGroup
}

func newWorld(t *testing.T, rules ...capture.Rule) *world {
	t.Helper()
	w := &world{Server: apiserver.New(apiserver.Options{Seed: 5, Namespaces: []string{"shop"}}), ports: map[int]http.Handler{}}
	t.Cleanup(w.serving.Wait)
	t.Cleanup(w.Close)
	w.SetPorts(w)
	w.taker = capture.New(capture.Options{Cluster: cluster{w}, Context: "demo", Journal: w, Rules: rules})
	return w
}

type cluster struct{ w *world }

func (c cluster) RESTConfig() *rest.Config    { return c.w.RESTConfig() }
func (c cluster) Typed() kubernetes.Interface { return kubernetes.NewForConfigOrDie(c.RESTConfig()) }

// locked is a cluster behind the write lock, as every client of midwatch has it.
type locked struct {
	cluster
	lock *action.Lock
}

func (l locked) RESTConfig() *rest.Config {
	cfg := l.cluster.RESTConfig()
	cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper { return action.Transport(rt, l.lock, action.Kubernetes()) })
	return cfg
}

func (l locked) Typed() kubernetes.Interface { return kubernetes.NewForConfigOrDie(l.RESTConfig()) }

// Note implements capture.Journal.
func (w *world) Note(_ context.Context, n action.Note) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, n)
	return nil
}

// Port implements apiserver.PortSource: an HTTP server per connection.
func (w *world) Port(_ *corev1.Pod, port int) net.Conn {
	w.mu.Lock()
	h := w.ports[port]
	w.mu.Unlock()
	if h == nil {
		return nil
	}
	client, server := apiserver.Pipe()
	l := &single{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conn <- server
	srv := &http.Server{Handler: h, ConnState: func(_ net.Conn, s http.ConnState) { //nolint:gosec // in memory
		if s == http.StateClosed || s == http.StateHijacked {
			_ = l.Close()
		}
	}}
	w.serving.Go(func() { _ = srv.Serve(l) })
	return client
}

type single struct {
	conn chan net.Conn
	done chan struct{}
	once sync.Once
}

func (s *single) Accept() (net.Conn, error) {
	select {
	case c := <-s.conn:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}
func (s *single) Close() error   { s.once.Do(func() { close(s.done) }); return nil }
func (s *single) Addr() net.Addr { return &net.UnixAddr{} }

func (w *world) listen(port int, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports[port] = h
}

func (w *world) pod(t *testing.T, name string, edit func(*corev1.Pod)) capture.Target {
	t.Helper()
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "api", Image: "api:v1"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	if edit != nil {
		edit(p)
	}
	if _, err := w.Store().Put(p); err != nil {
		t.Fatal(err)
	}
	return capture.Target{
		Pod: k8s.Ref{Kind: "Pod", Namespace: "shop", Name: name}, Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "api"}, Revision: "r1",
	}
}

// goPprof is net/http/pprof itself.
func goPprof() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	return mux
}

// behind serves what h does, except for one path.
func behind(h http.Handler, path string, instead http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			instead(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestEveryGoProfile(t *testing.T) {
	w := newWorld(t)
	w.listen(6060, goPprof())
	at := w.pod(t, "api-1", nil)
	found, err := w.taker.Find(within(t), at)
	if err != nil {
		t.Fatal(err)
	}
	if found.Port != 6060 || found.Index == nil || found.Index.Counts[capture.Goroutine] < 1 {
		t.Errorf("found %+v", found)
	}
	for _, s := range capture.Specs() {
		offered, why := found.Offers(s.Kind)
		if offered == s.Python {
			if s.Kind != capture.GoroutineLeak {
				t.Errorf("%s offered: %v (%s)", s.Kind, offered, why)
			}
		}
		if !offered || s.Kind == capture.Wall {
			continue
		}
		req := capture.Request{Kind: s.Kind}
		if s.Timed {
			req.Seconds = 1
		}
		p, err := w.taker.Take(within(t), at, req, nil)
		if err != nil {
			t.Errorf("%s: %v", s.Kind, err)
			continue
		}
		if len(p.Types) == 0 || len(p.Raw) == 0 || p.Source == "" {
			t.Errorf("%s: %+v", s.Kind, p.Profile)
		}
	}
	// The second capture knows where to ask.
	if _, err := w.taker.Take(within(t), at, capture.Request{Kind: capture.Heap, Seconds: 1}, nil); err != nil {
		t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.notes) < 5 || w.notes[0].Verb != "profile" || w.notes[0].Target.Name != "api-1" || !strings.Contains(w.notes[0].Effect, "cpu profile, 1 s") {
		t.Errorf("journal: %+v", w.notes)
	}
}

// TestCancellingFreesTheProfiler cancels a long profile and takes another one.
func TestCancellingFreesTheProfiler(t *testing.T) {
	w := newWorld(t)
	w.listen(6060, goPprof())
	at := w.pod(t, "api-1", nil)
	ctx, cancel := context.WithCancel(within(t))
	var watch capture.Watch
	ended := make(chan error, 1)
	go func() {
		_, err := w.taker.Take(ctx, at, capture.Request{Kind: capture.CPU, Seconds: 60}, &watch)
		ended <- err
	}()
	for watch.Progress().Stage != capture.Sampling || !profiling() {
		runtime.Gosched()
	}
	cancel()
	var e *capture.Error
	if err := <-ended; !errors.As(err, &e) || e.Cause != capture.Cancelled {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := w.taker.Take(within(t), at, capture.Request{Kind: capture.CPU, Seconds: 1}, nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// profiling reports a CPU profile in this process.
func profiling() bool {
	buf := make([]byte, 1<<20)
	return bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("runtime/pprof.profileWriter"))
}

func TestBusyIsRetriedInTheGap(t *testing.T) {
	w := newWorld(t)
	var asked atomic.Int32
	w.listen(6060, behind(goPprof(), "/debug/pprof/profile", func(rw http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= 2 {
			rw.Header().Set("X-Go-Pprof", "1")
			http.Error(rw, "Could not enable CPU profiling: cpu profiling already in use", http.StatusInternalServerError)
			return
		}
		pprof.Profile(rw, r)
	}))
	at := w.pod(t, "api-1", func(p *corev1.Pod) { p.Annotations["profiles.grafana.com/cpu.scrape"] = "true" })
	var watch capture.Watch
	p, err := w.taker.Take(within(t), at, capture.Request{Kind: capture.CPU, Seconds: 1}, &watch)
	if err != nil {
		t.Fatal(err)
	}
	if n := watch.Progress(); n.Attempt != 3 || !strings.Contains(n.Note, "Alloy") || p.Duration == 0 {
		t.Errorf("progress %+v", n)
	}
}

// sized is a gzipped profile of some size.
func sized(t *testing.T) []byte {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1,
	}
	for i := range 3000 {
		f := &profile.Function{ID: uint64(i + 1), Name: fmt.Sprintf("example.com/app/pkg%d.(*Thing%d).Do%d", i%17, i*7919%1000, i)}
		l := &profile.Location{ID: uint64(i + 1), Line: []profile.Line{{Function: f, Line: int64(i)}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{l}, Value: []int64{int64(i + 1)}})
	}
	var buf bytes.Buffer
	if err := p.Write(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestWhatGoesWrong(t *testing.T) {
	html := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, "<!DOCTYPE html><html><head><title>Sign in</title></head><body>\x1b[31mSign in</body></html>")
	}
	code := func(n int) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "<html>no</html>", n) }
	}
	heap := func(h http.HandlerFunc) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) { w.listen(6060, behind(goPprof(), "/debug/pprof/heap", h)) }
	}
	many := func(p *corev1.Pod) {
		for i := range 20 {
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, corev1.ContainerPort{ContainerPort: int32(9000 + i)})
		}
	}
	bomb := bombed(t) // made before, as making it takes longer than reading it
	for name, c := range map[string]struct {
		prepare func(t *testing.T, w *world)
		pod     func(*corev1.Pod)
		cause   capture.Cause
		says    string
	}{
		"a login page instead of the index": {prepare: func(_ *testing.T, w *world) { w.listen(6060, http.HandlerFunc(html)) }, cause: capture.NoEndpoint, says: "not as net/http/pprof (a web page)"},
		"a login page instead of a profile": {prepare: heap(html), cause: capture.NotProfile, says: "a web page instead of a profile"},
		"401":                               {prepare: func(_ *testing.T, w *world) { w.listen(6060, code(401)) }, cause: capture.NeedsKey, says: "no key was given: press K"},
		"403":                               {prepare: func(_ *testing.T, w *world) { w.listen(6060, code(403)) }, cause: capture.NeedsKey, says: "no key was given"},
		"404":                               {prepare: heap(code(404)), cause: capture.NoKind, says: "does not serve this (404"},
		"500":                               {prepare: heap(code(500)), cause: capture.Trouble, says: "500 Internal Server Error"},
		"no pprof at all":                   {prepare: func(_ *testing.T, w *world) { w.listen(6060, code(404)) }, cause: capture.NoEndpoint, says: "serves neither /debug/pprof/ nor /debug/memory"},
		"nothing listens":                   {cause: capture.NoEndpoint, says: "nothing listens there: name the port"},
		"20 ports":                          {pod: many, cause: capture.NoEndpoint, says: "none of the ports 6060, 9000, 9001, 9002, 9003 serves /debug/pprof (16 more were not asked)"},
		"an empty answer":                   {prepare: heap(func(http.ResponseWriter, *http.Request) {}), cause: capture.NotProfile, says: "empty"},
		"a bomb": {prepare: heap(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write(bomb)
		}), cause: capture.NotProfile, says: "unpacks to more than 64 MB"},
		"a truncated gzip": {prepare: heap(func(rw http.ResponseWriter, _ *http.Request) {
			whole := sized(t)
			_, _ = rw.Write(whole[:len(whole)/2]) // and the server says that this is all
		}), cause: capture.NotProfile, says: "ends early"},
		"something else": {prepare: heap(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, "{\"error\":\"no \\u001b[31mprofile today\"}")
		}), cause: capture.NotProfile, says: "the endpoint answered"},
		"the pod is deleted meanwhile": {prepare: func(t *testing.T, w *world) {
			w.listen(6060, behind(goPprof(), "/debug/pprof/heap", func(_ http.ResponseWriter, r *http.Request) {
				if err := (cluster{w}).Typed().CoreV1().Pods("shop").Delete(t.Context(), "api-1", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
					t.Error(err)
				}
				<-r.Context().Done()
			}))
		}, cause: capture.Gone, says: "deleted meanwhile"},
		"port-forward is forbidden": {prepare: func(_ *testing.T, w *world) {
			w.Allow(apiserver.Rule{Verbs: []string{"get"}, Groups: []string{""}, Resources: []string{"pods"}})
		}, cause: capture.NotAllowed, says: "verb create or get on pods/portforward"},
		"the pod has ended": {pod: func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, cause: capture.Gone, says: "Succeeded, not Running"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			at := w.pod(t, "api-1", c.pod)
			if c.prepare != nil {
				c.prepare(t, w)
			}
			_, err := w.taker.Take(within(t), at, capture.Request{Kind: capture.Heap}, nil)
			var e *capture.Error
			if !errors.As(err, &e) || e.Cause != c.cause || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v (%+v)\nwant %s: %q", err, e, c.cause, c.says)
			}
			if line := err.Error(); !strings.HasPrefix(line, "heap profile of pod shop/api-1: ") || strings.ContainsAny(line, "<\n\x1b") {
				t.Errorf("%q is not one clean line", line)
			}
			if len(w.notes) != 1 || w.notes[0].Err == nil {
				t.Errorf("journal: %+v", w.notes)
			}
		})
	}
}

// TestAProfileOfAPodThatWentIsShownAndSaysSo: it came whole, so it is kept.
func TestAProfileOfAPodThatWentIsShownAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.listen(6060, behind(goPprof(), "/debug/pprof/heap", func(rw http.ResponseWriter, r *http.Request) {
		pod, err := cluster{w}.Typed().CoreV1().Pods("shop").Get(t.Context(), "api-1", metav1.GetOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		now := metav1.Now() // it is being deleted, and has some seconds left to answer
		pod.DeletionTimestamp = &now
		pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		if _, err := w.Store().Put(pod); err != nil {
			t.Error(err)
		}
		pprof.Handler("heap").ServeHTTP(rw, r)
	}))
	p, err := w.taker.Take(within(t), w.pod(t, "api-1", nil), capture.Request{Kind: capture.Heap}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Types) == 0 || !strings.Contains(strings.Join(p.Warnings, "\n"), "the pod was deleted while it was looked at") {
		t.Errorf("warnings %q", p.Warnings)
	}
}

// bombed is 80 MB of nothing in 80 kB.
func bombed(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.CopyN(z, zeros{}, 80<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestACutAtNinetyPercent loses the end of a profile. Stacks that came whole
// are shown; a pprof profile has its names at the end, so it may be of no use.
func TestACutAtNinetyPercent(t *testing.T) {
	var folded strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&folded, "main;serve;handle%d %d\n", i, i+1)
	}
	for name, c := range map[string]struct {
		whole []byte
		kept  bool
	}{"folded stacks": {[]byte(folded.String()), true}, "pprof": {sized(t), false}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.listen(6060, behind(goPprof(), "/debug/pprof/heap", func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Length", fmt.Sprint(len(c.whole)))
				_, _ = rw.Write(c.whole[:len(c.whole)*9/10])
				panic(http.ErrAbortHandler)
			}))
			p, err := w.taker.Take(within(t), w.pod(t, "api-1", nil), capture.Request{Kind: capture.Heap}, nil)
			switch {
			case err == nil:
				if p.Empty() || !strings.Contains(strings.Join(p.Warnings, " "), "the connection broke after") {
					t.Errorf("warnings %q, empty %v", p.Warnings, p.Empty())
				}
			case c.kept || !strings.Contains(err.Error(), "the connection broke after"):
				t.Error(err)
			}
		})
	}
}

// TestWhatCameBeforeTheTimeWasUpIsShown: a proxy that holds the rest back.
func TestWhatCameBeforeTheTimeWasUpIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.listen(6060, behind(goPprof(), "/debug/pprof/heap", func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, strings.Repeat("main;serve;handle 5\n", 100))
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		}))
		p, err := w.taker.Take(t.Context(), w.pod(t, "api-1", nil), capture.Request{Kind: capture.Heap}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total(0) != 500 || !strings.Contains(strings.Join(p.Warnings, " "), "the connection broke after 2000 bytes") {
			t.Errorf("total %d, warnings %q", p.Total(0), p.Warnings)
		}
	})
}

func TestKeys(t *testing.T) {
	guarded := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cr3t" {
			http.Error(rw, "no", http.StatusUnauthorized)
			return
		}
		goPprof().ServeHTTP(rw, r)
	})
	w := newWorld(t)
	w.listen(6060, guarded)
	at := w.pod(t, "api-1", nil)
	heap := capture.Request{Kind: capture.Heap}
	if _, err := w.taker.Take(within(t), at, heap, nil); err == nil || !strings.Contains(err.Error(), "no key was given") {
		t.Errorf("without: %v", err)
	}
	w.taker.SetKey(at, "", "wr0ng")
	if _, err := w.taker.Take(within(t), at, heap, nil); err == nil || !strings.Contains(err.Error(), "was not accepted") {
		t.Errorf("wrong: %v", err)
	}
	w.taker.SetKey(at, "", "s3cr3t")
	if _, err := w.taker.Take(within(t), at, heap, nil); err != nil {
		t.Errorf("right: %v", err)
	}
	for _, n := range w.notes {
		if text := fmt.Sprintf("%+v", n); strings.Contains(text, "s3cr3t") || strings.Contains(text, "wr0ng") {
			t.Errorf("a key is in the journal: %s", text)
		}
	}
	ruled := newWorld(t, capture.Rule{Match: "shop/ap*", Port: "7070", Prefix: "/internal/pprof", Header: http.Header{"Authorization": {"Bearer s3cr3t"}}})
	ruled.listen(7070, http.StripPrefix("/internal/pprof", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/debug/pprof" + r.URL.Path
		guarded(rw, r)
	})))
	if _, err := ruled.taker.Take(within(t), ruled.pod(t, "api-1", nil), heap, nil); err != nil {
		t.Errorf("by the settings: %v", err)
	}
}

// TestThreeAtOnce holds captures open and counts them.
func TestThreeAtOnce(t *testing.T) {
	w := newWorld(t)
	var now, most atomic.Int32
	hold := make(chan struct{})
	full := make(chan struct{}, 16)
	w.listen(6060, behind(goPprof(), "/debug/pprof/heap", func(rw http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		full <- struct{}{}
		<-hold
		pprof.Handler("heap").ServeHTTP(rw, r)
	}))
	var wg sync.WaitGroup
	ctx := within(t)
	for i := range 6 {
		at := w.pod(t, fmt.Sprintf("api-%d", i/2), nil) // two captures a pod
		if i > 3 {
			at = w.pod(t, fmt.Sprintf("api-%d", i), nil)
		}
		wg.Go(func() {
			if _, err := w.taker.Take(ctx, at, capture.Request{Kind: capture.Heap}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-full
	}
	close(hold)
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d captures of one revision at once, want 3", most.Load())
	}
}

func TestCandidates(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api-1", Annotations: map[string]string{
			"profiles.grafana.com/memory.port_name": "web", "prometheus.io/port": "9100", "midwatch.io/profile-port": "7000",
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{Name: "web", ContainerPort: 8000}, {Name: "pprof", ContainerPort: 6061}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}, {ContainerPort: 8443},
		}}}},
	}
	var got []int
	for _, e := range capture.Candidates(pod, "api", []capture.Rule{{Match: "shop/other", Port: "1"}, {Match: "shop/api", Port: "5000", Prefix: "/x"}}) {
		got = append(got, e.Port)
	}
	if want := "[5000 7000 8000 6061 9100 6060 8443]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestDeltaProfilesAreLeftToTheirScraper: godeltaprof's endpoints are known,
// and not asked.
func TestDeltaProfilesAreLeftToTheirScraper(t *testing.T) {
	w := newWorld(t)
	asked := false
	w.listen(6060, behind(goPprof(), "/debug/pprof/delta_heap", func(http.ResponseWriter, *http.Request) { asked = true }))
	target := w.pod(t, "api-1", func(p *corev1.Pod) {
		p.Annotations["profiles.grafana.com/memory.port"] = "6060"
		p.Annotations["profiles.grafana.com/memory.path"] = "/debug/pprof/delta_heap"
		p.Annotations["profiles.grafana.com/mutex.path"] = "/debug/pprof/delta_mutex"
		p.Annotations["profiles.grafana.com/block.path"] = "/debug/pprof/block"
	})
	f, err := w.taker.Find(within(t), target)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(f.Deltas) != "[delta_heap delta_mutex]" || f.Port != 6060 || f.Index == nil || asked {
		t.Errorf("found %v at %v, asked %v", f.Deltas, f.Endpoint, asked)
	}
}
