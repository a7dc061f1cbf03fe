package testbed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// KubernetesVersion is the release the bed's control plane is built from.
// It must be the one that servers/kube/go.mod requires.
const KubernetesVersion = "v1.37.2"

// Binaries are the programs a bed runs, built from Go modules.
type Binaries struct {
	Kube    string // etcd and the three Kubernetes servers, by first argument
	Kwok    string // plays the nodes
	KwokDir string // kwok's module folder, which holds its CRDs and node stages
}

// BuildBinaries builds the servers, or finds them as an earlier run left them
// in the user's cache folder under a name made of everything that went into
// them. Processes that ask at the same time wait for the one that builds.
// What takes long is announced on progress.
func BuildBinaries(ctx context.Context, progress io.Writer) (Binaries, error) {
	root, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed")
	if err != nil {
		return Binaries{}, fmt.Errorf("find the testbed module (run inside its folder): %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Binaries{}, fmt.Errorf("find the cache folder: %w", err)
	}
	b := builder{cache: filepath.Join(cache, "midwatch-testbed"), progress: progress}
	version := "k8s.io/component-base/version.git"

	var out Binaries
	out.Kube, err = b.build(ctx, program{
		name: "kube", dir: filepath.Join(root, "servers", "kube"), pkg: ".",
		sources: []string{"go.mod", "go.sum", "main.go"},
		// Without the stamps the server calls itself v0.0.0.
		ldflags: fmt.Sprintf("-s -w -X %[1]sVersion=%[2]s -X %[1]sMajor=1 -X %[1]sMinor=37 -X %[1]sTreeState=clean",
			version, KubernetesVersion),
		cost: "kube-apiserver and friends: about 6 minutes the first time",
	})
	if err != nil {
		return Binaries{}, err
	}
	kwokDir := filepath.Join(root, "servers", "kwok")
	out.Kwok, err = b.build(ctx, program{
		name: "kwok", dir: kwokDir, pkg: "sigs.k8s.io/kwok/cmd/kwok",
		sources: []string{"go.mod", "go.sum"},
		ldflags: "-s -w",
		cost:    "kwok: about 2 minutes the first time",
	})
	if err != nil {
		return Binaries{}, err
	}
	out.KwokDir, err = goOutput(ctx, kwokDir, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok")
	if err != nil {
		return Binaries{}, fmt.Errorf("find kwok's module folder: %w", err)
	}
	return out, nil
}

// BuildMidwatch builds the product from the checkout this module lies in and
// writes the executable to path.
func BuildMidwatch(ctx context.Context, path string) error {
	root, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed")
	if err != nil {
		return fmt.Errorf("find the testbed module (run inside its folder): %w", err)
	}
	if _, err := goOutput(ctx, filepath.Dir(root), "build", "-o", path, "."); err != nil {
		return fmt.Errorf("build midwatch: %w", err)
	}
	return nil
}

// program is one thing to build.
type program struct {
	name    string
	dir     string // the module's folder
	pkg     string
	sources []string // the files that, with the Go version, decide the result
	ldflags string
	cost    string // what to tell someone who has to wait
}

type builder struct {
	cache    string
	progress io.Writer
}

// build returns the path of the program's executable.
func (b builder) build(ctx context.Context, p program) (string, error) {
	hash, err := p.hash(ctx)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", p.name, err)
	}
	dir := filepath.Join(b.cache, hash)
	target := filepath.Join(dir, p.name)
	if isExecutable(target) {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", p.name, err)
	}
	unlock, err := b.lock(ctx, filepath.Join(dir, p.name+".lock"), p.name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isExecutable(target) { // built by whoever held the lock
		return target, nil
	}

	fmt.Fprintf(b.progress, "testbed: building %s\n", p.cost)
	begun := time.Now()
	// Under another name first: an interrupted build must not look finished.
	unfinished := target + ".unfinished"
	_, err = goOutput(ctx, p.dir, "build", "-trimpath", "-buildvcs=false", "-ldflags", p.ldflags, "-o", unfinished, p.pkg)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", p.name, err)
	}
	if err := os.Rename(unfinished, target); err != nil {
		return "", fmt.Errorf("build %s: %w", p.name, err)
	}
	fmt.Fprintf(b.progress, "testbed: built %s in %s\n", p.name, time.Since(begun).Round(time.Second))
	return target, nil
}

// hash names the result by what goes into it.
func (p program) hash(ctx context.Context) (string, error) {
	goVersion, err := goOutput(ctx, p.dir, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, goVersion, p.pkg, p.ldflags)
	for _, name := range p.sources {
		data, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// lock takes the file lock, saying so if it has to wait for another process.
func (b builder) lock(ctx context.Context, path, name string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the build of %s: %w", name, err)
	}
	announced := false
	err = poll(ctx, 200*time.Millisecond, func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == syscall.EWOULDBLOCK {
			if !announced {
				fmt.Fprintf(b.progress, "testbed: waiting for another process that builds %s\n", name)
				announced = true
			}
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the build of %s: %w", name, err)
	}
	return func() { f.Close() }, nil // closing the file drops the lock
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0
}

// goOutput runs the go command in dir and returns what it printed.
func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// The servers need no C, and a workspace file of the user's must not join in.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
