package controllers

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"midwatch/demo/apiserver"
)

// Config is what a manager needs.
type Config struct {
	Store *apiserver.Store
	Seed  int64
	// Behave says what the processes in a container do; nil, and every field left zero, is a healthy one.
	Behave func(*corev1.Pod, *corev1.Container) Behaviour
	// Measure gives the autoscaler its metrics; without it an autoscaler reports that it has none.
	Measure MeasureFunc
	// Sync answers for the stores behind ExternalSecrets; without it they are left alone.
	Sync SyncFunc
	// Admit refuses pods of controllers at creation, as quotas and webhooks do; nil admits all.
	Admit func(*corev1.Pod) error
}

// Manager runs the controllers. Only one goroutine may use it.
type Manager struct {
	cfg    Config
	store  *apiserver.Store
	rnd    *rand.Rand
	now    time.Time
	due    map[item]time.Time
	pods   map[types.UID]*podState
	scale  map[types.UID]*scaleHistory
	events *recorder
	nextIP int
	// coarse and quiet hold while the past is replayed.
	coarse, quiet bool
	templates     map[templatePair]bool

	mu    sync.Mutex
	inbox []apiserver.Change
}

// controller orders the work of one instant.
type controller int

const (
	deployments controller = iota
	replicaSets
	statefulSets
	daemonSets
	autoscalers
	scheduler
	kubelet
	budgets
	endpoints
	externalSecrets
	housekeeping
	quotas // ResourceQuotas: what the pods of a namespace use of them
)

// item is one object for one controller.
type item struct {
	controller      controller
	namespace, name string
}

// latency is how long after a change the controllers concerned act on it. The kubelet has delays of its own.
const latency = 150 * time.Millisecond

// New returns a manager for the store, which may already hold objects.
func New(cfg Config) *Manager {
	if cfg.Behave == nil {
		cfg.Behave = func(*corev1.Pod, *corev1.Container) Behaviour { return Behaviour{} }
	}
	m := &Manager{
		cfg: cfg, store: cfg.Store, rnd: rand.New(rand.NewPCG(uint64(cfg.Seed), 0x636f6e74726f6c)),
		due: map[item]time.Time{}, pods: map[types.UID]*podState{}, scale: map[types.UID]*scaleHistory{},
		templates: map[templatePair]bool{},
	}
	m.events = newRecorder(m)
	m.store.Observe(m.observe)
	for _, gr := range watchedKinds() {
		for _, obj := range m.store.List(gr, "") {
			key := apiserver.Key{Resource: gr, Namespace: obj.GetNamespace(), Name: obj.GetName()}
			m.observe(apiserver.Change{Key: key, Type: watch.Added, New: obj})
		}
	}
	return m
}

// observe runs with the store locked.
func (m *Manager) observe(c apiserver.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inbox = append(m.inbox, c)
}

// Next returns when Step has something to do; ok is false when it never has. Changes that wait are due at the last step's time.
func (m *Manager) Next() (at time.Time, ok bool) {
	m.mu.Lock()
	waiting := len(m.inbox) > 0
	m.mu.Unlock()
	if waiting {
		return m.now, true
	}
	for _, due := range m.due {
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// Step lets every controller act that is due at now. Times must not go backwards.
func (m *Manager) Step(now time.Time) {
	m.now = now
	m.drain()
	for _, it := range m.ready() {
		delete(m.due, it)
		if again := m.sync(it); !again.IsZero() {
			m.wakeAt(it, again)
		}
	}
	m.drain()
}

func (m *Manager) ready() []item {
	var items []item
	for it, at := range m.due {
		if !at.After(m.now) {
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(m.due[a].Compare(m.due[b]), cmp.Compare(a.controller, b.controller), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	return items
}

func (m *Manager) sync(it item) time.Time {
	switch it.controller {
	case deployments:
		return m.syncDeployment(it)
	case replicaSets:
		return m.syncReplicaSet(it)
	case statefulSets:
		return m.syncStatefulSet(it)
	case daemonSets:
		return m.syncDaemonSet(it)
	case autoscalers:
		return m.syncAutoscaler(it)
	case scheduler:
		return m.schedule(it)
	case kubelet:
		return m.syncPod(it)
	case budgets:
		return m.syncBudget(it)
	case endpoints:
		return m.syncEndpoints(it)
	case externalSecrets:
		return m.syncExternalSecret(it)
	case quotas:
		return m.syncQuota(it)
	case housekeeping:
		return m.expireEvents()
	}
	return time.Time{}
}

func (m *Manager) wakeAt(it item, at time.Time) {
	if have, ok := m.due[it]; !ok || at.Before(have) {
		m.due[it] = at
	}
}

// drain turns the store's changes into work.
func (m *Manager) drain() {
	m.mu.Lock()
	changes := m.inbox
	m.inbox = nil
	m.mu.Unlock()
	for _, c := range changes {
		m.route(c)
	}
}

func (m *Manager) route(c apiserver.Change) {
	soon := m.now.Add(latency)
	wake := func(ctl controller, namespace, name string) {
		m.wakeAt(item{controller: ctl, namespace: namespace, name: name}, soon)
	}
	ns, name := c.Key.Namespace, c.Key.Name
	switch c.Key.Resource {
	case kindDeployments():
		wake(deployments, ns, name)
	case kindReplicaSets():
		wake(replicaSets, ns, name)
		wakeOwner(c.New, "Deployment", func(owner string) { wake(deployments, ns, owner) })
	case kindStatefulSets():
		wake(statefulSets, ns, name)
	case kindDaemonSets():
		wake(daemonSets, ns, name)
	case kindNodes():
		for _, ds := range m.store.List(kindDaemonSets(), "") {
			wake(daemonSets, ds.GetNamespace(), ds.GetName())
		}
	case kindAutoscalers():
		if c.Type == watch.Added || c.Old.GetGeneration() != c.New.GetGeneration() {
			wake(autoscalers, ns, name)
		}
	case kindBudgets():
		wake(budgets, ns, name)
	case kindServices():
		wake(endpoints, ns, name)
	case kindExternalSecrets():
		wake(externalSecrets, ns, name)
	case kindQuotas():
		wake(quotas, ns, name)
	case kindEvents():
		if c.Type == watch.Added {
			m.wakeAt(item{controller: housekeeping}, m.now.Add(eventTTL))
		}
	case kindPods():
		m.routePod(c, wake)
	}
}

func (m *Manager) routePod(c apiserver.Change, wake func(controller, string, string)) {
	pod := c.New.(*corev1.Pod)
	wake(kubelet, pod.Namespace, pod.Name)
	if pod.Spec.NodeName == "" && c.Type != watch.Deleted {
		wake(scheduler, pod.Namespace, pod.Name)
	}
	wakeOwner(pod, "ReplicaSet", func(owner string) {
		wake(replicaSets, pod.Namespace, owner)
		if c.Type != watch.Deleted {
			return
		}
		// A Recreate rollout waits for old pods to be gone, which the ReplicaSet's counts do not show.
		if rs, ok := get[*appsv1.ReplicaSet](m, kindReplicaSets(), pod.Namespace, owner); ok {
			wakeOwner(rs, "Deployment", func(d string) { wake(deployments, pod.Namespace, d) })
		}
	})
	wakeOwner(pod, "StatefulSet", func(owner string) { wake(statefulSets, pod.Namespace, owner) })
	wakeOwner(pod, "DaemonSet", func(owner string) { wake(daemonSets, pod.Namespace, owner) })
	if c.Type != watch.Modified || isActive(c.Old.(*corev1.Pod)) != isActive(pod) {
		for _, o := range m.store.List(kindQuotas(), pod.Namespace) {
			wake(quotas, o.GetNamespace(), o.GetName())
		}
	}
	if c.Type == watch.Modified && isReady(c.Old.(*corev1.Pod)) == isReady(pod) && c.Old.(*corev1.Pod).Status.PodIP == pod.Status.PodIP {
		return
	}
	for _, o := range m.store.List(kindBudgets(), pod.Namespace) {
		if matches(o.(*policyv1.PodDisruptionBudget).Spec.Selector, pod) {
			wake(budgets, o.GetNamespace(), o.GetName())
		}
	}
	for _, o := range m.store.List(kindServices(), pod.Namespace) {
		if matches(&metav1.LabelSelector{MatchLabels: o.(*corev1.Service).Spec.Selector}, pod) {
			wake(endpoints, o.GetNamespace(), o.GetName())
		}
	}
}

// matches is exact for matchLabels and generous for expressions: it decides who looks, not what is found.
func matches(s *metav1.LabelSelector, pod *corev1.Pod) bool {
	if s == nil {
		return false
	}
	for k, v := range s.MatchLabels {
		if pod.Labels[k] != v {
			return false
		}
	}
	return true
}

func wakeOwner(o apiserver.Object, kind string, wake func(name string)) {
	if ref := metav1.GetControllerOf(o); ref != nil && ref.Kind == kind {
		wake(ref.Name)
	}
}

// get returns a stored object as its type. It is shared and must be copied before it is changed.
func get[T apiserver.Object](m *Manager, gr groupResource, namespace, name string) (T, bool) {
	obj, ok := m.store.Get(gr, namespace, name)
	if !ok {
		var none T
		return none, false
	}
	t, ok := obj.(T)
	return t, ok
}

// owned returns the objects of a kind whose controller is the owner, in the order of their names.
func owned[T apiserver.Object](m *Manager, gr groupResource, owner apiserver.Object) []T {
	var out []T
	for _, key := range m.store.Dependents(owner.GetUID()) {
		if key.Resource != gr {
			continue
		}
		if o, ok := get[T](m, gr, key.Namespace, key.Name); ok && metav1.IsControlledBy(o, owner) {
			out = append(out, o)
		}
	}
	return out
}

const controllerManager = "kube-controller-manager"

// update writes an object as the controller manager does. A lost race with a client is not an error: the client's write wakes the
// controller again.
func (m *Manager) update(o apiserver.Object) {
	_, _ = m.store.Update(o, apiserver.WriteOptions{Manager: controllerManager})
}

func (m *Manager) updateStatus(o apiserver.Object) {
	_, _ = m.store.Update(o, apiserver.WriteOptions{Manager: controllerManager, Subresource: "status"})
}

func (m *Manager) create(o apiserver.Object) (apiserver.Object, error) {
	if pod, ok := o.(*corev1.Pod); ok && m.cfg.Admit != nil {
		if err := m.cfg.Admit(pod); err != nil {
			return nil, fmt.Errorf("create pod: %w", err)
		}
	}
	return m.store.Create(o, apiserver.WriteOptions{Manager: controllerManager})
}

func (m *Manager) remove(gr groupResource, o apiserver.Object) {
	key := apiserver.Key{Resource: gr, Namespace: o.GetNamespace(), Name: o.GetName()}
	_, _, _ = m.store.Delete(key, apiserver.DeleteOptions{UID: o.GetUID(), Propagation: metav1.DeletePropagationBackground}) // gone already is as good
}

// stamp is the step's time as the API keeps it.
func (m *Manager) stamp() metav1.Time { return metav1.NewTime(m.now.UTC()).Rfc3339Copy() }

// jitter picks a duration between lo and hi that is always the same for the same thing.
func jitter(lo, hi time.Duration, parts ...string) time.Duration {
	return lo + time.Duration(hashOf(parts...)%uint64(hi-lo+1))
}
