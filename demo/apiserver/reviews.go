package apiserver

import (
	"net/http"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// reviewResources are the kinds that are asked, not stored.
func reviewResources() []*Resource {
	create := []string{"create"}
	list := []*Resource{
		{Group: "authentication.k8s.io", Version: "v1", Kind: "SelfSubjectReview", Plural: "selfsubjectreviews", Cluster: true, Verbs: create},
		{Group: "authorization.k8s.io", Version: "v1", Kind: "SelfSubjectAccessReview", Plural: "selfsubjectaccessreviews", Cluster: true, Verbs: create},
		{Group: "authorization.k8s.io", Version: "v1", Kind: "SelfSubjectRulesReview", Plural: "selfsubjectrulesreviews", Cluster: true, Verbs: create},
	}
	for _, r := range list {
		r.complete()
	}
	return list
}

// serveReview answers a review and reports whether the request was one.
func (s *Server) serveReview(w http.ResponseWriter, req *Request) bool {
	all := reviewResources()
	i := slices.IndexFunc(all, func(r *Resource) bool {
		return r.Group == req.Group && r.Plural == req.Resource && r.Version == req.Version
	})
	if i < 0 {
		return false
	}
	if err := s.review(w, req, all[i]); err != nil {
		respondError(w, err)
	}
	return true
}

func (s *Server) review(w http.ResponseWriter, req *Request, res *Resource) error {
	if req.Verb != "create" {
		return apierrors.NewMethodNotSupported(res.GroupResource(), req.Verb)
	}
	f, err := negotiate(req.HTTP.Header.Get("Accept"), nil)
	if err != nil {
		return err
	}
	body, err := readBody(req.HTTP)
	if err != nil {
		return err
	}
	obj, err := decodeTyped(body, req.HTTP.Header.Get("Content-Type"), res.GVK(), false)
	if err != nil {
		return err
	}
	if err := s.answer(obj); err != nil {
		return err
	}
	respond(w, http.StatusCreated, obj, f.media)
	return nil
}

func (s *Server) answer(obj runtime.Object) error {
	switch r := obj.(type) {
	case *authenticationv1.SelfSubjectReview:
		r.Status.UserInfo = authenticationv1.UserInfo{Username: s.opts.User.Name, Groups: s.opts.User.Groups}
	case *authorizationv1.SelfSubjectAccessReview:
		return s.answerAccess(r)
	case *authorizationv1.SelfSubjectRulesReview:
		if r.Spec.Namespace == "" {
			return apierrors.NewBadRequest("no namespace on request")
		}
		s.answerRules(r)
	}
	return nil
}

func (s *Server) answerAccess(r *authorizationv1.SelfSubjectAccessReview) error {
	a := r.Spec.ResourceAttributes
	if a == nil {
		if r.Spec.NonResourceAttributes == nil {
			return apierrors.NewBadRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified")
		}
		r.Status.Allowed = true
		return nil
	}
	r.Status.Allowed = s.permitted(&Request{Verb: a.Verb, Group: a.Group, Resource: a.Resource, Subresource: a.Subresource, Namespace: a.Namespace, Name: a.Name})
	return nil
}

func (s *Server) answerRules(r *authorizationv1.SelfSubjectRulesReview) {
	r.Status.NonResourceRules = []authorizationv1.NonResourceRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz", "/livez", "/readyz", "/version", "/api", "/api/*", "/apis", "/apis/*"}}}
	r.Status.ResourceRules = []authorizationv1.ResourceRule{}
	for _, rule := range s.currentRules() {
		if rule.Namespace == "" || rule.Namespace == r.Spec.Namespace {
			r.Status.ResourceRules = append(r.Status.ResourceRules, authorizationv1.ResourceRule{
				Verbs: rule.Verbs, APIGroups: rule.Groups, Resources: rule.Resources, ResourceNames: rule.Names,
			})
		}
	}
}

func apiGroupResource() schema.GroupResource { return schema.GroupResource{Resource: "discovery"} }
