// Package podconn connects to a port inside a pod, and to a command that runs in
// one of its containers, by way of the API server.
//
// [Dial] gives a [net.Conn] and [Transport] an [http.Transport] on top of it.
// Nothing listens on this machine: a port-forward with a listener would be open
// to every user of a shared jump host for as long as it lasts. The kubelet dials
// inside the pod's network, so a server bound to localhost there is reached too.
//
// The stream is pods/portforward: SPDY inside a WebSocket, which passes proxies
// that know only HTTP, and SPDY itself for servers before 1.31 (kubectl's order,
// k/k cmd/portforward). The upgrade goes through the client configuration of the
// cluster, with its credentials, its proxy and the write lock; that lock lets
// it pass by name, since a connection to a port changes nothing in the cluster
// (action.KubernetesReads). What is then said over the connection is up to the
// caller, who must only read.
//
// [Exec] runs a command: v5.channel.k8s.io in a WebSocket, v4 over SPDY where the
// server knows no WebSocket for it. A command may change anything, so the lock
// lets it pass only as a step of a plan that the gate carries out.
package podconn
