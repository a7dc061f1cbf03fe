// Package session opens a cluster with everything that hangs on it: clients
// behind the write lock, sources feeding a hub, plans and the gate. The
// console, the commands and the tests over the demo world all open one here.
package session

import (
	"context"
	"net/http"
	"slices"
	"time"

	"midwatch/action"
	"midwatch/k8s/change"
	"midwatch/k8s/connect"
	"midwatch/k8s/watch"
	"midwatch/live"
	"midwatch/profiles/capture"
	"midwatch/secrets"
	"midwatch/secrets/ledger"
	"midwatch/secrets/read"
	"midwatch/ui/app"
)

// How long events are gathered for one frame.
const (
	FrameEvery     = 100 * time.Millisecond
	SlowFrameEvery = 250 * time.Millisecond
)

// Opener makes sessions, one at a time, for a whole run of the program.
type Opener struct {
	Source  *connect.Config
	Clock   live.Clock
	Journal *action.Journal
	// Stdio knows what credential plugins said; nil outside the console.
	Stdio *connect.Stdio
	// Protected are patterns of contexts whose writes ask for more.
	Protected []string
	// Namespaces are offered where listing them is forbidden.
	Namespaces []string
	// ProfileRules say where pods serve profiles.
	ProfileRules []capture.Rule
	// Every is how long events are gathered; FrameEvery when 0.
	Every time.Duration
	// Unlocked starts the next session, and only that, open for writes.
	Unlocked bool
	// Vault is where leases and secrets are read from.
	Vault VaultSource
	// FollowLeases looks leases up as operators name them; a command asks for
	// what it needs by itself.
	FollowLeases bool
	// UserAgent is how midwatch appears in audit logs.
	UserAgent string
	// Flags say where feature flags come from.
	Flags FlagSettings
}

// Open connects and starts the sources. An empty list of namespaces means the
// context's own, unless all is set. ctx bounds the connecting only; the
// session ends with its Close, which waits for its goroutines.
func (o *Opener) Open(ctx context.Context, where app.Where, all bool) (*app.Session, error) {
	hub := live.NewHub(o.Clock, o.Every)
	lock := action.NewLock(o.Clock, where.Context, "")
	opts := connect.Options{
		Context: where.Context, AllNamespaces: all, Clock: o.Clock, Stdio: o.Stdio, UserAgent: o.UserAgent,
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			return action.Transport(next, lock, action.Kubernetes())
		},
		OnHealth: func() { hub.Notable(watch.TopicSources) },
	}
	if len(where.Namespaces) > 0 {
		opts.Namespace = where.Namespaces[0]
	}
	cluster, err := o.Source.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	where.Context = cluster.Context
	if !all && len(where.Namespaces) == 0 && cluster.Namespace != "" {
		where.Namespaces = []string{cluster.Namespace}
	}
	lock.Bind(cluster.Context, cluster.UID())
	if o.Unlocked {
		lock.Open()
		o.Unlocked = false // another context starts locked
	}
	return o.assemble(cluster, hub, lock, where), nil
}

func (o *Opener) assemble(cluster *connect.Cluster, hub *live.Hub, lock *action.Lock, where app.Where) *app.Session {
	ctx, cancel := context.WithCancel(context.Background())
	known := slices.Clone(o.Namespaces)
	if cluster.Namespace != "" {
		known = append(known, cluster.Namespace)
	}
	way := o.Vault.Desk(where.Context, lock, o.Clock, o.UserAgent)
	leases := ledger.New(ledger.Options{Desk: way, Clock: o.Clock, Auths: func(ctx context.Context, namespaces []string) ([]secrets.Auth, error) {
		return read.Auths(ctx, cluster, namespaces)
	}})
	sources := watch.Start(ctx, watch.Options{
		Cluster: cluster, Hub: hub, Clock: o.Clock, Scope: watch.NewScope(where.Namespaces...), Namespaces: known,
		Endings: leases.Judge, OnHeld: leases.Poke,
	})
	if leases.Attach(sources); o.FollowLeases {
		leases.Begin()
	}
	// The cluster's UID arrives behind the first answer; a plan made once it
	// is known binds the lock to it.
	uid := func() string {
		id := cluster.UID()
		lock.Bind(cluster.Context, id)
		return id
	}
	scalers := o.scalers(cluster, hub)
	gate := action.NewGate(lock, o.Journal, o.Clock, cluster.User(), action.ProtectContexts(o.Protected))
	flags := o.flags(cluster, hub, lock)
	taker := o.profiles(cluster, gate, uid)
	return &app.Session{
		Scalers: scalers, Flags: flags, Vault: way, Leases: leases,
		Where: where, Hub: hub, Cluster: cluster, Watch: sources,
		Change: change.New(change.Client{Typed: cluster.Typed(), Dynamic: cluster.Dynamic(), Context: cluster.Context, ClusterUID: uid}, o.Clock),
		Gate:   gate, Profiles: taker,
		Close: func() {
			taker.Close()
			cancel()
			scalers.Close()
			if flags.Watch != nil {
				flags.Watch.Close()
			}
			leases.Close()
			sources.Close()
			cluster.Close()
			way.Close()
		},
	}
}
