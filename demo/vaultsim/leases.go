package vaultsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// lease is one lease of the simulation.
type lease struct {
	id        string
	role      Role
	issued    time.Time
	expires   time.Time
	renewed   time.Time
	renewable bool
	// client renews it in time, as Vault Secrets Operator does.
	client bool
	err    string // irrevocable
}

// IssueOptions say how a lease begins.
type IssueOptions struct {
	// Age is how long ago it was issued.
	Age time.Duration
	// Client renews it at two thirds of its life until its role's maximum,
	// and then fetches a new one.
	Client bool
	// Err makes it one that Vault gave up revoking.
	Err string
}

// Issue makes a lease of MOUNT/creds/ROLE and returns its ID.
func (s *Server) Issue(mount, role string, o IssueOptions) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(mount+"/creds/"+role, s.roles[mount+"/"+role], o)
}

func (s *Server) issue(path string, role Role, o IssueOptions) string {
	id := path + "/" + s.tail()
	issued := s.clock().Add(-o.Age)
	s.leases[id] = &lease{
		id: id, role: role, issued: issued, expires: issued.Add(role.Default), renewable: !role.NotRenewable, client: o.Client, err: o.Err,
	}
	s.settle()
	return id
}

// Lease is the ID of the newest lease of a role that somebody renews; "" when
// there is none.
func (s *Server) Lease(mount, role string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var newest *lease
	for _, id := range sortedKeys(s.leases) {
		l := s.leases[id]
		if l.client && strings.HasPrefix(id, mount+"/creds/"+role+"/") && (newest == nil || l.issued.After(newest.issued)) {
			newest = l
		}
	}
	if newest == nil {
		return ""
	}
	return newest.id
}

// LeaseInfo is what a client of the server knows of a lease it holds.
type LeaseInfo struct {
	ID              string
	Issued, Renewed time.Time // Renewed is zero when it never was
	Expires         time.Time
	Renewable       bool
}

// Newest is the newest lease of a role; false when there is none.
func (s *Server) Newest(mount, role string) (LeaseInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var newest *lease
	for _, id := range sortedKeys(s.leases) {
		if l := s.leases[id]; strings.HasPrefix(id, mount+"/creds/"+role+"/") && (newest == nil || l.issued.After(newest.issued)) {
			newest = l
		}
	}
	if newest == nil {
		return LeaseInfo{}, false
	}
	return LeaseInfo{ID: newest.id, Issued: newest.issued, Renewed: newest.renewed, Expires: newest.expires, Renewable: newest.renewable}, true
}

// Forget ends a lease as if somebody else had revoked it.
func (s *Server) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, id)
}

// settle lets everything happen that is due: clients renew, leases end.
func (s *Server) settle() {
	now := s.clock()
	due := map[string]*lease{}
	for id, l := range s.leases {
		if l.err == "" && (l.client || !now.Before(l.expires)) {
			due[id] = l
		}
	}
	for _, id := range sortedKeys(due) { // in order, for the seed's sake
		l := due[id]
		s.clientActs(l, now)
		if !now.Before(l.expires) {
			s.end(l)
		}
	}
}

// clientActs renews a lease as often as was due by now.
func (s *Server) clientActs(l *lease, now time.Time) {
	for l.client {
		from := l.issued
		if l.renewed.After(from) {
			from = l.renewed
		}
		due := from.Add(l.expires.Sub(from) * 2 / 3)
		last := l.issued.Add(l.role.Max)
		if due.After(now) {
			return
		}
		if l.role.Max > 0 && !l.expires.Before(last) {
			// At its maximum: the client fetches a new one, once.
			l.client = false
			path, _, _ := cutLast(l.id)
			s.issue(path, l.role, IssueOptions{Age: now.Sub(due), Client: true})
			return
		}
		l.renew(due, l.role.Default)
	}
}

func (l *lease) renew(now time.Time, increment time.Duration) {
	if increment <= 0 {
		increment = l.role.Default
	}
	l.renewed, l.expires = now, now.Add(increment)
	if last := l.issued.Add(l.role.Max); l.role.Max > 0 && l.expires.After(last) {
		l.expires = last
	}
}

// end revokes; a backend that fails makes the lease irrevocable at once, as
// six attempts do in a real Vault.
func (s *Server) end(l *lease) {
	if l.role.Revoke != nil {
		if err := l.role.Revoke(); err != nil {
			l.err = err.Error()
			return
		}
	}
	delete(s.leases, l.id)
}

func cutLast(id string) (path, tail string, found bool) {
	i := strings.LastIndexByte(id, '/')
	if i < 0 {
		return "", id, false
	}
	return id[:i], id[i+1:], true
}

func (s *Server) serveLeases(method, path string, r *http.Request, body map[string]any) answer {
	id, _ := body["lease_id"].(string)
	switch {
	case method == "LIST" && strings.HasPrefix(path, "/lookup"):
		return s.listLeases(strings.TrimPrefix(strings.TrimPrefix(path, "/lookup"), "/"))
	case path == "/lookup":
		return s.lookupLease(id)
	case path == "/renew":
		return s.renewLease(id, body["increment"])
	case path == "/revoke":
		if l := s.leases[id]; l != nil {
			s.end(l)
		}
		return done() // also for one that is gone
	case path == "" && r.URL.Query().Get("type") == "irrevocable":
		return ok(s.irrevocable())
	case path == "/count" && r.URL.Query().Get("type") == "irrevocable":
		return ok(map[string]any{"lease_count": s.irrevocable()["lease_count"], "counts": map[string]int{}})
	}
	return notFound()
}

func (s *Server) lookupLease(id string) answer {
	l := s.leases[id]
	if l == nil {
		return badRequest("invalid lease")
	}
	data := map[string]any{
		"id": l.id, "issue_time": l.issued, "expire_time": l.expires, "last_renewal": nil,
		"renewable": l.renewable, "ttl": int(l.expires.Sub(s.clock()).Seconds()),
	}
	if !l.renewed.IsZero() {
		data["last_renewal"] = l.renewed
	}
	return ok(data)
}

func (s *Server) renewLease(id string, increment any) answer {
	l := s.leases[id]
	switch {
	case l == nil:
		return badRequest("lease not found")
	case !l.renewable:
		return badRequest("lease is not renewable")
	}
	seconds, _ := increment.(float64)
	if text, isText := increment.(string); isText {
		n, _ := strconv.Atoi(text)
		seconds = float64(n)
	}
	l.renew(s.clock(), time.Duration(seconds)*time.Second)
	return answer{status: http.StatusOK, raw: map[string]any{
		"lease_id": id, "renewable": true, "lease_duration": int(l.expires.Sub(s.clock()).Seconds()),
	}}
}

func (s *Server) irrevocable() map[string]any {
	list := []any{}
	for _, id := range sortedKeys(s.leases) {
		if l := s.leases[id]; l.err != "" {
			list = append(list, map[string]any{"lease_id": id, "mount_id": "database_1", "error": l.err})
		}
	}
	return map[string]any{"lease_count": len(list), "leases": list}
}

func (s *Server) listLeases(prefix string) answer {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	keys := []string{}
	last := ""
	for _, id := range sortedKeys(s.leases) {
		rest, below := strings.CutPrefix(id, prefix)
		if !below {
			continue
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			rest = rest[:i+1]
		}
		if rest != last {
			keys, last = append(keys, rest), rest
		}
	}
	if len(keys) == 0 {
		return notFound()
	}
	return ok(map[string]any{"keys": keys})
}

func (s *Server) serveDatabase(mount, rest string) answer {
	name, isRole := strings.CutPrefix(rest, "roles/")
	role, known := s.roles[mount+"/"+name]
	if !isRole || !known {
		return notFound()
	}
	return ok(map[string]any{
		"db_name": role.Database, "default_ttl": int(role.Default.Seconds()), "max_ttl": int(role.Max.Seconds()),
		"creation_statements": []string{role.Creation}, "revocation_statements": []string{},
	})
}
