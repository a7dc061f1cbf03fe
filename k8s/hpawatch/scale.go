package hpawatch

import (
	"context"
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/foreign"
	"midwatch/k8s/hpa"
)

// scale reads the target's scale subresource. Where that is forbidden the
// object itself tells the same for the kinds that are known.
func (r *Reader) scale(ctx context.Context, namespace string, t autoscalingv2.CrossVersionObjectReference) hpa.Scale {
	gv, err := schema.ParseGroupVersion(t.APIVersion)
	if err != nil {
		return hpa.Scale{Missing: true, Err: foreign.CleanN(fmt.Sprintf("its target's API version %q is none", t.APIVersion), maxText)}
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(t.Kind))
	objects := r.cluster.Dynamic().Resource(plural).Namespace(namespace)
	what := foreign.CleanN(fmt.Sprintf("%s %s/%s", t.Kind, namespace, t.Name), maxText).String()
	u, err := objects.Get(ctx, t.Name, metav1.GetOptions{}, "scale")
	switch {
	case err == nil:
		return scaleOf(u)
	case apierrors.IsNotFound(err):
		return hpa.Scale{Missing: true, Err: foreign.CleanN(missing(err, what), maxText)}
	case !apierrors.IsForbidden(err):
		return hpa.Scale{Err: plain(err)}
	}
	u, again := objects.Get(ctx, t.Name, metav1.GetOptions{})
	if again != nil {
		return hpa.Scale{Err: foreign.Text("you may not read the scale of " + what)}
	}
	return scaleOfObject(u)
}

// missing says that the target is not there, or is nothing that can be scaled.
func missing(err error, what string) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Name != "" {
		return "its target " + what + " does not exist"
	}
	return "its target " + what + " does not exist, or is of a kind that cannot be scaled"
}

func scaleOf(u *unstructured.Unstructured) hpa.Scale {
	spec, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	status, _, _ := unstructured.NestedInt64(u.Object, "status", "replicas")
	selector, _, _ := unstructured.NestedString(u.Object, "status", "selector")
	return hpa.Scale{Known: true, Spec: int32(spec), Status: int32(status), Selector: selector}
}

// scaleOfObject is what the scale subresource of a Deployment, StatefulSet or
// Argo Rollout is made from.
func scaleOfObject(u *unstructured.Unstructured) hpa.Scale {
	out := hpa.Scale{Known: true, Spec: 1}
	if n, found, err := unstructured.NestedInt64(u.Object, "spec", "replicas"); found && err == nil {
		out.Spec = int32(n)
	}
	n, _, _ := unstructured.NestedInt64(u.Object, "status", "replicas")
	out.Status = int32(n)
	raw, found, err := unstructured.NestedMap(u.Object, "spec", "selector")
	if !found || err != nil {
		return out
	}
	var selector metav1.LabelSelector
	if fromUnstructured(raw, &selector) != nil {
		return out
	}
	if s, err := metav1.LabelSelectorAsSelector(&selector); err == nil {
		out.Selector = s.String()
	}
	return out
}
