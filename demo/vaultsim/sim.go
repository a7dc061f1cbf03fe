// Package vaultsim is an in-process server that answers midwatch's requests as
// Vault does: tokens with policies, leases that count down and die, versioned
// key-value secrets, and one lease that cannot be revoked. It is what the demo
// shows, and what the unit tests of package vault speak to; the answers were
// taken from a real Vault 1.21.4.
//
// Nothing runs by itself: what is due happens when the next request comes, by
// the clock it was given.
package vaultsim

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Options say how a server is made.
type Options struct {
	// Seed decides the random part of lease IDs.
	Seed uint64
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Server is one simulated Vault. It is safe for concurrent use.
type Server struct {
	now func() time.Time

	mu       sync.Mutex
	random   *rand.Rand
	sealed   bool
	standby  bool
	skew     time.Duration
	tokens   map[string]*Token
	policies map[string]Policy
	mounts   map[string]Mount
	roles    map[string]Role // by "database/app"
	leases   map[string]*lease
	secrets  map[string]*secret // by "secret/shop/api"
	logins   map[string]func(body map[string]any) *Token
	requests []Request
}

// Request is one line of the server's own audit log.
type Request struct {
	Method, Path string // LIST for listings
	Token        string // its display name
	Status       int
}

// Token is one token the server knows.
type Token struct {
	ID       string
	Name     string
	Policies []string
	// Expires is zero for a token that does not end.
	Expires time.Time
	Issued  time.Time
	revoked bool
}

// Policy maps paths, with "*" at the end for a prefix, to capabilities.
type Policy map[string][]string

// Mount is one engine.
type Mount struct{ Type, Version, Description string }

// Role is a role of a database engine.
type Role struct {
	Database     string
	Default, Max time.Duration
	Creation     string
	NotRenewable bool
	Revoke       func() error // nil succeeds
}

// DefaultPolicy is the part of Vault's built-in policy "default" that
// midwatch uses (vault/policy_store.go).
func DefaultPolicy() Policy {
	return Policy{
		"auth/token/lookup-self": {"read"}, "auth/token/revoke-self": {"update"}, "sys/capabilities-self": {"update"},
		"sys/leases/lookup": {"update"}, "sys/leases/renew": {"update"}, "sys/internal/ui/mounts": {"read"},
	}
}

// New makes an empty server with the policies root and default.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{
		now: o.Now, random: rand.New(rand.NewPCG(o.Seed, 0x7661756c74)), //nolint:gosec // a simulation
		tokens: map[string]*Token{}, policies: map[string]Policy{"default": DefaultPolicy()},
		mounts: map[string]Mount{"cubbyhole/": {Type: "cubbyhole"}, "sys/": {Type: "system"}, "auth/token/": {Type: "token"}},
		roles:  map[string]Role{}, leases: map[string]*lease{}, secrets: map[string]*secret{},
		logins: map[string]func(map[string]any) *Token{},
	}
}

// AddToken makes the server know a token.
func (s *Server) AddToken(t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Issued.IsZero() {
		t.Issued = s.now()
	}
	s.tokens[t.ID] = &t
}

// AddPolicy adds or replaces a policy.
func (s *Server) AddPolicy(name string, p Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[name] = p
}

// AddMount mounts an engine; path ends in "/".
func (s *Server) AddMount(path string, m Mount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mounts[path] = m
}

// AddRole adds MOUNT/roles/NAME.
func (s *Server) AddRole(mount, name string, r Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[mount+"/"+name] = r
}

// AddLogin makes auth/… answer logins: it returns the token, or nil to refuse.
func (s *Server) AddLogin(path string, login func(body map[string]any) *Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins[path] = login
}

// Seal makes the server sealed, or not.
func (s *Server) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// SetStandby makes the server a standby without an active node.
func (s *Server) SetStandby(standby bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standby = standby
}

// SetSkew puts the server's clock ahead.
func (s *Server) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// RevokeToken ends a token.
func (s *Server) RevokeToken(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[id]; t != nil {
		t.revoked = true
	}
}

// Requests are those the server has answered, the oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// clock is the server's own time.
func (s *Server) clock() time.Time { return s.now().Add(s.skew).UTC() }

// tail is the random part of a lease's ID: 24 letters and digits.
func (s *Server) tail() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := make([]byte, 24)
	for i := range b {
		b[i] = digits[s.random.IntN(len(digits))]
	}
	return string(b)
}

func (s *Server) requestID() string {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(s.random.UintN(256))
	}
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// answer is what a handler decides.
type answer struct {
	status int
	data   any
	raw    any // the whole body instead of data
	errors []string
}

func ok(data any) answer               { return answer{status: http.StatusOK, data: data} }
func done() answer                     { return answer{status: http.StatusNoContent} }
func fail(status int, e string) answer { return answer{status: status, errors: []string{e}} }
func notFound() answer                 { return answer{status: http.StatusNotFound, errors: []string{}} }
func missing(data any) answer          { return answer{status: http.StatusNotFound, data: data} }
func denied(reasons ...string) answer  { return fail(http.StatusForbidden, multi(reasons...)) }
func badRequest(reason string) answer  { return fail(http.StatusBadRequest, reason) }
func internalError(text string) answer { return fail(http.StatusInternalServerError, text) }
func (a answer) isError() bool         { return a.errors != nil }
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// multi is hashicorp/go-multierror's text.
func multi(reasons ...string) string {
	noun := "errors"
	if len(reasons) == 1 {
		noun = "error"
	}
	return fmt.Sprintf("%d %s occurred:\n\t* %s\n\n", len(reasons), noun, strings.Join(reasons, "\n\t* "))
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if r.Body != nil {
		_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<20)).Decode(&body) // a GET has none
	}
	s.mu.Lock()
	s.settle()
	method := r.Method
	if method == http.MethodGet && r.URL.Query().Get("list") == "true" {
		method = "LIST"
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	token, a := s.handle(method, path, r, body)
	name := ""
	if token != nil {
		name = token.Name
	}
	s.requests = append(s.requests, Request{Method: method, Path: path, Token: name, Status: a.status})
	id := s.requestID()
	s.mu.Unlock()

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(a.status)
	enc := json.NewEncoder(w)
	switch {
	case a.status == http.StatusNoContent:
	case a.isError():
		_ = enc.Encode(map[string]any{"errors": a.errors}) // the client went away
	case a.raw != nil:
		_ = enc.Encode(a.raw)
	default:
		_ = enc.Encode(map[string]any{"request_id": id, "lease_id": "", "renewable": false, "lease_duration": 0, "data": a.data})
	}
}
