package change

import (
	"context"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"midwatch/action"
	"midwatch/k8s"
	"midwatch/live"
)

// FieldManager is the name under which midwatch's changes stand in
// managedFields.
const FieldManager = "midwatch"

// How long planning may take, and how long the effect is waited for.
const (
	planWithin   = 15 * time.Second
	verifyWithin = 30 * time.Second
)

// Client is the cluster that plans are made for. Its HTTP clients have to go
// through [action.Transport].
type Client struct {
	Typed   kubernetes.Interface
	Dynamic dynamic.Interface
	// Context is the name of the kubeconfig context.
	Context string
	// Kubectl are the flags with which kubectl reaches the same cluster, for
	// the equivalent commands; nil means --context with the context's name.
	// Inside a pod, and where flags alone say where the server is, there is
	// no context of that name.
	Kubectl []string
	// ClusterUID returns the UID of the kube-system namespace, or "" while or
	// where it cannot be read. nil means that it never is known.
	ClusterUID func() string
}

// Planner makes plans for one cluster. It keeps no state between them and is
// safe for concurrent use.
type Planner struct {
	cluster Client
	clock   live.Clock
}

// New returns a planner for the cluster.
func New(cluster Client, clock live.Clock) *Planner {
	if cluster.ClusterUID == nil {
		cluster.ClusterUID = func() string { return "" }
	}
	if cluster.Kubectl == nil && cluster.Context != "" {
		cluster.Kubectl = []string{"--context", cluster.Context}
	}
	return &Planner{cluster: cluster, clock: clock}
}

func (p *Planner) target(ref k8s.Ref) action.Target {
	return action.Target{
		Context: p.cluster.Context, ClusterUID: p.cluster.ClusterUID(),
		Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, UID: ref.UID,
	}
}

// reading bounds the reads of one plan.
func reading(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, planWithin)
}
