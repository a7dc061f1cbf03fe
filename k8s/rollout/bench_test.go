package rollout

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/k8s"
)

// crowd is 500 workloads with 20 pods each, one in ten of them in trouble,
// made from the situations.
func crowd(b *testing.B) []Input {
	b.Helper()
	bad := loadSituation(b, "testdata/crashloop_after_image_bump.yaml").input
	good := loadSituation(b, "testdata/deployment_done.yaml").input
	out := make([]Input, 500)
	for i := range out {
		out[i] = good
		if i%10 == 0 {
			out[i] = bad
		}
		pods := make([]*k8s.PodRow, 20)
		for j := range pods {
			row := *out[i].Pods[j%len(out[i].Pods)]
			row.Name, row.UID = fmt.Sprintf("%s-%d", row.Name, j), fmt.Sprint(i, j)
			pods[j] = &row
		}
		out[i].Pods = pods
	}
	return out
}

// BenchmarkAssess500Workloads10000Pods judges a whole cluster once.
func BenchmarkAssess500Workloads10000Pods(b *testing.B) {
	inputs := crowd(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, in := range inputs {
			Assess(in)
		}
	}
}

func bigPod() *corev1.Pod {
	yes, at := true, metav1.NewTime(time.Unix(1.7e9, 0))
	p := &corev1.Pod{}
	p.Name, p.Namespace, p.UID = "checkout-7d9f8c6b5d-x2x9v", "shop", "5f0c5a0e-7f7a-4f58-9a46-0a4a8f3a8a55"
	p.Labels = map[string]string{"app": "checkout", "pod-template-hash": "7d9f8c6b5d"}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "checkout-7d9f8c6b5d", UID: "91d0", Controller: &yes}}
	p.ResourceVersion, p.CreationTimestamp = "123456789", at
	p.Spec.NodeName = "ip-10-0-17-203.eu-central-1.compute.internal"
	p.Spec.Containers = []corev1.Container{{Name: "app"}, {Name: "proxy"}}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &at, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}, {Type: corev1.PodInitialized, Status: corev1.ConditionTrue},
		{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: at}, {Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	}}
	for _, name := range []string{"app", "proxy"} {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, Ready: true, Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
		})
	}
	return p
}

func BenchmarkFromPod(b *testing.B) {
	p := bigPod()
	shared := map[string]string{}
	in := Intern(func(s string) string {
		if v, ok := shared[s]; ok {
			return v
		}
		shared[s] = s
		return s
	})
	b.ReportAllocs()
	for b.Loop() {
		FromPod(p, in)
	}
}

// BenchmarkPodRowMemory says how many bytes a healthy pod's row keeps, with
// its own strings (name, UID, version) as a decoder makes them.
func BenchmarkPodRowMemory(b *testing.B) {
	const pods = 10_000
	shared := map[string]string{}
	in := Intern(func(s string) string {
		if v, ok := shared[s]; ok {
			return v
		}
		shared[s] = s
		return s
	})
	var perPod float64
	for b.Loop() {
		rows := make([]*k8s.PodRow, pods)
		before := heap()
		for i := range rows {
			p := bigPod()
			p.Name = fmt.Sprintf("checkout-7d9f8c6b5d-%05d", i)
			p.UID = "5f0c5a0e-7f7a-4f58-9a46-" + p.UID[:7] + p.UID[19:24]
			p.ResourceVersion = fmt.Sprint(100_000_000 + i)
			rows[i] = FromPod(p, in)
		}
		perPod = float64(heap()-before) / pods
		runtime.KeepAlive(rows)
	}
	b.ReportMetric(perPod, "B/pod")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkFingerprint(b *testing.B) {
	t := template(func(t *corev1.PodTemplateSpec) {
		for i := range 20 {
			t.Spec.Containers[0].Env = append(t.Spec.Containers[0].Env, corev1.EnvVar{Name: fmt.Sprint("VAR_", i), Value: "value"})
		}
		t.Spec.Containers = append(t.Spec.Containers, *t.Spec.Containers[0].DeepCopy())
	})
	b.ReportAllocs()
	for b.Loop() {
		fingerprint(t)
	}
}
