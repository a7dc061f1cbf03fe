package apiserver

import (
	"maps"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// specOf returns what metadata.generation counts changes of: the Spec of typed objects, everything but metadata and status of
// custom ones (as apiextensions does). nil when the kind has no spec.
func specOf(o Object) any {
	if u, ok := o.(*unstructured.Unstructured); ok {
		rest := maps.Clone(u.Object)
		delete(rest, "metadata")
		delete(rest, "status")
		return rest
	}
	f := reflect.ValueOf(o).Elem().FieldByName("Spec")
	if !f.IsValid() {
		return nil
	}
	return f.Interface()
}

// copyStatus sets dst's status to src's.
func copyStatus(dst, src Object) {
	if d, ok := dst.(*unstructured.Unstructured); ok {
		if s, ok := src.(*unstructured.Unstructured); ok {
			if status, has := s.Object["status"]; has {
				d.Object["status"] = status
			} else {
				delete(d.Object, "status")
			}
		}
		return
	}
	d, s := reflect.ValueOf(dst).Elem().FieldByName("Status"), reflect.ValueOf(src).Elem().FieldByName("Status")
	if d.IsValid() && s.IsValid() {
		d.Set(s)
	}
}

// statusOf returns the status; nil when the kind has none.
func statusOf(o Object) any {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.Object["status"]
	}
	f := reflect.ValueOf(o).Elem().FieldByName("Status")
	if !f.IsValid() {
		return nil
	}
	return f.Interface()
}

// shallowCopy returns an object that shares all its parts with o but can be given others: metadata fields and status.
func shallowCopy(o Object) Object {
	if u, ok := o.(*unstructured.Unstructured); ok {
		c := &unstructured.Unstructured{Object: maps.Clone(u.Object)}
		if meta, ok := u.Object["metadata"].(map[string]any); ok {
			c.Object["metadata"] = maps.Clone(meta)
		}
		return c
	}
	c := reflect.New(reflect.TypeOf(o).Elem())
	c.Elem().Set(reflect.ValueOf(o).Elem())
	return c.Interface().(Object)
}

// clearStatus empties the status, as PrepareForCreate does for kinds with a status subresource.
func clearStatus(o Object) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		delete(u.Object, "status")
		return
	}
	if f := reflect.ValueOf(o).Elem().FieldByName("Status"); f.IsValid() {
		f.SetZero()
	}
}

// metadataOf returns the object's metadata alone, as clients get it that ask for PartialObjectMetadata.
func metadataOf(o Object) *metav1.PartialObjectMetadata {
	p := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"}}
	if u, ok := o.(*unstructured.Unstructured); ok {
		p.ObjectMeta = metaOfUnstructured(u)
		return p
	}
	if m, ok := o.(metav1.ObjectMetaAccessor); ok {
		if om, ok := m.GetObjectMeta().(*metav1.ObjectMeta); ok {
			p.ObjectMeta = *om
		}
	}
	return p
}

func metaOfUnstructured(u *unstructured.Unstructured) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: u.GetName(), GenerateName: u.GetGenerateName(), Namespace: u.GetNamespace(), UID: u.GetUID(),
		ResourceVersion: u.GetResourceVersion(), Generation: u.GetGeneration(), CreationTimestamp: u.GetCreationTimestamp(),
		DeletionTimestamp: u.GetDeletionTimestamp(), DeletionGracePeriodSeconds: u.GetDeletionGracePeriodSeconds(),
		Labels: u.GetLabels(), Annotations: u.GetAnnotations(), OwnerReferences: u.GetOwnerReferences(),
		Finalizers: u.GetFinalizers(), ManagedFields: u.GetManagedFields(),
	}
}

func secondsOf(n int64) time.Duration { return time.Duration(n) * time.Second }
