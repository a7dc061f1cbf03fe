package podconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"

	"midwatch/k8s"
)

// How long the parts of a dial may take.
const (
	dialWithin = 10 * time.Second
	pingsEvery = 10 * time.Second // kubectl's, for proxies that cut what is idle

	errorWithin  = time.Second           // after the data ended, for the reason why
	hangUpWithin = 50 * time.Millisecond // between a reset stream and the end of its connection
)

// Cluster is what a connection needs of one; *connect.Cluster is it.
type Cluster interface {
	// RESTConfig is the client configuration, with the write lock in it.
	RESTConfig() *rest.Config
	// Typed is asked about the pod when a connection fails.
	Typed() kubernetes.Interface
}

// Dial opens a connection to a TCP port of a pod. The connection ends with
// ctx, with the pod, and with Close; reading then gives a [*Error].
//
// That nothing listens on the port is not known until the first read: the
// kubelet dials after it has accepted the stream. The connection has no
// deadlines ([os.ErrNoDeadline]); use ctx.
func Dial(ctx context.Context, cluster Cluster, pod k8s.Ref, port int) (net.Conn, error) {
	c, err := dial(ctx, cluster, pod, port)
	if err != nil {
		return nil, err
	}
	c.endWith(ctx)
	return c, nil
}

// Transport returns a transport whose every connection goes to that port of
// that pod, whatever host a request names. A request ends with its own
// context; call CloseIdleConnections when done with the transport.
//
// It goes through no proxy of the environment: HTTPS_PROXY is for the API
// server, and the connection to that already uses it.
func Transport(cluster Cluster, pod k8s.Ref, port int) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := dial(ctx, cluster, pod, port)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		MaxConnsPerHost:       2,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   dialWithin,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // what a pod sends is read as it is
	}
}

// dial opens a connection; ctx bounds the dialling alone.
func dial(ctx context.Context, cluster Cluster, pod k8s.Ref, port int) (*conn, error) {
	where := target{pod: pod, port: port}
	if port < 1 || port > 65535 {
		return nil, where.failed(opDial, fmt.Errorf("%d is no port: want 1 to 65535", port))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialWithin, errSlow)
	defer cancel()
	cfg := cluster.RESTConfig()
	u, err := address(cfg, pod, "portforward")
	if err != nil {
		return nil, where.failed(opDial, err)
	}
	streams, err := upgrade(ctx, cfg, u)
	if err != nil {
		return nil, where.failed(opDial, explain(ctx, cluster, pod, "pods/portforward", err))
	}
	c, err := open(streams, where)
	if err != nil {
		_ = streams.Close() // the first error counts
		return nil, where.failed(opDial, explain(ctx, cluster, pod, "pods/portforward", err))
	}
	return c, nil
}

var errSlow = errors.New("no connection within 10 s")

// address is the URL of a subresource of the pod.
func address(cfg *rest.Config, pod k8s.Ref, subresource string) (*url.URL, error) {
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("the server's address: %w", err)
	}
	return base.JoinPath("api", "v1", "namespaces", pod.Namespace, "pods", pod.Name, subresource), nil
}

// open makes the two streams of one connection: the kubelet copies the port's
// bytes to the one and writes to the other what went wrong.
func open(streams httpstream.Connection, where target) (*conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(where.port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	failures, err := streams.CreateStream(headers)
	if err != nil {
		return nil, fmt.Errorf("open the error stream: %w", err)
	}
	if err := failures.Close(); err != nil { // nothing is written to it
		return nil, fmt.Errorf("open the error stream: %w", err)
	}
	c := &conn{target: where, streams: streams, failed: make(chan struct{})}
	go c.listen(failures)
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	c.data, err = streams.CreateStream(headers)
	if err == nil {
		return c, nil
	}
	// A kubelet that knows at once that nothing listens resets the stream
	// before it has accepted it: what it says of that is on the other one.
	if said := c.complaint(); said != "" {
		return nil, remoteError(where.port, said)
	}
	return nil, fmt.Errorf("open the data stream: %w", err)
}

const protocol = portforward.PortForwardProtocolV1Name
