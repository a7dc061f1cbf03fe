package connect

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/foreign"
)

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// access remembers what the user may do. Denials are remembered too: asking
// for the same right in a loop fills audit logs and answers nothing.
type access struct {
	mu    sync.Mutex
	known map[right]*answer
}

type right struct{ verb, group, resource, namespace string }

// answer is asked for once; others wait for the one who asks.
type answer struct {
	turn    chan struct{} // holds one token; whoever has it may touch the rest
	settled bool
	allowed bool
	reason  string
}

// Can asks whether the user may do something, once, and remembers. resource
// may carry a subresource ("pods/log"); an empty namespace asks for all
// namespaces. reason says in words what is missing when it is denied. An
// error means that nobody could tell; it is not remembered.
//
// What is allowed may still be refused: always honour a real 403.
func (c *Cluster) Can(ctx context.Context, verb, group, resource, namespace string) (allowed bool, reason string, err error) {
	r := right{verb, group, resource, namespace}
	c.access.mu.Lock()
	ans := c.access.known[r]
	if ans == nil {
		ans = &answer{turn: make(chan struct{}, 1)}
		c.access.known[r] = ans
	}
	c.access.mu.Unlock()
	select {
	case ans.turn <- struct{}{}:
		defer func() { <-ans.turn }()
	case <-ctx.Done():
		return false, "", fmt.Errorf("may I %s: %w", r, ctx.Err())
	}
	if !ans.settled {
		if err := c.review(ctx, r, ans); err != nil {
			return false, "", fmt.Errorf("may I %s: %w", r, err)
		}
	}
	return ans.allowed, ans.reason, nil
}

// ForgetRights makes [Cluster.Can] ask again: rights may have been granted.
func (c *Cluster) ForgetRights() {
	c.access.mu.Lock()
	defer c.access.mu.Unlock()
	c.access.known = map[right]*answer{}
}

func (c *Cluster) review(ctx context.Context, r right, ans *answer) error {
	resource, sub, _ := strings.Cut(r.resource, "/")
	review, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub, Namespace: r.namespace,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err //nolint:wrapcheck // Can says of what
	}
	ans.settled, ans.allowed = true, review.Status.Allowed
	if !ans.allowed {
		ans.reason = "forbidden: " + r.String()
		if why := cmp.Or(review.Status.Reason, review.Status.EvaluationError); why != "" {
			ans.reason += " (" + foreign.CleanN(why, 256).String() + ")"
		}
	}
	return nil
}

// String is "list deployments.apps in shop".
func (r right) String() string {
	resource := r.resource
	if r.group != "" {
		resource += "." + r.group
	}
	if r.namespace == "" {
		return r.verb + " " + resource + " in all namespaces"
	}
	return r.verb + " " + resource + " in " + r.namespace
}
