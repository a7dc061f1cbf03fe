package podconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// upgrade turns a request for the pod's portforward into a SPDY connection.
// client-go's own dialers for it ignore rest.Config.Dial and contexts, so the
// two handshakes are made here, on the same parts.
func upgrade(ctx context.Context, cfg *rest.Config, u *url.URL) (httpstream.Connection, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	streams, err := d.tunnel(ctx, u)
	if err != nil && fallback(err) {
		streams, err = d.spdy(ctx, u, protocol)
	}
	return streams, err
}

// fallback reports that the server does not speak WebSocket, or does not speak
// it on this path; a refusal in its own words is final. A HTTPS proxy is one
// more reason: gorilla's does not do TLS to the proxy (kubectl, cmd/portforward).
func fallback(err error) bool {
	var refused *refusedUpgrade
	if errors.As(err, &refused) {
		return refused.status.Code != http.StatusForbidden && refused.status.Code != http.StatusUnauthorized && refused.status.Code != http.StatusNotFound
	}
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// dialer is a client configuration taken apart.
type dialer struct {
	transport *transport.Config
	tls       *tls.Config
	proxy     func(*http.Request) (*url.URL, error)
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

func newDialer(cfg *rest.Config) (*dialer, error) {
	d := &dialer{proxy: cfg.Proxy}
	var err error
	if d.transport, err = cfg.TransportConfig(); err != nil {
		return nil, fmt.Errorf("the client configuration: %w", err)
	}
	if d.tls, err = transport.TLSConfigFor(d.transport); err != nil {
		return nil, fmt.Errorf("the client configuration: %w", err)
	}
	if d.tls != nil {
		d.tls = d.tls.Clone()
		d.tls.NextProtos = []string{"http/1.1"} // HTTP/2 has no upgrade
	}
	if d.proxy == nil {
		d.proxy = utilnet.NewProxierWithNoProxyCIDR(http.ProxyFromEnvironment)
	}
	d.dial = (&net.Dialer{Timeout: dialWithin}).DialContext
	if d.transport.DialHolder != nil && d.transport.DialHolder.Dial != nil {
		d.dial = d.transport.DialHolder.Dial
	}
	return d, nil
}

// send sends a request for an upgrade with everything the configuration puts
// around a transport: credentials, impersonation, the write lock. The headers
// that ask for the upgrade are on it from the outset, so that the lock sees
// what it is; inner may have to take them off again.
func (d *dialer) send(ctx context.Context, method, protocol string, u *url.URL, inner http.RoundTripper) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	outer, err := transport.HTTPWrappersForConfig(d.transport, inner)
	if err != nil {
		return nil, fmt.Errorf("the client configuration: %w", err)
	}
	return outer.RoundTrip(req) //nolint:wrapcheck // the caller says what for
}

// tunnel carries SPDY through a WebSocket.
func (d *dialer) tunnel(ctx context.Context, u *url.URL) (httpstream.Connection, error) {
	conn, err := d.websocket(ctx, u, constants.WebsocketsSPDYTunnelingPrefix+protocol)
	if err != nil {
		return nil, err
	}
	return streamsOver(portforward.NewTunnelingConnectionWithLogger(klog.Background(), conn))
}

// websocket makes a WebSocket that speaks the subprotocol.
func (d *dialer) websocket(ctx context.Context, u *url.URL, subprotocol string) (*websocket.Conn, error) {
	inner := &websocketTransport{dialer: &websocket.Dialer{
		NetDialContext: d.dial, Proxy: d.proxy, TLSClientConfig: d.tls, HandshakeTimeout: dialWithin,
		Subprotocols:   []string{subprotocol},
		ReadBufferSize: tunnelBuffer, WriteBufferSize: tunnelBuffer,
	}}
	resp, err := d.send(ctx, http.MethodGet, "websocket", u, inner)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // empty: the connection is with inner
	if inner.conn.Subprotocol() == "" {
		_ = inner.conn.Close() // the reason is below
		return nil, &httpstream.UpgradeFailureError{Cause: fmt.Errorf("the server does not speak %s", subprotocol)}
	}
	return inner.conn, nil
}

const tunnelBuffer = 33 << 10 // client-go's, transport/websocket

// websocketTransport makes the handshake and keeps the connection.
type websocketTransport struct {
	dialer *websocket.Dialer
	conn   *websocket.Conn
}

func (t *websocketTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	header := req.Header.Clone()
	header.Del("Upgrade") // the dialer sets these
	header.Del("Connection")
	u := *req.URL
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	// The dialer looks at the context only until it is connected.
	handshake, stop := *t.dialer, func() bool { return true }
	handshake.NetDialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := t.dialer.NetDialContext(ctx, network, address)
		if err == nil {
			stop = context.AfterFunc(req.Context(), func() { _ = c.Close() })
		}
		return c, err
	}
	conn, resp, err := handshake.DialContext(req.Context(), u.String(), header)
	switch {
	case !stop():
		if conn != nil {
			_ = conn.Close() // it came too late
		}
		return nil, fmt.Errorf("upgrade to a WebSocket: %w", context.Cause(req.Context()))
	case errors.Is(err, websocket.ErrBadHandshake) && resp != nil:
		defer func() { _ = resp.Body.Close() }() // only read from
		return nil, refusal(resp)
	case err != nil:
		return nil, fmt.Errorf("upgrade to a WebSocket: %w", err)
	}
	t.conn = conn
	return resp, nil
}

// spdy upgrades the connection to SPDY itself. net/http makes the handshake,
// so proxies, TLS and cancelling are its.
func (d *dialer) spdy(ctx context.Context, u *url.URL, protocol string) (httpstream.Connection, error) {
	base := &http.Transport{
		DialContext: d.dial, Proxy: d.proxy, TLSClientConfig: d.tls,
		TLSHandshakeTimeout: dialWithin, ResponseHeaderTimeout: dialWithin,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	inner := protocolHeader{next: base, protocol: protocol}
	resp, err := d.send(ctx, http.MethodPost, spdy.HeaderSpdy31, u, inner)
	if err != nil {
		return nil, fmt.Errorf("upgrade to SPDY: %w", err)
	}
	stream, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		defer func() { _ = resp.Body.Close() }() // only read from
		return nil, refusal(resp)
	}
	return streamsOver(&upgraded{ReadWriteCloser: stream})
}

type protocolHeader struct {
	next     http.RoundTripper
	protocol string
}

func (p protocolHeader) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(httpstream.HeaderProtocolVersion, p.protocol)
	return p.next.RoundTrip(req) //nolint:wrapcheck // the caller says what for
}

// upgraded is the connection net/http hands over, as the SPDY library wants it.
type upgraded struct{ io.ReadWriteCloser }

func (*upgraded) LocalAddr() net.Addr              { return addr("midwatch") }
func (*upgraded) RemoteAddr() net.Addr             { return addr("the API server") }
func (*upgraded) SetDeadline(time.Time) error      { return nil }
func (*upgraded) SetReadDeadline(time.Time) error  { return nil }
func (*upgraded) SetWriteDeadline(time.Time) error { return nil }

// link is a SPDY connection that ends with its network connection. The SPDY
// library leaves that to a goroutine which waits for all streams to end, and
// for somebody to ask about an error of Close.
type link struct {
	httpstream.Connection
	raw *quiet
}

func (l *link) Close() error {
	err := l.Connection.Close()
	_ = l.raw.Close() // does not fail
	return err        //nolint:wrapcheck // conn says of what
}

// quiet is a connection that can be closed twice, and without an error: that
// the other side is gone by then is nobody's business.
type quiet struct{ net.Conn }

func (q *quiet) Close() error {
	_ = q.Conn.Close()
	return nil
}

func streamsOver(c net.Conn) (httpstream.Connection, error) {
	raw := &quiet{c}
	streams, err := spdy.NewClientConnectionWithPings(raw, pingsEvery)
	if err != nil {
		return nil, fmt.Errorf("begin SPDY: %w", err)
	}
	return &link{streams, raw}, nil
}

// refusedUpgrade is an answer that was no upgrade.
type refusedUpgrade struct{ status metav1.Status }

func (r *refusedUpgrade) Error() string { return r.status.Message }

// Status lets apierrors and connect.Explain see what the server said.
func (r *refusedUpgrade) Status() metav1.Status { return r.status }

var _ apierrors.APIStatus = (*refusedUpgrade)(nil)

// mostRefused bounds what is read of an answer that was no upgrade.
const mostRefused = 64 << 10

// refusal reads an API server's Status; of anything else only the code counts.
func refusal(resp *http.Response) error {
	body, _ := io.ReadAll(bufio.NewReader(io.LimitReader(resp.Body, mostRefused))) // what came before an error is enough
	r := &refusedUpgrade{status: metav1.Status{Status: metav1.StatusFailure, Code: int32(resp.StatusCode)}}
	if obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil); err == nil {
		if s, ok := obj.(*metav1.Status); ok {
			r.status = *s
			r.status.Code = int32(resp.StatusCode)
		}
	}
	if r.status.Message == "" {
		r.status.Message = fmt.Sprintf("the server answered HTTP %d %s instead of opening a stream", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return r
}
