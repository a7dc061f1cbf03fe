package apiserver

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Fault is what goes wrong with a request. The zero value answers normally; combine Delay with anything.
type Fault struct {
	// Delay holds the request back first; it ends early when the client gives up.
	Delay time.Duration
	// Err is answered as metav1.Status, see the constructors of apimachinery's api/errors.
	Err error
	// Code, Header and Body are answered as they are when Code is not 0: what proxies and load balancers say.
	Code   int
	Header map[string]string
	Body   string
	// Cut answers normally but cuts the connection after that many bytes of the body. CutNow cuts it without an answer.
	Cut    int
	CutNow bool

	deny bool
}

// Denied is 403 in the words of the real authoriser.
func Denied() *Fault { return &Fault{deny: true} }

// Unauthorized is 401, as for an expired token.
func Unauthorized() *Fault { return &Fault{Err: apierrors.NewUnauthorized("Unauthorized")} }

// TooManyRequests is 429 with Retry-After, as from priority and fairness.
func TooManyRequests(after time.Duration) *Fault {
	return &Fault{
		Code: http.StatusTooManyRequests, Body: "Too many requests, please try again later.\n",
		Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds())), "Content-Type": "text/plain"},
	}
}

// Unavailable is 503, as from an aggregated API whose server is down.
func Unavailable() *Fault {
	return &Fault{Err: apierrors.NewServiceUnavailable("the server is currently unable to handle the request")}
}

// Gone is 410 Expired, as for a resourceVersion that was compacted away.
func Gone() *Fault {
	return &Fault{Err: apierrors.NewResourceExpired("The resourceVersion for the provided watch is too old.")}
}

// HTML is a web page where an API was expected: a login portal or a proxy's error page.
func HTML(code int, page string) *Fault {
	return &Fault{Code: code, Body: page, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"}}
}

// Slow answers normally after a delay.
func Slow(d time.Duration) *Fault { return &Fault{Delay: d} }

// Cut ends the connection in the middle of the answer.
func Cut(after int) *Fault { return &Fault{Cut: after, CutNow: after <= 0} }

type faultRule struct{ match func(*Request) *Fault }

// Fail asks fn before every request what is to go wrong with it; nil lets it pass to the next rule, then to the server. The
// returned function takes the rule back. fn may be called concurrently.
func (s *Server) Fail(fn func(*Request) *Fault) (remove func()) {
	rule := &faultRule{match: fn}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, rule)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(r *faultRule) bool { return r == rule })
	}
}

// On limits a fault to a verb, resource and namespace; "" matches any.
func On(verb, resource, namespace string, f *Fault) func(*Request) *Fault {
	return func(r *Request) *Fault {
		if (verb == "" || verb == r.Verb) && (resource == "" || resource == r.Resource) && (namespace == "" || namespace == r.Namespace) {
			return f
		}
		return nil
	}
}

// injectFault applies the first matching fault and reports whether the request is answered by it.
func (s *Server) injectFault(w *recorder, r *Request) bool {
	s.mu.Lock()
	rules := slices.Clone(s.faults)
	s.mu.Unlock()
	for _, rule := range rules {
		if f := rule.match(r); f != nil {
			return s.apply(f, w, r)
		}
	}
	return false
}

func (s *Server) apply(f *Fault, w *recorder, r *Request) bool {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.HTTP.Context().Done():
			return true
		}
	}
	switch {
	case f.CutNow:
		panic(http.ErrAbortHandler)
	case f.deny:
		respondError(w, s.forbidden(r))
	case f.Err != nil:
		respondError(w, f.Err)
	case f.Code != 0:
		for k, v := range f.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(f.Code)
		_, _ = w.Write([]byte(f.Body))
	default:
		w.cutAfter = f.Cut
		return false
	}
	return true
}
