package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func pidFile(dir string) string   { return filepath.Join(dir, "midwatch-testbed.pid") }
func readyFile(dir string) string { return filepath.Join(dir, "midwatch-testbed.ready") }

// detach runs the same command again in the background, without --detach, and
// returns when its cluster is ready.
func detach(ctx context.Context, dir string, out io.Writer) error {
	if err := clearDir(dir); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	// "go run" removes its executable when it ends: keep one.
	kept := filepath.Join(dir, "midwatch-testbed")
	if err := copyExecutable(self, kept); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	logPath := filepath.Join(dir, "midwatch-testbed.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	defer log.Close()
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		return strings.HasPrefix(a, "-") && name == "detach"
	})
	cmd := exec.Command(kept, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives the terminal
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-exited:
			text, _ := os.ReadFile(logPath)
			return fmt.Errorf("the cluster did not start (%w):\n%s", err, text)
		case <-ctx.Done():
			return errors.Join(errors.New("interrupted"), cmd.Process.Signal(syscall.SIGTERM))
		case <-ticker.C:
			if text, err := os.ReadFile(readyFile(dir)); err == nil {
				fmt.Fprintf(out, "%s\"midwatch-testbed down\" stops it\n", text)
				return nil
			}
		}
	}
}

// down stops a cluster in the background and waits until it is gone.
func down(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	dir := flags.String("dir", defaultDir(), "the folder given to \"up\"")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pid, running := runningIn(*dir)
	if !running {
		return fmt.Errorf("nothing is running in %s", *dir)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	deadline := time.After(time.Minute)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, running := runningIn(*dir); !running {
			fmt.Fprintln(out, "stopped")
			return os.RemoveAll(*dir)
		}
		select {
		case <-deadline:
			return fmt.Errorf("process %d is still there after a minute", pid)
		case <-ticker.C:
		}
	}
}

// runningIn returns the process that holds a cluster in dir.
func runningIn(dir string) (pid int, running bool) {
	text, err := os.ReadFile(pidFile(dir))
	if err != nil {
		return 0, false
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, false
	}
	return pid, pid != os.Getpid() && syscall.Kill(pid, 0) == nil
}

// clearDir empties the folder, unless it is in use or not one of ours.
func clearDir(dir string) error {
	if pid, running := runningIn(dir); running {
		return fmt.Errorf("process %d already runs a cluster in %s: stop it first, or choose another --dir", pid, dir)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	own := func(e os.DirEntry) bool { return e.Name() == "etcd" || strings.HasPrefix(e.Name(), "midwatch-testbed") }
	if len(entries) > 0 && !slices.ContainsFunc(entries, own) {
		return fmt.Errorf("%s holds other things: choose an empty folder", dir)
	}
	// The background process is started from here and clears nothing of its own.
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "midwatch-testbed") && e.Name() != filepath.Base(readyFile(dir)) && e.Name() != filepath.Base(pidFile(dir)) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyExecutable(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	// A running copy cannot be written to, but it can be replaced.
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
