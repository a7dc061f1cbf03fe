package apiserver

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// serveEphemeral is pods/ephemeralcontainers: of the pod's spec it takes ephemeralContainers only, and there only additions
// (k/k pkg/apis/core/validation ValidatePodEphemeralContainersUpdate).
func (s *Server) serveEphemeral(w http.ResponseWriter, c *call) error {
	if c.Verb == "get" {
		return s.get(w, c)
	}
	o, err := writeOptions(c)
	if err != nil {
		return err
	}
	apply, err := readPatch(c)
	if err != nil {
		return err
	}
	o.Subresource = "" // the spec is what is written
	obj, err := s.store.Modify(c.key(), o, func(cur Object) (Object, error) {
		doc, err := toJSON(cur)
		if err != nil {
			return nil, err
		}
		if doc, err = apply(doc); err != nil {
			return nil, err
		}
		want, err := decodeObject(doc, mediaJSON, c.res, strict(c))
		if err != nil {
			return nil, err
		}
		pod, added := cur.(*corev1.Pod), want.(*corev1.Pod).Spec.EphemeralContainers
		for i := range pod.Spec.EphemeralContainers {
			if i >= len(added) || !equality.Semantic.DeepEqual(pod.Spec.EphemeralContainers[i], added[i]) {
				return nil, apierrors.NewInvalid(c.res.GVK().GroupKind(), pod.Name, field.ErrorList{
					field.Forbidden(field.NewPath("spec", "ephemeralContainers"), "existing ephemeral containers \""+pod.Spec.EphemeralContainers[i].Name+"\" may not be changed\n"),
				})
			}
		}
		pod.Spec.EphemeralContainers = added
		return pod, nil
	})
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, c.format.present(obj), c.format.media)
	return nil
}
