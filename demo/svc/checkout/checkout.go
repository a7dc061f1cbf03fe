// Package checkout is a small shop service that really runs. Its release v2.8.0 calls a payments service that does not answer, and
// leaves a goroutine behind for every call.
package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// mostCalls bounds the goroutines that wait.
const mostCalls = 60

// Server is one process of the service.
type Server struct {
	ctx   context.Context //nolint:containedctx // the process's own life
	leaks bool

	mu    sync.Mutex
	calls int
	wait  sync.WaitGroup
}

// New starts a process of a release; it ends with ctx.
func New(ctx context.Context, release string) *Server {
	return &Server{ctx: ctx, leaks: release == "v2.8.0"}
}

// Wait returns when nothing of the process is left.
func (s *Server) Wait() { s.wait.Wait() }

type payment struct {
	Order  string   `json:"order"`
	Cents  int64    `json:"cents"`
	Tokens []string `json:"tokens"`
}

// Serve handles one request.
func (s *Server) Serve(n int) {
	p := payment{Order: fmt.Sprintf("o-%d", n), Cents: int64(n) * 37}
	for i := range 10 {
		p.Tokens = append(p.Tokens, strings.Repeat(string(rune('a'+i)), 64))
	}
	raw, err := json.Marshal(p)
	if err != nil {
		panic(err) // a payment can always be written
	}
	s.hash(raw)
	s.callPayments(raw)
}

func (s *Server) hash(raw []byte) [32]byte {
	sum := sha256.Sum256(raw)
	for range 40 {
		sum = sha256.Sum256(append(sum[:], raw...))
	}
	return sum
}

func (s *Server) callPayments(raw []byte) {
	if !s.leaks {
		var back payment
		if err := json.Unmarshal(raw, &back); err != nil {
			panic(err) // it was written above
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls < mostCalls {
		s.calls++
		answer := make(chan payment)
		s.wait.Go(func() { s.awaitPayment(answer) })
	}
}

// awaitPayment waits for an answer that never comes.
func (s *Server) awaitPayment(answer chan payment) {
	select {
	case <-answer:
	case <-s.ctx.Done():
	}
}
