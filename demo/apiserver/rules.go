package apiserver

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Rule allows verbs on resources, as an RBAC role bound to the user would. "*" matches everything in its list.
type Rule struct {
	// Namespace is where the rule holds; empty means everywhere (a cluster role binding).
	Namespace                       string
	Verbs, Groups, Resources, Names []string
}

// Allow replaces what the user may do: afterwards everything not allowed by a rule is refused with 403, and the access reviews
// say so. Without any call to Allow everything is allowed. Allow() with no rules forbids everything.
func (s *Server) Allow(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.ruled = rules, true
}

// AllowAll takes every restriction back.
func (s *Server) AllowAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.ruled = nil, false
}

func (s *Server) currentRules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ruled {
		star := []string{"*"}
		return []Rule{{Verbs: star, Groups: star, Resources: star}}
	}
	return slices.Clone(s.rules)
}

func (s *Server) permitted(r *Request) bool {
	resource := r.Resource
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	return slices.ContainsFunc(s.currentRules(), func(rule Rule) bool {
		return (rule.Namespace == "" || rule.Namespace == r.Namespace) &&
			covers(rule.Verbs, r.Verb) && covers(rule.Groups, r.Group) && covers(rule.Resources, resource) &&
			(len(rule.Names) == 0 || slices.Contains(rule.Names, r.Name))
	})
}

func covers(list []string, want string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, want)
}

// authorize refuses what no rule allows. Reviews and paths that are no resource are open to everyone, as system:basic-user and
// system:discovery make them.
func (s *Server) authorize(r *Request) error {
	if r.Resource == "" || strings.HasPrefix(r.Resource, "selfsubject") || s.permitted(r) {
		return nil
	}
	return s.forbidden(r)
}

// forbidden is k8s.io/apiserver pkg/endpoints/handlers/responsewriters/errors.go ForbiddenStatusError.
func (s *Server) forbidden(r *Request) error {
	resource := r.Resource
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	where := "at the cluster scope"
	if r.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", r.Namespace)
	}
	return apierrors.NewForbidden(r.GroupResource(), r.Name,
		fmt.Errorf("User %q cannot %s resource %q in API group %q %s", s.opts.User.Name, r.Verb, resource, r.Group, where)) // upstream's text
}
