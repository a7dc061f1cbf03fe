// Package k8s is the vocabulary of the cluster domain: references, pod rows,
// workloads and their verdicts. It holds data and pure functions only, no IO.
//
// Its parts, each importing only what stands above it:
//
//	k8s           the types: Ref, PodRow, Workload, Verdict
//	k8s/rollout   pure assessment: objects, pods, events and a time -> Verdict
//	k8s/connect   kubeconfig flags -> clients, identity, health of the connection
//	k8s/watch     the sources: reflectors -> stores -> snapshots in the live hub
//	k8s/podlog    log streams of one or many pods
//	k8s/change    plans that write: restart, undo, pause, scale, delete
package k8s
