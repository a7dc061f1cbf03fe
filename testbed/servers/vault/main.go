// Command vault is a real Vault server for tests: the core, the storage engines
// and the login methods midwatch talks to, with everything in memory.
//
// The stock vault binary cannot be built from released modules, so the core is
// embedded. It behaves as `vault server -dev` does, with what tests need: a file
// audit device from the first request on, irrevocable leases within seconds
// instead of ten minutes, and one request of its own that makes many leases.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/armon/go-metrics"
	"github.com/hashicorp/go-hclog"
	kubeauth "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/builtin/logical/database"
	"github.com/hashicorp/vault/helper/metricsutil"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
	"github.com/hashicorp/vault/vault/plugincatalog"
)

// settings are the command's flags.
type settings struct {
	listen    string
	audit     string
	state     string
	cert, key string
	retryBase time.Duration
}

// State is what the command writes, as JSON, once it can be used.
type State struct {
	RootToken string `json:"rootToken"`
	UnsealKey []byte `json:"unsealKey"`
}

func main() {
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:0", "loopback `address` to listen on")
	flag.StringVar(&s.audit, "audit", "", "`file` of the audit device")
	flag.StringVar(&s.state, "state", "", "`file` to write the root token and the unseal key to")
	flag.StringVar(&s.cert, "tls-cert", "", "certificate `file`; without one the server speaks plain HTTP")
	flag.StringVar(&s.key, "tls-key", "", "key `file`")
	flag.DurationVar(&s.retryBase, "revoke-retry", 20*time.Millisecond, "pause before the second of six attempts to revoke a lease")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	core, err := newCore(s)
	if err != nil {
		return err
	}
	state, err := open(core)
	if err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: withBulk(core, handler), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() {
		if s.cert != "" {
			failed <- server.ServeTLS(listener, s.cert, s.key)
			return
		}
		failed <- server.Serve(listener)
	}()
	if err := prepare(ctx, core, s, state); err != nil {
		return err
	}
	fmt.Println("vault: ready on", listener.Addr())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func newCore(s settings) (*vault.Core, error) {
	logger := hclog.New(&hclog.LoggerOptions{Name: "vault", Level: hclog.Info, Output: os.Stderr})
	phys, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, err
	}
	// Gauges are set every second; shorter intervals would miss some.
	sink := metrics.NewInmemSink(2*time.Second, time.Minute)
	conf := metrics.DefaultConfig("vault")
	conf.EnableHostname = false
	if _, err := metrics.NewGlobal(conf, sink); err != nil {
		return nil, err
	}
	clusterSink := metricsutil.NewClusterMetricSink("testbed", sink)
	return vault.NewCore(&vault.CoreConfig{
		Physical: phys, DisableMlock: true, Logger: logger, BuiltinRegistry: registry{},
		LogicalBackends: map[string]logical.Factory{
			"kv": kv.Factory, "database": database.Factory,
			// Every read of a mount of this type issues a lease.
			"leasedkv": kv.LeasedPassthroughBackendFactory,
		},
		CredentialBackends: map[string]logical.Factory{
			"kubernetes": kubeauth.Factory, "approle": approle.Factory, "userpass": userpass.Factory,
		},
		AuditBackends:   map[string]audit.Factory{"file": audit.NewFileBackend},
		DefaultLeaseTTL: time.Hour, MaxLeaseTTL: 24 * time.Hour,
		ExpirationRevokeRetryBase: s.retryBase,
		MetricsHelper:             metricsutil.NewMetricsHelper(sink, true), MetricSink: clusterSink,
		RawConfig: nil,
	})
}

// open initialises and unseals.
func open(core *vault.Core) (State, error) {
	ctx := namespace.RootContext(context.Background())
	res, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{SecretShares: 0, SecretThreshold: 0},
	})
	if err != nil {
		return State{}, fmt.Errorf("initialise: %w", err)
	}
	state := State{RootToken: res.RootToken, UnsealKey: res.SecretShares[0]}
	unsealed, err := core.Unseal(state.UnsealKey)
	if err != nil || !unsealed {
		return State{}, fmt.Errorf("unseal: %w", errors.Join(err, errors.New("not unsealed")))
	}
	return state, nil
}

// prepare mounts what `vault server -dev` has, turns the audit device on and
// tells whoever started the server how to log in.
func prepare(ctx context.Context, core *vault.Core, s settings, state State) error {
	do := func(path string, data map[string]any) error {
		req := &logical.Request{Operation: logical.UpdateOperation, Path: path, ClientToken: state.RootToken, Data: data}
		res, err := core.HandleRequest(namespace.RootContext(ctx), req)
		if err == nil && res != nil && res.IsError() {
			err = res.Error()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	}
	if s.audit != "" {
		if err := do("sys/audit/file", map[string]any{"type": "file", "options": map[string]any{"file_path": s.audit}}); err != nil {
			return err
		}
	}
	if err := do("sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}); err != nil {
		return err
	}
	if s.state == "" {
		return nil
	}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	unfinished := s.state + ".unfinished"
	if err := os.WriteFile(unfinished, text, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, s.state)
}

// registry says which plugins are built in; database plugins run in process.
type registry struct{}

func (registry) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	if kind == consts.PluginTypeDatabase && name == "postgresql-database-plugin" {
		return postgresql.New, true
	}
	return nil, false
}

func (r registry) Contains(name string, kind consts.PluginType) bool {
	_, ok := r.Get(name, kind)
	return ok
}

func (registry) Keys(kind consts.PluginType) []string {
	if kind == consts.PluginTypeDatabase {
		return []string{"postgresql-database-plugin"}
	}
	return nil
}

func (registry) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

var _ plugincatalog.BuiltinRegistry = registry{}

// bulk asks for many reads of one path.
type bulk struct {
	Path  string `json:"path"`
	Count int    `json:"count"`
}

// withBulk adds one request that is not Vault's: it reads a path many times
// within the server, which makes as many leases. Over HTTP a quarter of a
// million of them would take minutes.
func withBulk(core *vault.Core, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/testbed/read-many" {
			next.ServeHTTP(w, r)
			return
		}
		var b bulk
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		token := r.Header.Get("X-Vault-Token")
		for range b.Count {
			ctx := namespace.RootContext(r.Context())
			req := &logical.Request{Operation: logical.ReadOperation, Path: strings.TrimPrefix(b.Path, "/"), ClientToken: token}
			res, err := core.HandleRequest(ctx, req)
			if err == nil && (res == nil || res.Secret == nil) {
				err = errors.New("the path issues no lease")
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
