package apiserver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// finished reports that an object marked for deletion has nothing left to wait for. Pods wait for their kubelet instead.
func finished(obj Object) bool {
	if obj.GetDeletionTimestamp() == nil || len(obj.GetFinalizers()) > 0 {
		return false
	}
	grace := obj.GetDeletionGracePeriodSeconds()
	return grace == nil || *grace == 0
}

// DeleteOptions are the parts of metav1.DeleteOptions the store honours.
type DeleteOptions struct {
	UID             types.UID
	ResourceVersion string
	// GraceSeconds nil means the pod's own terminationGracePeriodSeconds.
	GraceSeconds *int64
	Propagation  metav1.DeletionPropagation
	DryRun       bool
}

// Delete removes the object, or marks it for deletion when it has finalizers or is a pod that a kubelet must stop first. It
// returns the object as it is now and whether it is gone.
func (s *Store) Delete(key Key, o DeleteOptions) (Object, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, old, err := s.find(key)
	if err != nil {
		return nil, false, err
	}
	if o.UID != "" && o.UID != old.GetUID() {
		return nil, false, apierrors.NewConflict(key.Resource, key.Name, uidMismatch(o.UID, old.GetUID()))
	}
	if o.ResourceVersion != "" && o.ResourceVersion != old.GetResourceVersion() {
		return nil, false, apierrors.NewConflict(key.Resource, key.Name, fmt.Errorf( //nolint:staticcheck // upstream's text
			"Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v", o.ResourceVersion, old.GetResourceVersion()))
	}
	obj, gone := s.delete(b, old, o)
	return obj, gone, nil
}

func (s *Store) delete(b *bucket, old Object, o DeleteOptions) (Object, bool) {
	obj := copyOf(old)
	grace := gracePeriod(obj, o.GraceSeconds)
	if o.Propagation == metav1.DeletePropagationForeground && len(s.dependents[obj.GetUID()]) > 0 &&
		!slices.Contains(obj.GetFinalizers(), metav1.FinalizerDeleteDependents) {
		obj.SetFinalizers(append(obj.GetFinalizers(), metav1.FinalizerDeleteDependents))
	}
	if obj.GetDeletionTimestamp() == nil {
		t := metav1.NewTime(s.stamp().Add(secondsOf(grace)))
		obj.SetDeletionTimestamp(&t)
		if b.res.Generation {
			obj.SetGeneration(obj.GetGeneration() + 1)
		}
	}
	obj.SetDeletionGracePeriodSeconds(&grace)
	if o.DryRun {
		return obj, finished(obj)
	}
	if o.Propagation == metav1.DeletePropagationOrphan {
		s.orphan(obj.GetUID())
	}
	if finished(obj) {
		s.remove(b, old, obj)
		return obj, true
	}
	if !equality.Semantic.DeepEqual(old, obj) {
		s.commit(b, watch.Modified, old, obj)
	}
	if o.Propagation == metav1.DeletePropagationForeground {
		s.cascade(obj.GetUID())
	}
	return obj, false
}

// gracePeriod follows k/k pkg/registry/core/pod/strategy.go CheckGracefulDelete: a pod that no kubelet runs, or that has ended,
// is deleted at once.
func gracePeriod(obj Object, asked *int64) int64 {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return 0
	}
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return 0
	}
	if asked != nil {
		return *asked
	}
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		return *pod.Spec.TerminationGracePeriodSeconds
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}

// remove takes the object out, then does the garbage collector's work at once: dependents with no other owner go too, and an
// owner that waits in foreground deletion for its last dependent goes with it.
func (s *Store) remove(b *bucket, old, obj Object) {
	s.commit(b, watch.Deleted, old, obj)
	if b.res.Plural == "namespaces" && b.res.Group == "" {
		s.empty(obj.GetName())
	}
	s.cascade(obj.GetUID())
	for _, ref := range obj.GetOwnerReferences() {
		s.releaseOwner(obj.GetNamespace(), ref)
	}
}

func (s *Store) cascade(uid types.UID) {
	for _, key := range s.dependentsLocked(uid) {
		b := s.kinds[key.Resource]
		dep, ok := b.objects[types.NamespacedName{Namespace: key.Namespace, Name: key.Name}]
		if ok && dep.GetDeletionTimestamp() == nil {
			s.delete(b, dep, DeleteOptions{Propagation: metav1.DeletePropagationBackground})
		}
	}
}

func (s *Store) orphan(uid types.UID) {
	for _, key := range s.dependentsLocked(uid) {
		b := s.kinds[key.Resource]
		dep := b.objects[types.NamespacedName{Namespace: key.Namespace, Name: key.Name}]
		freed := copyOf(dep)
		freed.SetOwnerReferences(slices.DeleteFunc(freed.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == uid }))
		s.commit(b, watch.Modified, dep, freed)
	}
}

func (s *Store) releaseOwner(namespace string, ref metav1.OwnerReference) {
	if len(s.dependents[ref.UID]) > 0 {
		return
	}
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return
	}
	for _, b := range s.kinds {
		if b.res.Group != gv.Group || b.res.Kind != ref.Kind {
			continue
		}
		owner, ok := b.objects[types.NamespacedName{Namespace: namespace, Name: ref.Name}]
		if !ok || owner.GetUID() != ref.UID || !slices.Contains(owner.GetFinalizers(), metav1.FinalizerDeleteDependents) {
			return
		}
		freed := copyOf(owner)
		freed.SetFinalizers(slices.DeleteFunc(freed.GetFinalizers(), func(f string) bool { return f == metav1.FinalizerDeleteDependents }))
		if finished(freed) {
			s.remove(b, owner, freed)
		} else {
			s.commit(b, watch.Modified, owner, freed)
		}
		return
	}
}

// empty removes everything that lives in a namespace.
func (s *Store) empty(namespace string) {
	for _, b := range s.kinds {
		if b.res.Cluster {
			continue
		}
		for _, obj := range b.list(namespace) {
			s.commit(b, watch.Deleted, obj, copyOf(obj))
		}
	}
}
