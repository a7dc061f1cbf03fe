package connect

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"midwatch/live"
)

// Options say how a cluster is opened.
type Options struct {
	// Context names the context; "" stands for the one midwatch was started
	// with: --context, or else the current one.
	Context string
	// Namespace goes before the context's and before -n.
	Namespace string
	// AllNamespaces makes [Cluster.Namespace] empty.
	AllNamespaces bool
	// Wrap goes around the transport of every client, also of those made from
	// [Cluster.RESTConfig]: it is where the write lock stands.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Clock is the system's when nil.
	Clock live.Clock
	// OnHealth is called when [Cluster.Health] or [Cluster.Identity] has
	// changed, from any goroutine. It must not block.
	OnHealth func()
	// UserAgent is how midwatch appears in audit logs; "midwatch" when empty.
	UserAgent string
	// Stdio, if given, knows what a failing credential plugin said.
	Stdio *Stdio
}

// Cluster is an open cluster. Close it. It is safe for concurrent use.
type Cluster struct {
	// Context is the kubeconfig context's name, [InCluster], or the server's
	// address when flags alone say where it is.
	Context string
	// Server is the URL of the API server.
	Server string
	// Namespace is where to look; empty for all namespaces.
	Namespace string

	clock  live.Clock
	rest   *rest.Config
	http   *http.Client
	typed  kubernetes.Interface
	dyn    dynamic.Interface
	meta   metadata.Interface
	disco  discovery.CachedDiscoveryInterface
	health *health
	access access
	ident  identity

	end     context.CancelFunc
	running sync.WaitGroup
}

// Open connects to a context and makes one authenticated call, during which a
// credential plugin may prompt: call it before the screen is taken over. It
// returns as soon as that call has succeeded; [Cluster.Identity] fills up in
// the background.
//
// Errors are best shown through [Explain]: an [*OpenError] around a
// [*KubeconfigError], [*ContextError], [*LoginError], [*TimeoutError],
// [*NotKubernetesError], or whatever the API server or the network said.
func (c *Config) Open(ctx context.Context, o Options) (*Cluster, error) {
	t, err := c.resolve(o.Context)
	if err != nil {
		return nil, &OpenError{Context: cmp.Or(t.context, o.Context), Files: t.files, Err: err}
	}
	if err := shortenPings(); err != nil {
		return nil, err
	}
	cl, err := newCluster(t, o)
	if err == nil {
		err = cl.Login(ctx)
	}
	if err != nil {
		if cl != nil {
			cl.Close()
		}
		return nil, &OpenError{Context: t.context, Server: address(t.rest), Files: t.files, Err: err}
	}
	cl.start()
	return cl, nil
}

// shortenPings makes HTTP/2 notice a dead connection in 15 s instead of 45 s
// (apimachinery pkg/util/net/http.go), unless the user has said otherwise.
func shortenPings() error {
	for name, seconds := range map[string]string{
		"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "10",
		"HTTP2_PING_TIMEOUT_SECONDS":      "5",
	} {
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, seconds); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

func newCluster(t *target, o Options) (*Cluster, error) {
	if o.Clock == nil {
		o.Clock = live.SystemClock{}
	}
	cfg := configure(t.rest, o)
	cl := &Cluster{
		Context: cmp.Or(t.context, address(cfg)), Server: address(cfg), Namespace: cmp.Or(o.Namespace, t.namespace, "default"),
		clock: o.Clock, rest: cfg,
	}
	cl.health = newHealth(o.Clock, OpenError{Context: cl.Context, Server: cl.Server, Files: t.files}, o.OnHealth)
	if o.AllNamespaces {
		cl.Namespace = ""
	}
	cl.access.known = map[right]*answer{}
	cl.ident.init(t.user)
	return cl, cl.connect(o.Stdio)
}

// configure adjusts a copy of the client configuration.
func configure(given *rest.Config, o Options) *rest.Config {
	cfg := rest.CopyConfig(given)
	cfg.QPS = -1 // priority and fairness on the server decides, not the client
	cfg.RateLimiter = nil
	cfg.UserAgent = cmp.Or(o.UserAgent, "midwatch")
	// rest.Config.Timeout would end watches as well.
	p := patience{connect: connectWithin, silence: silentFor, total: cfg.Timeout}
	cfg.Timeout = 0
	cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		layer := p
		layer.next = rt
		return &layer
	})
	if o.Wrap != nil {
		cfg.Wrap(o.Wrap)
	}
	return cfg
}

// address is the server's URL without a password that may stand in it.
func address(cfg *rest.Config) string {
	u, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return cfg.Host
	}
	u.User = nil
	return strings.TrimSuffix(u.String(), "/")
}

// connect makes the clients, all on one HTTP client.
func (c *Cluster) connect(stdio *Stdio) error {
	var err error
	if c.http, err = rest.HTTPClientFor(c.rest); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	watch := &observer{next: c.http.Transport, health: c.health, stdio: stdio}
	if watch.next == nil {
		watch.next = http.DefaultTransport // what http.Client takes nil for
	}
	if plugin := c.rest.ExecProvider; plugin != nil {
		watch.plugin, watch.hint = plugin.Command, plugin.InstallHint
	}
	c.http.Transport = watch
	if c.typed, err = kubernetes.NewForConfigAndClient(c.rest, c.http); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if c.dyn, err = dynamic.NewForConfigAndClient(c.rest, c.http); err != nil {
		return fmt.Errorf("make a dynamic client: %w", err)
	}
	if c.meta, err = metadata.NewForConfigAndClient(metadata.ConfigFor(c.rest), c.http); err != nil {
		return fmt.Errorf("make a metadata client: %w", err)
	}
	d, err := discovery.NewDiscoveryClientForConfigAndClient(c.rest, c.http)
	if err != nil {
		return fmt.Errorf("make a discovery client: %w", err)
	}
	c.disco = memory.NewMemCacheClient(d)
	return nil
}

// start runs what an open cluster does by itself.
func (c *Cluster) start() {
	ctx, end := context.WithCancel(context.Background())
	c.end = end
	c.running.Go(func() { c.health.keep(ctx, c.ask) })
	c.running.Go(func() { c.identify(ctx) })
}

// Close ends what the cluster does by itself and its idle connections.
// Requests and watches of others end with their own contexts.
func (c *Cluster) Close() {
	if c.end != nil {
		c.end()
	}
	c.running.Wait()
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// Typed returns the client for built-in kinds. It speaks protobuf.
func (c *Cluster) Typed() kubernetes.Interface { return c.typed }

// Dynamic returns the client for custom resources.
func (c *Cluster) Dynamic() dynamic.Interface { return c.dyn }

// Metadata returns the client for objects' metadata alone.
func (c *Cluster) Metadata() metadata.Interface { return c.meta }

// Discovery returns what the server has, read once and kept until
// Invalidate is called on it.
func (c *Cluster) Discovery() discovery.CachedDiscoveryInterface { return c.disco }

// RESTConfig returns a copy of the client configuration, with the write lock
// and the timeouts in it, for clients made elsewhere (exec, port-forward).
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.rest) }

// Health says whether the cluster can be reached, since when, and when it was
// last heard. State is Loading before the first answer, Ready, or Unreachable
// with the reason in Err.
func (c *Cluster) Health() live.Source { return c.health.source() }

// Skew is how far the server's clock was ahead of this machine's when it
// answered last; negative when it is behind, 0 within what cannot be told.
func (c *Cluster) Skew() time.Duration { return time.Duration(c.health.skew.Load()) }

// Problem explains why [Cluster.Health] is Unreachable; zero while it is not.
func (c *Cluster) Problem() Problem {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	return c.health.problem
}

// Clock is the clock the cluster was opened with.
func (c *Cluster) Clock() live.Clock { return c.clock }
