// Package e2e runs the midwatch binary against real servers: a control plane
// with real controllers, as five different users, with its API server stopped,
// paused and restarted under the open console.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"midwatch/testbed"
	"midwatch/testbed/world"
)

// shared is what all tests of the package use: one bed, one binary.
var shared struct {
	bed    *testbed.Bed
	binary string
}

// TestMain builds the binary, starts one bed with the sample world for all
// tests, and stops it.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "midwatch-e2e-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	shared.binary = filepath.Join(dir, "midwatch")
	if err := testbed.BuildMidwatch(ctx, shared.binary); err != nil {
		return complain(err)
	}
	if !sharesBed {
		return m.Run()
	}
	shared.bed, err = testbed.Start(ctx, testbed.Options{})
	if err != nil {
		return complain(err)
	}
	defer shared.bed.Close()
	if err := shared.bed.Apply(ctx, world.All()...); err != nil {
		return complain(err)
	}
	return m.Run()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// environment keeps the binary away from the settings, the kubeconfig and the
// journal of whoever runs the tests.
func environment(t *testing.T, kubeconfig string) []string {
	t.Helper()
	home := t.TempDir()
	return []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home,
		"PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "LANG=C.UTF-8", "KUBECONFIG=" + kubeconfig,
	}
}

// result is how one command ended.
type result struct {
	out, err string
	code     int
	took     time.Duration
}

// midwatch runs one command as an identity of the bed.
func midwatch(t *testing.T, identity string, args ...string) result {
	t.Helper()
	return command(t, environment(t, shared.bed.Kubeconfig(identity)), args...)
}

func command(t *testing.T, env []string, args ...string) result {
	t.Helper()
	return fed(t, env, nil, args...)
}

// fed runs one command with something at its standard input.
func fed(t *testing.T, env []string, input []byte, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shared.binary, args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = bytes.NewReader(input), &out, &errOut, env
	begun := time.Now()
	err := cmd.Run()
	r := result{out: out.String(), err: errOut.String(), took: time.Since(begun)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		t.Fatalf("midwatch %v: %v", args, err)
	}
	return r
}

// board is the part of midwatch.status/v1 the tests look at.
type board struct {
	Schema  string `json:"schema"`
	Context string `json:"context"`
	Sources []struct {
		Name, State, Error string
	} `json:"sources"`
	Workloads []workload `json:"workloads"`
}

type workload struct {
	Kind, Namespace, Name            string
	Severity, Phase, Reason, Message string
	Since                            time.Time
	Rollout                          struct {
		Revision, PreviousRevision         string
		Desired, Updated, Ready, Available int
		Surge, Unavailable                 int
		Deadline                           time.Time
		BlockedBy                          []string
	}
	Causes []cause
	Delete []string
	HPA    *struct {
		Name                       string
		Min, Max, Current, Desired int
	} `json:"hpa"`
}

type cause struct {
	Kind, Text, Reason, Which string
	Step, Count, Of           int
	Fatal                     bool
	Pods                      []string
	Container, Probe          string
	Endpoint, Object, Next    string
	Since, NextStart          time.Time
}

// status reads the board as an identity of the bed.
func status(t *testing.T, identity string, args ...string) (board, result) {
	t.Helper()
	r := midwatch(t, identity, append([]string{"status", "-o", "json"}, args...)...)
	var b board
	if err := json.Unmarshal([]byte(r.out), &b); err != nil {
		t.Fatalf("status %v: exit %d, %v\n%s%s", args, r.code, err, r.out, r.err)
	}
	return b, r
}

func (b board) workload(kind, namespace, name string) (workload, error) {
	for _, w := range b.Workloads {
		if w.Kind == kind && w.Namespace == namespace && w.Name == name {
			return w, nil
		}
	}
	return workload{}, fmt.Errorf("%s %s/%s is not on the board", kind, namespace, name)
}

func (b board) source(name string) string {
	for _, s := range b.Sources {
		if s.Name == name {
			return s.State + ": " + s.Error
		}
	}
	return "no such source"
}
