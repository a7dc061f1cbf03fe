package apiserver

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options configure a server. The zero value is a working one.
type Options struct {
	// Seed decides UIDs and generated names.
	Seed int64
	// Now is the clock of everything that is stored (creation, managedFields, deletion). time.Now when nil. Timeouts of requests
	// always run on the wall clock.
	Now func() time.Time
	// Host is the host name in client configurations. It is never resolved.
	Host string
	// History is how many changes per resource can be watched back at least; 1000 when 0.
	History int
	// FirstVersion is the resourceVersion before the first write.
	FirstVersion uint64
	// Namespaces are created at once, besides default and kube-system.
	Namespaces []string
	// NoWatchList refuses sendInitialEvents, as servers before 1.34 usually do: clients fall back to LIST and WATCH.
	NoWatchList bool
	// BookmarkEvery is the time between watch bookmarks; a minute when 0.
	BookmarkEvery time.Duration
	// User is who every request comes from.
	User User
	// GitVersion is what /version says.
	GitVersion string
}

// User is the identity the server gives every request.
type User struct {
	Name   string
	Groups []string
}

// Server is one API server. Make it with New.
type Server struct {
	opts  Options
	host  string
	store *Store

	connMu   sync.Mutex
	http     *http.Server
	listener *listener
	closed   bool
	serving  sync.WaitGroup
	upgraded map[io.Closer]bool // connections that are no longer the HTTP server's

	mu         sync.Mutex // guards what follows
	connects   map[string]http.HandlerFunc
	aggregated map[string]aggregatedGroup
	logs       LogSource
	ports      PortSource
	exec       ExecSource
	faults     []*faultRule
	rules      []Rule
	ruled      bool
	log        requestLog
}

// New starts a server.
func New(o Options) *Server {
	o.complete()
	s := &Server{opts: o, host: o.Host, store: newStore(o), connects: map[string]http.HandlerFunc{}, upgraded: map[io.Closer]bool{}}
	for _, r := range builtins() {
		s.Register(r)
	}
	for _, name := range append([]string{"default", "kube-system"}, o.Namespaces...) {
		ns := &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
			Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		}
		if _, err := s.store.Put(ns); err != nil {
			panic(fmt.Sprintf("apiserver: create namespace %s: %v", name, err)) // namespaces are always registered
		}
	}
	s.Start()
	return s
}

func (o *Options) complete() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Host == "" {
		o.Host = "apiserver.invalid"
	}
	if o.History == 0 {
		o.History = 1000
	}
	if o.BookmarkEvery == 0 {
		o.BookmarkEvery = time.Minute
	}
	if o.User.Name == "" {
		o.User = User{Name: "oncall@example.com", Groups: []string{"sre", "system:authenticated"}}
	}
	if o.GitVersion == "" {
		o.GitVersion = "v1.37.2"
	}
}

// Register serves one more kind, with discovery. For a custom resource:
//
//	srv.Register(apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Status: true})
func (s *Server) Register(r Resource) {
	r.complete()
	s.store.register(&r)
}

// Connect serves a subresource of a resource with a handler of its own, for example ("pods", "exec"). The object in the path is
// known to exist; faults and rules have been applied.
func (s *Server) Connect(resource, subresource string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connects[resource+"/"+subresource] = h
}

// Store returns the objects, for controllers and for seeding tests.
func (s *Server) Store() *Store { return s.store }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.serving.Done()
	req := parse(r)
	// The answer's date is of the clock its objects' times are of.
	w.Header().Set("Date", s.opts.Now().UTC().Format(http.TimeFormat))
	rec := s.record(w, req)
	defer rec.done()
	if s.injectFault(rec, &req) {
		return
	}
	if err := s.authorize(&req); err != nil {
		respondError(rec, err)
		return
	}
	if req.Resource == "" {
		s.serveDocument(rec, r)
		return
	}
	if s.serveAggregated(rec, &req) {
		return
	}
	if err := s.serveResource(rec, &req); err != nil {
		respondError(rec, err)
	}
}

// enter counts a handler in, unless the server was closed for good.
func (s *Server) enter() bool {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.closed {
		return false
	}
	s.serving.Add(1)
	return true
}

// call is a request for a known resource with its answer's format settled.
type call struct {
	*Request
	res    *Resource
	bucket *bucket
	format format
}

func (c *call) key() Key {
	ns := c.Namespace
	if c.res.Cluster {
		ns = ""
	}
	return Key{Resource: c.res.GroupResource(), Namespace: ns, Name: c.Name}
}

func (s *Server) serveResource(w http.ResponseWriter, req *Request) error {
	if s.serveReview(w, req) {
		return nil
	}
	b := s.store.bucket(req.GroupResource())
	if b == nil || b.res.Version != req.Version {
		return notFoundPath()
	}
	f, err := negotiate(req.HTTP.Header.Get("Accept"), b.res)
	if err != nil {
		return err
	}
	c := &call{Request: req, res: b.res, bucket: b, format: f}
	if req.Subresource != "" && (req.Subresource != "status" || !b.res.Status) {
		return s.serveSubresource(w, c)
	}
	if !b.res.allows(req.Verb) {
		return apierrors.NewMethodNotSupported(b.res.GroupResource(), req.Verb)
	}
	if req.Namespace == "" && !b.res.Cluster && req.Verb != "list" && req.Verb != "watch" {
		return notFoundPath()
	}
	return s.serveVerb(w, c)
}

func (s *Server) serveVerb(w http.ResponseWriter, c *call) error {
	switch c.Verb {
	case "get":
		return s.get(w, c)
	case "list":
		return s.list(w, c)
	case "watch":
		return s.watch(w, c)
	case "create":
		return s.post(w, c)
	case "update":
		return s.put(w, c)
	case "patch":
		return s.patch(w, c)
	case "delete":
		return s.del(w, c)
	}
	return apierrors.NewMethodNotSupported(c.res.GroupResource(), c.Verb)
}

func (s *Server) serveSubresource(w http.ResponseWriter, c *call) error {
	name := c.res.Plural + "/" + c.Subresource
	s.mu.Lock()
	connect := s.connects[name]
	s.mu.Unlock()
	if connect != nil {
		if _, ok := s.store.Get(c.res.GroupResource(), c.Namespace, c.Name); !ok {
			return apierrors.NewNotFound(c.res.GroupResource(), c.Name)
		}
		connect(w, c.HTTP)
		return nil
	}
	switch {
	case c.Subresource == "scale" && c.res.Scale:
		return s.serveScale(w, c)
	case name == "pods/log" && c.Verb == "get":
		return s.serveLog(w, c)
	case name == "pods/portforward" && (c.Verb == "get" || c.Verb == "create"):
		return s.servePortForward(w, c)
	case name == "pods/exec" && (c.Verb == "get" || c.Verb == "create"):
		return s.serveExec(w, c)
	case name == "pods/ephemeralcontainers" && (c.Verb == "get" || c.Verb == "patch"):
		return s.serveEphemeral(w, c)
	case name == "pods/eviction" && c.Verb == "create":
		return s.serveEviction(w, c)
	}
	return notFoundPath()
}

// notFoundPath is what the real server answers for paths nothing is installed at.
func notFoundPath() error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "404 page not found", 0, true)
}

func (s *Store) bucket(gr schema.GroupResource) *bucket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kinds[gr]
}

func (s *Server) serveDocument(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	if slices.Contains([]string{"/healthz", "/livez", "/readyz"}, path) {
		_, _ = w.Write([]byte("ok"))
		return
	}
	s.serveDiscovery(w, r, path)
}
