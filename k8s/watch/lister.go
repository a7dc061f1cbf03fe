package watch

import (
	"context"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// lister reads one resource in one namespace ("" for all).
type lister interface {
	// list hands out every object, in no order, and returns the version to
	// watch from.
	list(ctx context.Context, opts metav1.ListOptions, each func(runtime.Object) error) (version string, err error)
	watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error)
}

// message is a typed API object that reads its own protobuf encoding.
type message interface {
	runtime.Object
	Unmarshal([]byte) error
}

// typedLister reads a built-in resource in protobuf, one object at a time.
//
// Why not client-go's reflector: 10,000 pods (61 MB of protobuf) from a
// kube-apiserver 1.37 into rows, median of three on the server's own 2 cores
// (TestScaleIngress, tag scale; some 40 MiB of each peak is the test program):
//
//	                                  time      CPU    peak RSS   allocated
//	raw LIST, body only             1443 ms   2013 ms   173 MiB     126 MiB
//	typed LIST, then rows           2302 ms   1848 ms   312 MiB     398 MiB
//	typed LIST, pages of 500        1733 ms    947 ms    83 MiB     383 MiB
//	reflector, WatchList, transform 1955 ms   1042 ms    97 MiB     318 MiB
//	this, without the filter         972 ms    561 ms    71 MiB     182 MiB
//	this                             724 ms    367 ms    67 MiB      70 MiB
//
// Leaving out gzip gains nothing even on a loopback connection (814 ms).
type typedLister struct {
	client    rest.Interface
	resource  string
	namespace string
	fresh     func() message
	filter    *filter
}

func (l *typedLister) request(opts *metav1.ListOptions) *rest.Request {
	return l.client.Get().Resource(l.resource).NamespaceIfScoped(l.namespace, l.namespace != "").
		VersionedParams(opts, scheme.ParameterCodec).MaxRetries(0)
}

func (l *typedLister) list(ctx context.Context, opts metav1.ListOptions, each func(runtime.Object) error) (string, error) {
	body, err := l.request(&opts).SetHeader("Accept", protobufType).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	m, err := l.read(body, each)
	if err != nil {
		return "", err
	}
	if m.Continue != "" {
		// A server without watch cache may page unasked; go on where it stopped.
		opts.Continue, opts.ResourceVersion, opts.ResourceVersionMatch = m.Continue, "", ""
		return l.list(ctx, opts, each)
	}
	return m.ResourceVersion, nil
}

// read reduces the items of a list answer while they arrive.
func (l *typedLister) read(body io.Reader, each func(runtime.Object) error) (metav1.ListMeta, error) {
	var pruned []byte
	return streamList(body, func(raw []byte) error {
		pruned = l.filter.prune(pruned[:0], raw)
		o := l.fresh()
		if err := o.Unmarshal(pruned); err != nil {
			return fmt.Errorf("decode %s: %w", l.resource, err)
		}
		return each(o)
	}, each)
}

func (l *typedLister) watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
	opts.Watch = true
	return l.request(&opts).Watch(ctx)
}

// dynamicLister reads a custom resource, page by page.
type dynamicLister struct{ client dynamic.ResourceInterface }

// pageSize bounds one answer of a custom resource: JSON, decoded whole.
const pageSize = 250

func newDynamicLister(c dynamic.Interface, gvr schema.GroupVersionResource, namespace string) lister {
	if namespace == "" {
		return dynamicLister{c.Resource(gvr)}
	}
	return dynamicLister{c.Resource(gvr).Namespace(namespace)}
}

func (l dynamicLister) list(ctx context.Context, opts metav1.ListOptions, each func(runtime.Object) error) (string, error) {
	opts.Limit = pageSize
	for {
		page, err := l.client.List(ctx, opts)
		if err != nil {
			return "", err
		}
		for i := range page.Items {
			if err := each(&page.Items[i]); err != nil {
				return "", err
			}
		}
		if opts.Continue = page.GetContinue(); opts.Continue == "" {
			return page.GetResourceVersion(), nil
		}
		opts.ResourceVersion, opts.ResourceVersionMatch = "", ""
	}
}

func (l dynamicLister) watch(ctx context.Context, opts metav1.ListOptions) (apiwatch.Interface, error) {
	return l.client.Watch(ctx, opts)
}

// seconds is a timeout as ListOptions takes it.
func seconds(d time.Duration) *int64 {
	s := int64(d / time.Second)
	return &s
}
