package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// launcher starts processes from one OS thread that lives as long as the bed.
// On Linux a child is killed when the *thread* that started it ends, and Go
// moves goroutines between threads at will; without a thread of its own a
// server could be killed in the middle of a test.
type launcher struct {
	starts chan func()
	env    []string // added to this process's
}

func newLauncher(env ...string) *launcher {
	l := &launcher{starts: make(chan func()), env: env}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the loop
		for start := range l.starts {
			start()
		}
	}()
	return l
}

// close ends the thread. Call it only after every process was stopped.
func (l *launcher) close() { close(l.starts) }

// process is one running server in a process group of its own.
type process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process was waited for
	waitErr error         // valid after exited
}

// start runs the command with its output appended to dir/name.log.
func (l *launcher) start(dir, name, path string, args ...string) (*process, error) {
	return l.startAs(dir, name, nil, path, args...)
}

// startAs is start as another user; nil is this one.
func (l *launcher) startAs(dir, name string, user *syscall.Credential, path string, args ...string) (*process, error) {
	logPath := filepath.Join(dir, name+".log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", name, err)
	}
	defer logFile.Close() // the child holds its own copy

	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), l.env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = ownGroup()
	cmd.SysProcAttr.Credential = user

	started := make(chan error)
	l.starts <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}

	p := &process{name: name, logPath: logPath, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.waitErr = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// alive returns an error with the end of the log if the process has exited.
func (p *process) alive() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s exited (%w); the end of %s:\n%s", p.name, p.waitErr, p.logPath, p.tail())
	default:
		return nil
	}
}

// signal sends sig to the whole group. A group that is gone is no error.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal %s to %s: %w", sig, p.name, err)
	}
	return nil
}

// stop asks the process to end, gives it the bound, then kills it; it returns
// when the process is gone. Stopping a stopped process does nothing.
func (p *process) stop(bound time.Duration) error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	// A process stopped by SIGSTOP would keep the SIGTERM for later.
	_ = p.signal(syscall.SIGCONT)
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if p.exitedWithin(bound) {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.exitedWithin(10 * time.Second) {
		return fmt.Errorf("stop %s: process %d survived SIGKILL", p.name, p.cmd.Process.Pid)
	}
	return nil
}

func (p *process) exitedWithin(bound time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	select {
	case <-p.exited:
		return true
	case <-ctx.Done():
		return false
	}
}

// tail returns the last lines of the process's log, for error messages.
func (p *process) tail() string { return tailOf(p.logPath, 15) }

// tailOf returns the last n lines of a file, or says why it cannot.
func tailOf(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(%v)", err)
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return "  | " + strings.Join(lines[max(0, len(lines)-n):], "\n  | ")
}
