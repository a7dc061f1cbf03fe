package vaulttest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights: what root may read of a process says
// nothing about what others may.
const nobody = 65534

// TestTheRunningProcessIsClosed looks at the binary through /proc while it runs,
// with the eyes of its own user: a credential plugin that it starts does.
func TestTheRunningProcessIsClosed(t *testing.T) {
	dir, err := os.MkdirTemp("", "midwatch-proc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, plugin, kubeconfig := filepath.Join(dir, "binary"), filepath.Join(dir, "plugin"), filepath.Join(dir, "config")
	script := "#!/bin/sh\ncd " + dir + "\ncat /proc/$PPID/limits > limits\nls -ln /proc/$PPID/environ > owner\n" +
		"cat /proc/$PPID/environ > environ 2> environ.err\ncat /proc/$PPID/mem > mem 2> mem.err\nid -u > user\n" +
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"x"}}'` + "\n"
	config := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
  clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}],
  users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: "` + plugin + `", interactiveMode: Never}}}]}`
	raw, err := os.ReadFile(shared.binary)
	err = errors.Join(err, os.WriteFile(binary, raw, 0o755), os.WriteFile(plugin, []byte(script), 0o755), os.WriteFile(kubeconfig, []byte(config), 0o644), os.Chmod(dir, 0o777))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "status")
	cmd.Dir = dir
	cmd.Env = append(asToken(canary), "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CONFIG_HOME="+dir, "PATH="+os.Getenv("PATH"), "KUBECONFIG="+kubeconfig)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	seen := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("the plugin did not look: %v\n%s", err, out)
		}
		return string(text)
	}
	if user := strings.TrimSpace(seen("user")); user == "0" {
		t.Fatal("the process runs as root: nothing is proven by what root may read")
	}
	// The files of a process that is not dumpable belong to root (proc(5)).
	if owner := strings.Fields(seen("owner")); len(owner) < 4 || owner[2] != "0" {
		t.Errorf("the process is dumpable: /proc/PID/environ belongs to %v", owner)
	}
	for _, file := range []string{"environ", "mem"} {
		if text := seen(file); text != "" {
			t.Errorf("/proc/PID/%s can be read: %d bytes", file, len(text))
		}
		if why := seen(file + ".err"); !strings.Contains(why, "Permission denied") {
			t.Errorf("/proc/PID/%s: %s", file, why)
		}
	}
	core := ""
	for line := range strings.Lines(seen("limits")) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			core = strings.Join(strings.Fields(rest), " ")
		}
	}
	if !strings.HasPrefix(core, "0 0") {
		t.Errorf("core dumps are possible: %q", core)
	}
	if bytes.Contains(out, []byte(canary)) {
		t.Error("the token is in the output")
	}
}
