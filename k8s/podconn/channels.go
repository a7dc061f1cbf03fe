package podconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	consts "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// client-go's, tools/remotecommand/websocket.go: a ping every 5 s, and an end
// when nothing at all was heard for as long as twelve of them.
const (
	socketPings  = 5 * time.Second
	socketSilent = 61 * time.Second
)

// mostStatus bounds the status at the end of a command.
const mostStatus = 64 << 10

// socket is v5.channel.k8s.io: each message begins with the number of its
// stream, and 255 with a number closes one.
type socket struct {
	conn *websocket.Conn

	once    sync.Once
	closed  chan struct{}
	pinging sync.WaitGroup
}

func newSocket(conn *websocket.Conn) *socket {
	s := &socket{conn: conn, closed: make(chan struct{})}
	alive := func() { _ = conn.SetReadDeadline(time.Now().Add(socketSilent)) } // a broken one shows at the next read
	alive()
	conn.SetPongHandler(func(string) error { alive(); return nil })
	s.pinging.Go(s.ping)
	return s
}

func (s *socket) ping() {
	tick := time.NewTicker(socketPings)
	defer tick.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-tick.C:
			if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketPings)) != nil {
				return // reading says what happened
			}
		}
	}
}

func (s *socket) copy(stdout, stderr io.Writer) (string, error) {
	var status bytes.Buffer
	for {
		kind, message, err := s.conn.NextReader()
		if err != nil {
			if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				err = io.EOF
			}
			return status.String(), err
		}
		if kind != websocket.BinaryMessage {
			return status.String(), errors.New("a message that is not binary")
		}
		_ = s.conn.SetReadDeadline(time.Now().Add(socketSilent)) // see newSocket
		if err := s.message(message, stdout, stderr, &status); err != nil {
			return status.String(), err
		}
		if status.Len() > 0 {
			return status.String(), nil // it comes last
		}
	}
}

func (s *socket) message(r io.Reader, stdout, stderr io.Writer, status io.Writer) error {
	var stream [1]byte
	if _, err := io.ReadFull(r, stream[:]); err != nil {
		return fmt.Errorf("read the stream's number: %w", err)
	}
	to := io.Discard
	switch stream[0] {
	case consts.StreamStdOut:
		to = stdout
	case consts.StreamStdErr:
		to = stderr
	case consts.StreamErr:
		to, r = status, io.LimitReader(r, mostStatus)
	}
	_, err := io.Copy(to, r)
	return err //nolint:wrapcheck // the caller says of what
}

func (s *socket) endInput() error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(stopWithin)) // shows at the write
	if err := s.conn.WriteMessage(websocket.BinaryMessage, []byte{consts.StreamStdIn, '\n'}); err != nil {
		return err //nolint:wrapcheck // the caller only asks whether
	}
	return s.conn.WriteMessage(websocket.BinaryMessage, []byte{consts.StreamClose, consts.StreamStdIn}) //nolint:wrapcheck // as above
}

func (s *socket) close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		err = s.conn.Close()
	})
	s.pinging.Wait()
	return err
}

// streams is v4.channel.k8s.io over SPDY: one stream for each of the
// command's, and one for the status at the end.
type streams struct {
	conn                          httpstream.Connection
	status, stdin, stdout, stderr httpstream.Stream
}

func newStreams(conn httpstream.Connection) (*streams, error) {
	s := &streams{conn: conn}
	for _, x := range []struct {
		kind string
		to   *httpstream.Stream
	}{{corev1.StreamTypeError, &s.status}, {corev1.StreamTypeStdin, &s.stdin}, {corev1.StreamTypeStdout, &s.stdout}, {corev1.StreamTypeStderr, &s.stderr}} {
		stream, err := conn.CreateStream(http.Header{corev1.StreamType: {x.kind}})
		if err != nil {
			_ = conn.Close() // the first error counts
			return nil, fmt.Errorf("open the %s stream: %w", x.kind, err)
		}
		*x.to = stream
	}
	return s, nil
}

func (s *streams) copy(stdout, stderr io.Writer) (string, error) {
	var copying sync.WaitGroup
	var failed [2]error
	for i, x := range []struct {
		from io.Reader
		to   io.Writer
	}{{s.stdout, stdout}, {s.stderr, stderr}} {
		copying.Go(func() {
			if _, failed[i] = io.Copy(x.to, x.from); failed[i] != nil {
				_ = s.close() // so that the others end too
			}
		})
	}
	status, err := io.ReadAll(io.LimitReader(s.status, mostStatus))
	copying.Wait()
	return string(status), errors.Join(failed[0], failed[1], err)
}

func (s *streams) endInput() error {
	if _, err := s.stdin.Write([]byte{'\n'}); err != nil {
		return err //nolint:wrapcheck // the caller only asks whether
	}
	return s.stdin.Close() //nolint:wrapcheck // as above
}

func (s *streams) close() error { return s.conn.Close() } //nolint:wrapcheck // nobody asks
