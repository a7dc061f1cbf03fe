package controllers

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const statefulSetController = "statefulset-controller"

// ordinals is a StatefulSet with its pods by index during one sync.
type ordinals struct {
	set             *appsv1.StatefulSet
	current, update *appsv1.ControllerRevision
	pods            map[int]*corev1.Pod
	n               int
}

// syncStatefulSet is k/k pkg/controller/statefulset/stateful_set_control.go UpdateStatefulSet.
func (m *Manager) syncStatefulSet(it item) time.Time {
	stored, ok := get[*appsv1.StatefulSet](m, kindStatefulSets(), it.namespace, it.name)
	if !ok || stored.DeletionTimestamp != nil {
		return time.Time{}
	}
	o, err := m.ordinalsOf(stored.DeepCopy())
	if err != nil {
		m.warn(stored, statefulSetController, "FailedUpdate", "%v", err)
		return m.now.Add(10 * time.Second)
	}
	m.manageOrdinals(o)
	return m.syncStatefulSetStatus(o)
}

func (m *Manager) ordinalsOf(set *appsv1.StatefulSet) (*ordinals, error) {
	o := &ordinals{set: set, pods: map[int]*corev1.Pod{}, n: int(*set.Spec.Replicas)}
	var err error
	if o.update, err = m.currentRevision(set, "StatefulSet", &set.Spec.Template, set.Spec.Selector); err != nil {
		return nil, err
	}
	o.current = o.update
	for _, rev := range m.revisionsOf(set) {
		if rev.Name == set.Status.CurrentRevision {
			o.current = rev
		}
	}
	for _, p := range owned[*corev1.Pod](m, kindPods(), set) {
		if i, err := strconv.Atoi(p.Name[strings.LastIndex(p.Name, "-")+1:]); err == nil {
			o.pods[i] = p
		}
	}
	return o, nil
}

func (o *ordinals) partition() int {
	if ru := o.set.Spec.UpdateStrategy.RollingUpdate; ru != nil {
		return int(ptr.Deref(ru.Partition, 0))
	}
	return 0
}

func (o *ordinals) ordered() bool {
	return o.set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
}

// revisionFor is newVersionedStatefulSetPod: a new pod below the partition gets the current revision, any other the update one.
func (o *ordinals) revisionFor(i int) *appsv1.ControllerRevision {
	if o.set.Spec.UpdateStrategy.RollingUpdate == nil && i < int(o.set.Status.CurrentReplicas) || i < o.partition() {
		return o.current
	}
	return o.update
}

// manageOrdinals does one pass: create what is missing, in order; remove what is too many; update from the highest down. With
// OrderedReady it stops at the first pod that is not running, ready and available. That is the trap: a broken pod at an older
// revision is neither replaced by a newer template nor by a rolled back one (k/k issue 67250).
func (m *Manager) manageOrdinals(o *ordinals) {
	for i := range o.n {
		p := o.pods[i]
		if p == nil {
			m.createOrdinal(o, i)
			if o.ordered() {
				return
			}
			continue
		}
		if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
			m.remove(kindPods(), p)
			return
		}
		if o.ordered() && !m.healthy(o, p) {
			return
		}
	}
	if m.removeSurplus(o) {
		return
	}
	m.updateOrdinals(o)
}

func (m *Manager) healthy(o *ordinals, p *corev1.Pod) bool {
	at, ready := availableAt(p, o.set.Spec.MinReadySeconds)
	return p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning && ready && !at.After(m.now)
}

func (m *Manager) removeSurplus(o *ordinals) bool {
	most := -1
	for i := range o.pods {
		most = max(most, i)
	}
	for i := most; i >= o.n; i-- {
		p := o.pods[i]
		if p == nil {
			continue
		}
		if p.DeletionTimestamp == nil {
			m.remove(kindPods(), p)
			m.normal(o.set, statefulSetController, "SuccessfulDelete", "delete Pod %s in StatefulSet %s successful", p.Name, o.set.Name)
		}
		return true
	}
	return false
}

// updateOrdinals deletes the highest pod that is not at the update revision, one unavailable at a time.
func (m *Manager) updateOrdinals(o *ordinals) {
	if o.set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return
	}
	for i := o.n - 1; i >= o.partition(); i-- {
		p := o.pods[i]
		if p == nil || p.DeletionTimestamp != nil {
			return
		}
		if p.Labels[appsv1.ControllerRevisionHashLabelKey] != o.update.Name {
			m.remove(kindPods(), p)
			m.normal(o.set, statefulSetController, "SuccessfulDelete", "delete Pod %s in StatefulSet %s successful", p.Name, o.set.Name)
			return
		}
		if !m.healthy(o, p) {
			return
		}
	}
}

func (m *Manager) createOrdinal(o *ordinals, i int) {
	rev := o.revisionFor(i)
	template, err := templateOf(rev)
	if err != nil {
		m.warn(o.set, statefulSetController, "FailedCreate", "%v", err)
		return
	}
	name := fmt.Sprintf("%s-%d", o.set.Name, i)
	for _, claim := range o.set.Spec.VolumeClaimTemplates {
		m.claim(o, claim, name)
	}
	p := podFrom(template, o.set.Namespace, metav1.NewControllerRef(o.set, appsv1.SchemeGroupVersion.WithKind("StatefulSet")))
	p.Name = name
	p.Labels = withLabel(p.Labels, appsv1.ControllerRevisionHashLabelKey, rev.Name)
	p.Labels[appsv1.StatefulSetPodNameLabel] = name
	p.Labels[appsv1.PodIndexLabel] = strconv.Itoa(i)
	p.Spec.Hostname, p.Spec.Subdomain = name, o.set.Spec.ServiceName
	for _, claim := range o.set.Spec.VolumeClaimTemplates {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + name}}})
	}
	if _, err := m.create(p); err != nil {
		m.warn(o.set, statefulSetController, "FailedCreate", "create Pod %s in StatefulSet %s failed error: %v", name, o.set.Name, err)
		return
	}
	m.normal(o.set, statefulSetController, "SuccessfulCreate", "create Pod %s in StatefulSet %s successful", name, o.set.Name)
}

func (m *Manager) claim(o *ordinals, template corev1.PersistentVolumeClaim, pod string) {
	pvc := template.DeepCopy()
	pvc.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}
	pvc.ObjectMeta = metav1.ObjectMeta{Name: template.Name + "-" + pod, Namespace: o.set.Namespace, Labels: o.set.Spec.Selector.MatchLabels}
	pvc.Status.Phase = corev1.ClaimBound
	if _, ok := m.store.Get(groupResource{Resource: "persistentvolumeclaims"}, pvc.Namespace, pvc.Name); ok {
		return
	}
	if _, err := m.create(pvc); err == nil {
		m.normal(o.set, statefulSetController, "SuccessfulCreate", "create Claim %s Pod %s in StatefulSet %s success", pvc.Name, pod, o.set.Name)
	}
}

// syncStatefulSetStatus counts and, when the update is complete, makes its revision the current one (completeUpdate: all must be
// ready, not available).
func (m *Manager) syncStatefulSetStatus(o *ordinals) time.Time {
	s := o.set.Status.DeepCopy()
	s.ObservedGeneration = o.set.Generation
	s.Replicas, s.CurrentReplicas, s.UpdatedReplicas = 0, 0, 0
	s.CurrentRevision, s.UpdateRevision = o.current.Name, o.update.Name
	var pods []*corev1.Pod
	for i := range o.n {
		p := o.pods[i]
		if p == nil {
			continue
		}
		s.Replicas++
		pods = append(pods, p)
		if p.DeletionTimestamp != nil {
			continue
		}
		rev := p.Labels[appsv1.ControllerRevisionHashLabelKey]
		if rev == o.current.Name {
			s.CurrentReplicas++
		}
		if rev == o.update.Name {
			s.UpdatedReplicas++
		}
	}
	var next time.Time
	s.ReadyReplicas, s.AvailableReplicas, next = m.tally(pods, o.set.Spec.MinReadySeconds)
	n := int32(o.n)
	if s.UpdatedReplicas == n && s.ReadyReplicas == n && s.Replicas == n && o.set.Spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		s.CurrentRevision, s.CurrentReplicas = s.UpdateRevision, s.UpdatedReplicas
	}
	s.CollisionCount = ptr.To[int32](0)
	if !equality.Semantic.DeepEqual(&o.set.Status, s) {
		o.set.Status = *s
		m.updateStatus(o.set)
	}
	m.truncateRevisions(m.revisionsOf(o.set), int(ptr.Deref(o.set.Spec.RevisionHistoryLimit, 10)), o.liveRevisions())
	return next
}

func (o *ordinals) liveRevisions() map[string]bool {
	live := map[string]bool{o.current.Name: true, o.update.Name: true}
	for _, p := range o.pods {
		live[p.Labels[appsv1.ControllerRevisionHashLabelKey]] = true
	}
	return live
}
