package capture

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/k8s"
	"midwatch/k8s/connect"
	"midwatch/k8s/podconn"
)

// How long the cheap requests may take, and how much of an answer is read.
const (
	indexWithin = 5 * time.Second
	mostIndex   = 256 << 10
)

// Found is where a pod serves profiles and what it offers there.
type Found struct {
	Endpoint
	// Index is nil when only a tracemalloc endpoint answered.
	Index *Index
	// Memory reports a tracemalloc endpoint at Endpoint.Memory.
	HasMemory bool
	// NeedsKey says that it asks for a key that was not given or not right.
	NeedsKey bool
	// ProfiledBy names who else profiles the pod; may be empty.
	ProfiledBy string
	// Deltas are godeltaprof's profiles (delta_heap, …) that the pod serves,
	// for the screen: each request of one takes away what its scraper would
	// see next, so they are never asked for.
	Deltas []string
	// Tried are the ports that were asked before, for the screen.
	Tried []string
}

// DefaultMemory is the path of the tracemalloc endpoint that is looked for
// where no net/http/pprof answers.
const DefaultMemory = "/debug/memory"

// Offers lists the kinds that can be asked for, with reasons for the others.
func (f *Found) Offers(k Kind) (ok bool, why string) {
	s, _ := Of(k)
	switch {
	case k == PyMemory && f.HasMemory, s.Exec && f.Index == nil:
		return true, ""
	case s.Exec:
		return false, "it serves net/http/pprof: a Go program"
	case s.Python:
		return false, "no tracemalloc endpoint answered"
	case f.Index == nil:
		return false, "no net/http/pprof answered"
	case k == Wall:
		return true, "" // it is mounted apart, and not in the index
	case k == CPU || f.Index.Has(k):
		return true, ""
	case k == GoroutineLeak:
		return false, "the target's Go runtime has none (from Go 1.27, or GOEXPERIMENT=goroutineleakprofile)"
	}
	return false, "the index does not list it"
}

// Find says where the pod serves profiles. It makes at most [MostTried] cheap
// requests, and one where the workload's place is known already.
func (t *Taker) Find(ctx context.Context, target Target) (*Found, error) {
	pod, err := t.pod(ctx, target.Pod)
	if err != nil {
		return nil, named(err, "", target.Pod)
	}
	f, err := t.find(ctx, target, pod)
	if err != nil {
		return nil, named(err, "", target.Pod)
	}
	return f, nil
}

// fresh is an endpoint that answered a moment ago.
type fresh struct {
	found *Found
	at    time.Time
}

// mostFresh is for how long a pod is not asked again: somebody who has just
// chosen a profile should not wait for the index twice.
const mostFresh = 30 * time.Second

// findFresh is find, unless the same pod has just answered.
func (t *Taker) findFresh(ctx context.Context, target Target, pod *corev1.Pod) (*Found, error) {
	t.mu.Lock()
	known, ok := t.fresh[string(pod.UID)]
	t.mu.Unlock()
	if ok && t.o.Clock.Now().Sub(known.at) < mostFresh {
		return known.found, nil
	}
	return t.find(ctx, target, pod)
}

// named completes an error of this package.
func named(err error, kind Kind, pod k8s.Ref) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Cause: Trouble, Why: err.Error(), Err: err}
	}
	e.Kind, e.Pod = kind, pod
	return e
}

func (t *Taker) pod(ctx context.Context, ref k8s.Ref) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, indexWithin)
	defer cancel()
	pod, err := t.o.Cluster.Typed().CoreV1().Pods(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fail(Gone, "choose another one", "the pod is gone")
	case err != nil:
		return nil, &Error{Cause: Trouble, Why: connect.Explain(err).Line(), Err: err}
	case pod.Status.Phase != corev1.PodRunning:
		return nil, fail(Gone, "", "the pod is %s, not Running", pod.Status.Phase)
	}
	return pod, nil
}

func (t *Taker) find(ctx context.Context, target Target, pod *corev1.Pod) (*Found, error) {
	f, err := t.look(ctx, target, pod)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.fresh) > 64 {
		clear(t.fresh)
	}
	delete(t.fresh, string(pod.UID))
	if err == nil && !f.NeedsKey {
		t.fresh[string(pod.UID)] = fresh{f, t.o.Clock.Now()}
	}
	return f, err
}

func (t *Taker) look(ctx context.Context, target Target, pod *corev1.Pod) (*Found, error) {
	key := target.workload()
	t.mu.Lock()
	known, remembered := t.known[key]
	typed := t.typed[key]
	t.mu.Unlock()
	list := Candidates(pod, owner(target), t.o.Rules)
	if typed.Port != 0 {
		e := Endpoint{Port: typed.Port, From: "as you said"}
		if len(list) > 0 {
			e.Prefix, e.Memory, e.HTTPS, e.SkipVerify, e.Header = list[0].Prefix, list[0].Memory, list[0].HTTPS, list[0].SkipVerify, list[0].Header
		}
		list, remembered = []Endpoint{e}, false
	}
	if remembered {
		if f, err := t.ask(ctx, target, typed.with(known)); err == nil {
			f.ProfiledBy, f.Deltas = profiledBy(pod), deltas(pod, f.Index)
			return f, nil
		}
	}
	f, err := t.first(ctx, target, list, typed)
	if err != nil {
		return nil, err
	}
	f.ProfiledBy, f.Deltas = profiledBy(pod), deltas(pod, f.Index)
	t.mu.Lock()
	t.known[key] = withoutTyped(f.Endpoint, list)
	t.mu.Unlock()
	return f, nil
}

// withoutTyped is the endpoint as it was before a typed key was put into it.
func withoutTyped(e Endpoint, list []Endpoint) Endpoint {
	for _, o := range list {
		if o.Port == e.Port {
			o.Memory = e.Memory
			return o
		}
	}
	return e
}

func owner(target Target) string {
	if target.Workload.IsZero() {
		return target.Pod.Name
	}
	return target.Workload.Name
}

// first asks one after the other until one serves profiles. One that wants a
// key is the answer when no other does.
func (t *Taker) first(ctx context.Context, target Target, list []Endpoint, typed Override) (*Found, error) {
	var tried []string
	var locked *Found
	var last *Error
	for i, e := range list {
		if i == MostTried {
			break
		}
		f, err := t.ask(ctx, target, typed.with(e))
		if err == nil && !f.NeedsKey {
			f.Tried = tried
			return f, nil
		}
		if err == nil && locked == nil {
			locked = f
		}
		if err != nil {
			last = err
			if err.Cause == NotAllowed || err.Cause == Gone || err.Cause == Cancelled {
				return nil, err
			}
		}
		tried = append(tried, strconv.Itoa(e.Port))
	}
	switch {
	case locked != nil:
		return locked, nil
	case len(tried) == 0:
		return nil, fail(NoEndpoint, nextPort, "the pod declares no TCP port and says nowhere that it serves profiles")
	case len(tried) == 1 && last != nil:
		last.Why = fmt.Sprintf("asked port %s (%s): %s", tried[0], list[0].From, last.Why)
		return nil, last
	}
	why := fmt.Sprintf("none of the ports %s serves /debug/pprof", strings.Join(tried, ", "))
	if len(list) > MostTried {
		why += fmt.Sprintf(" (%d more were not asked)", len(list)-MostTried)
	}
	return nil, &Error{Cause: NoEndpoint, Why: why, Next: nextPort, Err: last}
}

// ask makes the one cheap request: the index. Where there is none, a
// tracemalloc endpoint is asked for; with a key it costs a snapshot.
func (t *Taker) ask(ctx context.Context, target Target, e Endpoint) (*Found, *Error) {
	ctx, cancel := context.WithTimeoutCause(ctx, indexWithin, errLate)
	defer cancel()
	client := t.client(target.Pod, e)
	defer client.CloseIdleConnections()
	code, body, err := get(ctx, client, e, e.prefix(), nil)
	if err != nil {
		return nil, connection(ctx, err)
	}
	f := &Found{Endpoint: e}
	switch code {
	case http.StatusOK:
		if index, ok := parseIndex(body); ok {
			f.Index = index
			return f, nil
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		f.NeedsKey = true
		f.Index = &Index{Counts: map[Kind]int64{}}
		return f, nil
	case http.StatusNotFound:
	default:
		return nil, status(code, body, e)
	}
	return t.askMemory(ctx, client, f, code, body)
}

func (t *Taker) askMemory(ctx context.Context, client *http.Client, f *Found, code int, body []byte) (*Found, *Error) {
	path := f.Memory
	if path == "" {
		path = DefaultMemory
	}
	memCode, memBody, err := get(ctx, client, f.Endpoint, path, nil)
	if err != nil {
		return nil, connection(ctx, err)
	}
	f.Memory = path
	switch {
	case memCode == http.StatusOK && looksLikeTracemalloc(memBody):
		f.HasMemory = true
		return f, nil
	case memCode == http.StatusUnauthorized, memCode == http.StatusForbidden, memCode == http.StatusUnprocessableEntity:
		f.HasMemory, f.NeedsKey = true, true
		return f, nil
	case code == http.StatusOK:
		return nil, fail(NoEndpoint, nextPort, "port %d answers, but not as net/http/pprof (%s)", f.Port, firstLine(body))
	}
	return nil, fail(NoEndpoint, nextPort, "port %d serves neither %s nor %s", f.Port, f.prefix(), path)
}

func looksLikeTracemalloc(body []byte) bool {
	text := strings.TrimSpace(string(body[:min(len(body), 4096)]))
	return strings.HasPrefix(text, "[") && (strings.HasPrefix(strings.TrimSpace(text[1:]), "]") || strings.Contains(text, `"size_kb"`))
}

// client talks to one port of one pod.
func (t *Taker) client(pod k8s.Ref, e Endpoint) *http.Client {
	tr := podconn.Transport(t.o.Cluster, pod, e.Port)
	if e.HTTPS {
		tr.TLSClientConfig = &tls.Config{ServerName: pod.Name, InsecureSkipVerify: e.SkipVerify} //nolint:gosec // the settings say so, per pod
	}
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

var errLate = errors.New("no answer in time")

// request makes a GET. Never a HEAD: net/http's patterns for GET match it too,
// and a HEAD of /profile runs a whole profile.
func request(ctx context.Context, e Endpoint, path string, query url.Values) (*http.Request, error) {
	scheme := "http"
	if e.HTTPS {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: "localhost:" + strconv.Itoa(e.Port), Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	for k, v := range e.Header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "midwatch")
	return req, nil
}

// get reads a small answer.
func get(ctx context.Context, client *http.Client, e Endpoint, path string, query url.Values) (code int, body []byte, err error) {
	return getUpTo(ctx, client, e, path, query, mostIndex)
}

func getUpTo(ctx context.Context, client *http.Client, e Endpoint, path string, query url.Values, most int64) (code int, body []byte, err error) {
	req, err := request(ctx, e, path, query)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, unwrapURL(err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	body, err = io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil && len(body) == 0 {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	return resp.StatusCode, body, nil
}

// unwrapURL drops the URL that net/http puts before an error: the pod and the
// port are named already.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
