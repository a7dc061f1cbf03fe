package apiserver

import (
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Request is one request as the API understands it, and, once answered, what came of it.
type Request struct {
	// Verb is the API verb: get, list, watch, create, update, patch, delete. For paths outside the API it is the method in lower case.
	Verb string
	// Group to Name say what it is about; empty for paths that are no resource.
	Group, Version, Resource, Subresource, Namespace, Name string
	// HTTP is the request itself. Its body is not to be read.
	HTTP *http.Request
	// At is when it arrived (wall clock), Code and Bytes what was answered. A watch still running has Code 200.
	At    time.Time
	Code  int
	Bytes int64
}

// GroupResource returns the resource the request is about.
func (r *Request) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.Resource}
}

// Writes reports whether the HTTP method is one that can change something.
func (r *Request) Writes() bool {
	return r.HTTP.Method != http.MethodGet && r.HTTP.Method != http.MethodHead && r.HTTP.Method != http.MethodOptions
}

// parse reads the API verb and resource from method and path: k8s.io/apiserver pkg/endpoints/request/requestinfo.go.
func parse(r *http.Request) Request {
	req := Request{HTTP: r, Verb: strings.ToLower(r.Method)}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		req.Version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		req.Group, req.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return req
	}
	// namespaces/<ns>/<resource> is a resource in a namespace; namespaces/<ns>[/status|/finalize] is the namespace itself.
	if parts[0] == "namespaces" && len(parts) > 1 {
		req.Namespace = parts[1]
		if len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
			parts = parts[2:]
		}
	}
	req.Resource = parts[0]
	if len(parts) > 1 {
		req.Name = parts[1]
	}
	if len(parts) > 2 {
		req.Subresource = strings.Join(parts[2:], "/")
	}
	req.Verb = apiVerb(r, req.Name)
	return req
}

func apiVerb(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if name == "" {
			return "deletecollection"
		}
		return "delete"
	}
	if name != "" {
		return "get"
	}
	if w := r.URL.Query().Get("watch"); w == "true" || w == "1" {
		return "watch"
	}
	return "list"
}
