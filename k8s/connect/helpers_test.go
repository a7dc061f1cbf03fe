package connect_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"midwatch/demo/apiserver"
	"midwatch/k8s/connect"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// http.DefaultTransport is client-go's for servers without TLS; its
		// idle connections belong to nobody.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// signal counts calls and lets a test wait for the next.
type signal struct {
	mu   sync.Mutex
	wait chan struct{}
}

func newSignal() *signal { return &signal{wait: make(chan struct{})} }

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.wait)
	s.wait = make(chan struct{})
}

func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait
}

// until waits until ok holds, looking again whenever the signal fires.
func (s *signal) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx := within(t)
	for {
		next := s.next()
		if ok() {
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// world is an in-memory API server as context "demo".
func world(t *testing.T) (*apiserver.Server, *connect.Config) {
	t.Helper()
	s := apiserver.New(apiserver.Options{Seed: 7, Namespaces: []string{"shop"}})
	t.Cleanup(s.Close)
	return s, memory(s.RESTConfig())
}

func memory(cfg *rest.Config) *connect.Config {
	raw := clientcmdapi.NewConfig()
	raw.Clusters["c"] = &clientcmdapi.Cluster{Server: cfg.Host}
	raw.AuthInfos["me"] = &clientcmdapi.AuthInfo{}
	raw.Contexts["demo"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "me", Namespace: "shop"}
	raw.Contexts["demo-eu"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "me"}
	raw.CurrentContext = "demo"
	return connect.FromRaw(*raw, func(c *rest.Config) { c.Dial = cfg.Dial })
}

func open(t *testing.T, c *connect.Config, o connect.Options) *connect.Cluster {
	t.Helper()
	cl, err := c.Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}
