// Package cart is a small shop service that really runs: the demo's pods of the same name do its work while they are profiled.
package cart

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"sort"
	"strings"
	"sync"
)

// Server is one process of the service.
type Server struct {
	// Promotions is how release v1.14.0 finds promotions: it compiles their patterns for every line of every cart.
	Promotions bool

	prices map[string]int64
	rules  []string
	cached []*regexp.Regexp

	mu       sync.Mutex
	sessions map[string]*session
}

type session struct {
	lines   []line
	history []byte
}

type line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Cents    int64  `json:"cents"`
}

type order struct {
	User  string `json:"user"`
	Lines []line `json:"lines"`
}

// New starts a process of a release.
func New(release string) *Server {
	s := &Server{Promotions: release == "v1.14.0", prices: map[string]int64{}, sessions: map[string]*session{}}
	for i := range 400 {
		s.prices[fmt.Sprintf("sku-%03d", i)] = int64(99 + 37*i)
	}
	for i := range 8 {
		s.rules = append(s.rules, fmt.Sprintf(`^sku-%d[0-9]{2}$`, i))
	}
	for _, r := range s.rules {
		s.cached = append(s.cached, regexp.MustCompile(r))
	}
	return s
}

// Serve handles one request of a customer.
func (s *Server) Serve(n int) {
	switch n % 4 {
	case 0, 1:
		s.addItem(n)
	case 2:
		s.viewCart(n)
	default:
		s.checkOut(n)
	}
}

func (s *Server) addItem(n int) {
	var o order
	if err := json.Unmarshal(body(n), &o); err != nil {
		panic(err) // body makes it
	}
	s.price(o.Lines)
	s.store(o.User, o.Lines)
}

func (s *Server) viewCart(n int) {
	var o order
	if err := json.Unmarshal(body(n), &o); err != nil {
		panic(err) // body makes it
	}
	s.price(o.Lines)
	render(o)
}

func (s *Server) checkOut(n int) {
	var o order
	if err := json.Unmarshal(body(n), &o); err != nil {
		panic(err) // body makes it
	}
	total := s.price(o.Lines)
	sort.Slice(o.Lines, func(i, j int) bool { return o.Lines[i].Cents > o.Lines[j].Cents })
	sign(render(o), total)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, o.User)
}

// price fills in what the lines cost.
func (s *Server) price(lines []line) (total int64) {
	for i := range lines {
		l := &lines[i]
		l.Cents = s.prices[l.SKU] * l.Quantity
		l.Cents -= s.discount(l)
		total += l.Cents
	}
	return total
}

func (s *Server) discount(l *line) int64 {
	if s.Promotions {
		return s.matchPromotions(l)
	}
	for i, r := range s.cached {
		if r.MatchString(l.SKU) {
			return l.Cents * int64(i) / 100
		}
	}
	return 0
}

// matchPromotions is new in v1.14.0.
func (s *Server) matchPromotions(l *line) int64 {
	for i, rule := range s.rules[:2] {
		if regexp.MustCompile(rule).MatchString(l.SKU) {
			return l.Cents * int64(i) / 100
		}
	}
	return 0
}

// mostHistory bounds what a session keeps.
const mostHistory = 4 << 10

func (s *Server) store(user string, lines []line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) > 2000 {
		clear(s.sessions)
	}
	se := s.sessions[user]
	if se == nil {
		se = &session{history: make([]byte, 0, mostHistory)}
		s.sessions[user] = se
	}
	se.lines = append(se.lines[:0], lines...)
}

func render(o order) string {
	out, err := json.Marshal(o)
	if err != nil {
		panic(err) // an order can always be written
	}
	return strings.ToUpper(string(out))
}

func sign(text string, total int64) uint64 {
	h := fnv.New64a()
	for range 8 {
		_, _ = h.Write([]byte(text))
	}
	return h.Sum64() ^ uint64(total)
}

func body(n int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"user":"u-%d","lines":[`, n%700)
	for i := range 12 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"sku-%03d","quantity":%d}`, (n*7+i*31)%400, 1+i%3)
	}
	b.WriteString("]}")
	return []byte(b.String())
}
