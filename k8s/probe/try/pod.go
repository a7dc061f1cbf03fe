package try

import (
	"context"
	"errors"
	"net"

	"midwatch/k8s"
	"midwatch/k8s/podconn"
	"midwatch/live"
)

// Into is a try of a pod's probes over connections through the API server.
func Into(cluster podconn.Cluster, pod k8s.Ref, clock live.Clock) Try {
	return Try{Clock: clock, Fault: fault, Dial: func(ctx context.Context, port int) (net.Conn, error) {
		return podconn.Dial(ctx, cluster, pod, port)
	}}
}

// fault tells what the way into a pod says is wrong.
func fault(err error) Outcome {
	var denied *podconn.Denied
	switch {
	case errors.As(err, &denied):
		return Forbidden
	case errors.Is(err, podconn.ErrRefused):
		return Refused
	case errors.Is(err, podconn.ErrGone):
		return Gone
	case errors.Is(err, podconn.ErrLost):
		return Broken
	}
	return ""
}
