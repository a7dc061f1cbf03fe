package screenshots

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/apiserver"
	"midwatch/ui/uitest"
)

func profilePictures() []picture {
	return []picture{
		{"profile-160x48", 160, 48, func(d *uitest.Driver) { profileOf(d) }},
		{"profile-80x24", 80, 24, func(d *uitest.Driver) { profileOf(d); d.Press("v").Idle() }},
		{"compare-160x48", 160, 48, compared},
		{"compare-80x24", 80, 24, compared},
	}
}

// chooser opens the profile pane for the cart and asks for a minute.
func chooser(d *uitest.Driver) {
	d.Press("/").Type("deploy/cart").Press("enter").Idle()
	d.Press("p").Until("the endpoint", func(f string) bool { return strings.Contains(f, "port 6060") })
	d.Press("z", "+", "+", "+").Idle()
}

func profileOf(d *uitest.Driver) {
	chooser(d)
	d.Press("enter").Until("the profile", func(f string) bool { return strings.Contains(f, "for 60 s") }).Idle()
}

// compared shows the new revision of the cart against the old one.
func compared(d *uitest.Driver) {
	chooser(d)
	d.Press("d").Until("the question", func(f string) bool { return strings.Contains(f, "the new revision with the old") })
	d.Press("enter").Until("the comparison", func(f string) bool { return strings.Contains(f, "worse:") }).Idle()
}

// recorded serves profiles that the demo's own pods gave: what they would give
// now differs with every run, and a picture must not. testdata has three of
// each revision; the pods of one take turns.
type recorded struct {
	t      *testing.T
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}

	mu     sync.Mutex
	serial map[string]int // by pod: which of the three
	given  map[string]int // by release: how many have one
}

func record(t *testing.T) *recorded {
	t.Helper()
	r := &recorded{t: t, conns: make(chan net.Conn, 16), done: make(chan struct{}), serial: map[string]int{}, given: map[string]int{}}
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve)} //nolint:gosec // in memory
	var serving sync.WaitGroup
	serving.Go(func() { _ = r.server.Serve(r) }) // ends with the test
	t.Cleanup(func() {
		close(r.done)
		_ = r.server.Close()
		serving.Wait()
	})
	return r
}

// Port implements apiserver.PortSource.
func (r *recorded) Port(pod *corev1.Pod, port int) net.Conn {
	_, release, ok := strings.Cut(pod.Spec.Containers[0].Image, "/cart:")
	if port != 6060 || !ok {
		return nil
	}
	r.mu.Lock()
	if r.serial[pod.Name] == 0 {
		r.given[release]++
		r.serial[pod.Name] = r.given[release]
	}
	file := fmt.Sprintf("testdata/cart-%s-%d.pb.gz", release, 1+(r.serial[pod.Name]-1)%3)
	r.mu.Unlock()
	client, server := apiserver.Pipe()
	r.conns <- &process{server, file}
	return client
}

// process is a connection to one.
type process struct {
	net.Conn
	file string
}

// RemoteAddr carries the file to the handler.
func (p *process) RemoteAddr() net.Addr { return &net.UnixAddr{Name: p.file, Net: "pipe"} }

func (r *recorded) serve(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case "/debug/pprof/":
		page := "<html><head><title>/debug/pprof/</title></head><body><table><tr><td>0</td><td><a href='profile'>profile</a></td></tr>\n"
		for kind, n := range map[string]int{"allocs": 231, "block": 0, "goroutine": 38, "heap": 231, "mutex": 0, "threadcreate": 10} {
			page += fmt.Sprintf("<tr><td>%d</td><td><a href='%s?debug=1'>%s</a></td></tr>\n", n, kind, kind)
		}
		_, _ = w.Write([]byte(page + "</table></body></html>")) // the client may be gone
	case "/debug/pprof/profile":
		raw, err := os.ReadFile(req.RemoteAddr)
		if err != nil {
			r.t.Error(err)
		}
		_, _ = w.Write(raw) // the client may be gone
	default:
		http.NotFound(w, req)
	}
}

// Accept, Close and Addr make it a listener without a socket.
func (r *recorded) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		return nil, net.ErrClosed
	}
}

// Close leaves closing to the test's end.
func (r *recorded) Close() error { return nil }

// Addr is nowhere.
func (r *recorded) Addr() net.Addr { return &net.UnixAddr{Name: "pods", Net: "pipe"} }
