package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Bed is one running cluster. Its methods may be called from several tests at
// once, except those that stop, pause or restart the API server: they cut off
// every other user of the bed.
type Bed struct {
	// Metrics is what the bed's metrics APIs answer.
	Metrics *Metrics

	opts     Options
	dir      string
	ownDir   bool // Close removes it
	binaries Binaries
	ports    ports
	ca       *authority
	creds    *credentials
	launcher *launcher
	client   *kubernetes.Clientset
	applier  *applier
	kubelet  *kubelet // nil with Options.ManyPods
	restored bool     // the data came from a snapshot

	mu        sync.Mutex
	processes []*process // in the order they were started
	closed    bool
}

// ports are the loopback ports of one bed.
type ports struct{ etcd, etcdPeer, api, kubelet int }

// Start builds what has to be built and starts a cluster; it returns when the
// API server is ready, the nodes are, and pods can be created. ctx bounds the
// start only: the cluster runs until Close.
func Start(ctx context.Context, opts Options) (*Bed, error) {
	opts = opts.withDefaults()
	if _, err := opts.nodeCapacity(); err != nil {
		return nil, fmt.Errorf("testbed: %w", err)
	}
	binaries, err := BuildBinaries(ctx, opts.Progress)
	if err != nil {
		return nil, fmt.Errorf("testbed: %w", err)
	}
	var env []string
	if opts.ManyPods {
		env = append(env, "GOGC=400") // a fifth of the servers' time, for memory
	}
	b := &Bed{opts: opts, binaries: binaries, dir: opts.Dir, launcher: newLauncher(env...)}
	if err := b.start(ctx); err != nil {
		err = fmt.Errorf("testbed: %w", err)
		// The logs are what explains the failure: leave them.
		b.ownDir = false
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// start runs the steps of Start that need cleaning up after.
func (b *Bed) start(ctx context.Context) error {
	// A control plane that is not up by then will not come up.
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for _, step := range []func(context.Context) error{
		b.prepare,
		b.restoreSnapshot,
		b.startEtcd,
		b.StartAPIServer,
		b.connect,
		b.startControllers,
		b.startNodes,
		b.startMetrics,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the folder, finds ports and writes keys and kubeconfigs.
func (b *Bed) prepare(context.Context) error {
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "midwatch-testbed-")
		if err != nil {
			return err
		}
		b.dir, b.ownDir = dir, true
	}
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return err
	}
	b.dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	free, err := freePorts(4)
	if err != nil {
		return err
	}
	b.ports = ports{etcd: free[0], etcdPeer: free[1], api: free[2], kubelet: free[3]}
	if b.ca, err = newAuthority(dir); err != nil {
		return err
	}
	b.creds, err = newCredentials(dir, fmt.Sprintf("https://127.0.0.1:%d", b.ports.api), b.ca.pem)
	return err
}

// connect makes the bed's own clients and gives the identities their rights.
func (b *Bed) connect(ctx context.Context) error {
	config := b.creds.restConfig(Admin)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	b.client = client
	if b.applier, err = newApplier(config); err != nil {
		return err
	}
	return b.Apply(ctx, rbacYAML)
}

// Client returns a client with all rights.
func (b *Bed) Client() kubernetes.Interface { return b.client }

// Kubeconfig returns the path of the identity's kubeconfig; its only context
// is "bed-" and the identity. See Identities.
func (b *Bed) Kubeconfig(identity string) string {
	b.mustKnow(identity)
	return b.creds.kubeconfig(identity)
}

// KubeconfigAll returns the path of a kubeconfig with one context for every
// identity; the current one is bed-admin.
func (b *Bed) KubeconfigAll() string { return b.creds.kubeconfig(allContexts) }

// RESTConfig returns a client configuration of the identity, without a
// client-side rate limit.
func (b *Bed) RESTConfig(identity string) *rest.Config {
	b.mustKnow(identity)
	return b.creds.restConfig(identity)
}

// mustKnow panics on an identity that the bed does not have: a mistake in the
// test, which would otherwise look like a refusal by the API server.
func (b *Bed) mustKnow(identity string) {
	if !slices.Contains(Identities(), identity) {
		panic(fmt.Sprintf("testbed: no identity %q, only %q", identity, Identities()))
	}
}

// Dir returns the bed's folder: logs, kubeconfigs, data.
func (b *Bed) Dir() string { return b.dir }

// PIDs returns the process ids of the servers that are running, by name.
func (b *Bed) PIDs() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	pids := map[string]int{}
	for _, p := range b.processes {
		pids[p.name] = p.cmd.Process.Pid
	}
	return pids
}

// Close stops everything, waits until it is gone and removes the bed's folder
// if the bed made it. Further calls do nothing.
func (b *Bed) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	processes := b.processes
	b.processes = nil
	b.mu.Unlock()

	if b.kubelet != nil {
		b.kubelet.stop()
	}
	if b.Metrics != nil {
		b.Metrics.stop()
	}
	var errs []error
	// Last started first stopped, so that nobody waits for a server that is
	// gone. The API server would drain its watches for up to a minute; the data
	// is thrown away, so nobody waits for that either.
	for _, p := range slices.Backward(processes) {
		errs = append(errs, p.stop(2*time.Second))
	}
	b.launcher.close()
	if b.ownDir {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// run starts a server and remembers it.
func (b *Bed) run(name, path string, args ...string) (*process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("start %s: the bed is closed", name)
	}
	p, err := b.launcher.start(b.dir, name, path, args...)
	if err != nil {
		return nil, err
	}
	b.processes = append(b.processes, p)
	return p, nil
}

// find returns the server of that name, or nil if it is not running.
func (b *Bed) find(name string) *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.processes {
		if p.name == name {
			return p
		}
	}
	return nil
}

// forget takes a stopped server off the list.
func (b *Bed) forget(gone *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.processes = slices.DeleteFunc(b.processes, func(p *process) bool { return p == gone })
}

// alive returns an error if a server has exited that nobody stopped.
func (b *Bed) alive() error {
	b.mu.Lock()
	processes := slices.Clone(b.processes)
	b.mu.Unlock()
	for _, p := range processes {
		if err := p.alive(); err != nil {
			return err
		}
	}
	return nil
}
