package connect

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"midwatch/foreign"
	"midwatch/live"
)

// LogLine is one line that a library or a plugin wrote to standard error.
type LogLine struct {
	At time.Time
	// From is stderr (credential plugins and whatever else writes there),
	// client-go, or warning (the API server's Warning headers).
	From string
	Text foreign.Text
}

// keptLogLines bounds the log.
const keptLogLines = 500

// Stdio keeps what would destroy the screen away from it. Credential plugins
// inherit os.Stderr, always, and os.Stdin if it is a terminal (client-go
// plugin/pkg/client/auth/exec); klog and the API server's warnings go to
// os.Stderr as well. All of it becomes lines in [Stdio.Log].
//
// Until [Stdio.EnterScreen] the lines are shown on the real standard error as
// well and plugins may read the terminal: that is when a login may prompt.
//
// There is one per process, since it is the process's standard streams that
// it stands in for.
type Stdio struct {
	clock  live.Clock
	log    *live.Ring[LogLine]
	notify func()

	stderr *os.File // the real one
	pipe   *os.File // write end, which is os.Stderr meanwhile
	stdin  *screenInput
	// shown is set while lines also go to the real standard error.
	shown atomic.Bool
	read  sync.WaitGroup

	plugin pluginVoice

	restoreKlog func()
	onError     []utilruntime.ErrorHandler
}

// TakeStdio points os.Stderr at the log and redirects klog, API warnings and
// the errors of client-go's goroutines. Call it first thing: clients remember
// the os.Stderr they were made under. notify, which may be nil, is called for
// every new line and must not block.
func TakeStdio(clock live.Clock, notify func()) (*Stdio, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for standard error: %w", err)
	}
	if notify == nil {
		notify = func() {}
	}
	s := &Stdio{
		clock: clock, log: live.NewRing[LogLine](keptLogLines), notify: notify,
		stderr: os.Stderr, pipe: w, plugin: pluginVoice{marks: map[string]chan struct{}{}},
	}
	if s.stdin, err = takeInput(); err != nil {
		_, _ = r.Close(), w.Close()
		return nil, err
	}
	s.shown.Store(true)
	s.read.Go(func() { s.listen(r) })
	os.Stderr = w
	s.redirectLibraries()
	return s, nil
}

// Log returns what was written instead of reaching the screen.
func (s *Stdio) Log() *live.Ring[LogLine] { return s.log }

// Input is the real standard input, for the console to read keys from.
func (s *Stdio) Input() *os.File { return s.stdin.real() }

// Stderr is the real standard error.
func (s *Stdio) Stderr() *os.File { return s.stderr }

// EnterScreen says that the terminal belongs to the console from now on:
// nothing is shown on standard error, and what reads standard input finds it
// empty. A plugin that insists on a terminal then fails with "standard input
// is not a terminal", which [Explain] turns into advice.
func (s *Stdio) EnterScreen() error {
	s.sync()
	s.shown.Store(false)
	return s.stdin.hide()
}

// LeaveScreen gives the terminal back, for a login that has to ask, or at the
// end.
func (s *Stdio) LeaveScreen() error {
	s.sync()
	s.shown.Store(true)
	return s.stdin.show()
}

// Restore undoes [TakeStdio] and returns when the last line is in the log.
// Close every cluster first: klog's own state has no lock.
func (s *Stdio) Restore() error {
	os.Stderr = s.stderr
	s.restoreKlog()
	utilruntime.ErrorHandlers = s.onError
	rest.SetDefaultWarningHandlerWithContext(rest.WarningLogger{})
	err := s.stdin.restore()
	_ = s.pipe.Close() // ends listen, unless a plugin still runs
	s.read.Wait()
	return err
}

// redirectLibraries needs no os.Stderr and so can say where a line is from.
func (s *Stdio) redirectLibraries() {
	s.restoreKlog = klog.CaptureState().Restore
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	for name, value := range map[string]string{
		"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL",
		"skip_headers": "true", "one_output": "true",
	} {
		if err := flags.Set(name, value); err != nil {
			panic("bug: klog flag " + name + ": " + err.Error())
		}
	}
	klog.SetOutput(lineWriter{s, "client-go"})
	rest.SetDefaultWarningHandlerWithContext(warnings{s})
	s.onError = utilruntime.ErrorHandlers
	handlers := append([]utilruntime.ErrorHandler(nil), utilruntime.ErrorHandlers...)
	// The first one logs; the others slow down what fails in a loop.
	handlers[0] = func(_ context.Context, err error, msg string, _ ...any) {
		if err != nil {
			msg = fmt.Sprintf("%s: %v", msg, err)
		}
		s.add("client-go", msg)
	}
	utilruntime.ErrorHandlers = handlers
}

func (s *Stdio) add(from, line string) {
	s.log.Add(LogLine{At: s.clock.Now(), From: from, Text: foreign.Clean(line)})
	s.notify()
}

type lineWriter struct {
	s    *Stdio
	from string
}

// Write logs each line of p.
func (w lineWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		w.s.add(w.from, string(bytes.TrimRight(line, "\n")))
	}
	return len(p), nil
}

var _ io.Writer = lineWriter{}

type warnings struct{ s *Stdio }

// HandleWarningHeaderWithContext logs a warning of the API server (RFC 7234
// section 5.5; code 299 is what the API server uses).
func (w warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _, message string) {
	if code == 299 && message != "" {
		w.s.add("warning", message)
	}
}
