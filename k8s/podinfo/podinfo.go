// Package podinfo reads one pod when someone opens it, container by container:
// what each is doing, and how it ended before. Lists live on rows
// ([midwatch/k8s.PodRow]); the full object is fetched for this only.
package podinfo

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"midwatch/foreign"
	"midwatch/k8s"
)

// readWithin bounds one read.
const readWithin = 15 * time.Second

// Role is what a container is for.
type Role string

// The roles. A sidecar is an init container that is restarted always
// (KEP-753) and so runs beside the main ones.
const (
	Main      Role = ""
	Init      Role = "init"
	Sidecar   Role = "sidecar"
	Ephemeral Role = "ephemeral"
)

// State is what a container is doing.
type State string

// The states, as core/v1 ContainerState has them.
const (
	NotStarted State = "not started"
	Waiting    State = "waiting"
	Running    State = "running"
	Terminated State = "terminated"
)

// End is how a container ended.
type End struct {
	// Reason is the runtime's word (Error, OOMKilled, Completed); ExitCode is
	// 128 plus the signal's number for one that was killed.
	Reason   string
	ExitCode int32
	At       time.Time
	// Message is the termination message, if the container left one.
	Message foreign.Text
}

// Container is one container of a pod as the kubelet reported it last.
type Container struct {
	Name  string
	Image foreign.Text
	Role  Role
	State State
	// Reason and Message say why it waits; empty while it runs.
	Reason  string
	Message foreign.Text
	// Since is when it began to run; zero when it does not.
	Since time.Time
	Ready bool
	// Restarts as the kubelet counts them; dead containers that were removed
	// are not in it.
	Restarts int
	// Ended is how it ended when it is Terminated, else how the run before
	// ended; nil when it never ended.
	Ended *End
}

// Containers reads a pod's containers: init containers first, in the order
// they run, then the main ones, then ephemeral ones.
func Containers(ctx context.Context, client kubernetes.Interface, ref k8s.Ref) ([]Container, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	pod, err := client.CoreV1().Pods(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the containers of %s: %w", ref, err)
	}
	return Of(pod), nil
}

// Of lists a pod's containers in the same order.
func Of(pod *corev1.Pod) []Container {
	var out []Container
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		role := Init
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			role = Sidecar
		}
		out = append(out, container(c.Name, c.Image, role, pod.Status.InitContainerStatuses))
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		out = append(out, container(c.Name, c.Image, Main, pod.Status.ContainerStatuses))
	}
	for i := range pod.Spec.EphemeralContainers {
		c := &pod.Spec.EphemeralContainers[i]
		out = append(out, container(c.Name, c.Image, Ephemeral, pod.Status.EphemeralContainerStatuses))
	}
	return out
}

func container(name, image string, role Role, statuses []corev1.ContainerStatus) Container {
	out := Container{Name: name, Image: foreign.Clean(image), Role: role, State: NotStarted}
	for i := range statuses {
		s := &statuses[i]
		if s.Name != name {
			continue
		}
		out.Ready, out.Restarts = s.Ready, int(s.RestartCount)
		out.Ended = end(s.LastTerminationState.Terminated)
		switch {
		case s.State.Running != nil:
			out.State, out.Since = Running, s.State.Running.StartedAt.Time
		case s.State.Waiting != nil:
			out.State = Waiting
			out.Reason, out.Message = foreign.Clean(s.State.Waiting.Reason).String(), foreign.Clean(s.State.Waiting.Message)
		case s.State.Terminated != nil:
			out.State, out.Ended = Terminated, end(s.State.Terminated)
		}
	}
	return out
}

func end(t *corev1.ContainerStateTerminated) *End {
	if t == nil {
		return nil
	}
	return &End{Reason: foreign.Clean(t.Reason).String(), ExitCode: t.ExitCode, At: t.FinishedAt.Time, Message: foreign.Clean(t.Message)}
}
