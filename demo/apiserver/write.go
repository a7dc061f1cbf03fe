package apiserver

import (
	"errors"
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

// WriteOptions says who writes and how.
type WriteOptions struct {
	// Manager is the field manager recorded in metadata.managedFields; empty records nothing.
	Manager string
	// Subresource is "", "status" or "scale". With "status" only the status is taken from the object given.
	Subresource string
	// DryRun does everything but store.
	DryRun bool
}

// errModified is the text of a lost optimistic lock: k8s.io/apiserver pkg/registry/generic/registry/store.go OptimisticLockErrorMsg.
var errModified = errors.New("the object has been modified; please apply your changes to the latest version and try again")

// bucketFor finds the bucket of an object's kind. The caller holds the lock.
func (s *Store) bucketFor(obj Object) (*bucket, error) {
	gvk := obj.GetObjectKind().GroupVersionKind()
	for _, b := range s.kinds {
		if b.res.Group == gvk.Group && b.res.Kind == gvk.Kind {
			return b, nil
		}
	}
	return nil, fmt.Errorf("no resource is registered for %s", gvk)
}

// Create stores a new object the way a POST does: it gets a name if it only has generateName, a UID, a creation time, defaults
// and validation. Unlike POST it keeps a status that is given. The store takes the object over.
func (s *Store) Create(obj Object, o WriteOptions) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketFor(obj)
	if err != nil {
		return nil, err
	}
	return s.create(b, obj, o)
}

func (s *Store) create(b *bucket, obj Object, o WriteOptions) (Object, error) {
	gr := b.res.GroupResource()
	if obj.GetName() == "" && obj.GetGenerateName() != "" {
		obj.SetName(obj.GetGenerateName() + s.ids.suffix())
	}
	name := types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	if _, exists := b.objects[name]; exists {
		return nil, apierrors.NewAlreadyExists(gr, name.Name)
	}
	if err := s.namespaceOpen(b.res, name); err != nil {
		return nil, err
	}
	obj.GetObjectKind().SetGroupVersionKind(b.res.GVK())
	obj.SetUID(s.ids.uid())
	obj.SetCreationTimestamp(s.stamp())
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	if b.res.Generation || !b.res.typed {
		obj.SetGeneration(1)
	}
	setDefaults(obj)
	if errs := validate(nil, obj); len(errs) > 0 {
		return nil, apierrors.NewInvalid(b.res.GVK().GroupKind(), name.Name, errs)
	}
	recordManager(nil, obj, o, s.stamp())
	if !o.DryRun {
		s.commit(b, watch.Added, nil, obj)
	}
	return obj, nil
}

// namespaceOpen refuses creations in namespaces that do not exist or are going away, as the NamespaceLifecycle admission does.
func (s *Store) namespaceOpen(res *Resource, name types.NamespacedName) error {
	if res.Cluster {
		return nil
	}
	namespaces := schema.GroupResource{Resource: "namespaces"}
	ns, ok := s.kinds[namespaces].objects[types.NamespacedName{Name: name.Namespace}]
	if !ok {
		return apierrors.NewNotFound(namespaces, name.Namespace)
	}
	if ns.GetDeletionTimestamp() != nil {
		return apierrors.NewForbidden(res.GroupResource(), name.Name,
			fmt.Errorf("unable to create new content in namespace %s because it is being terminated", name.Namespace))
	}
	return nil
}

// stamp is the clock as metav1.Time keeps it on the wire: whole seconds, UTC.
func (s *Store) stamp() metav1.Time { return metav1.NewTime(s.now().UTC()).Rfc3339Copy() }

// Modify replaces the object with what fn makes of a copy of it, in one atomic step. A copy that ends up equal is not written.
// A resourceVersion or UID that fn leaves different from the stored one is a conflict.
func (s *Store) Modify(key Key, o WriteOptions, fn func(Object) (Object, error)) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, old, err := s.find(key)
	if err != nil {
		return nil, err
	}
	obj, err := fn(copyOf(old))
	if err != nil {
		return nil, err
	}
	return s.replace(b, old, obj, o)
}

// find returns an object with its bucket or 404. The caller holds the lock.
func (s *Store) find(key Key) (*bucket, Object, error) {
	b := s.kinds[key.Resource]
	if b == nil {
		return nil, nil, fmt.Errorf("no resource %s is registered", key.Resource)
	}
	obj, ok := b.objects[types.NamespacedName{Namespace: key.Namespace, Name: key.Name}]
	if !ok {
		return nil, nil, apierrors.NewNotFound(key.Resource, key.Name)
	}
	return b, obj, nil
}

// Update stores obj in place of the object of the same name. The store takes obj over.
func (s *Store) Update(obj Object, o WriteOptions) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketFor(obj)
	if err != nil {
		return nil, err
	}
	b, old, err := s.find(Key{Resource: b.res.GroupResource(), Namespace: obj.GetNamespace(), Name: obj.GetName()})
	if err != nil {
		return nil, err
	}
	return s.replace(b, old, obj, o)
}

func copyOf(o Object) Object { return o.DeepCopyObject().(Object) }

func (s *Store) replace(b *bucket, old, obj Object, o WriteOptions) (Object, error) {
	gr := b.res.GroupResource()
	if rv := obj.GetResourceVersion(); rv != "" && rv != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(gr, old.GetName(), errModified)
	}
	if uid := obj.GetUID(); uid != "" && uid != old.GetUID() {
		return nil, apierrors.NewConflict(gr, old.GetName(), uidMismatch(uid, old.GetUID()))
	}
	if obj.GetName() != old.GetName() || obj.GetNamespace() != old.GetNamespace() {
		return nil, apierrors.NewBadRequest("the name of the object does not match the name on the URL")
	}
	if b.res.Status && o.Subresource == "status" {
		return s.replaceStatus(b, old, obj, o), nil
	}
	obj.GetObjectKind().SetGroupVersionKind(b.res.GVK())
	s.keepServerFields(b.res, old, obj)
	setDefaults(obj)
	if errs := validate(old, obj); len(errs) > 0 {
		return nil, apierrors.NewInvalid(b.res.GVK().GroupKind(), old.GetName(), errs)
	}
	obj.SetResourceVersion(old.GetResourceVersion())
	obj.SetManagedFields(old.GetManagedFields())
	if equality.Semantic.DeepEqual(old, obj) {
		return old, nil
	}
	recordManager(old, obj, o, s.stamp())
	if o.DryRun {
		return obj, nil
	}
	if finished(obj) {
		s.remove(b, old, obj)
		return obj, nil
	}
	s.commit(b, watch.Modified, old, obj)
	return obj, nil
}

// replaceStatus writes a status. The new object shares everything else with the old one, which nobody may change.
func (s *Store) replaceStatus(b *bucket, old, from Object, o WriteOptions) Object {
	obj := shallowCopy(old)
	copyStatus(obj, from)
	if equality.Semantic.DeepEqual(statusOf(old), statusOf(obj)) {
		return old
	}
	recordManager(old, obj, o, s.stamp())
	if !o.DryRun {
		s.commit(b, watch.Modified, old, obj)
	}
	return obj
}

// keepServerFields restores what a client cannot set through the main resource and counts the generation.
func (s *Store) keepServerFields(res *Resource, old, obj Object) {
	obj.SetUID(old.GetUID())
	obj.SetCreationTimestamp(old.GetCreationTimestamp())
	obj.SetDeletionTimestamp(old.GetDeletionTimestamp())
	obj.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	obj.SetGeneration(old.GetGeneration())
	if res.Status {
		copyStatus(obj, old)
	}
	if (res.Generation || !res.typed) && !equality.Semantic.DeepEqual(specOf(old), specOf(obj)) {
		obj.SetGeneration(old.GetGeneration() + 1)
	}
}

// finished reports that an object marked for deletion has nothing left to wait for. Pods wait for their kubelet instead.
func finished(obj Object) bool {
	if obj.GetDeletionTimestamp() == nil || len(obj.GetFinalizers()) > 0 {
		return false
	}
	grace := obj.GetDeletionGracePeriodSeconds()
	return grace == nil || *grace == 0
}

func uidMismatch(want, have types.UID) error {
	return fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", want, have) //nolint:staticcheck // upstream's text
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
		return nil, false, apierrors.NewConflict(key.Resource, key.Name, fmt.Errorf(
			"Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v", o.ResourceVersion, old.GetResourceVersion())) //nolint:staticcheck // upstream's text
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

// Put stores an object exactly as given, replacing one of the same name: for seeding tests and worlds. Only what is missing and
// every object has (type, UID, creation time, generation) is filled in; nothing is defaulted, validated or recorded as managed.
func (s *Store) Put(obj Object) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketFor(obj)
	if err != nil {
		return nil, err
	}
	obj.GetObjectKind().SetGroupVersionKind(b.res.GVK())
	if obj.GetUID() == "" {
		obj.SetUID(s.ids.uid())
	}
	if created := obj.GetCreationTimestamp(); created.IsZero() {
		obj.SetCreationTimestamp(s.stamp())
	}
	if b.res.Generation && obj.GetGeneration() == 0 {
		obj.SetGeneration(1)
	}
	old, exists := b.objects[types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}]
	if exists {
		s.commit(b, watch.Modified, old, obj)
	} else {
		s.commit(b, watch.Added, nil, obj)
	}
	return obj, nil
}
