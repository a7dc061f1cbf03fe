package action

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// Rule names requests by method and path.
//
// In Path "*" stands for one segment and a last segment "**" for one or more;
// everything else is literal, and "/**" alone is every path. The path is the
// one below the server's own address (see [BasePath]).
type Rule struct {
	Methods []string
	Path    string
	// Upgrade makes the rule speak of requests that turn the connection into
	// a stream (Upgrade: SPDY/3.1 or websocket) instead of ordinary ones.
	Upgrade bool
}

// KubernetesReads are the requests of a Kubernetes API server that use POST
// or a stream and change nothing: questions about one's own rights, and
// port-forwarding, which profiles and flag probes read through.
func KubernetesReads() []Rule {
	return []Rule{
		{Methods: []string{http.MethodPost}, Path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"},
		{Methods: []string{http.MethodPost}, Path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"},
		{Methods: []string{http.MethodPost}, Path: "/apis/authentication.k8s.io/v1/selfsubjectreviews"},
		{Methods: []string{http.MethodGet, http.MethodPost}, Path: "/api/v1/namespaces/*/pods/*/portforward", Upgrade: true},
	}
}

// KubernetesWrites are the requests that run something although their method
// may be GET: commands in containers, also by way of the kubelet (whose
// /exec, /run and /attach are behind nodes/proxy).
func KubernetesWrites() []Rule {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost}
	return []Rule{
		{Methods: methods, Path: "/api/v1/namespaces/*/pods/*/exec"},
		{Methods: methods, Path: "/api/v1/namespaces/*/pods/*/attach"},
		{Methods: methods, Path: "/api/v1/nodes/*/proxy/exec/**"},
		{Methods: methods, Path: "/api/v1/nodes/*/proxy/run/**"},
		{Methods: methods, Path: "/api/v1/nodes/*/proxy/attach/**"},
	}
}

// VaultReads are the requests of Vault that read with PUT, POST or the verb
// LIST (Vault API: sys/capabilities-self, sys/leases/lookup,
// auth/token/lookup-accessor).
func VaultReads() []Rule {
	put := []string{http.MethodPut, http.MethodPost}
	return []Rule{
		{Methods: put, Path: "/v1/sys/capabilities-self"},
		{Methods: put, Path: "/v1/sys/leases/lookup"},
		{Methods: put, Path: "/v1/auth/token/lookup-accessor"},
		{Methods: []string{"LIST"}, Path: "/**"},
	}
}

// VaultWrites are the requests of Vault that make something although they are
// GETs: reading credentials of a dynamic engine creates them, with a lease.
func VaultWrites() []Rule {
	return []Rule{{Methods: []string{http.MethodGet, http.MethodHead}, Path: "/v1/*/creds/**"}}
}

// UnleashReads are the requests of Unleash that evaluate and keep nothing.
func UnleashReads() []Rule {
	return []Rule{
		{Methods: []string{http.MethodPost}, Path: "/api/admin/playground"},
		{Methods: []string{http.MethodPost}, Path: "/api/admin/playground/advanced"},
	}
}

// OFREPReads are the requests of the OpenFeature Remote Evaluation Protocol,
// which evaluates by POST and has nothing that writes.
func OFREPReads() []Rule {
	return []Rule{
		{Methods: []string{http.MethodPost}, Path: "/ofrep/v1/evaluate/flags"},
		{Methods: []string{http.MethodPost}, Path: "/ofrep/v1/evaluate/flags/*"},
	}
}

// allows is the narrow reading of a rule: the path has to be written plainly,
// since what a server makes of "//", "%2e" or a dot segment differs from
// server to server.
//
// whole is the request's escaped path, below the part of it that follows the
// server's address.
func (r Rule) allows(method, whole, below string, upgrade bool) bool {
	if r.Upgrade != upgrade || !slices.Contains(r.Methods, method) {
		return false
	}
	return r.Path == "/**" || plain(whole) && match(r.Path, below)
}

// catches is the wide reading: whatever could be understood as the rule's
// path is.
func (r Rule) catches(method, decoded string) bool {
	return slices.Contains(r.Methods, strings.ToUpper(method)) && match(r.Path, path.Clean("/"+decoded))
}

// plain reports whether an escaped path has only one reading.
func plain(escaped string) bool {
	return strings.HasPrefix(escaped, "/") && !strings.ContainsAny(escaped, "%\\;") && path.Clean(escaped) == escaped
}

func match(pattern, name string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(name, "/")
	for i, w := range want {
		if w == "**" && i == len(want)-1 {
			return len(have) > i
		}
		if i >= len(have) || (w != "*" && w != have[i]) || (w == "*" && have[i] == "") {
			return false
		}
	}
	return len(have) == len(want)
}
