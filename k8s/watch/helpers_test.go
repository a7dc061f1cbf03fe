package watch

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
	"midwatch/live"
)

// cluster is a Cluster over the in-memory API server.
type cluster struct {
	*apiserver.Server
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

func (c *cluster) Typed() kubernetes.Interface { return c.typed }
func (c *cluster) Dynamic() dynamic.Interface  { return c.dynamic }

func newCluster(t testing.TB, opts ...func(*apiserver.Options)) *cluster {
	t.Helper()
	o := apiserver.Options{Seed: 7, Namespaces: []string{"shop", "team-01"}}
	for _, f := range opts {
		f(&o)
	}
	s := apiserver.New(o)
	t.Cleanup(s.Close)
	return &cluster{Server: s, typed: kubernetes.NewForConfigOrDie(s.RESTConfig()), dynamic: dynamic.NewForConfigOrDie(s.RESTConfig())}
}

// clock is the system's clock with pauses fifty times as short, and a time of
// day that can be moved on.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) After(d time.Duration) (<-chan time.Time, func()) {
	return live.SystemClock{}.After(d / 50)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// put stores an object as if a controller had written it.
func put(t testing.TB, c *cluster, o apiserver.Object) {
	t.Helper()
	if _, err := c.Store().Put(o); err != nil {
		t.Fatal(err)
	}
}

// service stores a Deployment, its ReplicaSet and its pods; ready of them are.
func service(t testing.TB, c *cluster, namespace, name string, pods, ready int) {
	t.Helper()
	labels := map[string]string{"app": name, "pod-template-hash": "6d5c"}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "api", Image: "registry.example.com/" + name + ":v1"}}},
	}
	d := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID("d-" + namespace + "-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour))},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(pods)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}, Template: template,
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: int32(pods), UpdatedReplicas: int32(pods), ReadyReplicas: int32(ready), AvailableReplicas: int32(ready),
			Conditions: []appsv1.DeploymentCondition{
				{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable", LastUpdateTime: metav1.NewTime(time.Now().Add(-time.Hour)), LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))},
			},
		},
	}
	put(t, c, d)
	rs := &appsv1.ReplicaSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name + "-6d5c", Namespace: namespace, UID: types.UID("rs-" + namespace + "-" + name), Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: d.UID, Controller: ptr.To(true)}},
		},
		Spec:   appsv1.ReplicaSetSpec{Replicas: ptr.To(int32(pods)), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template},
		Status: appsv1.ReplicaSetStatus{Replicas: int32(pods), ReadyReplicas: int32(ready), AvailableReplicas: int32(ready)},
	}
	put(t, c, rs)
	for i := range pods {
		put(t, c, pod(namespace, name, i, i < ready))
	}
}

func pod(namespace, service string, i int, ready bool) *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-6d5c-%05d", service, i), Namespace: namespace, UID: types.UID(fmt.Sprintf("p-%s-%s-%d", namespace, service, i)),
			Labels:            map[string]string{"app": service, "pod-template-hash": "6d5c"},
			CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Hour)),
			OwnerReferences:   []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: service + "-6d5c", UID: types.UID("rs-" + namespace + "-" + service), Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "api", Image: "registry.example.com/x:v1"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "api", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
	if !ready {
		p.Status.Conditions[0].Status, p.Status.Conditions[0].Reason = corev1.ConditionFalse, "ContainersNotReady"
		p.Status.ContainerStatuses[0] = corev1.ContainerStatus{
			Name: "api", RestartCount: 4,
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container=api"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", FinishedAt: metav1.Now()}},
		}
	}
	return p
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func groupResource(name string) schema.GroupResource {
	if name == "pods" || name == "events" || name == "namespaces" {
		return schema.GroupResource{Resource: name}
	}
	return schema.GroupResource{Group: "apps", Resource: name}
}

// renamed is a copy of an object under another name, UID and owner.
func renamed(o runtime.Object, name, uid, owner string) runtime.Object {
	copied := o.DeepCopyObject()
	m := copied.(metav1.Object)
	m.SetName(name)
	m.SetUID(types.UID(uid))
	refs := m.GetOwnerReferences()
	for i := range refs {
		refs[i].UID = types.UID(owner)
	}
	m.SetOwnerReferences(refs)
	return copied
}

// touchAll marks every workload.
func (w *world) touchAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.objects {
		w.touch(e)
	}
}
