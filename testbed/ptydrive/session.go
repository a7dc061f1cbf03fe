package ptydrive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"midwatch/testbed/ptydrive/emulator"
)

// Options say what to run in which terminal.
type Options struct {
	// Command is the program and its arguments.
	Command []string
	// Dir is its folder; empty means this process's.
	Dir string
	// Env is added to a small fixed environment: PATH, HOME and TMPDIR of this
	// process, TERM=xterm-256color, COLORTERM=truecolor, LANG=C.UTF-8. Later
	// entries win; "NAME=" sets an empty value.
	Env []string
	// Cols and Rows are the window's size; 0 means 80 x 24.
	Cols, Rows int
	// Silent makes a terminal that answers no query, as a serial line does.
	Silent bool
	// Light makes the terminal answer that its background is light.
	Light bool
}

// maxRaw is how much of the program's output Raw keeps, from the end.
const maxRaw = 1 << 20

// Session is a running program and its terminal. Its methods may be called
// from several goroutines.
type Session struct {
	cmd    *exec.Cmd
	ptmx   *os.File
	tty    *os.File // kept so that output and settings outlive the program
	cooked *unix.Termios

	mu      sync.Mutex
	term    *emulator.Terminal
	raw     []byte
	written int64         // bytes the program has written
	changed chan struct{} // closed and replaced when something was written
	after   *unix.Termios // as the program left them
	waitErr error

	exited  chan struct{} // the program has ended
	drained chan struct{} // and all its output was read
	closeIt sync.Once
}

// Start runs the program.
func Start(opts Options) (*Session, error) {
	if len(opts.Command) == 0 {
		return nil, errors.New("ptydrive: no command given")
	}
	if opts.Cols == 0 {
		opts.Cols = 80
	}
	if opts.Rows == 0 {
		opts.Rows = 24
	}
	ptmx, tty, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("ptydrive: open a pseudo-terminal: %w", err)
	}
	s := &Session{
		ptmx: ptmx, tty: tty,
		changed: make(chan struct{}), exited: make(chan struct{}), drained: make(chan struct{}),
	}
	if err := s.start(opts); err != nil {
		ptmx.Close()
		tty.Close()
		return nil, fmt.Errorf("ptydrive: start %s: %w", opts.Command[0], err)
	}
	go s.read()
	go s.wait()
	return s, nil
}

func (s *Session) start(opts Options) error {
	if err := pty.Setsize(s.ptmx, &pty.Winsize{Rows: uint16(opts.Rows), Cols: uint16(opts.Cols)}); err != nil {
		return err
	}
	settings, err := termios(s.tty)
	if err != nil {
		return err
	}
	s.cooked = settings

	term := emulator.Options{Cols: opts.Cols, Rows: opts.Rows}
	if !opts.Silent {
		term.Replies = s.ptmx
	}
	if opts.Light {
		term.Background, term.Foreground = "fafa/fafa/fafa", "2222/2222/2222"
	}
	s.term = emulator.New(term)

	s.cmd = exec.Command(opts.Command[0], opts.Command[1:]...)
	s.cmd.Dir = opts.Dir
	s.cmd.Env = environment(opts.Env)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.tty, s.tty, s.tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // the terminal is fd 0
	return s.cmd.Start()
}

// environment returns the program's environment: nothing of the machine's that
// could change what is drawn.
func environment(extra []string) []string {
	env := []string{"TERM=xterm-256color", "COLORTERM=truecolor", "LANG=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, extra...)
}

// read feeds the emulator until the terminal is closed.
func (s *Session) read() {
	defer close(s.drained)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.ptmx.Read(buf)
		if n > 0 {
			s.take(buf[:n])
		}
		if err != nil {
			return // EIO: nobody has the other end open any more
		}
	}
}

func (s *Session) take(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.term.Write(data) // never fails
	s.written += int64(len(data))
	s.raw = append(s.raw, data...)
	if len(s.raw) > 2*maxRaw {
		s.raw = bytes.Clone(s.raw[len(s.raw)-maxRaw:])
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait notes how the program ended and how it left the terminal.
func (s *Session) wait() {
	err := s.cmd.Wait()
	after, termErr := termios(s.tty)
	s.tty.Close() // lets read end once it has read everything
	s.mu.Lock()
	s.waitErr = err
	if termErr == nil {
		s.after = after
	}
	s.mu.Unlock()
	close(s.exited)
}

// Close kills the program and all of its session's foreground group if they
// still run, and frees the terminal.
func (s *Session) Close() error {
	s.closeIt.Do(func() {
		select {
		case <-s.exited:
		default:
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			<-s.exited
		}
		s.ptmx.Close()
		<-s.drained
	})
	return nil
}

// PID returns the program's process id.
func (s *Session) PID() int { return s.cmd.Process.Pid }

// Send types the text, keys included: Send("/web" + Enter).
func (s *Session) Send(keys string) error {
	if _, err := io.WriteString(s.ptmx, keys); err != nil {
		return fmt.Errorf("ptydrive: send %q: %w", keys, err)
	}
	return nil
}

// Resize changes the window's size, which the program learns by SIGWINCH.
func (s *Session) Resize(cols, rows int) error {
	s.mu.Lock()
	s.term.Resize(cols, rows)
	s.mu.Unlock()
	if err := pty.Setsize(s.ptmx, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)}); err != nil {
		return fmt.Errorf("ptydrive: resize to %dx%d: %w", cols, rows, err)
	}
	return nil
}

// Signal sends a signal to the program.
func (s *Session) Signal(sig os.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("ptydrive: signal %s: %w", sig, err)
	}
	return nil
}

// Wait returns the program's exit code when it has ended and all its output
// was read; 128 + n if signal n killed it, as shells count.
func (s *Session) Wait(ctx context.Context) (code int, err error) {
	for _, done := range []chan struct{}{s.exited, s.drained} {
		select {
		case <-done:
		case <-ctx.Done():
			return 0, fmt.Errorf("ptydrive: the program has not ended: %w; the screen:\n%s", ctx.Err(), s.Screen())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var exit *exec.ExitError
	switch {
	case s.waitErr == nil:
		return 0, nil
	case errors.As(s.waitErr, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return exit.ExitCode(), nil
	default:
		return 0, fmt.Errorf("ptydrive: wait for the program: %w", s.waitErr)
	}
}

// Restored returns an error that lists what the program, which has ended, left
// behind: raw mode, the alternate screen, a hidden cursor, mouse reporting …
func (s *Session) Restored() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.term.LeftOver()
	switch {
	case s.after == nil:
		left = append(left, "(the program has not ended)")
	case *s.after != *s.cooked:
		left = append(left, "changed line settings (raw mode)")
	}
	if len(left) > 0 {
		return fmt.Errorf("ptydrive: the program left behind: %s", strings.Join(left, ", "))
	}
	return nil
}

// waitFor returns when done says so, looking after everything the program
// writes, or an error when ctx ends or the program does.
func (s *Session) waitFor(ctx context.Context, what string, done func(*emulator.Terminal) bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(s.term), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-s.drained:
			// What was read last may have been it.
			s.mu.Lock()
			ok := done(s.term)
			s.mu.Unlock()
			if ok {
				return nil
			}
			return fmt.Errorf("ptydrive: the program ended without %s; the screen:\n%s", what, s.Screen())
		case <-ctx.Done():
			return fmt.Errorf("ptydrive: no %s: %w; the screen:\n%s", what, ctx.Err(), s.Screen())
		}
	}
}

// WaitQuiet returns when the program has written nothing for the duration. For
// measuring; a test should wait for what it expects to see.
func (s *Session) WaitQuiet(ctx context.Context, quiet time.Duration) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		timer := time.NewTimer(quiet)
		select {
		case <-timer.C:
			return nil
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("ptydrive: the program kept writing: %w", ctx.Err())
		}
	}
}
