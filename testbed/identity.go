package testbed

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The identities a bed knows. Each has a bearer token of its own and real RBAC
// objects (rbac.yaml), so what it may not do is refused by the API server.
const (
	// Admin is in system:masters.
	Admin = "admin"
	// ShopDev works in the namespace "shop" and has no right outside it, not
	// even to list namespaces. Its kubeconfig names that namespace.
	ShopDev = "shop-dev"
	// Viewer reads everything midwatch shows, in every namespace, and nodes,
	// but no Secret, and writes nothing.
	Viewer = "viewer"
	// Nobody is authenticated and has no right beyond discovery.
	Nobody = "nobody"
	// NoEvents is Viewer without events and HorizontalPodAutoscalers.
	NoEvents = "no-events"
)

// identity is one user the API server accepts.
type identity struct {
	name      string
	groups    []string
	namespace string // of its kubeconfig; "" for the default namespace
}

// identities are the people, then the programs of the bed itself. The programs
// have names of their own so that managed fields and audit read as usual.
var identities = []identity{
	{name: Admin, groups: []string{"system:masters"}},
	{name: ShopDev, namespace: "shop"},
	{name: Viewer},
	{name: Nobody},
	{name: NoEvents},
	{name: "system:kube-controller-manager", groups: []string{"system:masters"}},
	{name: "system:kube-scheduler", groups: []string{"system:masters"}},
	{name: "system:kwok", groups: []string{"system:masters"}},
	{name: "system:kubelet", groups: []string{"system:masters"}},
}

// Identities returns the names that Kubeconfig and RESTConfig accept.
func Identities() []string { return []string{Admin, ShopDev, Viewer, Nobody, NoEvents} }

//go:embed rbac.yaml
var rbacYAML string

// credentials are the tokens of a bed and the kubeconfig files made of them.
type credentials struct {
	dir    string
	server string
	caPEM  []byte
	tokens map[string]string // by identity
}

// newCredentials makes a token for every identity and writes the token file of
// the API server and one kubeconfig each.
func newCredentials(dir, server string, caPEM []byte) (*credentials, error) {
	c := &credentials{dir: dir, server: server, caPEM: caPEM, tokens: map[string]string{}}
	var lines strings.Builder
	for i, id := range identities {
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return nil, fmt.Errorf("make a token for %s: %w", id.name, err)
		}
		c.tokens[id.name] = hex.EncodeToString(random)
		fmt.Fprintf(&lines, "%s,%s,uid-%d,%q\n", c.tokens[id.name], id.name, i, strings.Join(id.groups, ","))
	}
	if err := os.WriteFile(c.tokenFile(), []byte(lines.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write the token file: %w", err)
	}

	all := clientcmdapi.NewConfig()
	for _, id := range identities {
		config := clientcmdapi.NewConfig()
		c.addContext(config, id)
		if err := clientcmd.WriteToFile(*config, c.kubeconfig(id.name)); err != nil {
			return nil, fmt.Errorf("write the kubeconfig of %s: %w", id.name, err)
		}
		if !strings.HasPrefix(id.name, "system:") {
			c.addContext(all, id)
		}
	}
	all.CurrentContext = contextName(Admin)
	if err := clientcmd.WriteToFile(*all, c.kubeconfig(allContexts)); err != nil {
		return nil, fmt.Errorf("write the kubeconfig of all identities: %w", err)
	}
	return c, nil
}

// allContexts names the kubeconfig that has a context for every identity.
const allContexts = "all"

func contextName(identity string) string { return "bed-" + identity }

// addContext adds cluster, user and context of the identity and makes the
// context current.
func (c *credentials) addContext(config *clientcmdapi.Config, id identity) {
	const cluster = "midwatch-testbed"
	config.Clusters[cluster] = &clientcmdapi.Cluster{Server: c.server, CertificateAuthorityData: c.caPEM}
	config.AuthInfos[id.name] = &clientcmdapi.AuthInfo{Token: c.tokens[id.name]}
	config.Contexts[contextName(id.name)] = &clientcmdapi.Context{
		Cluster: cluster, AuthInfo: id.name, Namespace: id.namespace,
	}
	config.CurrentContext = contextName(id.name)
}

func (c *credentials) tokenFile() string { return filepath.Join(c.dir, "tokens.csv") }

func (c *credentials) kubeconfig(name string) string {
	return filepath.Join(c.dir, "kubeconfig-"+strings.ReplaceAll(name, ":", "-"))
}

// restConfig returns a client configuration without a client-side rate limit:
// the API server's own fairness is what should slow a client down.
func (c *credentials) restConfig(name string) *rest.Config {
	return &rest.Config{
		Host:            c.server,
		BearerToken:     c.tokens[name],
		TLSClientConfig: rest.TLSClientConfig{CAData: c.caPEM},
		UserAgent:       "midwatch-testbed/" + name,
		QPS:             -1,
	}
}
