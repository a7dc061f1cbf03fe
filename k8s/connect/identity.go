package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"midwatch/action"
	"midwatch/foreign"
)

// Identity says which cluster this is and who we are to it.
type Identity struct {
	// User is the name the API server knows us by; the kubeconfig's name of
	// the user until, or if, the server does not say.
	User string
	// Groups are the user's, by the server.
	Groups []string
	// Version is the server's, such as "v1.37.2"; empty until it is known.
	Version string
	// UID is that of the namespace kube-system, which stands for the cluster;
	// empty until it is known, or when it may not be read.
	UID string
	// UIDReason says why UID is empty for good.
	UIDReason foreign.Text
	// Ready is set when everything that can be known is.
	Ready bool
}

// How long is waited before the identity is asked for again.
const (
	identifyFirst = 2 * time.Second
	identifyMost  = 30 * time.Second
)

type identity struct {
	mu    sync.Mutex
	known Identity
	ready chan struct{} // closed with Identity.Ready
}

func (i *identity) init(user string) { i.known.User, i.ready = user, make(chan struct{}) }

func (i *identity) set(change func(*Identity)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(&i.known)
}

// Identity returns what is known so far.
func (c *Cluster) Identity() Identity {
	c.ident.mu.Lock()
	defer c.ident.mu.Unlock()
	known := c.ident.known
	known.Groups = append([]string(nil), known.Groups...)
	return known
}

// User is the name the API server knows us by.
func (c *Cluster) User() string { return c.Identity().User }

// Version is the server's; empty until it is known.
func (c *Cluster) Version() string { return c.Identity().Version }

// UID identifies the cluster; empty until it is known, or when it may not be
// read (see [Identity.UIDReason]).
func (c *Cluster) UID() string { return c.Identity().UID }

// Identified waits until everything that can be known of the identity is.
func (c *Cluster) Identified(ctx context.Context) (Identity, error) {
	select {
	case <-ctx.Done():
		return c.Identity(), fmt.Errorf("identify cluster %s: %w", c.Context, ctx.Err())
	case <-c.ident.ready:
		return c.Identity(), nil
	}
}

// Login makes one authenticated call. Unlike others it runs the credential
// plugin even right after that has failed. Where a plugin needs the terminal,
// give it back first ([Stdio.LeaveScreen]).
//
// A SelfSubjectReview is asked, which everyone may; servers before 1.28 do
// not know it, and are asked for their version. So are servers for which the
// write lock takes the review, a POST, for a write.
func (c *Cluster) Login(ctx context.Context) error {
	ctx = context.WithValue(ctx, loginKey{}, true)
	review := &authenticationv1.SelfSubjectReview{}
	err := c.typed.AuthenticationV1().RESTClient().Post().Resource("selfsubjectreviews").
		Body(review).MaxRetries(1).Do(ctx).Into(review)
	switch {
	case err == nil:
		c.ident.set(func(i *Identity) {
			i.User = foreign.CleanN(review.Status.UserInfo.Username, 256).String()
			i.Groups = cleanAll(review.Status.UserInfo.Groups)
		})
		return nil
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err), refused(err):
	default:
		return err //nolint:wrapcheck // Open says of what
	}
	if err := c.readVersion(ctx); err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	return nil // forbidden is an answer to somebody the server knows
}

func refused(err error) bool {
	var r *action.RefusedError
	return errors.As(err, &r)
}

func cleanAll(all []string) []string {
	clean := make([]string, len(all))
	for i, s := range all {
		clean[i] = foreign.CleanN(s, 256).String()
	}
	return clean
}

// ask is the keeper's question.
func (c *Cluster) ask(ctx context.Context) error { return c.readVersion(ctx) }

func (c *Cluster) readVersion(ctx context.Context) error {
	raw, err := c.typed.Discovery().RESTClient().Get().AbsPath("/version").MaxRetries(0).Do(ctx).Raw()
	if err != nil {
		return err //nolint:wrapcheck // callers say of what
	}
	var v version.Info
	if err := json.Unmarshal(raw, &v); err != nil || v.GitVersion == "" {
		return &NotKubernetesError{URL: c.Server + "/version", Status: 200}
	}
	c.ident.set(func(i *Identity) { i.Version = foreign.CleanN(v.GitVersion, 64).String() })
	return nil
}

func (c *Cluster) readUID(ctx context.Context) error {
	ns, err := c.meta.Resource(namespaces).Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		c.ident.set(func(i *Identity) { i.UIDReason = foreign.Clean(Explain(err).Line()) })
	case err != nil:
		return err //nolint:wrapcheck // callers say of what
	default:
		c.ident.set(func(i *Identity) { i.UID = string(ns.UID) })
	}
	return nil
}

// identify reads version and UID, again while the server is away. It ends
// when both are settled, or with ctx.
func (c *Cluster) identify(ctx context.Context) {
	open := []func(context.Context) error{c.readVersion, c.readUID}
	for wait := identifyFirst; ; wait = min(2*wait, identifyMost) {
		open = c.identifyOnce(ctx, open)
		if len(open) == 0 {
			c.ident.set(func(i *Identity) { i.Ready = true })
			close(c.ident.ready)
			c.health.notify()
			return
		}
		if !c.health.sleep(ctx, wait) {
			return
		}
	}
}

// identifyOnce asks what is still open, at the same time, and returns what
// still is.
func (c *Cluster) identifyOnce(ctx context.Context, open []func(context.Context) error) []func(context.Context) error {
	errs := make([]error, len(open))
	var asked sync.WaitGroup
	for n, read := range open {
		asked.Go(func() { errs[n] = read(ctx) })
	}
	asked.Wait()
	var again []func(context.Context) error
	for n, err := range errs {
		if err != nil && !apierrors.IsForbidden(err) {
			again = append(again, open[n])
		}
	}
	return again
}
