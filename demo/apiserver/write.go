package apiserver

import (
	"errors"
	"fmt"

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

func uidMismatch(want, have types.UID) error {
	return fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", want, have) //nolint:staticcheck // upstream's text
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
