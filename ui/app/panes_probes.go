package app

import (
	"context"
	"errors"
	"net"
	"time"

	"midwatch/k8s"
	"midwatch/k8s/podconn"
	"midwatch/k8s/probe"
	"midwatch/k8s/probe/read"
	"midwatch/k8s/probe/try"
	"midwatch/ui/pane"
	"midwatch/ui/probespane"
)

func newProbes(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	return probespane.New(id, probespane.Reads{
		Pods: func(ctx context.Context, q read.Query) (*read.Answer, error) {
			return read.Workload(ctx, d.Session.Cluster.Typed(), q, d.Clock.Now)
		},
		Pause: func(ctx context.Context, wait time.Duration) error {
			due, stop := d.Clock.After(wait)
			defer stop()
			select {
			case <-due:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		Try: d.tryProbe(),
	}, ref)
}

// tryProbe runs one probe once over a connection into the pod.
func (d Deps) tryProbe() func(context.Context, k8s.Ref, string, probe.Spec) (*try.Result, error) {
	if d.Session == nil || d.Session.Cluster == nil {
		return nil
	}
	return func(ctx context.Context, pod k8s.Ref, podIP string, s probe.Spec) (*try.Result, error) {
		t := try.Try{Clock: d.Clock, Fault: podFault, Dial: func(ctx context.Context, port int) (net.Conn, error) {
			return podconn.Dial(ctx, d.Session.Cluster, pod, port)
		}}
		return t.Run(ctx, s, podIP)
	}
}

// podFault tells what the way into a pod says is wrong.
func podFault(err error) try.Outcome {
	var denied *podconn.Denied
	switch {
	case errors.As(err, &denied):
		return try.Forbidden
	case errors.Is(err, podconn.ErrRefused):
		return try.Refused
	case errors.Is(err, podconn.ErrGone):
		return try.Gone
	case errors.Is(err, podconn.ErrLost):
		return try.Broken
	}
	return ""
}
