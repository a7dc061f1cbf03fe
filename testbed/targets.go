package testbed

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Target is a process on this machine that stands for what runs in a pod.
type Target struct {
	// Address is where it listens, on the loopback.
	Address string

	cmd   *exec.Cmd
	input io.Closer
}

// StartGoTarget starts the program targets/gotarget with flags; see its -help.
func (b *Bed) StartGoTarget(ctx context.Context, flags ...string) (*Target, error) {
	binary, err := b.goTarget(ctx)
	if err != nil {
		return nil, err
	}
	return startTarget(exec.Command(binary, flags...))
}

// goTarget builds the program once for a bed.
func (b *Bed) goTarget(ctx context.Context) (string, error) {
	binary := b.file("gotarget")
	b.mu.Lock()
	defer b.mu.Unlock()
	if fileExists(binary) {
		return binary, nil
	}
	root, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed")
	if err != nil {
		return "", fmt.Errorf("find the testbed module: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./targets/gotarget")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the Go target: %w\n%s", err, out)
	}
	return binary, nil
}

// StartPythonTarget starts targets/pytarget. It writes profiles of itself into
// the folder files, if that is not empty: cprofile.pstats always, yappi.pstat
// and yappi.callgrind where yappi is installed.
func (b *Bed) StartPythonTarget(ctx context.Context, files string) (*Target, error) {
	root, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed")
	if err != nil {
		return nil, fmt.Errorf("find the testbed module: %w", err)
	}
	args := []string{filepath.Join(root, "targets", "pytarget", "app.py")}
	if files != "" {
		args = append(args, files)
	}
	return startTarget(exec.Command("python3", args...))
}

// startTarget starts a program that prints its address first and ends with its
// standard input.
func startTarget(cmd *exec.Cmd) (*Target, error) {
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	t := &Target{cmd: cmd, input: input}
	address := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(output).ReadString('\n') // empty when it ended
		address <- strings.TrimSpace(line)
	}()
	select {
	case t.Address = <-address:
	case <-time.After(30 * time.Second):
	}
	if t.Address == "" {
		t.Close()
		return nil, fmt.Errorf("start %s: it named no address", cmd.Path)
	}
	return t, nil
}

// Close ends the process.
func (t *Target) Close() {
	_ = t.input.Close()
	_ = t.cmd.Process.Kill() // it may have ended by itself
	_ = t.cmd.Wait()
}

// Forward makes connections to a port of a pod end at a target, through the
// API server and kwok. A program relays each of them, see relay in
// targets/gotarget.
func (b *Bed) Forward(ctx context.Context, namespace, pod string, port int, to *Target) error {
	relay, err := b.goTarget(ctx)
	if err != nil {
		return err
	}
	return b.Apply(ctx, fmt.Sprintf(`
apiVersion: kwok.x-k8s.io/v1alpha1
kind: PortForward
metadata: {name: %q, namespace: %q}
spec:
  forwards:
    - ports: [%d]
      command: [%q, -connect, %q]
`, pod, namespace, port, relay, to.Address))
}
