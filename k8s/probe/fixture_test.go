package probe_test

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/probe"
)

func now() time.Time { return time.Date(2026, 11, 24, 23, 35, 0, 0, time.UTC) }

func ago(d time.Duration) time.Time { return now().Add(-d) }

func get(path string, port int32) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}}
}

// api is the container of a FastAPI service with all three probes.
func api() corev1.Container {
	return corev1.Container{
		Name: "api", Image: "registry.example.com/fastapi-service:v1.2.3", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8000}},
		LivenessProbe:  &corev1.Probe{ProbeHandler: get("/healthz", 8000), InitialDelaySeconds: 10, PeriodSeconds: 15, FailureThreshold: 3},
		ReadinessProbe: &corev1.Probe{ProbeHandler: get("/readyz", 8000), InitialDelaySeconds: 5, PeriodSeconds: 10, FailureThreshold: 3},
		StartupProbe:   &corev1.Probe{ProbeHandler: get("/startupz", 8000), PeriodSeconds: 5, FailureThreshold: 30},
	}
}

// pod is one that has been ready for an hour.
func pod(edit ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "fastapi-service-6d5c9b7f4-x2x9v", UID: "uid-1", ResourceVersion: "42"},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{api()}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.3.17",
			Conditions: []corev1.PodCondition{
				{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(ago(time.Hour))},
				{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(ago(time.Hour))},
			},
			ContainerStatuses: []corev1.ContainerStatus{running("api", time.Hour+8*time.Second, true, true)},
		},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

func running(name string, since time.Duration, started, ready bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: name, Ready: ready, Started: ptr.To(started), ContainerID: "containerd://" + name,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(ago(since))}},
	}
}

// unready makes the pod's containers not ready since.
func unready(since time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for i := range p.Status.Conditions {
			p.Status.Conditions[i].Status = corev1.ConditionFalse
			p.Status.Conditions[i].Reason = "ContainersNotReady"
			p.Status.Conditions[i].LastTransitionTime = metav1.NewTime(ago(since))
		}
	}
}

func status(s corev1.ContainerStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for i := range p.Status.ContainerStatuses {
			if p.Status.ContainerStatuses[i].Name == s.Name {
				p.Status.ContainerStatuses[i] = s
			}
		}
	}
}

// crashed has the api container wait for its next start after an end.
func crashed(ended time.Duration, code, restarts int32) func(*corev1.Pod) {
	return status(corev1.ContainerStatus{
		Name: "api", RestartCount: restarts, Started: ptr.To(false),
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 2m40s restarting failed container=api"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: "Error", StartedAt: metav1.NewTime(ago(ended + time.Minute)), FinishedAt: metav1.NewTime(ago(ended)),
		}},
	})
}

func event(reason, message string, count int, first, last time.Duration) *k8s.Event {
	typ := "Warning"
	if reason == probe.ReasonKilling {
		typ = "Normal"
	}
	return &k8s.Event{
		UID: fmt.Sprint(reason, message, last), Type: typ, Reason: reason, Message: foreign.Clean(message), Count: count, First: ago(first), Last: ago(last),
		FieldPath: "spec.containers{api}", Source: "kubelet", Involved: k8s.Ref{Kind: "Pod", Namespace: "shop", Name: "fastapi-service-6d5c9b7f4-x2x9v", UID: "uid-1"},
	}
}

func find(r *probe.Report, container string, kind probe.Kind) *probe.Probe {
	for _, p := range r.All() {
		if p.Container == container && p.Spec.Kind == kind {
			return p
		}
	}
	return nil
}
