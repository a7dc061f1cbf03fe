package apiserver

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Object is an API object with metadata: typed structs and unstructured ones alike.
type Object interface {
	runtime.Object
	metav1.Object
}

// Resource describes one kind the server serves. Kinds that client-go's scheme knows are stored as their Go type and can be read
// as protobuf; all others are stored unstructured and served as JSON only, as custom resources are.
type Resource struct {
	Group, Version, Kind string
	// Plural is the resource's name in URLs. Singular is the kind in lower case when empty.
	Plural, Singular string
	// Short and Categories are what `kubectl get` accepts instead of the name.
	Short, Categories []string
	// Cluster is set for kinds that live outside namespaces.
	Cluster bool
	// Status and Scale turn on the subresources of that name. With Status, writes to the object itself ignore the status.
	Status, Scale bool
	// Generation makes metadata.generation count changes of the spec.
	Generation bool
	// Verbs limits what is offered; nil means every verb.
	Verbs []string
	// Selectable returns the fields a fieldSelector may name besides metadata.name and metadata.namespace.
	Selectable func(Object) map[string]string

	typed bool
}

// allVerbs is what the server can do with a kind. There is no deletecollection.
func allVerbs() []string {
	return []string{"create", "delete", "get", "list", "patch", "update", "watch"}
}

// GVK returns the kind's full name.
func (r *Resource) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// GroupResource returns the name errors and authorisation use.
func (r *Resource) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.Plural}
}

// GroupVersion returns the kind's group and version.
func (r *Resource) GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: r.Group, Version: r.Version}
}

func (r *Resource) complete() {
	if r.Singular == "" {
		r.Singular = strings.ToLower(r.Kind)
	}
	if r.Verbs == nil {
		r.Verbs = allVerbs()
	}
	r.typed = scheme.Scheme.Recognizes(r.GVK())
}

func (r *Resource) allows(verb string) bool { return slices.Contains(r.Verbs, verb) }

// newObject returns an empty object of the kind with its type set.
func (r *Resource) newObject() Object {
	if r.typed {
		if obj, err := scheme.Scheme.New(r.GVK()); err == nil {
			if o, ok := obj.(Object); ok {
				o.GetObjectKind().SetGroupVersionKind(r.GVK())
				return o
			}
		}
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(r.GVK())
	return u
}
