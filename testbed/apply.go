package testbed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

// applier applies objects of any kind.
type applier struct {
	dynamic dynamic.Interface
	mu      sync.Mutex
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newApplier(config *rest.Config) (*applier, error) {
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a dynamic client: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return &applier{
		dynamic: dyn,
		mapper:  restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}, nil
}

// Apply creates or updates the objects of the YAML documents, in order, by
// server-side apply as field manager "kubectl". An object whose kind was
// defined by an earlier one waits until the API server serves it.
func (b *Bed) Apply(ctx context.Context, docs ...string) error {
	objects, err := parseYAML(docs...)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := b.applier.apply(ctx, object); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), nameOf(object), err)
		}
	}
	return nil
}

// Delete deletes the objects of the YAML documents, last first. One that is
// not there is no error. It does not wait until they are gone.
func (b *Bed) Delete(ctx context.Context, docs ...string) error {
	objects, err := parseYAML(docs...)
	if err != nil {
		return err
	}
	for i := len(objects) - 1; i >= 0; i-- {
		object := objects[i]
		client, err := b.applier.clientFor(ctx, object)
		if err != nil {
			return err
		}
		err = client.Delete(ctx, object.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete %s %s: %w", object.GetKind(), nameOf(object), err)
		}
	}
	return nil
}

func (a *applier) apply(ctx context.Context, object *unstructured.Unstructured) error {
	client, err := a.clientFor(ctx, object)
	if err != nil {
		return err
	}
	_, err = client.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
	return err
}

// clientFor returns the client of the object's kind. A kind whose definition
// was just applied takes a moment to appear.
func (a *applier) clientFor(ctx context.Context, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := object.GroupVersionKind()
	var mapping *meta.RESTMapping
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var last error
	err := poll(ctx, pollInterval, func() (bool, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		mapping, last = a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if last != nil {
			a.mapper.Reset()
		}
		return last == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("find how %s is served: %w", gvk, last)
	}
	resource := a.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return resource, nil
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return resource.Namespace(namespace), nil
}

// parseYAML returns the objects of all documents; empty ones are left out.
func parseYAML(docs ...string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, doc := range docs {
		reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(doc)))
		for {
			part, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read YAML: %w", err)
			}
			if len(bytes.TrimSpace(part)) == 0 {
				continue
			}
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(part, &object.Object); err != nil {
				return nil, fmt.Errorf("read YAML: %w\n%s", err, part)
			}
			if len(object.Object) == 0 {
				continue // comments only
			}
			if object.GetKind() == "" || object.GetName() == "" {
				return nil, fmt.Errorf("read YAML: no kind or name in\n%s", part)
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

func nameOf(object *unstructured.Unstructured) string {
	if ns := object.GetNamespace(); ns != "" {
		return ns + "/" + object.GetName()
	}
	return object.GetName()
}
