package vaultsim

import (
	"net/http"
	"slices"
	"strings"
)

// handle routes one request; the server's mutex is held.
func (s *Server) handle(method, path string, r *http.Request, body map[string]any) (*Token, answer) {
	if path == "sys/health" {
		return nil, s.health(r)
	}
	switch {
	case s.sealed:
		return nil, fail(http.StatusServiceUnavailable, "Vault is sealed")
	case s.standby:
		return nil, internalError("local node not active but active cluster node not found")
	}
	if login, ok := s.logins[path]; ok && method == http.MethodPut {
		return nil, s.login(login, body)
	}
	token := s.tokens[r.Header.Get("X-Vault-Token")]
	if token == nil || token.revoked || (!token.Expires.IsZero() && !s.clock().Before(token.Expires)) {
		return nil, denied("permission denied", "invalid token")
	}
	capability, sudo := needed(method, path)
	if method == "LIST" {
		path = strings.TrimSuffix(path, "/") + "/" // as Vault's own HTTP layer does
	}
	have := s.capabilities(token, path, method == "LIST")
	if !slices.Contains(have, "root") && (!slices.Contains(have, capability) || sudo && !slices.Contains(have, "sudo")) {
		return token, denied("permission denied")
	}
	return token, s.serve(token, method, strings.TrimSuffix(path, "/"), r, body)
}

// serve answers what the token may ask.
func (s *Server) serve(token *Token, method, path string, r *http.Request, body map[string]any) answer {
	switch {
	case path == "auth/token/lookup-self":
		return ok(s.lookupToken(token))
	case path == "auth/token/revoke-self":
		token.revoked = true
		return done()
	case path == "sys/capabilities-self":
		return s.capabilitiesSelf(token, body)
	case path == "sys/metrics":
		return s.metrics()
	case path == "sys/internal/ui/mounts":
		return s.listMounts()
	case strings.HasPrefix(path, "sys/leases"):
		return s.serveLeases(method, strings.TrimPrefix(path, "sys/leases"), r, body)
	}
	mount, rest := s.route(path)
	switch m := s.mounts[mount+"/"]; {
	case m.Type == "kv" && m.Version == "2":
		return s.serveKV(method, mount, rest, r, body, token)
	case m.Type == "database":
		return s.serveDatabase(mount, rest)
	}
	return fail(http.StatusNotFound, `no handler for route "`+path+`". route entry not found.`)
}

// route finds the longest mount a path is below.
func (s *Server) route(path string) (mount, rest string) {
	for m := range s.mounts {
		if m = strings.TrimSuffix(m, "/"); len(m) > len(mount) && strings.HasPrefix(path, m+"/") {
			mount = m
		}
	}
	return mount, strings.TrimPrefix(strings.TrimPrefix(path, mount), "/")
}

// needed is the capability a request takes (vault/logical_system.go lists the
// paths that take sudo).
func needed(method, path string) (capability string, sudo bool) {
	sudo = path == "sys/leases" || strings.HasPrefix(path, "sys/leases/lookup/") || method == "LIST" && path == "sys/leases/lookup"
	switch method {
	case "LIST":
		return "list", sudo
	case http.MethodGet:
		return "read", sudo
	}
	return "update", sudo
}

// capabilities are those of the best rule, once the rules of all policies are
// one set (vault/acl.go): a path written out before a prefix, the longest prefix
// before others. For a list the path without its last slash counts as written
// out, too, which lets "sys/leases/lookup" outweigh "sys/leases/lookup/*".
func (s *Server) capabilities(t *Token, path string, list bool) []string {
	rules := Policy{}
	for _, name := range t.Policies {
		if name == "root" {
			return []string{"root"}
		}
		for pattern, c := range s.policies[name] {
			rules[pattern] = append(rules[pattern], c...)
		}
	}
	best := rules[path]
	if best == nil && list {
		best = rules[strings.TrimSuffix(path, "/")]
	}
	if best == nil {
		longest := -1
		for pattern, c := range rules {
			if prefix, isPrefix := strings.CutSuffix(pattern, "*"); isPrefix && strings.HasPrefix(path, prefix) && len(prefix) > longest {
				longest, best = len(prefix), c
			}
		}
	}
	if len(best) == 0 {
		return []string{"deny"}
	}
	best = slices.Clone(best)
	slices.Sort(best)
	return slices.Compact(best)
}

func (s *Server) health(r *http.Request) answer {
	status := http.StatusOK
	for _, state := range []struct {
		is   bool
		code string
	}{{s.sealed, "sealedcode"}, {s.standby, "standbycode"}} {
		if state.is {
			status = http.StatusServiceUnavailable
			if r.URL.Query().Get(state.code) == "299" {
				status = 299
			}
		}
	}
	return answer{status: status, raw: map[string]any{
		"initialized": true, "sealed": s.sealed, "standby": s.standby || s.sealed, "performance_standby": false,
		"server_time_utc": s.clock().Unix(), "version": "1.21.4", "enterprise": false, "cluster_name": "vault-demo",
	}}
}

func (s *Server) login(login func(map[string]any) *Token, body map[string]any) answer {
	t := login(body)
	if t == nil {
		return denied("permission denied")
	}
	if t.Issued.IsZero() {
		t.Issued = s.clock()
	}
	s.tokens[t.ID] = t
	return answer{status: http.StatusOK, raw: map[string]any{"auth": map[string]any{
		"client_token": t.ID, "policies": t.Policies, "renewable": true,
	}}}
}

func (s *Server) lookupToken(t *Token) map[string]any {
	data := map[string]any{
		"display_name": t.Name, "policies": t.Policies, "type": "service", "issue_time": t.Issued, "expire_time": nil,
		"renewable": !t.Expires.IsZero(), "explicit_max_ttl": 0, "num_uses": 0, "orphan": true, "entity_id": "", "meta": nil,
		"creation_time": t.Issued.Unix(), "ttl": 0, "id": t.ID,
	}
	if !t.Expires.IsZero() {
		data["expire_time"], data["ttl"] = t.Expires, int(t.Expires.Sub(s.clock()).Seconds())
	}
	return data
}

func (s *Server) capabilitiesSelf(t *Token, body map[string]any) answer {
	paths, _ := body["paths"].([]any)
	data := map[string]any{}
	for _, p := range paths {
		if path, ok := p.(string); ok {
			data[path] = s.capabilities(t, path, false)
		}
	}
	return ok(data)
}

func (s *Server) metrics() answer {
	irrevocable := 0
	for _, l := range s.leases {
		if l.err != "" {
			irrevocable++
		}
	}
	gauge := func(name string, value int) map[string]any {
		return map[string]any{"Name": name, "Value": value, "Labels": map[string]string{}}
	}
	return answer{status: http.StatusOK, raw: map[string]any{"Gauges": []any{
		gauge("vault.expire.num_leases", len(s.leases)-irrevocable), gauge("vault.expire.num_irrevocable_leases", irrevocable),
	}}}
}

func (s *Server) listMounts() answer {
	secrets, auths := map[string]any{}, map[string]any{}
	for path, m := range s.mounts {
		entry := map[string]any{"type": m.Type, "description": m.Description, "options": nil}
		if m.Version != "" {
			entry["options"] = map[string]string{"version": m.Version}
		}
		if rest, isAuth := strings.CutPrefix(path, "auth/"); isAuth {
			auths[rest] = entry
			continue
		}
		secrets[path] = entry
	}
	return ok(map[string]any{"secret": secrets, "auth": auths})
}
