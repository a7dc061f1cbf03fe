package testbed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const kwokName = "kwok"

// kwokKinds are the kinds of kwok's that the bed uses through the API, so that
// a test can add one of its own. Stages are not among them: kwok keeps what it
// has read of them by the version of its list, and may do so when the list has
// arrived and only some of its stages have been looked at. It then plays
// without the others until the API server is started again.
var kwokKinds = []string{
	"ClusterPortForward", "PortForward", "ClusterExec", "Exec",
	"ClusterLogs", "Logs", "ClusterAttach", "Attach",
}

// startNodes gives the cluster nodes: kwok, its kinds and stages, and the node
// objects themselves.
func (b *Bed) startNodes(ctx context.Context) error {
	if err := b.applyKwokObjects(ctx); err != nil {
		return err
	}
	certFile, keyFile, err := b.ca.issue("kubelet")
	if err != nil {
		return err
	}
	config := b.file("kwok.yaml")
	text, err := b.kwokConfig()
	if err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write kwok's configuration: %w", err)
	}
	port := strconv.Itoa(b.ports.kubelet)
	_, err = b.run(kwokName, b.binaries.Kwok,
		"--config="+config,
		"--kubeconfig="+b.creds.kubeconfig("system:kwok"),
		"--manage-all-nodes=true",
		"--node-ip=127.0.0.1", "--node-port="+port, "--server-address=127.0.0.1:"+port,
		"--tls-cert-file="+certFile, "--tls-private-key-file="+keyFile,
		"--enable-crds="+strings.Join(kwokKinds, ","),
		// kwok renews at a quarter of it. Longer, and a node controller with the
		// usual grace of 50 s takes a node for dead now and then.
		"--node-lease-duration-seconds=40",
	)
	if err != nil {
		return err
	}
	if !b.opts.ManyPods {
		b.kubelet = startKubelet(b.creds.restConfig("system:kubelet"), b.logFiles())
	}
	if err := b.createNodes(ctx); err != nil {
		return err
	}
	return b.waitNodes(ctx)
}

// kwokConfig is the stages that nodes and pods go through and what kwok has no
// flags for. With its usual 4 workers at a time the API server's latency decides
// how fast thousands of pods become ready.
func (b *Bed) kwokConfig() (string, error) {
	workers := 4
	if b.opts.ManyPods {
		workers = 32
	}
	docs := []string{fmt.Sprintf(`apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: %d
`, workers)}
	stage := filepath.Join(b.binaries.KwokDir, "kustomize", "stage", "node")
	nodes, err := readAll(
		filepath.Join(stage, "fast", "node-initialize.yaml"),
		filepath.Join(stage, "heartbeat-with-lease", "node-heartbeat-with-lease.yaml"))
	if err != nil {
		return "", err
	}
	pods, err := podStages()
	if err != nil {
		return "", err
	}
	return strings.Join(slices.Concat(docs, nodes, pods), "\n---\n"), nil
}

// applyKwokObjects applies kwok's CRDs, from its module, and the objects that
// say how exec and logs are answered.
func (b *Bed) applyKwokObjects(ctx context.Context) error {
	crds, err := filepath.Glob(filepath.Join(b.binaries.KwokDir, "kustomize", "crd", "bases", "*.yaml"))
	if err != nil {
		return fmt.Errorf("find kwok's CRDs in %s: %w", b.binaries.KwokDir, err)
	}
	if len(crds) == 0 {
		return fmt.Errorf("find kwok's CRDs in %s: none there", b.binaries.KwokDir)
	}
	docs, err := readAll(crds...)
	if err != nil {
		return err
	}
	if err := b.logFiles().writeShared(time.Now()); err != nil {
		return err
	}
	docs = append(docs, b.logFiles().clusterLogs(), localExec)
	if err := b.Apply(ctx, docs...); err != nil {
		return fmt.Errorf("apply kwok's objects: %w", err)
	}
	return nil
}

// readAll returns the texts of files of kwok's module.
func readAll(files ...string) ([]string, error) {
	var docs []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read kwok's objects: %w", err)
		}
		docs = append(docs, string(data))
	}
	return docs, nil
}

// localExec runs what is exec'ed in a pod on this machine, as the user who runs
// the bed: enough for "exec POD -- sh -c …" to be a real stream.
const localExec = `
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata:
  name: local
spec:
  execs:
    - local: {}
`

func (b *Bed) createNodes(ctx context.Context) error {
	capacity, err := b.opts.nodeCapacity()
	if err != nil {
		return err
	}
	for i := range b.opts.Nodes {
		name := fmt.Sprintf("node-%d", i+1)
		zone := "zone-a"
		if i == b.opts.Nodes-1 {
			zone = "zone-b"
		}
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
				corev1.LabelHostname:               name,
				corev1.LabelOSStable:               "linux",
				corev1.LabelArchStable:             "amd64",
				corev1.LabelTopologyRegion:         "region-1",
				corev1.LabelTopologyZone:           zone,
				corev1.LabelInstanceTypeStable:     "general-16",
				"node-role.kubernetes.io/worker":   "",
				"node.kubernetes.io/instance-pool": "default",
			}},
			Status: corev1.NodeStatus{
				Capacity:    capacity,
				Allocatable: capacity,
				NodeInfo: corev1.NodeSystemInfo{
					KubeletVersion: KubernetesVersion, OperatingSystem: "linux", Architecture: "amd64",
					ContainerRuntimeVersion: "containerd://2.2.0", OSImage: "Debian GNU/Linux 13 (trixie)",
				},
			},
		}
		_, err := b.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = b.moveNode(ctx, name)
		}
		if err != nil {
			return fmt.Errorf("create node %s: %w", name, err)
		}
	}
	return nil
}

// moveNode tells the API server where the kubelet of a node from a snapshot
// listens now.
func (b *Bed) moveNode(ctx context.Context, name string) error {
	patch := fmt.Sprintf(`{"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}}}`, b.ports.kubelet)
	_, err := b.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	return err
}

// nodeCapacity returns what every node has.
func (o Options) nodeCapacity() (corev1.ResourceList, error) {
	list := corev1.ResourceList{}
	for name, text := range map[corev1.ResourceName]string{
		corev1.ResourceCPU:    o.NodeCPU,
		corev1.ResourceMemory: o.NodeMemory,
		corev1.ResourcePods:   o.NodePods,
	} {
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, fmt.Errorf("the nodes' %s %q: %w", name, text, err)
		}
		list[name] = q
	}
	return list, nil
}

// waitNodes waits until pods can be scheduled on every node.
func (b *Bed) waitNodes(ctx context.Context) error {
	err := b.Wait(ctx, func(ctx context.Context) error {
		nodes, err := b.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, node := range nodes.Items {
			if !nodeReady(&node) {
				return fmt.Errorf("node %s is not ready", node.Name)
			}
			if len(node.Spec.Taints) > 0 {
				return fmt.Errorf("node %s is still tainted %s", node.Name, node.Spec.Taints[0].Key)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the nodes: %w; the end of kwok's log:\n%s", err, tailOf(b.file(kwokName+".log"), 15))
	}
	return nil
}

func nodeReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
