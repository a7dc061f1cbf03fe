package podconn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	consts "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/rest"

	"midwatch/foreign"
	"midwatch/k8s"
)

// Command is a command to run in a container.
type Command struct {
	Container string
	Args      []string
	// Stdout and Stderr take what it writes, from one goroutine each. An error
	// of theirs ends the command.
	Stdout, Stderr io.Writer
}

// ErrStopped says that a command was ended by [Process.Stop].
var ErrStopped = errors.New("stopped")

// stopWithin is how long a command is left to end by itself once its input has
// ended.
const stopWithin = 3 * time.Second

// ExitError is a command that ended with another code than 0, or never began.
type ExitError struct {
	// Code is the exit code; -1 when the command never began.
	Code int
	// Message is what the node says.
	Message foreign.Text
}

// Error says how it ended.
func (e *ExitError) Error() string {
	if e.Code < 0 {
		return "it did not start: " + e.Message.String()
	}
	return fmt.Sprintf("it ended with code %d", e.Code)
}

// Process is a command that runs in a container. It owns goroutines that end
// with the command, with Stop, and with the connection.
type Process struct {
	channels channels

	done    chan struct{}
	err     error // read after done
	once    sync.Once
	stopped chan struct{}
}

// channels are the streams of one command: a WebSocket's messages or SPDY's
// streams.
type channels interface {
	// copy takes what the command writes until it ends, and returns the
	// status that came at the end; "" when none did.
	copy(stdout, stderr io.Writer) (status string, err error)
	// endInput ends the command's standard input: with an empty line, since not
	// every node hands an end of input on (kwok does not), and with its end.
	endInput() error
	close() error
}

// Exec starts a command in a container. ctx bounds the start alone, and it
// needs the permit of a plan that the gate is carrying out: a command may
// change anything ([action.KubernetesWrites]). End the process with Stop; its
// standard input stays open until then.
//
// A node may leave a command running whose client went away (k/k #31763), so a
// command has to watch its standard input, which ends then.
func Exec(ctx context.Context, cluster Cluster, pod k8s.Ref, c Command) (*Process, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialWithin, errSlow)
	defer cancel()
	ch, err := openExec(ctx, cluster.RESTConfig(), pod, c)
	if err != nil {
		why := explain(ctx, cluster, pod, "pods/exec", err)
		return nil, fmt.Errorf("run %s in pod %s/%s: %w", foreign.CleanN(strings.Join(c.Args[:1], ""), 100), pod.Namespace, pod.Name, why)
	}
	p := &Process{channels: ch, done: make(chan struct{}), stopped: make(chan struct{})}
	go p.run(c)
	return p, nil
}

func openExec(ctx context.Context, cfg *rest.Config, pod k8s.Ref, c Command) (channels, error) {
	u, err := address(cfg, pod, "exec")
	if err != nil {
		return nil, err
	}
	u.RawQuery = url.Values{
		"container": {c.Container}, "command": c.Args, "stdin": {"true"}, "stdout": {"true"}, "stderr": {"true"},
	}.Encode()
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	conn, err := d.websocket(ctx, u, consts.StreamProtocolV5Name)
	if err == nil {
		return newSocket(conn), nil
	}
	if !fallback(err) {
		return nil, err
	}
	streams, err := d.spdy(ctx, u, consts.StreamProtocolV4Name)
	if err != nil {
		return nil, err
	}
	return newStreams(streams)
}

func (p *Process) run(c Command) {
	defer close(p.done)
	status, err := p.channels.copy(c.Stdout, c.Stderr)
	_ = p.channels.close() // the end is known
	select {
	case <-p.stopped:
		p.err = ErrStopped
	default:
		p.err = ended(status, err)
	}
}

// ended is how a command ended, by the status that the node sends last.
func ended(status string, err error) error {
	if status == "" {
		if err == nil || errors.Is(err, io.EOF) {
			return ErrLost
		}
		return err
	}
	var s metav1.Status
	if json.Unmarshal([]byte(status), &s) != nil {
		return fmt.Errorf("the node says: %s", foreign.CleanN(status, 300))
	}
	if s.Status == metav1.StatusSuccess {
		return nil
	}
	out := &ExitError{Code: -1, Message: foreign.CleanN(s.Message, 400)}
	if s.Reason == consts.NonZeroExitCodeReason && s.Details != nil {
		for _, cause := range s.Details.Causes {
			if cause.Type == consts.ExitCodeCauseType {
				if n, err := strconv.Atoi(cause.Message); err == nil {
					out.Code = n
				}
			}
		}
	}
	return out
}

// Done is closed when the command has ended or the connection has.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how it ended, once Done is closed: nil for code 0, an [*ExitError],
// [ErrStopped], [ErrLost] or an error of the connection.
func (p *Process) Err() error { return p.err }

// Stop ends the command's input, with an empty line before its end, waits a moment for it to end by itself, and
// then closes the connection. It returns when everything has ended.
func (p *Process) Stop() {
	p.once.Do(func() {
		select {
		case <-p.done:
			return
		default:
		}
		close(p.stopped)
		if p.channels.endInput() == nil {
			timer := time.NewTimer(stopWithin)
			defer timer.Stop()
			select {
			case <-p.done:
			case <-timer.C:
			}
		}
		_ = p.channels.close() // nobody is there to hear it
	})
	<-p.done
}
