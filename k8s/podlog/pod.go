package podlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
	"midwatch/k8s/connect"
)

// defaultContainer is the annotation kubectl goes by (kubectl
// pkg/cmd/util/podcmd).
const defaultContainer = "kubectl.kubernetes.io/default-container"

// lookWithin bounds reading a pod.
const lookWithin = 15 * time.Second

// readPod reads the containers of one pod until there is nothing more to come.
func (s *Stream) readPod(ctx context.Context, name string, changed *bell) {
	pod := s.find(ctx, name, changed)
	if pod == nil {
		return
	}
	s.met(mainContainers(pod))
	names, err := choose(pod, s.query.Container)
	if err != nil {
		s.note(name, "", "%v", err)
		return
	}
	var all sync.WaitGroup
	for _, n := range names {
		c := &container{stream: s, pod: name, name: n, uid: string(pod.UID), changed: changed, pauses: pauses{clock: s.cluster.Clock()}}
		all.Go(func() { c.run(ctx, pod) })
	}
	all.Wait()
}

// find looks at the pod until it answers; nil when it never will.
func (s *Stream) find(ctx context.Context, name string, changed *bell) *corev1.Pod {
	t := &container{stream: s, pod: name, pauses: pauses{clock: s.cluster.Clock()}}
	for {
		next := changed.next()
		pod, err := s.look(ctx, name)
		switch {
		case err == nil:
			return pod
		case t.final(ctx, err), !s.query.Follow, !t.pauses.wait(ctx, next):
			return nil
		}
	}
}

// look reads the pod as it is now.
func (s *Stream) look(ctx context.Context, name string) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	pod, err := s.cluster.Typed().CoreV1().Pods(s.query.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read pod %s/%s: %w", s.query.Namespace, name, err)
	}
	return pod, nil
}

// mainContainers are a pod's containers and its sidecars: init containers that
// keep running (restartPolicy Always, KEP-753).
func mainContainers(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			names = append(names, c.Name)
		}
	}
	return names
}

// choose are the containers that a query means in this pod.
func choose(pod *corev1.Pod, want string) ([]string, error) {
	names := mainContainers(pod)
	switch want {
	case AllContainers:
		return names, nil
	case "":
		if n := pod.Annotations[defaultContainer]; slices.Contains(names, n) {
			return []string{n}, nil
		}
		if len(names) == 0 {
			return nil, errors.New("the pod has no container")
		}
		return names[:1], nil
	}
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.EphemeralContainers {
		names = append(names, c.Name)
	}
	if !slices.Contains(names, want) {
		return nil, fmt.Errorf("the pod has no container %s", want)
	}
	return []string{want}, nil
}

// status is what a pod says of one of its containers; nil when nothing yet.
func status(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// endOf says in words how an instance of a container ended.
func endOf(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Signal != 0:
		return fmt.Sprintf("signal %d (%s)", t.Signal, t.Reason)
	case t.Reason != "":
		return fmt.Sprintf("exit %d (%s)", t.ExitCode, t.Reason)
	}
	return fmt.Sprintf("exit %d", t.ExitCode)
}

// words is an error in one clean line: the kubelet's own where it explains why
// a log cannot be read, connect's otherwise.
func words(err error) string {
	var status apierrors.APIStatus
	if apierrors.IsBadRequest(err) && errors.As(err, &status) {
		return foreign.Clean(status.Status().Message).String()
	}
	return connect.Explain(err).Line()
}
