// Package try runs a probe once, from here: the same HTTP, TCP or gRPC question
// the kubelet asks, over a connection into the pod that goes through the API
// server. It is midwatch's own probe. It reads; it runs when someone asks for
// it, once, and never by itself.
//
// What it is not: the kubelet's probe. The kubelet asks the pod's IP from the
// node's network; a connection through the API server ends inside the pod's
// network, at its localhost. So a process that listens on 127.0.0.1 only passes
// here and fails there, and what a NetworkPolicy or a service mesh does to the
// kubelet is not seen from here. [Explain] says what follows when the two
// disagree.
//
// An exec probe is not run: that would start a process in production.
//
// The gRPC health check is a unary call of eight bytes or so over net/http's own
// HTTP/2. google.golang.org/grpc would do the same, with some sixty packages
// and four megabytes of binary for one call.
package try
