package vaultsim

import (
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// secret is one secret of a KV v2 mount.
type secret struct {
	custom   map[string]string
	versions []*version // 1 is at 0
}

type version struct {
	data      map[string]any
	created   time.Time
	by        string
	deleted   time.Time
	deletedBy string
	destroyed bool
}

// Write adds a version as somebody who wrote it a while ago.
func (s *Server) Write(mount, name, by string, age time.Duration, data map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(mount, name, by, s.clock().Add(-age), data)
}

func (s *Server) write(mount, name, by string, at time.Time, data map[string]any) *version {
	key := mount + "/" + name
	if s.secrets[key] == nil {
		s.secrets[key] = &secret{}
	}
	v := &version{data: data, created: at, by: by}
	s.secrets[key].versions = append(s.secrets[key].versions, v)
	return v
}

// SetCustom sets a secret's custom metadata.
func (s *Server) SetCustom(mount, name string, custom map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[mount+"/"+name].custom = custom
}

// Delete deletes a version, or destroys it.
func (s *Server) Delete(mount, name, by string, n int, age time.Duration, destroy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.secrets[mount+"/"+name].versions[n-1]
	if destroy {
		v.destroyed, v.data = true, nil
		return
	}
	v.deleted, v.deletedBy = s.clock().Add(-age), by
}

func (s *Server) serveKV(method, mount, rest string, r *http.Request, body map[string]any, token *Token) answer {
	what, name, _ := strings.Cut(rest, "/")
	if method == "LIST" && what == "metadata" {
		return s.listSecrets(mount, name)
	}
	sec := s.secrets[mount+"/"+name]
	writes := method == http.MethodPut || method == http.MethodPost
	if what == "data" && writes {
		return s.putSecret(mount, name, sec, body, token)
	}
	if sec == nil {
		return notFound()
	}
	switch {
	case what == "metadata":
		return ok(sec.metadata())
	case what == "undelete" && writes:
		sec.each(body, func(v *version) { v.deleted, v.deletedBy = time.Time{}, "" })
		return done()
	case what == "delete" && writes:
		sec.each(body, func(v *version) { v.deleted, v.deletedBy = s.clock(), token.Name })
		return done()
	case what == "subkeys" || what == "data":
		return sec.read(what, r.URL.Query().Get("version"))
	}
	return notFound()
}

func (s *Server) listSecrets(mount, folder string) answer {
	if folder != "" && !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	seen := map[string]bool{}
	for path := range s.secrets {
		rest, below := strings.CutPrefix(path, mount+"/"+folder)
		if !below {
			continue
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			rest = rest[:i+1]
		}
		seen[rest] = true
	}
	if len(seen) == 0 {
		return notFound()
	}
	return ok(map[string]any{"keys": sortedKeys(seen)})
}

func (s *Server) putSecret(mount, name string, sec *secret, body map[string]any, token *Token) answer {
	data, isObject := body["data"].(map[string]any)
	if !isObject {
		return badRequest("no data provided")
	}
	current := 0
	if sec != nil {
		current = len(sec.versions)
	}
	options, _ := body["options"].(map[string]any)
	if cas, given := options["cas"].(float64); given && int(cas) != current {
		return badRequest("check-and-set parameter did not match the current version")
	}
	v := s.write(mount, name, token.Name, s.clock(), data)
	return ok(v.metadata(current + 1))
}

// each calls do for the versions that a request names.
func (sec *secret) each(body map[string]any, do func(*version)) {
	list, _ := body["versions"].([]any)
	for _, n := range list {
		if f, isNumber := n.(float64); isNumber && int(f) >= 1 && int(f) <= len(sec.versions) {
			do(sec.versions[int(f)-1])
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func actor(name, operation string) any {
	if name == "" {
		return nil
	}
	return map[string]string{"actor": name, "operation": operation, "client_id": "c"}
}

func (v *version) metadata(n int) map[string]any {
	return map[string]any{"created_time": stamp(v.created), "deletion_time": stamp(v.deleted), "destroyed": v.destroyed, "version": n, "custom_metadata": nil}
}

func (sec *secret) metadata() map[string]any {
	versions := map[string]any{}
	for i, v := range sec.versions {
		operation := "update"
		if i == 0 {
			operation = "create"
		}
		versions[strconv.Itoa(i+1)] = map[string]any{
			"created_time": stamp(v.created), "deletion_time": stamp(v.deleted), "destroyed": v.destroyed,
			"created_by": actor(v.by, operation), "deleted_by": actor(v.deletedBy, "delete"),
		}
	}
	last := sec.versions[len(sec.versions)-1]
	var custom any
	if sec.custom != nil {
		custom = sec.custom
	}
	return map[string]any{
		"cas_required": false, "created_time": stamp(sec.versions[0].created), "current_version": len(sec.versions), "custom_metadata": custom,
		"delete_version_after": "0s", "last_updated_by": actor(last.by, "update"), "max_versions": 0, "oldest_version": 0,
		"updated_time": stamp(last.created), "versions": versions,
	}
}

func (sec *secret) read(what, text string) answer {
	n, _ := strconv.Atoi(text)
	if n == 0 {
		n = len(sec.versions)
	}
	if n < 1 || n > len(sec.versions) {
		return notFound()
	}
	v := sec.versions[n-1]
	field := map[string]string{"data": "data", "subkeys": "subkeys"}[what]
	if v.destroyed || !v.deleted.IsZero() {
		return missing(map[string]any{field: nil, "metadata": v.metadata(n)})
	}
	if what == "subkeys" {
		return ok(map[string]any{field: blank(v.data), "metadata": v.metadata(n)})
	}
	return ok(map[string]any{field: v.data, "metadata": v.metadata(n)})
}

// blank keeps the keys and drops the values, as subkeys does.
func blank(data map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range data {
		if inner, isObject := v.(map[string]any); isObject && len(inner) > 0 {
			out[k] = blank(inner)
			continue
		}
		out[k] = nil
	}
	return out
}

// Secrets are the paths of all secrets, sorted.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths := sortedKeys(s.secrets)
	sort.Strings(paths)
	return paths
}
