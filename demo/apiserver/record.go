package apiserver

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// keptRequests bounds the log: a demo left open for days must not grow.
const keptRequests = 5000

type requestLog struct {
	kept  []*Request
	total int
}

// Requests returns the requests so far, oldest first; at most the last 5000 are kept.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.log.kept))
	for i, r := range s.log.kept {
		out[i] = *r
	}
	return out
}

// Count returns how many of the kept requests match.
func (s *Server) Count(match func(*Request) bool) int {
	n := 0
	for _, r := range s.Requests() {
		if match(&r) {
			n++
		}
	}
	return n
}

// ForgetRequests empties the log.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = requestLog{}
}

// recorder passes an answer on and notes what it was.
type recorder struct {
	http.ResponseWriter
	server   *Server
	req      *Request
	cutAfter int
	sent     int64
}

func (s *Server) record(w http.ResponseWriter, req Request) *recorder {
	req.At = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := &req
	s.log.kept = append(s.log.kept, kept)
	s.log.total++
	if len(s.log.kept) > 2*keptRequests {
		s.log.kept = slices.Clone(s.log.kept[keptRequests:])
	}
	return &recorder{ResponseWriter: w, server: s, req: kept}
}

// Unwrap lets http.ResponseController flush and hijack.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack is for upgrades: their libraries ask for it by name.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.server.mu.Lock()
	r.req.Code = http.StatusSwitchingProtocols
	r.server.mu.Unlock()
	c, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take the connection over: %w", err)
	}
	return c, rw, nil
}

// WriteHeader is sent once: an answer that breaks off in the middle is not followed by another status.
func (r *recorder) WriteHeader(code int) {
	if r.answered(code) {
		r.ResponseWriter.WriteHeader(code)
	}
}

// answered notes the status of an answer; false when there is one already.
func (r *recorder) answered(code int) bool {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	if r.req.Code != 0 {
		return false
	}
	r.req.Code = code
	return true
}

func (r *recorder) Write(p []byte) (int, error) {
	r.answered(http.StatusOK)
	if r.cutAfter > 0 && r.sent+int64(len(p)) > int64(r.cutAfter) {
		_, _ = r.ResponseWriter.Write(p[:int64(r.cutAfter)-r.sent])
		_ = http.NewResponseController(r.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	n, err := r.ResponseWriter.Write(p)
	r.sent += int64(n)
	return n, err
}

func (r *recorder) done() {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	r.req.Bytes = r.sent
	if r.req.Code == 0 {
		r.req.Code = http.StatusOK
	}
}
