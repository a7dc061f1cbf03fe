package app_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"midwatch/live"
	"midwatch/ui/app"
)

// screen is a terminal's end of a pty: what was written to it so far, and a
// way to wait for some of it.
type screen struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	mu     sync.Mutex
	out    bytes.Buffer
	more   chan struct{}
	done   chan struct{}
}

// program runs the console in a pty and returns its end of it; result has
// what Run returned.
func program(t *testing.T, ctx context.Context, opts app.Options, env ...string) (s *screen, result chan error) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Cols: 100, Rows: 30}); err != nil {
		t.Fatal(err)
	}
	s = &screen{t: t, master: master, slave: slave, more: make(chan struct{}, 1), done: make(chan struct{})}
	go s.read()
	result = make(chan error, 1)
	go func() {
		result <- app.Run(ctx, opts, app.Terminal{In: slave, Out: slave, Env: append([]string{"TERM=xterm-256color", "LANG=C.UTF-8"}, env...)})
	}()
	t.Cleanup(s.close)
	return s, result
}

// close ends the terminal: a read of the master returns once the other end is
// closed, and not before.
func (s *screen) close() {
	_ = s.slave.Close()
	<-s.done
	_ = s.master.Close()
}

func (s *screen) read() {
	defer close(s.done)
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.out.Write(buf[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// until waits until something was written.
func (s *screen) until(what string) {
	s.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !strings.Contains(s.text(), what) {
		select {
		case <-s.more:
		case <-deadline.C:
			s.t.Fatalf("%q was never written: %q", what, s.text())
		}
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func wait(t *testing.T, result chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the console does not end")
		return nil
	}
}

// realTime gives the rig the system's clock: the program waits by itself.
func realTime(r *rig) {
	r.opts.Clock = live.SystemClock{}
	r.opts.First.Hub.SetInterval(time.Millisecond)
}

const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	focusOn     = "\x1b[?1004h"
	askSync     = "\x1b[?2026$p"
)

func TestProgramEndsCleanly(t *testing.T) {
	for name, end := range map[string]func(s *screen, cancel func()){
		"q":              func(s *screen, _ func()) { s.press("q") },
		"ctrl+c":         func(s *screen, _ func()) { s.press("\x03") },
		":q":             func(s *screen, _ func()) { s.press(":q\r") },
		"SIGHUP/SIGTERM": func(_ *screen, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			r := newRig(t)
			realTime(r)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, result := program(t, ctx, r.opts)
			s.until("checkout")
			s.until(focusOn)
			end(s, cancel)
			if err := wait(t, result); err != nil {
				t.Errorf("ended with %v", err)
			}
			s.until(leaveScreen)
			if r.closedCount() != 1 {
				t.Errorf("%d sessions closed", r.closedCount())
			}
			s.close()
		})
	}
}

func TestColoursAreShortOnASlowLink(t *testing.T) {
	const trueColour, shortColour = "38;2;", "38;5;"
	for name, c := range map[string]struct {
		env          string
		want, wantNo string
	}{
		"at the machine": {"SSH_TTY=", trueColour, shortColour},
		"over SSH":       {"SSH_TTY=/dev/pts/1", shortColour, trueColour},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			realTime(r)
			r.opts.Theme.Color = true
			s, result := program(t, t.Context(), r.opts, "COLORTERM=truecolor", c.env)
			s.until("checkout")
			s.until(c.want)
			s.press("q")
			if err := wait(t, result); err != nil {
				t.Error(err)
			}
			s.until(leaveScreen)
			if strings.Contains(s.text(), c.wantNo) {
				t.Errorf("colours written as %s", c.wantNo)
			}
		})
	}
}

func TestACrashRestoresTheTerminal(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := newRig(t)
	realTime(r)
	r.panes, r.panicking = nil, true
	s, result := program(t, t.Context(), r.opts)
	s.until("checkout")
	s.press("x")
	err := wait(t, result)
	var crash *app.Crash
	if !errors.As(err, &crash) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("ended with %v", err)
	}
	s.until(leaveScreen)
	if stack, err := os.ReadFile(crash.File); err != nil || !bytes.Contains(stack, []byte("helpers_test.go")) {
		t.Errorf("the details are not in %q: %v", crash.File, err)
	}
	if strings.Contains(s.text(), "goroutine ") || !strings.Contains(err.Error(), "a pane's bug") {
		t.Error("the stack was written on the terminal")
	}
}

func TestTheTerminalDecidesTheLook(t *testing.T) {
	for name, c := range map[string]struct {
		env       []string
		want, not []string
	}{
		"true colour":    {[]string{"COLORTERM=truecolor"}, []string{"38;2;", "─"}, []string{askSync + askSync}},
		"256 colours":    {nil, []string{"38;5;"}, []string{"38;2;"}},
		"NO_COLOR":       {[]string{"NO_COLOR=1"}, []string{"\x1b[7m"}, []string{"38;5;", "38;2;", "\x1b[31", "\x1b[48;"}},
		"no UTF-8":       {[]string{"LC_ALL=C"}, []string{"checkout"}, []string{"─", "✓", "…"}},
		"MIDWATCH_ASCII": {[]string{"MIDWATCH_ASCII=1"}, []string{"checkout"}, []string{"─", "✓", "…"}},
		"ssh":            {[]string{"SSH_TTY=/dev/pts/1"}, []string{askSync}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			realTime(r)
			s, result := program(t, t.Context(), r.opts, c.env...)
			s.until("payments")
			s.press("q")
			if err := wait(t, result); err != nil {
				t.Error(err)
			}
			for _, want := range c.want {
				if !strings.Contains(s.text(), want) {
					t.Errorf("%q was never written", want)
				}
			}
			for _, not := range c.not {
				if strings.Contains(s.text(), not) {
					t.Errorf("%q was written", not)
				}
			}
			if !strings.Contains(s.text(), enterScreen) {
				t.Error("not on the alternate screen")
			}
		})
	}
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestAnIdleProgramWritesNothing holds the budget of bytes while nothing
// happens: there is nothing to write, so nothing is.
func TestAnIdleProgramWritesNothing(t *testing.T) {
	r := newRig(t)
	realTime(r)
	s, result := program(t, t.Context(), r.opts)
	s.until("payments")
	s.press("?")
	s.until("Help")
	<-time.After(time.Second) // what is measured here is time itself
	n := len(s.text())
	before := cpu(t)
	<-time.After(2 * time.Second)
	t.Logf("CPU in 2 s: %v", cpu(t)-before)
	if grown := len(s.text()) - n; grown > 120 {
		t.Errorf("%d bytes in two idle seconds", grown)
	}
	s.press("\x03")
	if err := wait(t, result); err != nil {
		t.Error(err)
	}
}
