package try

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/probe"
	"midwatch/live"
)

// Dial connects to a port of the pod.
type Dial func(ctx context.Context, port int) (net.Conn, error)

// Outcome is how a try ended.
type Outcome string

// The outcomes. Passed, Failed, Refused and Slow are about the process in the
// pod; the others say that it was not reached.
const (
	Passed    Outcome = "passed"
	Failed    Outcome = "failed"
	Refused   Outcome = "refused"   // nothing listens on the port
	Slow      Outcome = "timeout"   // connected, and no answer came in time
	Forbidden Outcome = "forbidden" // the right to connect is missing
	Gone      Outcome = "gone"      // the pod does not exist any more
	Broken    Outcome = "broken"    // the way to the pod does not work
)

// Result is what one try brought.
type Result struct {
	At      time.Time
	Spec    probe.Spec
	Outcome Outcome
	// Answer is the answer in short: "503 Service Unavailable", "SERVING",
	// "accepts connections".
	Answer foreign.Text
	// Connect is how long the way into the pod took, Took how long the answer
	// did after that; both include the way through the API server.
	Connect, Took time.Duration
	// Line is the first line of the body that says anything, cleaned and cut.
	Line foreign.Text
	// Warning is what the kubelet would warn of although it passed.
	Warning foreign.Text
	// Err says why there is no answer, Next what to do about it.
	Err, Next foreign.Text
}

// Late reports whether the answer took longer than the kubelet waits.
func (r *Result) Late() bool { return r.Took > r.Spec.Timeout }

// Severity of what came out.
func (r *Result) Severity() live.Severity {
	switch {
	case r.Outcome == Passed && !r.Late():
		return live.OK
	case r.Outcome == Passed, r.Outcome == Forbidden, r.Outcome == Gone:
		return live.Warn
	case r.Outcome == Broken:
		return live.Unknown
	}
	return live.Fail
}

const (
	patience = 10 * time.Second
	// refusalWithin is how long a refusal is waited for when a port is only
	// connected to: through the API server it arrives after the connection.
	refusalWithin = time.Second
	maxLine       = 200
	maxErr        = 400
)

// Not says why a probe cannot be tried from here; "" when it can.
func Not(s probe.Spec) string {
	switch {
	case s.Method == probe.Exec:
		return "an exec probe is not run from here: it would start a process in the pod"
	case s.Method == probe.None:
		return "the probe asks nothing"
	case s.Host != "":
		return "the kubelet asks " + s.Host + " and not the pod: that cannot be reached through the pod"
	case s.Port <= 0 || s.Port > 65535:
		return fmt.Sprintf("port %q is not among the container's ports", s.PortName)
	}
	return ""
}

// Command is what a person can run in place of an exec probe.
func Command(pod k8s.Ref, container string, s probe.Spec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kubectl exec -n %s %s -c %s --", pod.Namespace, pod.Name, container)
	for _, arg := range s.Command {
		b.WriteByte(' ')
		b.WriteString(quote(arg.String()))
	}
	return b.String()
}

// quote makes one word of a shell's command line.
func quote(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=@,+%", r)
	}) < 0
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Try knows how to reach a pod.
type Try struct {
	// Dial connects to a port of the pod. The connection lives until it is
	// closed or ctx ends.
	Dial Dial
	// Clock is the system's when nil.
	Clock live.Clock
	// Patience is how long an answer is waited for; 10 s when 0. That is longer
	// than most probes' own timeouts: how slow it is is worth knowing.
	Patience time.Duration
	// Fault tells what a connection's error means: Refused, Forbidden, Gone or
	// Broken, or "" when it cannot say. It may be nil.
	Fault func(error) Outcome
}

// Run tries a probe once. podIP is what the request names as its host, as the
// kubelet's does. It gives a result whatever comes of it; only a probe that
// cannot be tried ([Not]) and the end of ctx are errors.
func (y Try) Run(ctx context.Context, s probe.Spec, podIP string) (*Result, error) {
	if why := Not(s); why != "" {
		return nil, errors.New(why)
	}
	if y.Clock == nil {
		y.Clock = live.SystemClock{}
	}
	if y.Patience == 0 {
		y.Patience = patience
	}
	inner, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	t := &attempt{Try: y, ctx: inner, giveUp: giveUp, result: &Result{At: y.Clock.Now(), Spec: s}, podIP: podIP}
	var err error
	switch s.Method {
	case probe.HTTP:
		err = t.http()
	case probe.GRPC:
		err = t.grpc()
	default:
		err = t.tcp()
	}
	t.end()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("try %s: %w", s.Words(), context.Cause(ctx))
	}
	if err != nil {
		t.fail(err)
	}
	return t.result, nil
}

// attempt is one try under way.
type attempt struct {
	Try
	ctx    context.Context //nolint:containedctx // the try's own, which its connection lives by
	giveUp context.CancelCauseFunc
	podIP  string
	result *Result

	mu sync.Mutex
	// connected is when the way into the pod stood; zero before.
	connected time.Time
	timer     *time.Timer
	// heard is what ended the connection, before a library words it anew.
	heard error
}

// dialError is a failure before the pod was reached.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// errLate is the end of our own patience.
var errLate = errors.New("no answer in time")

// connect makes the way into the pod. Patience with the process begins when it
// stands.
func (t *attempt) connect() (net.Conn, error) {
	began := t.Clock.Now()
	c, err := t.Dial(t.ctx, t.result.Spec.Port)
	if err != nil {
		err = &dialError{err}
		t.hear(err)
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connected = t.Clock.Now()
	t.result.Connect = t.connected.Sub(began)
	if t.timer == nil {
		t.timer = time.AfterFunc(t.Patience, func() { t.giveUp(errLate) })
	}
	return &listener{Conn: c, attempt: t}, nil
}

// listener notes what ends a connection.
type listener struct {
	net.Conn
	attempt *attempt
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.attempt.hear(err)
	return n, err
}

func (l *listener) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	l.attempt.hear(err)
	return n, err
}

func (t *attempt) hear(err error) {
	if err == nil || isEnd(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard == nil {
		t.heard = err
	}
}

func (t *attempt) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
}

// isEnd reports an end somebody chose.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled)
}

// took notes how long the answer took.
func (t *attempt) took() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.connected.IsZero() {
		t.result.Took = t.Clock.Now().Sub(t.connected)
	}
}

// tcp connects and waits a little: a refusal arrives after the connection to
// the API server stands.
func (t *attempt) tcp() error {
	c, err := t.connect()
	if err != nil {
		return err
	}
	heard := make(chan error, 1)
	go func() { // ends with the connection
		_, err := c.Read(make([]byte, 1))
		heard <- err
	}()
	due, stop := t.Clock.After(min(refusalWithin, t.Patience))
	defer stop()
	r := t.result
	r.Answer = "accepts connections" // there is no answer to time
	select {
	case err = <-heard:
		if err == nil {
			r.Answer = "accepts connections, and speaks first"
			t.took()
		}
	case <-due:
	case <-t.ctx.Done():
	}
	_ = c.Close() // it was only looked at
	if err != nil && !isEnd(err) {
		return err
	}
	if err != nil {
		r.Answer = "accepts connections, and closes them at once"
	}
	r.Outcome = Passed
	return nil
}

// fail puts what went wrong into words. What the connection itself said comes
// before what a library made of it.
func (t *attempt) fail(err error) {
	t.mu.Lock()
	if t.heard != nil {
		err = t.heard
	}
	t.mu.Unlock()
	r := t.result
	r.Answer, r.Outcome = "", t.outcome(err)
	switch r.Outcome {
	case Refused:
		r.Err = foreign.Text(fmt.Sprintf("connection refused: nothing listens on port %d in the pod", r.Spec.Port))
		r.Next = "is it the port the process listens on, and has it come that far?"
	case Forbidden:
		r.Err = foreign.CleanN(err.Error(), maxErr)
		r.Next = "ask for that right, or run the request from a pod of the cluster"
	case Gone:
		r.Err, r.Next = "the pod is gone", "choose one that is there"
	case Broken:
		r.Err = foreign.CleanN(err.Error(), maxErr)
		r.Next = "this says nothing about the process: the way to it does not work"
	case Slow:
		t.took()
		r.Err = foreign.Text(fmt.Sprintf("connected, and no answer within %s", t.Patience))
		r.Next = "it accepts connections and does not answer: is it stuck, or out of workers?"
	default:
		t.took()
		r.Err = foreign.CleanN(err.Error(), maxErr)
	}
}

func (t *attempt) outcome(err error) Outcome {
	if t.Fault != nil {
		if o := t.Fault(err); o != "" {
			return o
		}
	}
	var dial *dialError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.As(err, &dial):
		return Broken
	case errors.Is(context.Cause(t.ctx), errLate):
		return Slow
	}
	return Failed
}
