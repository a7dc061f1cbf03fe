package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/apiserver"
	"midwatch/demo/process"
	cartsvc "midwatch/demo/svc/cart"
	checkoutsvc "midwatch/demo/svc/checkout"
)

// portHandlers say what answers on a port of a pod; the first that knows answers.
var portHandlers = []func(p *ports, pod *corev1.Pod, port int) http.Handler{goPprof, pythonDebug, probed}

// ports is what listens in the pods of a cluster: HTTP servers in memory.
type ports struct {
	machine *process.Machine
	server  *http.Server
	conns   chan net.Conn
	done    chan struct{}
	serving sync.WaitGroup
	once    sync.Once
	seed    int64
}

type listening struct{}

func newPorts(seed int64) *ports {
	p := &ports{machine: process.New(), conns: make(chan net.Conn, 16), done: make(chan struct{}), seed: seed}
	p.server = &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Context().Value(listening{}).(http.Handler).ServeHTTP(w, r)
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, listening{}, c.(*podConn).handler)
		},
	}
	p.serving.Go(func() { _ = p.server.Serve(p) }) // ends with close
	return p
}

// podConn is a connection to a port, with what answers there.
type podConn struct {
	net.Conn
	handler http.Handler
}

// Port implements apiserver.PortSource.
func (p *ports) Port(pod *corev1.Pod, port int) net.Conn {
	for _, find := range portHandlers {
		h := find(p, pod, port)
		if h == nil {
			continue
		}
		client, server := apiserver.Pipe()
		select {
		case p.conns <- &podConn{server, h}:
			return client
		case <-p.done:
			return nil
		}
	}
	return nil
}

// Accept, Close and Addr make it a listener without a socket.
func (p *ports) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listening.
func (p *ports) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// Addr is nowhere.
func (p *ports) Addr() net.Addr { return &net.UnixAddr{Name: "pods", Net: "pipe"} }

func (p *ports) shut() {
	p.machine.Close()
	_ = p.server.Close() // closes the listener as well
	p.serving.Wait()
}

// release is the version of a pod's first container: "v1.14.0" of registry.example.com/cart:v1.14.0.
func release(pod *corev1.Pod) (name, version string) {
	if len(pod.Spec.Containers) == 0 {
		return "", ""
	}
	name, version, _ = strings.Cut(strings.TrimPrefix(pod.Spec.Containers[0].Image, registry), ":")
	return name, version
}

// goPprof: the shop's Go services serve net/http/pprof on 6060.
func goPprof(p *ports, pod *corev1.Pod, port int) http.Handler {
	if port != 6060 {
		return nil
	}
	name, version := release(pod)
	switch name {
	case "cart":
		return p.machine.Handler(string(pod.UID), "midwatch/demo/svc/cart.", func() process.Work { return cartsvc.New(version) })
	case "checkout":
		return p.machine.Handler(string(pod.UID), "midwatch/demo/svc/checkout.", func() process.Work {
			return checkoutsvc.New(p.machine.Context(), version)
		})
	}
	return nil
}

// debugKey is what fastapi-service wants in the header api-key.
const debugKey = "demo"

// pythonDebug: fastapi-service has the endpoint /debug/memory of its own, as its developers wrote it: tracemalloc's largest lines,
// behind a key. There is no Python in here; the lines are made up.
func pythonDebug(p *ports, pod *corev1.Pod, port int) http.Handler {
	if name, _ := release(pod); port != 8000 || name != "fastapi-service" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/", health(pod))
	mux.HandleFunc("GET /debug/memory", func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("api-key") {
		case "":
			detail(w, http.StatusUnprocessableEntity, []map[string]any{{"type": "missing", "loc": []string{"header", "api-key"}, "msg": "Field required"}})
		case debugKey:
			answer(w, http.StatusOK, p.tracemalloc(pod))
		default:
			detail(w, http.StatusForbidden, "Forbidden")
		}
	})
	return mux
}

func detail(w http.ResponseWriter, code int, d any) { answer(w, code, map[string]any{"detail": d}) }

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Server", "uvicorn")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func (p *ports) tracemalloc(pod *corev1.Pod) []map[string]any {
	lines := []struct {
		file string
		line int
		kb   float64
	}{
		{"/app/app/services/items.py", 88, 18_432}, {"/app/.venv/lib/python3.12/site-packages/sqlalchemy/engine/result.py", 1402, 9_216},
		{"/app/app/cache.py", 41, 7_020}, {"/usr/lib/python3.12/json/decoder.py", 354, 3_310}, {"/app/app/models.py", 57, 1_904},
		{"/app/.venv/lib/python3.12/site-packages/pydantic/main.py", 212, 1_311}, {"/usr/lib/python3.12/linecache.py", 139, 640},
	}
	out := make([]map[string]any, len(lines))
	for i, l := range lines {
		wobble := float64((uint64(p.seed)+uint64(len(pod.Name))*31+uint64(i)*17)%13) / 100
		out[i] = map[string]any{"file": fmt.Sprintf("  File %q, line %d", l.file, l.line), "size_kb": l.kb * (1 + wobble), "count": int(l.kb/3) + i}
	}
	return out
}
