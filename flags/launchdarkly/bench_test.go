package launchdarkly

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"midwatch/action"
	"midwatch/flags"
	"midwatch/flags/launchdarkly/ldtest"
	"midwatch/live"
	"midwatch/secret"
)

func benchProvider(b *testing.B, flags int, next http.RoundTripper) *Provider {
	b.Helper()
	a := ldtest.New(b)
	a.Many(flags)
	clock := live.SystemClock{}
	p, err := New(Options{
		Name: "ld", Address: a.URL, Stream: a.URL, Project: "shop", Environment: "production", Token: secret.New(ldtest.APIToken),
		Transport: next, Lock: action.NewLock(clock, "c", ""), Clock: clock,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// BenchmarkEvaluate500 is a changed context: budget 10 ms.
func BenchmarkEvaluate500(b *testing.B) {
	p := benchProvider(b, 500, nil)
	ask := func(user string) {
		who := flags.EvalContext{TargetingKey: user, Attributes: map[string]any{"region": "us", "version": "1.3.0"}}
		if got, err := p.Evaluate(b.Context(), "production", who); err != nil || len(got) != 500 {
			b.Fatal(len(got), err)
		}
	}
	ask("the first") // connects
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ask(fmt.Sprint("u", i))
	}
}

// replay answers a question that was asked before with what came then, so that
// what is measured is not the server of the tests.
type replay struct {
	mu   sync.Mutex
	said map[string][]byte
}

func (r *replay) RoundTrip(q *http.Request) (*http.Response, error) {
	key := q.Method + " " + q.URL.String()
	r.mu.Lock()
	body, ok := r.said[key]
	r.mu.Unlock()
	if !ok {
		resp, err := http.DefaultTransport.RoundTrip(q)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.said[key] = body
		r.mu.Unlock()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: q,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// BenchmarkList2000 is a list of 2,000 flags in pages of a hundred: budget 1 s.
// The one is midwatch's share, the other has the test server's work in it.
func BenchmarkList2000(b *testing.B) {
	for name, next := range map[string]http.RoundTripper{"ours": &replay{said: map[string][]byte{}}, "with the test server": nil} {
		b.Run(name, func(b *testing.B) {
			p := benchProvider(b, 2000, next)
			list := func() {
				if got, err := p.List(b.Context(), "production", flags.Query{}); err != nil || len(got) != 2000 {
					b.Fatal(len(got), err)
				}
			}
			list() // connects, and is recorded
			for b.Loop() {
				list()
			}
		})
	}
}
