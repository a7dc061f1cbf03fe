package watch

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// bulkyPod is a pod as large as one of a real service: two containers with
// probes, environment, mounts, and the managedFields of two writers; 5 KB.
func bulkyPod(namespace, service string, i int) *corev1.Pod {
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8000), Scheme: "HTTP"}}, PeriodSeconds: 10, FailureThreshold: 3, SuccessThreshold: 1, TimeoutSeconds: 1}
	p := pod(namespace, service, i, true)
	p.UID = types.UID(fmt.Sprintf("8f14e45f-ceea-467f-a8f6-%012d", i))
	p.GenerateName = service + "-6d5c-"
	p.ResourceVersion = fmt.Sprint(100000 + i)
	p.Annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
	for _, manager := range []string{"kube-controller-manager", "kubelet"} {
		p.ManagedFields = append(p.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: "Update", APIVersion: "v1", Time: ptr.To(metav1.NewTime(time.Unix(1.7e9, 0))), FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{` + strings.Repeat(`"f:k8s.io/xxxxxxxxxxx":{".":{},"f:y":{}},`, 30) + `"f:z":{}}}`),
		})
	}
	var containers []corev1.Container
	for _, name := range []string{"api", "proxy"} {
		c := corev1.Container{
			Name: name, Image: "registry.example.com/" + service + ":v1.2.3", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8000}},
			LivenessProbe: probe, ReadinessProbe: probe, StartupProbe: probe,
			Resources:                corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("250m"), corev1.ResourceMemory: quantity.MustParse("256Mi")}},
			VolumeMounts:             []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app"}, {Name: "kube-api-access-x2x9v", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}},
			TerminationMessagePath:   corev1.TerminationMessagePathDefault,
			TerminationMessagePolicy: corev1.TerminationMessageReadFile, ImagePullPolicy: corev1.PullIfNotPresent,
		}
		for n := range 6 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", n), Value: "https://backend.internal.example.com:8443/v1"})
		}
		containers = append(containers, c)
	}
	p.Spec.Containers = containers
	p.Spec.Volumes = []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: service}}}}}
	p.Spec.Tolerations = []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: ptr.To(int64(300))}}
	p.Status.PodIP, p.Status.HostIP, p.Status.QOSClass = "10.1.2.3", "10.0.0.1", corev1.PodQOSBurstable
	for _, c := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReadyToStartContainers} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(1.7e9, 0))})
	}
	p.Status.ContainerStatuses = nil
	for _, c := range containers {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Ready: true, Started: ptr.To(true), Image: c.Image, ImageID: c.Image + "@sha256:" + strings.Repeat("ab", 32), ContainerID: "containerd://" + strings.Repeat("cd", 32),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Unix(1.7e9, 0))}},
		})
	}
	return p
}
