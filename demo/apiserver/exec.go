package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	consts "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Command is what a client wants to run in a container.
type Command struct {
	Pod            *corev1.Pod
	Container      string
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ExecSource stands for the programs in containers.
type ExecSource interface {
	// Exec runs a command until it ends or ctx does. An error means that it never began, as for a program that is not there.
	Exec(ctx context.Context, c Command) (code int, err error)
}

// SetExec says what runs in containers. Without a source no program is found.
func (s *Server) SetExec(src ExecSource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec = src
}

// NotFound is what containerd says of a program that is not in the image.
func NotFound(program string) error {
	return fmt.Errorf("failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: "+
		"exec: %q: executable file not found in $PATH: unknown", program)
}

// serveExec is pods/exec: v5.channel.k8s.io in a WebSocket (GET), or v4 over SPDY (POST).
func (s *Server) serveExec(w http.ResponseWriter, c *call) error {
	if c.Verb == "get" {
		as := *c.Request
		as.Verb = "create" // see servePortForward
		if err := s.authorize(&as); err != nil {
			return err
		}
	}
	obj, err := s.lookup(c)
	if err != nil {
		return err
	}
	pod := obj.(*corev1.Pod)
	q := c.HTTP.URL.Query()
	run := &running{server: s, command: Command{Pod: pod, Container: q.Get("container"), Args: q["command"]}}
	if err := run.possible(); err != nil {
		return err
	}
	if websocket.IsWebSocketUpgrade(c.HTTP) {
		return run.overWebSocket(w, c.HTTP)
	}
	if !strings.EqualFold(c.HTTP.Header.Get("Upgrade"), spdy.HeaderSpdy31) {
		return apierrors.NewBadRequest("unable to upgrade: missing upgrade headers in request")
	}
	return run.overSPDY(w, c.HTTP)
}

// running is one command on its way.
type running struct {
	server  *Server
	command Command
}

func (r *running) possible() error {
	pod := r.command.Pod
	if len(r.command.Args) == 0 {
		return apierrors.NewBadRequest("you must specify at least 1 command for the container")
	}
	names := make([]string, 0, len(pod.Spec.Containers))
	for i := range pod.Spec.Containers {
		names = append(names, pod.Spec.Containers[i].Name)
	}
	for i := range pod.Spec.EphemeralContainers {
		names = append(names, pod.Spec.EphemeralContainers[i].Name)
	}
	if r.command.Container == "" && len(pod.Spec.Containers) == 1 {
		r.command.Container = names[0]
	}
	switch {
	case !slices.Contains(names, r.command.Container):
		return apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", r.command.Container, pod.Name))
	case pod.Spec.NodeName == "":
		return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	case pod.Status.Phase != corev1.PodRunning:
		return apierrors.NewInternalError(errors.New("unable to upgrade connection: container not found (" + strconv.Quote(r.command.Container) + ")"))
	}
	return nil
}

// run runs the command and returns the status that is sent last.
func (r *running) run(ctx context.Context) []byte {
	r.server.mu.Lock()
	src := r.server.exec
	r.server.mu.Unlock()
	code, err := -1, NotFound(r.command.Args[0])
	if src != nil {
		code, err = src.Exec(ctx, r.command)
	}
	status := metav1.Status{Status: metav1.StatusSuccess}
	switch {
	case err != nil:
		status = apierrors.NewInternalError(fmt.Errorf("error executing command in container: %w", err)).Status()
	case code != 0:
		status = metav1.Status{
			Status: metav1.StatusFailure, Reason: consts.NonZeroExitCodeReason,
			Message: fmt.Sprintf("command terminated with non-zero exit code: exit status %d", code),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: consts.ExitCodeCauseType, Message: strconv.Itoa(code)}}},
		}
	}
	data, _ := json.Marshal(status) // cannot fail
	return data
}

func (r *running) overWebSocket(w http.ResponseWriter, req *http.Request) error {
	up := websocket.Upgrader{Subprotocols: []string{consts.StreamProtocolV5Name}, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, req, nil)
	if err != nil {
		return nil //nolint:nilerr // it has answered already
	}
	ctx, end := context.WithCancel(context.Background())
	forget := r.server.hijacked(conn)
	defer forget()
	in, feed := io.Pipe()
	var reading sync.WaitGroup
	reading.Go(func() {
		defer end()
		readSocket(conn, feed)
	})
	out := &socketWriter{conn: conn}
	r.command.Stdin, r.command.Stdout, r.command.Stderr = in, out.stream(consts.StreamStdOut), out.stream(consts.StreamStdErr)
	status := r.run(ctx)
	_, _ = out.stream(consts.StreamErr).Write(status) // the client may be gone
	_ = in.Close()
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	_ = conn.Close()
	reading.Wait()
	return nil
}

// readSocket hands on what the client types until it closes that or goes away.
func readSocket(conn *websocket.Conn, stdin *io.PipeWriter) {
	defer func() { _ = stdin.Close() }()
	for {
		_, message, err := conn.ReadMessage()
		switch {
		case err != nil:
			return
		case len(message) == 2 && message[0] == consts.StreamClose && message[1] == consts.StreamStdIn:
			_ = stdin.Close()
		case len(message) > 1 && message[0] == consts.StreamStdIn:
			_, _ = stdin.Write(message[1:]) // the command may have ended
		}
	}
}

type socketWriter struct {
	conn *websocket.Conn
	mu   sync.Mutex
}

func (s *socketWriter) stream(number byte) io.Writer { return socketStream{s, number} }

type socketStream struct {
	*socketWriter
	number byte
}

func (s socketStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.WriteMessage(websocket.BinaryMessage, append([]byte{s.number}, p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// streamsWithin is how long the client may take to open its streams.
const streamsWithin = 10 * time.Second

func (r *running) overSPDY(w http.ResponseWriter, req *http.Request) error {
	if _, err := httpstream.Handshake(req, w, []string{consts.StreamProtocolV4Name}); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	opened := make(chan httpstream.Stream, 8)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, req, func(stream httpstream.Stream, _ <-chan struct{}) error {
		select {
		case opened <- stream:
			return nil
		default:
			return errors.New("too many streams")
		}
	})
	if connection == nil {
		return nil
	}
	defer func() { _ = connection.Close() }() // the client may be gone
	forget := r.server.hijacked(connection)
	defer forget()
	late := time.NewTimer(streamsWithin)
	defer late.Stop()
	byKind := map[string]httpstream.Stream{}
	for len(byKind) < 4 {
		select {
		case stream := <-opened:
			byKind[stream.Headers().Get(corev1.StreamType)] = stream
		case <-connection.CloseChan():
			return nil
		case <-late.C:
			return nil
		}
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	var watching sync.WaitGroup
	defer watching.Wait()
	finished := make(chan struct{})
	watching.Go(func() {
		select {
		case <-connection.CloseChan():
			end()
		case <-finished:
		}
	})
	defer close(finished)
	r.command.Stdin, r.command.Stdout, r.command.Stderr = byKind[corev1.StreamTypeStdin], byKind[corev1.StreamTypeStdout], byKind[corev1.StreamTypeStderr]
	status := r.run(ctx)
	_, _ = byKind[corev1.StreamTypeError].Write(status) // the client may be gone
	for _, kind := range []string{corev1.StreamTypeStdout, corev1.StreamTypeStderr, corev1.StreamTypeError} {
		_ = byKind[kind].Close()
	}
	waitClosed(connection)
	return nil
}

// waitClosed lets the client read what is on its way before the connection ends.
func waitClosed(connection httpstream.Connection) {
	late := time.NewTimer(2 * time.Second)
	defer late.Stop()
	select {
	case <-connection.CloseChan():
	case <-late.C:
	}
}
