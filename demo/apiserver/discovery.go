package apiserver

import (
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

const aggregatedDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// serveDiscovery answers /version and the discovery documents, aggregated when the client asks for that.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request, path string) {
	if r.Method != http.MethodGet {
		respondError(w, apierrors.NewMethodNotSupported(apiGroupResource(), r.Method))
		return
	}
	if aggregated(r) && (path == "/api" || path == "/apis") {
		s.writeDocument(w, aggregatedDiscovery, s.aggregate(path == "/api"))
		return
	}
	doc := s.document(path)
	if doc == nil {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	s.writeDocument(w, mediaJSON, doc)
}

func (s *Server) writeDocument(w http.ResponseWriter, contentType string, doc any) {
	w.Header().Set("Content-Type", contentType)
	_ = json.NewEncoder(w).Encode(doc) // a client that went away is not our error
}

func aggregated(r *http.Request) bool {
	for clause := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if strings.Contains(clause, "as=APIGroupDiscoveryList") && strings.Contains(clause, "v=v2") && !strings.Contains(clause, "v=v2beta1") {
			return true
		}
	}
	return false
}

// document returns a legacy discovery document or nil.
func (s *Server) document(path string) any {
	switch path {
	case "/version":
		return s.versionInfo()
	case "/api":
		return &metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "/apis":
		return s.groupList()
	}
	rest, isGroup := strings.CutPrefix(path, "/apis/")
	if !isGroup {
		rest, _ = strings.CutPrefix(path, "/api/")
		return s.resourceList("", rest)
	}
	group, ver, hasVersion := strings.Cut(rest, "/")
	if hasVersion {
		return s.resourceList(group, ver)
	}
	for _, g := range s.groupList().Groups {
		if g.Name == group {
			g.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
			return &g
		}
	}
	return s.aggregatedDocument(group)
}

func (s *Server) versionInfo() *version.Info {
	major, rest, _ := strings.Cut(strings.TrimPrefix(s.opts.GitVersion, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	return &version.Info{Major: major, Minor: minor, GitVersion: s.opts.GitVersion, GitTreeState: "clean",
		GoVersion: runtime.Version(), Compiler: "gc", Platform: "linux/amd64"}
}

func (s *Server) groupList() *metav1.APIGroupList {
	list := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, r := range s.offered() {
		gv := metav1.GroupVersionForDiscovery{GroupVersion: r.Group + "/" + r.Version, Version: r.Version}
		if r.Group == "" {
			continue
		}
		i := slices.IndexFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == r.Group })
		if i < 0 {
			list.Groups = append(list.Groups, metav1.APIGroup{Name: r.Group, PreferredVersion: gv})
			i = len(list.Groups) - 1
		}
		if g := &list.Groups[i]; !slices.Contains(g.Versions, gv) {
			g.Versions = append(g.Versions, gv)
		}
	}
	return list
}

func (s *Server) resourceList(group, ver string) any {
	list := &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, r := range s.offered() {
		if r.Group != group || r.Version != ver {
			continue
		}
		list.GroupVersion = r.GroupVersion().String()
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: r.Plural, SingularName: r.Singular, Namespaced: !r.Cluster, Kind: r.Kind, Verbs: r.Verbs,
			ShortNames: r.Short, Categories: r.Categories,
		})
		for _, sub := range s.subresources(r) {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: r.Plural + "/" + sub.name, Namespaced: !r.Cluster, Group: sub.group, Version: sub.version, Kind: sub.kind, Verbs: sub.verbs,
			})
		}
	}
	if list.GroupVersion == "" {
		return nil
	}
	return list
}

// offered is every kind in discovery: what is stored and the reviews.
func (s *Server) offered() []*Resource {
	all := append(s.store.Resources(), reviewResources()...)
	slices.SortStableFunc(all, func(a, b *Resource) int { return strings.Compare(a.Group, b.Group) })
	return all
}

type subresource struct {
	name, group, version, kind string
	verbs                      []string
}

func (s *Server) subresources(r *Resource) []subresource {
	var subs []subresource
	rw := []string{"get", "patch", "update"}
	if r.Status {
		subs = append(subs, subresource{name: "status", kind: r.Kind, verbs: rw})
	}
	if r.Scale {
		subs = append(subs, subresource{name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs: rw})
	}
	if r.Group == "" && r.Plural == "pods" {
		subs = append(subs,
			subresource{name: "log", kind: "Pod", verbs: []string{"get"}},
			subresource{name: "eviction", group: "policy", version: "v1", kind: "Eviction", verbs: []string{"create"}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.connects {
		if plural, sub, _ := strings.Cut(name, "/"); plural == r.Plural {
			subs = append(subs, subresource{name: sub, kind: r.Kind, verbs: []string{"create", "get"}})
		}
	}
	slices.SortFunc(subs, func(a, b subresource) int { return strings.Compare(a.name, b.name) })
	return subs
}

func (s *Server) aggregate(core bool) *apidiscoveryv2.APIGroupDiscoveryList {
	list := &apidiscoveryv2.APIGroupDiscoveryList{TypeMeta: metav1.TypeMeta{APIVersion: "apidiscovery.k8s.io/v2", Kind: "APIGroupDiscoveryList"}}
	for _, r := range s.offered() {
		if (r.Group == "") != core {
			continue
		}
		v := discoveredVersion(list, r)
		v.Resources = append(v.Resources, s.discovered(r))
	}
	return list
}

func discoveredVersion(list *apidiscoveryv2.APIGroupDiscoveryList, r *Resource) *apidiscoveryv2.APIVersionDiscovery {
	g := slices.IndexFunc(list.Items, func(g apidiscoveryv2.APIGroupDiscovery) bool { return g.Name == r.Group })
	if g < 0 {
		list.Items = append(list.Items, apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: r.Group}})
		g = len(list.Items) - 1
	}
	versions := &list.Items[g].Versions
	v := slices.IndexFunc(*versions, func(v apidiscoveryv2.APIVersionDiscovery) bool { return v.Version == r.Version })
	if v < 0 {
		*versions = append(*versions, apidiscoveryv2.APIVersionDiscovery{Version: r.Version, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent})
		v = len(*versions) - 1
	}
	return &(*versions)[v]
}

func (s *Server) discovered(r *Resource) apidiscoveryv2.APIResourceDiscovery {
	scope := apidiscoveryv2.ScopeNamespace
	if r.Cluster {
		scope = apidiscoveryv2.ScopeCluster
	}
	d := apidiscoveryv2.APIResourceDiscovery{
		Resource: r.Plural, SingularResource: r.Singular, Scope: scope, Verbs: r.Verbs, ShortNames: r.Short, Categories: r.Categories,
		ResponseKind: &metav1.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind},
	}
	for _, sub := range s.subresources(r) {
		kind := &metav1.GroupVersionKind{Group: sub.group, Version: sub.version, Kind: sub.kind}
		if sub.version == "" {
			kind.Group, kind.Version = r.Group, r.Version
		}
		d.Subresources = append(d.Subresources, apidiscoveryv2.APISubresourceDiscovery{Subresource: sub.name, ResponseKind: kind, Verbs: sub.verbs})
	}
	return d
}
