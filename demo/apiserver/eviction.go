package apiserver

import (
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// serveEviction deletes a pod unless a disruption budget forbids it: k/k pkg/registry/core/pod/storage/eviction.go.
func (s *Server) serveEviction(w http.ResponseWriter, c *call) error {
	obj, err := s.lookup(c)
	if err != nil {
		return err
	}
	pod := obj.(*corev1.Pod)
	body, err := readBody(c.HTTP)
	if err != nil {
		return err
	}
	decoded, err := decodeTyped(body, c.HTTP.Header.Get("Content-Type"), policyv1.SchemeGroupVersion.WithKind("Eviction"), false)
	if err != nil {
		return err
	}
	eviction := decoded.(*policyv1.Eviction)
	if err := s.checkBudgets(pod); err != nil {
		return err
	}
	opts := DeleteOptions{UID: pod.UID}
	if eviction.DeleteOptions != nil {
		if opts, err = storeDeleteOptions(eviction.DeleteOptions, c.HTTP.URL.Query()); err != nil {
			return err
		}
	}
	if !opts.DryRun {
		s.markEvicted(pod)
	}
	if _, _, err := s.store.Delete(c.key(), opts); err != nil {
		return err
	}
	status := &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess, Code: http.StatusCreated}
	respond(w, http.StatusCreated, status, c.format.media)
	return nil
}

func (s *Server) checkBudgets(pod *corev1.Pod) error {
	var found []*policyv1.PodDisruptionBudget
	for _, obj := range s.store.List(schema.GroupResource{Group: "policy", Resource: "poddisruptionbudgets"}, pod.Namespace) {
		pdb := obj.(*policyv1.PodDisruptionBudget)
		if sel, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector); err == nil && sel.Matches(labels.Set(pod.Labels)) {
			found = append(found, pdb)
		}
	}
	if len(found) > 1 {
		return apierrors.NewInternalError(fmt.Errorf("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")) //nolint:staticcheck // upstream's text
	}
	if len(found) == 0 || found[0].Status.DisruptionsAllowed > 0 {
		return nil
	}
	pdb := found[0]
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: policyv1.DisruptionBudgetCause,
		Message: fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently",
			pdb.Name, pdb.Status.DesiredHealthy, pdb.Status.CurrentHealthy),
	})
	return err
}

func (s *Server) markEvicted(pod *corev1.Pod) {
	key := Key{Resource: schema.GroupResource{Resource: "pods"}, Namespace: pod.Namespace, Name: pod.Name}
	// A pod that vanished meanwhile is found out by the delete that follows.
	_, _ = s.store.Modify(key, WriteOptions{Manager: "kube-apiserver", Subresource: "status"}, func(o Object) (Object, error) {
		p := o.(*corev1.Pod)
		p.UID = types.UID(pod.UID)
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI",
			Message: "Eviction API: evicting", LastTransitionTime: s.store.stamp(),
		})
		return p, nil
	})
}
