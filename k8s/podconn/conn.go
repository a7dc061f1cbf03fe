package podconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"

	"midwatch/foreign"
	"midwatch/k8s"
)

// conn is one connection to a port. It has one goroutine, which listens for
// what went wrong and ends with the connection.
type conn struct {
	target
	streams httpstream.Connection
	data    httpstream.Stream

	failed chan struct{} // closed when the error stream has ended
	remote string        // what it said; read after failed

	mu     sync.Mutex
	closed bool
	cause  error // of ctx, when that closed it
	detach func() bool
}

// mostSaid bounds what is kept of a kubelet's complaint.
const mostSaid = 4 << 10

// listen keeps what the error stream says.
func (c *conn) listen(failures io.Reader) {
	defer close(c.failed)
	said, _ := io.ReadAll(io.LimitReader(failures, mostSaid)) // an error here is the end of the stream
	c.remote = string(said)
	_, _ = io.Copy(io.Discard, failures)
}

// endWith closes the connection when ctx ends.
func (c *conn) endWith(ctx context.Context) {
	c.detach = context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.cause = context.Cause(ctx)
		c.mu.Unlock()
		_ = c.shut() // nobody is there to hear it
	})
}

// Read reads what the port sends. An end that the port's owner chose is
// [io.EOF]; any other is a [*Error].
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	if err == nil || n > 0 {
		return n, nil
	}
	return 0, c.why(err)
}

// Write sends to the port.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.data.Write(p)
	if err != nil {
		return n, c.why(err)
	}
	return n, nil
}

// why finds the reason for an end: whoever closed it, what the kubelet says,
// or that the connection to the pod broke.
func (c *conn) why(err error) error {
	c.mu.Lock()
	closed, cause := c.closed, c.cause
	c.mu.Unlock()
	switch {
	case cause != nil:
		return c.target.failed(opRead, cause)
	case closed:
		return c.target.failed(opRead, net.ErrClosed)
	}
	if said := c.complaint(); said != "" {
		return c.target.failed(opRead, remoteError(c.port, said))
	}
	switch {
	case c.lost():
		return c.target.failed(opRead, ErrLost)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return c.target.failed(opRead, err)
}

// complaint is what the kubelet said, once it has had the time to say it. It
// closes the error stream before the data stream, so this rarely waits.
func (c *conn) complaint() string {
	timer := time.NewTimer(errorWithin)
	defer timer.Stop()
	select {
	case <-c.failed:
		return c.remote
	case <-timer.C:
		return ""
	}
}

// lost reports that the whole connection broke, and not only the port's end
// of it: a server that goes resets the streams first and hangs up then.
func (c *conn) lost() bool {
	timer := time.NewTimer(hangUpWithin)
	defer timer.Stop()
	select {
	case <-c.streams.CloseChan():
		return true
	case <-timer.C:
		return false
	}
}

// Close ends the connection, and with it whatever the pod was doing for it.
func (c *conn) Close() error {
	if c.detach != nil {
		c.detach()
	}
	return c.shut()
}

func (c *conn) shut() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	err := c.streams.Close()
	<-c.failed
	if err != nil {
		return c.target.failed(opClose, err)
	}
	return nil
}

// LocalAddr says that there is none: no port of this machine is involved.
func (c *conn) LocalAddr() net.Addr { return addr("midwatch") }

// RemoteAddr is "shop/api-7d9f:6060".
func (c *conn) RemoteAddr() net.Addr { return addr(c.String()) }

// SetDeadline is refused: the streams of one SPDY connection have none.
func (c *conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is refused, see SetDeadline.
func (c *conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is refused, see SetDeadline.
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

type addr string

func (addr) Network() string  { return "pod" }
func (a addr) String() string { return string(a) }

// target is where a connection leads.
type target struct {
	pod  k8s.Ref
	port int
}

func (t target) String() string {
	return net.JoinHostPort(t.pod.Namespace+"/"+t.pod.Name, strconv.Itoa(t.port))
}

// ErrLost says that the connection to the pod broke: the pod was deleted, its
// node went away, or something between them gave up. It is client-go's.
var ErrLost = portforward.ErrLostConnectionToPod

// What was being done.
const (
	opDial  = "connect to"
	opRead  = "read from"
	opClose = "close the connection to"
)

// Error is why there is no connection to a port, or no longer one.
type Error struct {
	// Op is what was being done: "connect to", "read from".
	Op string
	// Pod and Port are where to.
	Pod  k8s.Ref
	Port int
	// Err is why: [ErrRefused], [ErrGone], [ErrLost], a [*Denied], the API
	// server's status, or the network's error.
	Err error
}

func (t target) failed(op string, err error) error {
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	return &Error{Op: op, Pod: t.pod, Port: t.port, Err: err}
}

// Error is one line: what was tried and why it failed.
func (e *Error) Error() string {
	return fmt.Sprintf("%s port %d of pod %s/%s: %s", e.Op, e.Port, e.Pod.Namespace, e.Pod.Name, foreign.CleanN(e.Err.Error(), 400))
}

// Unwrap is the reason.
func (e *Error) Unwrap() error { return e.Err }
