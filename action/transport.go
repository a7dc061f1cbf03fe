package action

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"midwatch/foreign"
)

// Transport returns a round tripper that sends what only reads and refuses
// what writes, unless the lock is open and the request comes from a plan that
// a [Gate] is carrying out. It belongs under every HTTP client.
//
// GET, HEAD and OPTIONS read; so do the requests named by [Reads]. All other
// methods write, and so do requests for a stream (Upgrade), those named by
// [Writes], and those with a method override header. A refused request is
// never sent; the error is a [*RefusedError].
func Transport(next http.RoundTripper, lock *Lock, opts ...TransportOption) http.RoundTripper {
	t := &transport{next: next, lock: lock, dryParameter: "dryRun", dryValue: "All"}
	for _, o := range opts {
		o(t)
	}
	return t
}

// TransportOption adjusts a [Transport].
type TransportOption func(*transport)

// Reads lets requests pass that read although their method or their upgrade
// would make them writes.
func Reads(rules ...Rule) TransportOption {
	return func(t *transport) { t.reads = append(t.reads, rules...) }
}

// Writes makes requests count as writes whatever their method. It goes before
// [Reads].
func Writes(rules ...Rule) TransportOption {
	return func(t *transport) { t.writes = append(t.writes, rules...) }
}

// BasePath is the path of the server's own address, for servers that live
// below one. Rules are matched against what follows it. [Kubernetes] finds it
// out by itself in most cases.
func BasePath(base string) TransportOption {
	return func(t *transport) { t.base = strings.TrimSuffix(base, "/") }
}

// DryRunBy says by which query parameter a request to this server is a trial:
// Kubernetes has dryRun=All, which is the default, LaunchDarkly dryRun=true.
func DryRunBy(parameter, value string) TransportOption {
	return func(t *transport) { t.dryParameter, t.dryValue = parameter, value }
}

// ForContext says which context's server is behind the transport: it then
// refuses writes once the lock belongs to another one.
func ForContext(name string) TransportOption {
	return func(t *transport) { t.context = name }
}

// Kubernetes is what a Kubernetes API server's transport needs. Without a
// [BasePath] everything before the first segment "api" or "apis" counts as
// one, as in https://rancher.example/k8s/clusters/c-1/api/v1/pods; a request
// to a Service by way of the API server's own proxy begins with "/api" and is
// not mistaken for one to the API.
func Kubernetes() TransportOption {
	return func(t *transport) {
		t.findBase = true
		Reads(KubernetesReads()...)(t)
		Writes(KubernetesWrites()...)(t)
	}
}

type transport struct {
	next          http.RoundTripper
	lock          *Lock
	reads, writes []Rule
	base, context string
	findBase      bool

	dryParameter, dryValue string
}

// RoundTrip sends the request or refuses it.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.isWrite(req) {
		if err := t.refuse(req); err != nil {
			if req.Body != nil {
				_ = req.Body.Close() // the contract of RoundTripper; there is nothing to do about an error
			}
			return nil, err
		}
	}
	return t.next.RoundTrip(req)
}

// WrappedRoundTripper lets client-go find the transport below
// (k8s.io/apimachinery/pkg/util/net.RoundTripperWrapper).
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// CloseIdleConnections passes on what [http.Client.CloseIdleConnections] asks.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *transport) isWrite(req *http.Request) bool {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	if overridesMethod(req.Header) || req.URL.Opaque != "" {
		return true // what the server will read is not what stands in Method and Path
	}
	decoded := t.below(req.URL.Path)
	for _, r := range t.writes {
		if r.catches(method, decoded) {
			return true
		}
	}
	upgrade := isUpgrade(req.Header)
	if !upgrade && (method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions) {
		return false
	}
	escaped := req.URL.EscapedPath()
	for _, r := range t.reads {
		if r.allows(method, escaped, t.below(escaped), upgrade) {
			return false
		}
	}
	return true
}

// below cuts the base path off; a path that is not below it is left whole and
// then matches no rule that lets something pass.
func (t *transport) below(p string) string {
	if t.base == "" && t.findBase {
		return fromAPI(p)
	}
	if rest, ok := strings.CutPrefix(p, t.base); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return p
}

// fromAPI is the path from its first segment "api" or "apis" on.
func fromAPI(p string) string {
	for i := 0; i < len(p); i++ {
		if rest := p[i:]; strings.HasPrefix(rest, "/api/") || strings.HasPrefix(rest, "/apis/") {
			return rest
		}
	}
	return p
}

func isUpgrade(h http.Header) bool {
	return header(h, "Upgrade") != "" || strings.Contains(strings.ToLower(header(h, "Connection")), "upgrade")
}

// overridesMethod reports headers by which some servers and proxies take
// another method than the one in the request line. midwatch sends none.
func overridesMethod(h http.Header) bool {
	return header(h, "X-HTTP-Method-Override") != "" || header(h, "X-HTTP-Method") != "" || header(h, "X-Method-Override") != ""
}

// header returns all values of a header, also of one that was put into the map
// in unusual case, which net/http would send as it is.
func header(h http.Header, name string) string {
	var all []string
	for k, values := range h {
		if strings.EqualFold(k, name) {
			all = append(all, values...)
		}
	}
	return strings.Join(all, ",")
}

// refuse returns nil for a write that may be sent.
func (t *transport) refuse(req *http.Request) error {
	refused := &RefusedError{Method: foreign.CleanN(req.Method, 32).String(), Path: foreign.CleanN(req.URL.Path, 256).String()}
	if !t.lock.Unlocked() {
		refused.Locked = true
		return refused
	}
	p, ok := req.Context().Value(permitKey{}).(*permit)
	switch {
	case !ok, p.lock != t.lock:
		refused.Why = "it did not come through the action gate"
	case p.revoked.Load():
		refused.Why = "its plan has ended"
	case p.dry && !t.isDry(req):
		refused.Why = fmt.Sprintf("a dry run has to carry %s=%s", t.dryParameter, t.dryValue)
	default:
		return t.otherContext(refused)
	}
	return refused
}

// isDry reports whether the request says, once and clearly, that it is a trial.
func (t *transport) isDry(req *http.Request) bool {
	values := req.URL.Query()[t.dryParameter]
	return len(values) == 1 && values[0] == t.dryValue
}

func (t *transport) otherContext(refused *RefusedError) error {
	open, _ := t.lock.Bound()
	if t.context == "" || t.context == open {
		return nil
	}
	refused.Why = fmt.Sprintf("the connection belongs to context %q, open is %q", t.context, open)
	return refused
}

// permit is what a gate puts into the context of the steps that may write. It
// ends with the step, so a goroutine left behind cannot write later.
type permit struct {
	lock    *Lock
	dry     bool
	revoked atomic.Bool
}

type permitKey struct{}

// withPermit returns a context under which a writing request passes the
// transports of the lock, until end is called.
func withPermit(ctx context.Context, lock *Lock, dry bool) (permitted context.Context, end func()) {
	p := &permit{lock: lock, dry: dry}
	return context.WithValue(ctx, permitKey{}, p), func() { p.revoked.Store(true) }
}
