package apiserver

import (
	"fmt"
	"net/http"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

func scaleKind() schema.GroupVersionKind { return autoscalingv1.SchemeGroupVersion.WithKind("Scale") }

// serveScale answers get, update and patch of the scale subresource as autoscaling/v1 Scale.
func (s *Server) serveScale(w http.ResponseWriter, c *call) error {
	var obj Object
	var err error
	switch c.Verb {
	case "get":
		obj, err = s.lookup(c)
	case "update":
		obj, err = s.putScale(c)
	case "patch":
		obj, err = s.patchScale(c)
	default:
		return apierrors.NewMethodNotSupported(c.res.GroupResource(), c.Verb)
	}
	if err != nil {
		return err
	}
	scale, err := scaleOf(obj)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, scale, c.format.media)
	return nil
}

func (s *Server) putScale(c *call) (Object, error) {
	o, err := writeOptions(c)
	if err != nil {
		return nil, err
	}
	body, err := readBody(c.HTTP)
	if err != nil {
		return nil, err
	}
	want, err := decodeScale(body, c.HTTP.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	return s.store.Modify(c.key(), o, func(cur Object) (Object, error) { return withScale(cur, want) })
}

func (s *Server) patchScale(c *call) (Object, error) {
	o, err := writeOptions(c)
	if err != nil {
		return nil, err
	}
	apply, err := readPatch(c)
	if err != nil {
		return nil, err
	}
	return s.store.Modify(c.key(), o, func(cur Object) (Object, error) {
		scale, err := scaleOf(cur)
		if err != nil {
			return nil, err
		}
		doc, err := toJSON(scale)
		if err != nil {
			return nil, err
		}
		if doc, err = apply(doc); err != nil {
			return nil, err
		}
		want, err := decodeScale(doc, mediaJSON)
		if err != nil {
			return nil, err
		}
		return withScale(cur, want)
	})
}

func decodeScale(body []byte, contentType string) (*autoscalingv1.Scale, error) {
	obj, err := decodeTyped(body, contentType, scaleKind(), false)
	if err != nil {
		return nil, err
	}
	return obj.(*autoscalingv1.Scale), nil
}

// withScale sets the replicas a Scale asks for. Its resourceVersion and UID, when given, are preconditions.
func withScale(o Object, scale *autoscalingv1.Scale) (Object, error) {
	n := scale.Spec.Replicas
	if n < 0 {
		return nil, apierrors.NewInvalid(scaleKind().GroupKind(), o.GetName(),
			field.ErrorList{field.Invalid(field.NewPath("spec", "replicas"), n, "must be greater than or equal to 0")})
	}
	if scale.ResourceVersion != "" {
		o.SetResourceVersion(scale.ResourceVersion)
	}
	if scale.UID != "" {
		o.SetUID(scale.UID)
	}
	switch t := o.(type) {
	case *appsv1.Deployment:
		t.Spec.Replicas = &n
	case *appsv1.ReplicaSet:
		t.Spec.Replicas = &n
	case *appsv1.StatefulSet:
		t.Spec.Replicas = &n
	case *unstructured.Unstructured:
		if err := unstructured.SetNestedField(t.Object, int64(n), "spec", "replicas"); err != nil {
			return nil, fmt.Errorf("set spec.replicas: %w", err)
		}
	default:
		return nil, fmt.Errorf("%T cannot be scaled", o)
	}
	return o, nil
}

func scaleOf(o Object) (*autoscalingv1.Scale, error) {
	scale := &autoscalingv1.Scale{
		TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "Scale"},
		ObjectMeta: metav1.ObjectMeta{
			Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(),
			ResourceVersion: o.GetResourceVersion(), CreationTimestamp: o.GetCreationTimestamp(),
		},
	}
	var sel *metav1.LabelSelector
	switch t := o.(type) {
	case *appsv1.Deployment:
		scale.Spec.Replicas, scale.Status.Replicas, sel = ptr.Deref(t.Spec.Replicas, 1), t.Status.Replicas, t.Spec.Selector
	case *appsv1.ReplicaSet:
		scale.Spec.Replicas, scale.Status.Replicas, sel = ptr.Deref(t.Spec.Replicas, 1), t.Status.Replicas, t.Spec.Selector
	case *appsv1.StatefulSet:
		scale.Spec.Replicas, scale.Status.Replicas, sel = ptr.Deref(t.Spec.Replicas, 1), t.Status.Replicas, t.Spec.Selector
	case *unstructured.Unstructured:
		return customScale(scale, t), nil
	default:
		return nil, fmt.Errorf("%T cannot be scaled", o)
	}
	s, err := metav1.LabelSelectorAsSelector(sel)
	if err != nil {
		return nil, fmt.Errorf("selector of %s: %w", o.GetName(), err)
	}
	scale.Status.Selector = s.String()
	return scale, nil
}

// customScale reads the paths Argo Rollouts' CRD names; most others use the same ones.
func customScale(scale *autoscalingv1.Scale, u *unstructured.Unstructured) *autoscalingv1.Scale {
	n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	have, _, _ := unstructured.NestedInt64(u.Object, "status", "HPAReplicas")
	sel, _, _ := unstructured.NestedString(u.Object, "status", "selector")
	scale.Spec.Replicas, scale.Status.Replicas, scale.Status.Selector = int32(n), int32(have), sel
	return scale
}
