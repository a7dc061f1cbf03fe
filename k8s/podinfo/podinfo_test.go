package podinfo_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"midwatch/k8s"
	"midwatch/k8s/podinfo"
)

func pod() *corev1.Pod {
	at := metav1.NewTime(time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC))
	always := corev1.ContainerRestartPolicyAlways
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api-1"},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "migrate", Image: "migrate:1"}, {Name: "proxy", Image: "envoy:1", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "api", Image: "api:2"}, {Name: "late", Image: "late:1"}, {Name: "pull", Image: "typo:1"}},
			EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
				Name: "debug", Image: "busybox",
			}}},
		},
		Status: corev1.PodStatus{
			InitContainerStatuses: []corev1.ContainerStatus{
				{Name: "migrate", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: at}}},
				{Name: "proxy", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}},
			},
			ContainerStatuses: []corev1.ContainerStatus{
				{
					Name: "api", RestartCount: 6,
					State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off\x1b[2J"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, FinishedAt: at, Message: "bye"}},
				},
				{Name: "pull", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}},
			},
		},
	}
}

func TestContainersSayWhatEachIsDoing(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	got, err := podinfo.Containers(t.Context(), fake.NewClientset(pod()), k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "api-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []podinfo.Container{
		{Name: "migrate", Image: "migrate:1", Role: podinfo.Init, State: podinfo.Terminated, Ended: &podinfo.End{Reason: "Completed", At: at}},
		{Name: "proxy", Image: "envoy:1", Role: podinfo.Sidecar, State: podinfo.Running, Since: at, Ready: true},
		{
			Name: "api", Image: "api:2", State: podinfo.Waiting, Reason: "CrashLoopBackOff", Message: "back-off␛[2J", Restarts: 6,
			Ended: &podinfo.End{Reason: "OOMKilled", ExitCode: 137, At: at, Message: "bye"},
		},
		{Name: "late", Image: "late:1", State: podinfo.NotStarted},
		{Name: "pull", Image: "typo:1", State: podinfo.Waiting, Reason: "ImagePullBackOff"},
		{Name: "debug", Image: "busybox", Role: podinfo.Ephemeral, State: podinfo.NotStarted},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAFailureNamesThePod(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("refused")
	})
	_, err := podinfo.Containers(t.Context(), client, k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "api-1"})
	if err == nil || !strings.Contains(err.Error(), "Pod shop/api-1") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error is %v", err)
	}
}
