package podconn_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s"
	"midwatch/k8s/podconn"
	"midwatch/live"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Idle connections of client-go's shared transport.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// world is an API server with one running pod and what listens in it.
type world struct {
	*apiserver.Server
	cfg  *rest.Config
	ref  k8s.Ref
	lock *action.Lock

	mu    sync.Mutex
	ports map[int]func(net.Conn)
	busy  sync.WaitGroup
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: apiserver.New(apiserver.Options{Seed: 3, Namespaces: []string{"shop"}}), ports: map[int]func(net.Conn){}}
	t.Cleanup(w.busy.Wait)
	t.Cleanup(w.Close)
	w.SetPorts(w)
	w.lock = action.NewLock(live.SystemClock{}, "demo", "uid")
	w.cfg = w.RESTConfigOf()
	w.ref = w.pod(t, "api-1", "node-1", corev1.PodRunning)
	return w
}

// RESTConfigOf has the write lock in it, as every client of midwatch has.
func (w *world) RESTConfigOf() *rest.Config {
	cfg := w.Server.RESTConfig()
	cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper { return action.Transport(rt, w.lock, action.Kubernetes()) })
	return cfg
}

func (w *world) RESTConfig() *rest.Config    { return rest.CopyConfig(w.cfg) }
func (w *world) Typed() kubernetes.Interface { return kubernetes.NewForConfigOrDie(w.cfg) }

func (w *world) pod(t *testing.T, name, node string, phase corev1.PodPhase) k8s.Ref {
	t.Helper()
	obj, err := w.Store().Put(&corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "api", Image: "api:v1"}}},
		Status:     corev1.PodStatus{Phase: phase},
	})
	if err != nil {
		t.Fatal(err)
	}
	return k8s.Ref{Kind: "Pod", Namespace: "shop", Name: name, UID: string(obj.GetUID())}
}

// Port implements apiserver.PortSource.
func (w *world) Port(_ *corev1.Pod, port int) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	serve := w.ports[port]
	if serve == nil {
		return nil
	}
	client, server := apiserver.Pipe()
	w.busy.Go(func() {
		defer func() { _ = server.Close() }()
		serve(server)
	})
	return client
}

func (w *world) listen(port int, serve func(net.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ports[port] = serve
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// spdyOnly makes the server one from before WebSocket tunnels: it answers 400
// to the WebSocket handshake, as those do.
func (w *world) spdyOnly() {
	w.Fail(func(r *apiserver.Request) *apiserver.Fault {
		if r.Subresource == "portforward" && r.HTTP.Method == http.MethodGet {
			return &apiserver.Fault{Code: http.StatusBadRequest, Body: "unable to upgrade: missing upgrade headers"}
		}
		return nil
	})
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, w *world, port int) net.Conn {
	t.Helper()
	c, err := podconn.Dial(within(t), w, w.ref, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestBytesPassBothWays(t *testing.T) {
	for name, prepare := range map[string]func(*world){"WebSocket": func(*world) {}, "SPDY": (*world).spdyOnly} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			w.listen(7, echo)
			c := dial(t, w, 7)
			sent := make([]byte, 1<<20)
			_, _ = rand.Read(sent)
			var got bytes.Buffer
			done := make(chan error, 1)
			go func() {
				_, err := io.CopyN(&got, c, int64(len(sent)))
				done <- err
			}()
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil || !bytes.Equal(got.Bytes(), sent) {
				t.Errorf("read %d bytes of %d: %v", got.Len(), len(sent), err)
			}
			if c.RemoteAddr().String() != "[shop/api-1]:7" && c.RemoteAddr().String() != "shop/api-1:7" {
				t.Errorf("address %s", c.RemoteAddr())
			}
			if err := c.SetDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
				t.Errorf("a deadline: %v", err)
			}
		})
	}
}

func TestHTTPThroughAPod(t *testing.T) {
	w := newWorld(t)
	left := make(chan struct{})
	w.listen(8000, serveHTTP(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/forever" {
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
			close(left)
			return
		}
		_, _ = io.WriteString(rw, "hello from "+r.Host)
	})))
	tr := podconn.Transport(w, w.ref, 8000)
	defer tr.CloseIdleConnections()
	client := http.Client{Transport: tr}
	for range 2 { // the second on the same connection
		req, _ := http.NewRequestWithContext(within(t), http.MethodGet, "http://api-1/", nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "hello from api-1" {
			t.Errorf("got %q, %v", body, err)
		}
	}
	if n := w.Count(func(r *apiserver.Request) bool { return r.Subresource == "portforward" }); n != 1 {
		t.Errorf("%d upgrades for two requests", n)
	}

	// Whoever gives up is noticed inside the pod.
	ctx, cancel := context.WithCancel(within(t))
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://api-1/forever", nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	select {
	case <-left:
	case <-within(t).Done():
		t.Error("the pod still works for a request that was cancelled")
	}
}

// serveHTTP serves one connection.
func serveHTTP(h http.Handler) func(net.Conn) {
	return func(c net.Conn) {
		l := &single{conn: make(chan net.Conn, 1), done: make(chan struct{})}
		l.conn <- c
		srv := &http.Server{Handler: h, ConnState: func(_ net.Conn, s http.ConnState) { //nolint:gosec // in memory
			if s == http.StateClosed {
				_ = l.Close()
			}
		}}
		_ = srv.Serve(l)
	}
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

func TestWhyThereIsNoConnection(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, w *world)
		port    int
		want    error
		says    string
	}{
		"nothing listens": {port: 9, want: podconn.ErrRefused, says: "nothing listens on port 9"},
		"no such port":    {port: 70000, says: "70000 is no port"},
		"pod deleted": {port: 7, prepare: func(_ *testing.T, w *world) {
			w.ref = k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "gone"}
		}, want: podconn.ErrGone},
		"pod of another name": {port: 7, prepare: func(t *testing.T, w *world) {
			pending := w.pod(t, "api-2", "", corev1.PodPending)
			w.ref = pending
		}, says: "not scheduled"},
		"pod that ended": {port: 7, prepare: func(t *testing.T, w *world) {
			w.ref = w.pod(t, "job-1", "node-1", corev1.PodSucceeded)
		}, says: "the pod is Succeeded"},
		"a web page": {port: 7, prepare: func(_ *testing.T, w *world) {
			w.Fail(apiserver.On("", "pods", "", apiserver.HTML(http.StatusOK, "<html><title>Log in</title></html>")))
		}, says: "HTTP 200 OK instead of opening a stream"},
		"not logged in": {port: 7, prepare: func(_ *testing.T, w *world) {
			w.Fail(apiserver.On("", "pods", "", apiserver.Unauthorized()))
		}, says: "Unauthorized"},
		"cut at once": {port: 7, prepare: func(_ *testing.T, w *world) {
			w.Fail(func(r *apiserver.Request) *apiserver.Fault {
				if r.Subresource == "" {
					return nil
				}
				return apiserver.Cut(0)
			})
		}, says: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.listen(7, echo)
			if c.prepare != nil {
				c.prepare(t, w)
			}
			conn, err := podconn.Dial(within(t), w, w.ref, c.port)
			if err == nil {
				defer func() { _ = conn.Close() }()
				_, err = conn.Read(make([]byte, 1))
			}
			var typed *podconn.Error
			if err == nil || !errors.As(err, &typed) || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v saying %q", err, c.want, c.says)
			}
			if err != nil && (strings.Contains(err.Error(), "<") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%q is not one clean line", err)
			}
		})
	}
}

func TestAMissingRightIsNamed(t *testing.T) {
	rule := func(verbs ...string) apiserver.Rule {
		return apiserver.Rule{Verbs: verbs, Groups: []string{""}, Resources: []string{"pods/portforward"}}
	}
	pods := apiserver.Rule{Verbs: []string{"get"}, Groups: []string{""}, Resources: []string{"pods"}}
	for name, rules := range map[string][]apiserver.Rule{
		"nothing":  {pods},
		"get only": {pods, rule("get")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.listen(7, echo)
			w.Allow(rules...)
			_, err := podconn.Dial(within(t), w, w.ref, 7)
			var denied *podconn.Denied
			if !errors.As(err, &denied) || !strings.Contains(err.Error(), "needs the verb create or get on pods/portforward") {
				t.Errorf("got %v", err)
			}
		})
	}
	w := newWorld(t)
	w.listen(7, echo)
	w.Allow(rule("get", "create"))
	_ = dial(t, w, 7)
}

func TestReadOnlyStillConnects(t *testing.T) {
	w := newWorld(t)
	if w.lock.Unlocked() {
		t.Fatal("the test wants a locked context")
	}
	w.listen(7, echo)
	_ = dial(t, w, 7)
}

func TestHowAConnectionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, w *world, cancel context.CancelFunc, conn net.Conn)
		want error
	}{
		"its owner closes it":      {func(_ *testing.T, _ *world, _ context.CancelFunc, c net.Conn) { _ = c.Close() }, net.ErrClosed},
		"its context is cancelled": {func(_ *testing.T, _ *world, cancel context.CancelFunc, _ net.Conn) { cancel() }, context.Canceled},
		"the pod is deleted": {func(t *testing.T, w *world, _ context.CancelFunc, _ net.Conn) {
			if err := kubernetes.NewForConfigOrDie(w.Server.RESTConfig()).CoreV1().Pods("shop").Delete(t.Context(), "api-1", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
				t.Error(err)
			}
		}, podconn.ErrLost},
		"the API server stops": {func(_ *testing.T, w *world, _ context.CancelFunc, _ net.Conn) { w.Stop() }, podconn.ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ended := make(chan struct{})
			w.listen(7, func(c net.Conn) { echo(c); close(ended) })
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			conn, err := podconn.Dial(ctx, w, w.ref, 7)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			c.end(t, w, cancel, conn)
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			select {
			case <-ended:
			case <-within(t).Done():
				t.Error("the pod was not told")
			}
		})
	}
	t.Run("the pod closes it", func(t *testing.T) {
		w := newWorld(t)
		w.listen(7, func(c net.Conn) { _, _ = io.WriteString(c, "bye") })
		got, err := io.ReadAll(dial(t, w, 7))
		if string(got) != "bye" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestADialEndsWithItsContext(t *testing.T) {
	for name, prepare := range map[string]func(*world){"WebSocket": func(*world) {}, "SPDY": (*world).spdyOnly} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			arrived := make(chan struct{})
			var once sync.Once
			w.Fail(func(r *apiserver.Request) *apiserver.Fault {
				once.Do(func() { close(arrived) })
				return apiserver.Slow(time.Minute)
			})
			ctx, cancel := context.WithCancel(within(t))
			go func() { <-arrived; cancel() }()
			if _, err := podconn.Dial(ctx, w, w.ref, 7); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}
