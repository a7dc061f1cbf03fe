package connect

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// InCluster is the context's name when the configuration is that of the pod
// midwatch runs in.
const InCluster = "in-cluster"

// serviceAccountToken is where a pod finds its token (client-go
// rest.InClusterConfig).
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// Config is where clusters come from: kubectl's flags and kubeconfig files,
// or a configuration in memory. Files are read again on every call, so what
// `kubectl config` changes meanwhile counts. It is safe for concurrent use.
type Config struct {
	// load returns the configuration as seen from a context; "" stands for
	// the current one.
	load func(context string) clientcmd.ClientConfig
	// start is the context named by --context.
	start string
	// pinned is set when a flag names the server, so no context is needed;
	// known when one says who the user is.
	pinned, known bool
	override      func(*rest.Config)
}

// ContextInfo is one context of the kubeconfig files.
type ContextInfo struct {
	Name      string
	Cluster   string
	Server    string // URL of the cluster; empty when the cluster is missing
	User      string
	Namespace string // empty: default
	// Current marks the one that is opened when none is named: --context, or
	// else current-context.
	Current bool
}

// FromFlags reads what kubectl would: --kubeconfig, $KUBECONFIG (a list of
// files) or ~/.kube/config, with the connection flags over them, and the
// configuration of the pod when there is none of these.
//
// Flags that say where the server is or who the user is (--server, --cluster,
// --user, --token, certificates, -n) hold for the context midwatch starts
// with and do not follow to another one.
func FromFlags(flags *genericclioptions.ConfigFlags) *Config {
	start := value(flags.Context)
	return &Config{
		start:  start,
		pinned: value(flags.APIServer) != "" || value(flags.ClusterName) != "",
		known:  value(flags.AuthInfoName) != "" || value(flags.BearerToken) != "" || value(flags.CertFile) != "",
		load: func(context string) clientcmd.ClientConfig {
			return flagsFor(flags, context).ToRawKubeConfigLoader()
		},
	}
}

// FromRaw uses a configuration in memory. override, which may be nil, adjusts
// the client configuration of every context, for example with a dialer.
func FromRaw(raw clientcmdapi.Config, override func(*rest.Config)) *Config {
	return &Config{
		override: override,
		load: func(context string) clientcmd.ClientConfig {
			return clientcmd.NewNonInteractiveClientConfig(raw, context, &clientcmd.ConfigOverrides{}, nil)
		},
	}
}

// Contexts lists the contexts by name. The error is a [*KubeconfigError].
func (c *Config) Contexts() ([]ContextInfo, error) {
	loader := c.load("")
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, &KubeconfigError{Files: files(loader), Err: err}
	}
	current := cmp.Or(c.start, raw.CurrentContext)
	all := make([]ContextInfo, 0, len(raw.Contexts))
	for name, context := range raw.Contexts {
		info := ContextInfo{
			Name: name, Cluster: context.Cluster, User: context.AuthInfo,
			Namespace: context.Namespace, Current: name == current,
		}
		if cluster := raw.Clusters[context.Cluster]; cluster != nil {
			info.Server = cluster.Server
		}
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b ContextInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// target is one context, resolved.
type target struct {
	context   string
	namespace string // of the context or -n; "default" when nothing is said
	user      string // name of the kubeconfig user
	files     []string
	rest      *rest.Config
}

// resolve finds the context and makes its client configuration. "" stands for
// the one midwatch was started with.
func (c *Config) resolve(name string) (*target, error) {
	if name == c.start {
		name = ""
	}
	loader := c.load(name)
	t := &target{files: files(loader)}
	raw, err := loader.RawConfig()
	if err != nil {
		return t, &KubeconfigError{Files: t.files, Err: err}
	}
	t.context = cmp.Or(name, c.start, raw.CurrentContext)
	if err := c.checkContext(t, raw); err != nil {
		return t, err
	}
	if t.rest, err = loader.ClientConfig(); err != nil {
		return t, &KubeconfigError{Files: t.files, Context: t.context, Err: err}
	}
	if t.namespace, _, err = loader.Namespace(); err != nil {
		return t, &KubeconfigError{Files: t.files, Context: t.context, Err: err}
	}
	if context := raw.Contexts[t.context]; context != nil {
		t.user = context.AuthInfo
	}
	if c.override != nil {
		c.override(t.rest)
	}
	return t, nil
}

// checkContext says in our own words what client-go would answer with a
// connection to localhost:8080.
func (c *Config) checkContext(t *target, raw clientcmdapi.Config) error {
	context := raw.Contexts[t.context]
	switch {
	case context != nil:
		return c.checkParts(t, raw, context)
	case t.context != "":
		return &ContextError{Name: t.context, Known: names(raw), Files: t.files}
	case c.pinned:
		return nil
	case inCluster():
		t.context = InCluster
		return nil
	case len(raw.Contexts) == 0:
		return &KubeconfigError{Files: t.files, Err: errNoKubeconfig}
	}
	return &ContextError{Known: names(raw), Files: t.files}
}

// checkParts finds references into nowhere.
func (c *Config) checkParts(t *target, raw clientcmdapi.Config, context *clientcmdapi.Context) error {
	var missing string
	switch {
	case raw.Clusters[context.Cluster] == nil && !c.pinned:
		missing = fmt.Sprintf("its cluster %q", context.Cluster)
	case context.AuthInfo != "" && raw.AuthInfos[context.AuthInfo] == nil && !c.known:
		missing = fmt.Sprintf("its user %q", context.AuthInfo)
	default:
		return nil
	}
	return &KubeconfigError{Files: t.files, Context: t.context, Err: errors.New(missing + " is not in the kubeconfig")}
}

var errNoKubeconfig = errors.New("no kubeconfig")

func inCluster() bool {
	if os.Getenv("KUBERNETES_SERVICE_HOST") == "" || os.Getenv("KUBERNETES_SERVICE_PORT") == "" {
		return false
	}
	_, err := os.Stat(serviceAccountToken)
	return err == nil
}

func names(raw clientcmdapi.Config) []string {
	all := make([]string, 0, len(raw.Contexts))
	for name := range raw.Contexts {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// files lists where the configuration is looked for.
func files(loader clientcmd.ClientConfig) []string {
	access := loader.ConfigAccess()
	if access == nil {
		return nil
	}
	if access.IsExplicitFile() {
		return []string{access.GetExplicitFile()}
	}
	return access.GetLoadingPrecedence()
}
