// Package read fetches what a workload hangs on: once, when someone looks,
// side by side but a few at a time, each thing with its own fate. Of Secrets it
// fetches metadata only.
package read

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/live"
)

// Cluster is the connection; [midwatch/k8s/connect.Cluster] is one.
type Cluster interface {
	Typed() kubernetes.Interface
	Dynamic() dynamic.Interface
	Metadata() metadata.Interface
	Discovery() discovery.CachedDiscoveryInterface
}

const (
	// Within bounds the whole reading.
	Within = 20 * time.Second
	// atOnce is how many requests are under way side by side.
	atOnce = 4
	// most bounds a list: of Services, Ingresses and so on in a namespace.
	most = 500
	// mostPods bounds the pods of the workload, mostObjects the ConfigMaps and
	// Secrets, mostClaims the claims that are looked at one by one.
	mostPods    = 60
	mostObjects = 30
	mostClaims  = 20
)

// Query says what to look at, as the board judged it.
type Query struct {
	Workload k8s.Ref
	Selector string
	// Desired, Surge, Total are pods; Rolling says that a rollout is under way.
	Desired, Surge, Total int
	Rolling               bool
	// Names are the pods that belong to it; nil takes all that match.
	Names []string
}

// QueryOf is the query about a judged workload.
func QueryOf(w *k8s.Workload) Query {
	r := w.Rollout
	return Query{
		Workload: w.Ref, Selector: w.Selector, Desired: r.Desired, Surge: r.Surge, Total: r.Total,
		Rolling: w.Verdict.Phase == k8s.PhaseProgressing || w.Verdict.Phase == k8s.PhaseStalling || w.Verdict.Phase == k8s.PhaseFailed,
	}
}

// Workload reads everything about a workload. The error says that the workload
// itself could not be read; what else could not is part of the input.
func Workload(ctx context.Context, c Cluster, q Query, now func() time.Time) (*depend.Input, error) {
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	r := &reader{cluster: c, query: q, ns: q.Workload.Namespace, slots: make(chan struct{}, atOnce)}
	r.in = &depend.Input{Workload: q.Workload, Desired: q.Desired, Surge: q.Surge, Extra: max(q.Total-q.Desired, 0), Rolling: q.Rolling, At: now()}
	if err := r.workload(ctx); err != nil {
		return nil, fmt.Errorf("read %s: %w", q.Workload, err)
	}
	r.lists(ctx)
	r.wg.Wait()
	r.objects(ctx)
	r.wg.Wait()
	return r.in, nil
}

// reader is one reading under way. Every task writes a field of its own.
type reader struct {
	cluster Cluster
	query   Query
	ns      string
	in      *depend.Input
	wg      sync.WaitGroup
	slots   chan struct{}
	mu      sync.Mutex // guards the maps of in
}

// task runs f beside others.
func (r *reader) task(f func()) {
	r.wg.Go(func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		f()
	})
}

// fate is what an error says about a kind of thing.
func fate(err error, verb, resource, ns string) (live.State, foreign.Text) {
	var discoveryFailed *discovery.ErrGroupDiscoveryFailed
	switch {
	case err == nil:
		return live.Ready, ""
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return live.Forbidden, foreign.Text(fmt.Sprintf("forbidden: %s %s in %s", verb, resource, ns))
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return live.Absent, ""
	case errors.As(err, &discoveryFailed), apierrors.IsServiceUnavailable(err):
		return live.Unreachable, foreign.CleanN(fmt.Sprintf("%s: %v", resource, err), 300)
	case errors.Is(err, context.DeadlineExceeded):
		return live.Unreachable, foreign.Text(fmt.Sprintf("%s %s in %s: no answer in time", verb, resource, ns))
	}
	return live.Unreachable, foreign.CleanN(fmt.Sprintf("%s %s in %s: %v", verb, resource, ns, err), 300)
}

// list puts a list into a field of the input.
func list[T any](r *reader, into *depend.Read[T], resource string, f func() ([]T, error)) {
	r.task(func() {
		items, err := f()
		into.State, into.Err = fate(err, "list", resource, r.ns)
		into.Items = items
	})
}

// pointers are those to the items of a list.
func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

// workload reads the object itself for its template.
func (r *reader) workload(ctx context.Context) error {
	resource, ok := map[string]schema.GroupVersionResource{
		k8s.Deployment:  {Group: "apps", Version: "v1", Resource: "deployments"},
		k8s.StatefulSet: {Group: "apps", Version: "v1", Resource: "statefulsets"},
		k8s.DaemonSet:   {Group: "apps", Version: "v1", Resource: "daemonsets"},
		k8s.Rollout:     {Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
	}[r.query.Workload.Kind]
	if !ok {
		return fmt.Errorf("%s is no kind of workload", r.query.Workload.Kind)
	}
	u, err := r.cluster.Dynamic().Resource(resource).Namespace(r.ns).Get(ctx, r.query.Workload.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	r.in.Template = &corev1.PodTemplateSpec{}
	template, found, err := unstructured.NestedMap(u.Object, "spec", "template")
	if err != nil || !found {
		return errors.New("it has no template of its own (an Argo Rollout may take another workload's)")
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, r.in.Template); err != nil {
		return fmt.Errorf("its template: %w", err)
	}
	if r.query.Workload.Kind == k8s.StatefulSet {
		r.in.ServiceName, _, _ = unstructured.NestedString(u.Object, "spec", "serviceName")
		claims, _, _ := unstructured.NestedSlice(u.Object, "spec", "volumeClaimTemplates")
		for _, c := range claims {
			if m, ok := c.(map[string]any); ok {
				name, _, _ := unstructured.NestedString(m, "metadata", "name")
				r.in.ClaimTemplates = append(r.in.ClaimTemplates, name)
			}
		}
	}
	return nil
}

// lists reads what has to be looked through.
func (r *reader) lists(ctx context.Context) {
	c, limited := r.cluster.Typed(), metav1.ListOptions{Limit: most}
	var pods depend.Read[*corev1.Pod]
	list(r, &pods, "pods", func() ([]*corev1.Pod, error) { return r.pods(ctx) })
	list(r, &r.in.Services, "services", func() ([]*corev1.Service, error) {
		l, err := c.CoreV1().Services(r.ns).List(ctx, limited)
		if err != nil {
			return nil, err
		}
		return pointers(l.Items), nil
	})
	list(r, &r.in.Slices, "endpointslices", func() ([]*discoveryv1.EndpointSlice, error) {
		l, err := c.DiscoveryV1().EndpointSlices(r.ns).List(ctx, metav1.ListOptions{Limit: most, LabelSelector: discoveryv1.LabelServiceName})
		if err != nil {
			return nil, err
		}
		return pointers(l.Items), nil
	})
	r.outside(ctx)
	r.limits(ctx)
	r.wg.Wait()
	r.in.Pods = pods.Items
}

func (r *reader) pods(ctx context.Context) ([]*corev1.Pod, error) {
	if r.query.Selector == "" {
		return nil, nil
	}
	l, err := r.cluster.Typed().CoreV1().Pods(r.ns).List(ctx, metav1.ListOptions{LabelSelector: r.query.Selector, Limit: mostPods})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pointers(l.Items), func(p *corev1.Pod) bool {
		return r.query.Names != nil && !slices.Contains(r.query.Names, p.Name) || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	}), nil
}
