package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"midwatch/demo/apiserver"
	"midwatch/demo/vaultsim"
)

// Context names of the two clusters.
const (
	Context   = "demo"
	ContextEU = "demo-eu"
)

// Options say how a world is opened.
type Options struct {
	// Seed decides names, UIDs and every other choice.
	Seed int64
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Live keeps the world moving by itself. Without it, it moves when Step is called.
	Live bool
}

// stepEvery is how often a live world looks whether something is due. An idle look costs a microsecond.
const stepEvery = 250 * time.Millisecond

// World is two clusters. It is safe for concurrent use.
type World struct {
	now      func() time.Time
	clusters []*cluster

	vault      *vaultsim.Server
	vaultToken string

	mu       sync.Mutex // one step at a time
	followed time.Time  // when the operator looked at Vault last
	stop     chan struct{}
	done     chan struct{}
	closer   sync.Once
}

// Open builds the world as it is at Now.
func Open(o Options) (*World, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &World{now: o.Now, stop: make(chan struct{}), done: make(chan struct{})}
	w.vault, w.vaultToken = vaultsim.Shop(uint64(o.Seed), o.Now) //nolint:gosec // a seed
	var err error
	if w.clusters, err = openAll([]script{usScript(), euScript()}, o); err != nil {
		w.shut()
		return nil, err
	}
	w.follow(o.Now())
	if o.Live {
		go w.run()
	} else {
		close(w.done)
	}
	return w, nil
}

// openAll opens the clusters side by side: they share nothing, and most of the time goes into replaying the larger one.
func openAll(scripts []script, o Options) ([]*cluster, error) {
	clusters := make([]*cluster, len(scripts))
	errs := make([]error, len(scripts))
	var wg sync.WaitGroup
	for i, s := range scripts {
		wg.Go(func() {
			if clusters[i], errs[i] = openCluster(s, o); errs[i] != nil {
				errs[i] = fmt.Errorf("open the demo cluster %s: %w", s.name, errs[i])
			}
		})
	}
	wg.Wait()
	opened := slices.DeleteFunc(clusters, func(c *cluster) bool { return c == nil })
	return opened, errors.Join(errs...)
}

func (w *World) run() {
	defer close(w.done)
	t := time.NewTicker(stepEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.Step(w.now())
		case <-w.stop:
			return
		}
	}
}

// Step lets everything happen that is due at now. A world that is not live moves only by it.
func (w *World) Step(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clusters {
		c.catchUp(now)
	}
	w.follow(now)
}

// Close ends the world: every connection is cut, and when it returns no goroutine of it is left.
func (w *World) Close() {
	w.closer.Do(func() {
		close(w.stop)
		<-w.done
		w.shut()
	})
}

func (w *World) shut() {
	for _, c := range w.clusters {
		c.ports.machine.Close() // first: what a capture waits for
		c.server.Close()
		c.ports.shut()
	}
}

// RESTConfig returns a client configuration for the context "demo".
func (w *World) RESTConfig() *rest.Config { return w.clusters[0].server.RESTConfig() }

// RawConfig returns a kubeconfig with the contexts "demo" and "demo-eu". Client configurations made from it must pass through
// WrapConfig: a kubeconfig cannot say how to dial.
func (w *World) RawConfig() clientcmdapi.Config {
	cfg := clientcmdapi.NewConfig()
	cfg.CurrentContext = Context
	cfg.AuthInfos["oncall"] = clientcmdapi.NewAuthInfo()
	for _, c := range w.clusters {
		entry := clientcmdapi.NewCluster()
		entry.Server = "http://" + c.host
		cfg.Clusters[c.name] = entry
		ctx := clientcmdapi.NewContext()
		ctx.Cluster, ctx.AuthInfo, ctx.Namespace = c.name, "oncall", "shop"
		cfg.Contexts[c.name] = ctx
	}
	return *cfg
}

// WrapConfig makes a client configuration reach the world's clusters through memory and nothing else. It changes and returns cfg,
// which suits genericclioptions' WithWrapConfigFn.
func (w *World) WrapConfig(cfg *rest.Config) *rest.Config {
	cfg.Dial = w.Dial
	cfg.Proxy = nil
	return cfg
}

// Dial connects to the cluster whose host name the address has.
func (w *World) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	for _, c := range w.clusters {
		if c.host == host {
			return c.server.Dial(ctx, network, address)
		}
	}
	return nil, fmt.Errorf("dial %s: the demo has no such host", address)
}

// Server returns the API server of a context, for adding kinds, subresources and faults; nil when there is no such context.
func (w *World) Server(context string) *apiserver.Server {
	for _, c := range w.clusters {
		if c.name == context {
			return c.server
		}
	}
	return nil
}
