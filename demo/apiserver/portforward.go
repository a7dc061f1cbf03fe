package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// PortSource stands for the processes in pods that listen on ports.
type PortSource interface {
	// Port returns a connection to a port of a pod, as dialling it would, or nil when nothing listens there. It must not block;
	// the connection is closed when the client is done with it.
	Port(pod *corev1.Pod, port int) net.Conn
}

// SetPorts says what listens in pods. Without a source every port refuses connections.
func (s *Server) SetPorts(src PortSource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports = src
}

// Pipe returns both ends of an in-memory connection. Unlike those of net.Pipe, a write returns before the other side has read it:
// as with a socket, two sides that write at the same time do not wait for each other.
func Pipe() (client, server net.Conn) { return newPipe() }

const portForwardV1 = portforward.PortForwardProtocolV1Name

// servePortForward is k8s.io/apiserver's and the kubelet's part of pods/portforward: SPDY in a WebSocket (GET) or SPDY (POST).
func (s *Server) servePortForward(w http.ResponseWriter, c *call) error {
	if c.Verb == "get" {
		// From 1.35 on a WebSocket needs the verb create as well, k/k #133515.
		as := *c.Request
		as.Verb = "create"
		if err := s.authorize(&as); err != nil {
			return err
		}
	}
	obj, err := s.lookup(c)
	if err != nil {
		return err
	}
	pod := obj.(*corev1.Pod)
	if pod.Spec.NodeName == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name)) // k/k pkg/registry/core/pod/strategy.go
	}
	if pod.Status.Phase != corev1.PodRunning {
		return apierrors.NewInternalError(fmt.Errorf("unable to forward port because pod is not running. Current status=%v", pod.Status.Phase))
	}
	f := &forwarding{server: s, pod: pod, streams: make(chan httpstream.Stream, 2*mostForwards), pairs: map[string]*portPair{}}
	connection, err := f.upgrade(w, c.HTTP)
	if err != nil || connection == nil {
		return err
	}
	f.serve(connection)
	return nil
}

// mostForwards bounds the connections over one upgraded request.
const mostForwards = 64

// forwarding is one upgraded request: any number of connections to ports of one pod.
type forwarding struct {
	server  *Server
	pod     *corev1.Pod
	streams chan httpstream.Stream
	pairs   map[string]*portPair
	running sync.WaitGroup
}

// portPair is one connection to a port: the kubelet writes what went wrong to the one stream, the port's bytes to the other.
type portPair struct{ data, failed httpstream.Stream }

// accept takes the streams the client opens: k8s.io/streaming pkg/httpstream and kubelet's portforward/httpstream.go.
func (f *forwarding) accept(stream httpstream.Stream, _ <-chan struct{}) error {
	if _, err := strconv.ParseUint(stream.Headers().Get(corev1.PortHeader), 10, 16); err != nil {
		return fmt.Errorf("%q header: %w", corev1.PortHeader, err)
	}
	if t := stream.Headers().Get(corev1.StreamType); t != corev1.StreamTypeError && t != corev1.StreamTypeData {
		return fmt.Errorf("invalid stream type %q", t)
	}
	select {
	case f.streams <- stream:
		return nil
	default:
		return errors.New("too many streams")
	}
}

func (f *forwarding) upgrade(w http.ResponseWriter, r *http.Request) (httpstream.Connection, error) {
	if websocket.IsWebSocketUpgrade(r) {
		up := websocket.Upgrader{Subprotocols: []string{constants.WebsocketsSPDYTunnelingPrefix + portForwardV1}, CheckOrigin: func(*http.Request) bool { return true }}
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			return nil, nil //nolint:nilerr,nilnil // it has answered already
		}
		connection, err := spdy.NewServerConnection(quiet{portforward.NewTunnelingConnectionWithLogger(klog.Background(), conn)}, f.accept)
		if err != nil {
			_ = conn.Close() // nobody is left to tell
			return nil, nil  //nolint:nilerr,nilnil // the client is gone
		}
		return connection, nil
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), spdy.HeaderSpdy31) {
		return nil, apierrors.NewBadRequest("unable to upgrade: missing upgrade headers in request")
	}
	if _, err := httpstream.Handshake(r, w, []string{portForwardV1}); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return spdy.NewResponseUpgrader().UpgradeResponse(w, r, f.accept), nil
}

// quiet closes without an error, for which the SPDY library would wait for somebody to ask.
type quiet struct{ net.Conn }

func (q quiet) Close() error {
	_ = q.Conn.Close() // the client may be gone
	return nil
}

// serve copies bytes until the client goes, the pod does, or the server stops.
func (f *forwarding) serve(connection httpstream.Connection) {
	ctx, end := context.WithCancel(context.Background())
	defer f.running.Wait()
	defer end()
	defer func() { _ = connection.Close() }() // the client may be gone
	forget := f.server.hijacked(connection)
	defer forget()
	look := time.NewTicker(podEvery)
	defer look.Stop()
	for {
		select {
		case <-connection.CloseChan():
			return
		case <-look.C:
			if !f.podRuns() {
				return
			}
		case stream := <-f.streams:
			if pair := f.paired(stream); pair != nil {
				f.running.Go(func() { f.forward(ctx, connection, pair) })
			}
		}
	}
}

// podEvery is how often a forwarding looks whether its pod is still there.
const podEvery = 100 * time.Millisecond

func (f *forwarding) podRuns() bool {
	obj, ok := f.server.store.Get(corev1.Resource("pods"), f.pod.Namespace, f.pod.Name)
	return ok && obj.GetUID() == f.pod.UID && obj.GetDeletionTimestamp() == nil
}

// paired returns the pair that the stream completes.
func (f *forwarding) paired(stream httpstream.Stream) *portPair {
	id := stream.Headers().Get(corev1.PortForwardRequestIDHeader)
	pair := f.pairs[id]
	if pair == nil {
		pair = &portPair{}
		f.pairs[id] = pair
	}
	if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
		pair.failed = stream
	} else {
		pair.data = stream
	}
	if pair.data == nil || pair.failed == nil {
		return nil
	}
	delete(f.pairs, id)
	return pair
}

// forward is one connection to a port, as a container runtime makes it.
func (f *forwarding) forward(ctx context.Context, connection httpstream.Connection, pair *portPair) {
	defer connection.RemoveStreams(pair.data, pair.failed)
	defer func() { _ = pair.data.Reset() }()
	defer func() { _ = pair.failed.Close() }()
	port, _ := strconv.Atoi(pair.data.Headers().Get(corev1.PortHeader)) // accept has read it
	f.server.mu.Lock()
	src := f.server.ports
	f.server.mu.Unlock()
	var local net.Conn
	if src != nil {
		local = src.Port(f.pod, port)
	}
	if local == nil {
		// containerd's words, internal/cri/server/sandbox_portforward_linux.go.
		_, _ = fmt.Fprintf(pair.failed, "error forwarding port %d to pod %s, uid : failed to execute portforward in network namespace %q: "+
			"failed to connect to localhost:%d inside namespace %q, IPv4: dial tcp4 127.0.0.1:%d: connect: connection refused",
			port, f.pod.UID, "/var/run/netns/cni-0", port, f.pod.UID, port)
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = local.Close() })
	defer stop()
	var copying sync.WaitGroup
	copying.Go(func() {
		_, _ = io.Copy(local, pair.data) // ends with the client
		_ = local.Close()
	})
	_, _ = io.Copy(pair.data, local) // ends with the port's owner, or by the above
	_ = local.Close()
	_ = pair.failed.Close() // before the data, which is what the client waits for
	_ = pair.data.Close()
	_ = pair.data.Reset()
	copying.Wait()
}
