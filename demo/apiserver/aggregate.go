package apiserver

import (
	"encoding/json"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Aggregate hands every request below a group's path to a handler, as an APIService does with a server of its own. Faults and rules
// have been applied. The group's own document names version as the preferred one.
func (s *Server) Aggregate(group, version string, h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aggregated == nil {
		s.aggregated = map[string]aggregatedGroup{}
	}
	s.aggregated[group] = aggregatedGroup{version, h}
}

type aggregatedGroup struct {
	version string
	handler http.Handler
}

// serveAggregated reports whether another server answered.
func (s *Server) serveAggregated(w http.ResponseWriter, r *Request) bool {
	s.mu.Lock()
	g, ok := s.aggregated[r.Group]
	s.mu.Unlock()
	if ok && r.Group != "" {
		g.handler.ServeHTTP(w, r.HTTP)
	}
	return ok && r.Group != ""
}

// aggregatedDocument is the APIGroup of a group served elsewhere; nil when there is none of that name.
func (s *Server) aggregatedDocument(group string) any {
	s.mu.Lock()
	g, ok := s.aggregated[group]
	s.mu.Unlock()
	if !ok {
		return nil
	}
	version := metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + g.version, Version: g.version}
	return &metav1.APIGroup{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: group,
		Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
	}
}

// WriteJSON answers with a document, as handlers given to Aggregate do.
func WriteJSON(w http.ResponseWriter, code int, doc any) {
	w.Header().Set("Content-Type", mediaJSON)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(doc) // a client that went away is not our error
}
