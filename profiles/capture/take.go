package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s/podconn"
	"midwatch/profiles"
	"midwatch/profiles/decode"
)

// Limits of a capture.
const (
	slack      = 15 * time.Second // beyond the seconds, for everything else
	busyWithin = 20 * time.Second // how long another profiler is waited for
	busyPause  = 700 * time.Millisecond
)

// Profile is a capture with where it came from.
type Profile struct {
	*profiles.Profile
	// Raw are the bytes as the pod sent them, for saving.
	Raw    []byte
	Target Target
	Req    Request
	// At is when sampling began, by this machine's clock.
	At time.Time
	// Requests were served meanwhile.
	Requests Requests
}

// Take captures one profile. It waits for its turn, retries while another
// profiler is at it, and records itself in the journal. Cancelling ctx closes
// the request, which stops the target's profiler.
//
// What is valid of a capture that broke off is returned with a warning in it.
// The error is a [*Error].
func (t *Taker) Take(ctx context.Context, target Target, req Request, w *Watch) (*Profile, error) {
	group := target.workload() + "@" + target.Revision
	t.stage(w, Waiting)
	release, err := t.turns.take(ctx, target.Pod.Key(), group, func() {})
	if err != nil {
		return nil, named(connection(ctx, err), req.Kind, target.Pod)
	}
	defer release()
	began := t.o.Clock.Now()
	p, err := t.take(ctx, target, req, w)
	t.record(ctx, target, req, began, p, err)
	if err != nil {
		return nil, named(err, req.Kind, target.Pod)
	}
	t.keep(p)
	return p, nil
}

func (t *Taker) stage(w *Watch, s Stage) {
	now := t.o.Clock.Now()
	w.set(func(p *Progress) { p.Stage, p.Since = s, now })
}

func (t *Taker) take(ctx context.Context, target Target, req Request, w *Watch) (*Profile, error) {
	t.stage(w, Finding)
	pod, err := t.pod(ctx, target.Pod)
	if err != nil {
		return nil, err
	}
	target.Pod.UID = string(pod.UID)
	f, err := t.findFresh(ctx, target, pod)
	if err != nil {
		return nil, err
	}
	if f.NeedsKey {
		return nil, status(http.StatusUnauthorized, nil, f.Endpoint)
	}
	if ok, why := f.Offers(req.Kind); !ok {
		return nil, fail(NoKind, "", "%s", why)
	}
	client := t.client(target.Pod, f.Endpoint)
	defer client.CloseIdleConnections()
	giveUp := t.o.Clock.Now().Add(busyWithin)
	requests := t.count(ctx, target, pod, req)
	for attempt := 1; ; attempt++ {
		p, err := t.once(ctx, client, target, f, req, w, attempt)
		if err == nil || err.Cause != Busy {
			if err != nil {
				return nil, t.gone(ctx, target, err)
			}
			p.Requests = requests.end(ctx, p.Profile)
			return p, nil
		}
		if !t.o.Clock.Now().Before(giveUp) {
			return nil, busyError(pod, err)
		}
		w.set(func(p *Progress) {
			p.Stage, p.Since, p.Attempt = BusyStage, t.o.Clock.Now(), attempt
			p.Note = busyNote(pod)
		})
		if !t.pause(ctx) {
			return nil, connection(ctx, context.Cause(ctx))
		}
		requests = t.count(ctx, target, pod, req) // the span begins anew
	}
}

// pause waits a moment, of a random length: a profiler that runs for 14 of 15
// seconds leaves a gap of one.
func (t *Taker) pause(ctx context.Context) bool {
	timer, stop := t.o.Clock.After(busyPause/2 + rand.N(busyPause/2)) //nolint:gosec // no secret
	defer stop()
	select {
	case <-timer:
		return true
	case <-ctx.Done():
		return false
	}
}

func busyNote(pod *corev1.Pod) string {
	if who := profiledBy(pod); who != "" {
		return who
	}
	return "somebody else's CPU profile is running"
}

func busyError(pod *corev1.Pod, err *Error) *Error {
	next := "try again later, or take heap or goroutine instead"
	return &Error{Cause: Busy, Why: fmt.Sprintf("the process is being profiled already (%s), and there was no gap within %v", busyNote(pod), busyWithin), Next: next, Err: err}
}

// query is what a request asks the endpoint for.
func (r Request) query() url.Values {
	q := url.Values{}
	if n := int(r.Lasts() / time.Second); n > 0 {
		q.Set("seconds", strconv.Itoa(n))
	}
	if r.GC && r.Kind == Heap && r.Lasts() == 0 {
		q.Set("gc", "1")
	}
	if r.Kind == Wall {
		q.Set("format", "pprof")
	}
	return q
}

// path is where the endpoint serves a kind.
func (e Endpoint) path(k Kind) string {
	s, _ := Of(k)
	switch {
	case k == PyMemory:
		return e.Memory
	case strings.HasPrefix(s.Path, "/"):
		base := strings.TrimSuffix(e.prefix(), "/debug/pprof/")
		return base + s.Path
	}
	return e.prefix() + s.Path
}

// once makes the request and reads the answer.
func (t *Taker) once(ctx context.Context, client *http.Client, target Target, f *Found, req Request, w *Watch, attempt int) (*Profile, *Error) {
	ctx, cancel := context.WithTimeoutCause(ctx, req.Lasts()+slack, errLate)
	defer cancel()
	at := t.o.Clock.Now()
	w.set(func(p *Progress) {
		p.Stage, p.Since, p.Lasts, p.Attempt, p.Bytes = Sampling, at, req.Lasts(), attempt, 0
	})
	r, err := request(ctx, f.Endpoint, f.path(req.Kind), req.query())
	if err != nil {
		return nil, connection(ctx, err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, connection(ctx, unwrapURL(err))
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp, f.Endpoint, req.Kind)
	}
	raw, broke := t.read(resp.Body, w)
	if late := errors.Is(context.Cause(ctx), errLate); ctx.Err() != nil && (!late || len(raw) == 0) {
		return nil, connection(ctx, context.Cause(ctx)) // of what came late, what there is may do
	}
	if int64(len(raw)) > t.limit() {
		return nil, fail(NotProfile, "", "it is larger than %d MB", t.limit()>>20)
	}
	gone := t.meanwhile(ctx, target)
	p, err := decode.Bytes(raw, t.o.Limits)
	if gone() && err == nil {
		p.Warnings = append(p.Warnings, "the pod was deleted while it was looked at")
	}
	switch {
	case err != nil && broke != nil:
		e := connection(ctx, broke)
		e.Why = fmt.Sprintf("the connection broke after %d bytes, too few to show: %s", len(raw), e.Why)
		return nil, e
	case err != nil:
		return nil, undecodable(err, f.Endpoint)
	case broke != nil:
		p.Warnings = append(p.Warnings, fmt.Sprintf("the connection broke after %d bytes; what came is shown", len(raw)))
	}
	p.Source = fmt.Sprintf("%s/%s port %d %s", target.Pod.Namespace, target.Pod.Name, f.Port, f.path(req.Kind))
	if p.Time.IsZero() {
		p.Time = at
	}
	return &Profile{Profile: p, Raw: raw, Target: target, Req: req, At: at}, nil
}

// refusal is why an endpoint did not answer with a profile.
func refusal(resp *http.Response, at Endpoint, k Kind) *Error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // as much as there is
	if resp.StatusCode == http.StatusInternalServerError && bytes.Contains(said, []byte("already")) {
		return fail(Busy, "", "%s", firstLine(said))
	}
	e := status(resp.StatusCode, said, at)
	if k == Wall && e.Cause == NoKind {
		e.Next = "the program has to serve fgprof.Handler() at /debug/fgprof for it"
	}
	return e
}

func (t *Taker) limit() int64 {
	if t.o.Limits.Compressed > 0 {
		return t.o.Limits.Compressed
	}
	return decode.DefaultLimits().Compressed
}

// read reads what there is, also of a connection that breaks.
func (t *Taker) read(body io.Reader, w *Watch) (raw []byte, broke error) {
	buf := bytes.NewBuffer(make([]byte, 0, 64<<10))
	src := io.LimitReader(body, t.limit()+1)
	chunk := make([]byte, 32<<10)
	for {
		n, err := src.Read(chunk)
		if n > 0 {
			buf.Write(chunk[:n])
			w.set(func(p *Progress) { p.Stage, p.Bytes = Reading, int64(buf.Len()) })
		}
		if errors.Is(err, io.EOF) {
			return buf.Bytes(), nil
		}
		if err != nil {
			return buf.Bytes(), err
		}
	}
}

// gone finds out whether a broken capture is the pod's end.
func (t *Taker) gone(ctx context.Context, target Target, e *Error) *Error {
	if e.Cause != Trouble {
		return e
	}
	if why := podconn.Look(ctx, t.o.Cluster, target.Pod); errors.Is(why, podconn.ErrGone) {
		return &Error{Cause: Gone, Why: "the pod was deleted meanwhile", Next: "choose another one", Err: e}
	}
	return e
}

// mostLook bounds how long a finished profile waits for the pod to be looked
// at once more.
const mostLook = 200 * time.Millisecond

// meanwhile looks whether the pod is still there while its profile is being
// read. The answer is only a remark, so nobody waits for it longer than a
// moment.
func (t *Taker) meanwhile(ctx context.Context, target Target) (gone func() bool) {
	ctx, cancel := context.WithCancel(ctx)
	answer := make(chan bool, 1)
	go func() {
		defer cancel()
		answer <- errors.Is(podconn.Look(ctx, t.o.Cluster, target.Pod), podconn.ErrGone)
	}()
	return func() bool {
		late, stop := t.o.Clock.After(mostLook)
		defer stop()
		select {
		case is := <-answer:
			return is
		case <-late:
			cancel()
			<-answer
			return false
		}
	}
}

// record writes into the journal that the pod was looked at, by whom and how.
// The pane's context may be over by then.
func (t *Taker) record(ctx context.Context, target Target, req Request, began time.Time, p *Profile, err error) {
	if t.o.Journal == nil {
		return
	}
	what := string(req.Kind) + " profile"
	if d := req.Lasts(); d > 0 {
		what += fmt.Sprintf(", %d s", int(d/time.Second))
	}
	n := action.Note{
		Verb: "profile", Took: t.o.Clock.Now().Sub(began), Err: err, Effect: what,
		Target: action.Target{Context: t.o.Context, Kind: "Pod", Namespace: target.Pod.Namespace, Name: target.Pod.Name, UID: target.Pod.UID},
	}
	if lost := t.o.Journal.Note(context.WithoutCancel(ctx), n); lost != nil && p != nil {
		p.Warnings = append(p.Warnings, foreign.CleanN("the journal could not record it: "+lost.Error(), 200).String())
	}
}
