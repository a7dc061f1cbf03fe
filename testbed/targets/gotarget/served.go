package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// taken is when one CPU profile was taken, by this machine's clock: from when
// it was asked for until its last byte was written.
type taken struct {
	Began, Ended time.Time
}

// served remembers them, so that a test can tell what the profile itself took
// from what the way to it and back took.
type served struct {
	mu   sync.Mutex
	list []taken
}

// note remembers the calls of a handler.
func (s *served) note(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t := taken{Began: time.Now()}
		h(w, r)
		t.Ended = time.Now()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list = append(s.list, t)
	}
}

// ServeHTTP lists them.
func (s *served) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.list) // the client may be gone
}
