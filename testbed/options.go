package testbed

import (
	"io"
	"os"
	"time"
)

// Options say what bed to start. The zero value is a small cluster that fits
// most tests.
type Options struct {
	// Nodes is the number of nodes; 0 means 3. The last one is the only node
	// in zone "zone-b".
	Nodes int
	// NodeCPU, NodeMemory and NodePods are each node's capacity, as quantities;
	// empty means "16", "64Gi" and "200".
	NodeCPU, NodeMemory, NodePods string
	// ManyPods prepares for thousands of pods: higher request rates and more
	// workers in the controllers, and no played kubelet (no kubelet events, one
	// log file for all pods).
	ManyPods bool
	// NodeGrace is how long the node controller waits for a silent node before
	// it takes its pods for not ready; 0 means 5 minutes, not the usual 50 s, so
	// that neither a busy machine nor a stopped API server makes nodes fail.
	NodeGrace time.Duration
	// HPASync is how often autoscalers are evaluated; 0 means 5 s.
	HPASync time.Duration
	// Dir receives data, logs and kubeconfigs. Empty means a temporary folder
	// that Close removes.
	Dir string
	// Progress receives a line for what takes long; nil means os.Stderr.
	Progress io.Writer

	scale ScaleSize // set by ScaleSize.Options
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.NodeCPU == "" {
		o.NodeCPU = "16"
	}
	if o.NodeMemory == "" {
		o.NodeMemory = "64Gi"
	}
	if o.NodePods == "" {
		o.NodePods = "200"
	}
	if o.NodeGrace == 0 {
		o.NodeGrace = 5 * time.Minute
	}
	if o.HPASync == 0 {
		o.HPASync = 5 * time.Second
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	return o
}
