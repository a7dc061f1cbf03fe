package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/config"
	"midwatch/demo"
	"midwatch/k8s/change"
	"midwatch/k8s/connect"
	"midwatch/k8s/watch"
	"midwatch/live"
)

// place says which cluster and namespaces to look at.
type place struct {
	context    string   // "" for the one of the flags or the kubeconfig
	namespaces []string // nil with all=false: the context's own
	all        bool
}

// where reads the place from the flags.
func (a *invocation) where() place {
	p := place{all: a.all}
	if ns := a.flags.Namespace; ns != nil && *ns != "" && !a.all {
		p.namespaces = []string{*ns}
	}
	if c := a.flags.Context; c != nil {
		p.context = *c
	}
	return p
}

// source is where clusters come from; done releases the embedded world.
func (a *invocation) source() (source *connect.Config, done func(), err error) {
	if !a.demo {
		return connect.FromFlags(a.flags), func() {}, nil
	}
	world, err := demo.Open(demo.Options{Seed: a.demoSeed, Now: a.clock.Now, Live: true})
	if err != nil {
		return nil, nil, fmt.Errorf("open the embedded world: %w", err)
	}
	return connect.FromRaw(world.RawConfig(), func(c *rest.Config) { world.WrapConfig(c) }), world.Close, nil
}

// opener makes sessions, one at a time, for a whole run of the program.
type opener struct {
	source    *connect.Config
	clock     live.Clock
	stdio     *connect.Stdio // nil outside the console
	journal   *action.Journal
	protected []string
	known     []string // namespaces from the settings
	write     bool     // --write: the first session starts unlocked
}

// session is one open cluster with everything that hangs on it.
type session struct {
	place   place // with the context and namespaces that were really opened
	cluster *connect.Cluster
	hub     *live.Hub
	watch   *watch.Session
	lock    *action.Lock
	gate    *action.Gate
	change  *change.Planner
	cancel  context.CancelFunc
}

// frameEvery is how long events are gathered for one frame.
const (
	frameEvery     = 100 * time.Millisecond
	slowFrameEvery = 250 * time.Millisecond
)

// open connects, and starts the sources. ctx bounds the connecting only.
func (o *opener) open(ctx context.Context, p place, interval time.Duration) (*session, error) {
	hub := live.NewHub(o.clock, interval)
	lock := action.NewLock(o.clock, p.context, "")
	opts := connect.Options{
		Context: p.context, AllNamespaces: p.all, Clock: o.clock, Stdio: o.stdio, UserAgent: "midwatch/" + version,
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return action.Transport(next, lock, action.Kubernetes())
		},
		OnHealth: func() { hub.Notable(watch.TopicSources) },
	}
	if len(p.namespaces) > 0 {
		opts.Namespace = p.namespaces[0]
	}
	cluster, err := o.source.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	p.context = cluster.Context
	if !p.all && len(p.namespaces) == 0 {
		p.namespaces = []string{cluster.Namespace}
	}
	lock.Bind(cluster.Context, cluster.UID())
	if o.write {
		lock.Open()
		o.write = false // another context starts locked
	}
	run, cancel := context.WithCancel(context.Background())
	s := &session{place: p, cluster: cluster, hub: hub, lock: lock, cancel: cancel}
	s.watch = watch.Start(run, watch.Options{Cluster: cluster, Hub: hub, Clock: o.clock, Scope: watch.NewScope(p.namespaces...), Namespaces: append(slices.Clone(o.known), cluster.Namespace)})
	s.gate = action.NewGate(lock, o.journal, o.clock, cluster.User(), action.ProtectContexts(o.protected))
	s.change = change.New(change.Client{Typed: cluster.Typed(), Dynamic: cluster.Dynamic(), Context: cluster.Context, ClusterUID: func() string {
		uid := cluster.UID()
		lock.Bind(cluster.Context, uid)
		return uid
	}}, o.clock)
	return s, nil
}

// close ends the session and waits until its goroutines are gone.
func (s *session) close() {
	s.cancel()
	s.watch.Close()
	s.cluster.Close()
}

// journalFile is where writes are recorded; the embedded world's go to a
// temporary folder.
func (a *invocation) journalFile(settings config.Config) (path string, done func(), err error) {
	if !a.demo || a.journal != "" {
		return settings.Journal, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "midwatch-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the demo's journal: %w", err)
	}
	return filepath.Join(dir, "journal.jsonl"), func() { os.RemoveAll(dir) }, nil
}
