package testbed

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// kubelet adds to kwok what a real kubelet leaves behind besides the status:
// events, through the very recorder that kubelets use (aggregation and spam
// filter included), and log files. It acts on what the pods' statuses say, so a
// test that patches a status itself gets the events that belong to it.
type kubelet struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	events  record.EventBroadcaster
	applier *applier
	logs    logFiles

	mu        sync.Mutex
	recorders map[string]record.EventRecorder // by node
	probing   map[string]*corev1.Pod          // running pods with a failing probe, by namespace/name
	nextProbe map[string]time.Time
}

// startKubelet starts the events and log files of every node.
func startKubelet(config *rest.Config, logs logFiles) *kubelet {
	// The configuration is the bed's own and known to be valid.
	client := kubernetes.NewForConfigOrDie(config)
	applier, err := newApplier(config)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &kubelet{
		cancel: cancel, applier: applier, logs: logs,
		events:    record.NewBroadcaster(record.WithContext(ctx)),
		recorders: map[string]record.EventRecorder{},
		probing:   map[string]*corev1.Pod{},
		nextProbe: map[string]time.Time{},
	}
	k.events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	factory := informers.NewSharedInformerFactory(client, 0)
	// A new informer takes any handler.
	_, _ = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { k.observe(ctx, &corev1.Pod{}, obj.(*corev1.Pod)) },
		UpdateFunc: func(old, obj any) { k.observe(ctx, old.(*corev1.Pod), obj.(*corev1.Pod)) },
		DeleteFunc: func(obj any) { k.forget(obj) },
	})
	factory.Start(ctx.Done())
	k.done.Go(func() { k.probeLoop(ctx) })
	k.done.Go(func() { <-ctx.Done(); factory.Shutdown() })
	return k
}

func (k *kubelet) stop() {
	k.cancel()
	k.events.Shutdown()
	k.done.Wait()
}

// observe compares two states of a pod and does what lies between them.
func (k *kubelet) observe(ctx context.Context, old, pod *corev1.Pod) {
	if pod.Spec.NodeName == "" {
		return
	}
	if old.Spec.NodeName == "" {
		k.serveLogs(ctx, pod)
	}
	if old.DeletionTimestamp == nil && pod.DeletionTimestamp != nil {
		for _, c := range pod.Status.ContainerStatuses {
			if c.State.Running != nil {
				k.event(pod, c.Name, corev1.EventTypeNormal, "Killing", "Stopping container %s", c.Name)
			}
		}
	}
	before := map[string]corev1.ContainerStatus{}
	for _, c := range old.Status.ContainerStatuses {
		before[c.Name] = c
	}
	for _, c := range pod.Status.ContainerStatuses {
		k.observeContainer(pod, before[c.Name], c)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, _, failing := failingProbe(pod); failing {
		k.probing[podKey(pod)] = pod
	} else {
		delete(k.probing, podKey(pod))
	}
}

// observeContainer records the events and log lines of one container's change.
func (k *kubelet) observeContainer(pod *corev1.Pod, old, c corev1.ContainerStatus) {
	normal, warning := corev1.EventTypeNormal, corev1.EventTypeWarning
	restarted := c.RestartCount > old.RestartCount
	switch {
	case c.State.Running != nil && (old.State.Running == nil || restarted):
		if restarted {
			// Errors of the log files would show as missing logs.
			_ = k.logs.rotate(pod.Namespace, pod.Name, c.Name)
		}
		k.event(pod, c.Name, normal, "Pulled", "Container image %q already present on machine and can be accessed by the pod", c.Image)
		k.event(pod, c.Name, normal, "Created", "Container created")
		k.event(pod, c.Name, normal, "Started", "Container started")
		_ = k.logs.append(pod.Namespace, pod.Name, c.Name, startLines(c)...)
	case ended(c) != nil && ended(old) == nil:
		if pod.Annotations[ScenarioAnnotation] == ScenarioLiveness {
			k.event(pod, c.Name, warning, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503")
			k.event(pod, c.Name, normal, "Killing", "Container %s failed liveness probe, will be restarted", c.Name)
		}
		if text := strings.TrimSpace(ended(c).Message); text != "" {
			lines := append([]string{"Traceback (most recent call last):"}, strings.Split(text, "\n")...)
			_ = k.logs.append(pod.Namespace, pod.Name, c.Name, lines...)
		}
	}
	if w := c.State.Waiting; w != nil && (old.State.Waiting == nil || old.State.Waiting.Reason != w.Reason) {
		k.observeWaiting(pod, c)
	}
}

// observeWaiting records the events that come with a reason for waiting.
func (k *kubelet) observeWaiting(pod *corev1.Pod, c corev1.ContainerStatus) {
	normal, warning := corev1.EventTypeNormal, corev1.EventTypeWarning
	switch w := c.State.Waiting; w.Reason {
	case "ErrImagePull":
		k.event(pod, c.Name, normal, "Pulling", "Pulling image %q", c.Image)
		k.event(pod, c.Name, warning, "Failed", "Failed to pull image %q: %s", c.Image, w.Message)
		k.event(pod, c.Name, warning, "Failed", "Error: ErrImagePull")
	case "ImagePullBackOff":
		k.event(pod, c.Name, normal, "BackOff", "Back-off pulling image %q", c.Image)
		k.event(pod, c.Name, warning, "Failed", "Error: ImagePullBackOff")
	case "CreateContainerConfigError":
		k.event(pod, c.Name, normal, "Pulled", "Container image %q already present on machine and can be accessed by the pod", c.Image)
		k.event(pod, c.Name, warning, "Failed", "Error: %s", w.Message)
	case "CrashLoopBackOff":
		k.event(pod, c.Name, warning, "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)",
			c.Name, pod.Name, pod.Namespace, pod.UID)
	}
}

// ended returns how the container's last instance ended, if it does not run.
func ended(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	switch {
	case c.State.Terminated != nil:
		return c.State.Terminated
	case c.State.Waiting != nil:
		return c.LastTerminationState.Terminated
	default:
		return nil
	}
}

func startLines(c corev1.ContainerStatus) []string {
	return []string{
		fmt.Sprintf("INFO:     %s starting, image %s, start %d", c.Name, c.Image, c.RestartCount+1),
		"INFO:     Started server process [1]",
		"INFO:     Waiting for application startup.",
	}
}

// probeLoop lets failing probes fail again at their period.
func (k *kubelet) probeLoop(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, pod := range k.due(now) {
				c, kind, _ := failingProbe(pod)
				k.event(pod, c.Name, corev1.EventTypeWarning, "Unhealthy", "%s probe failed: HTTP probe failed with statuscode: 503", kind)
			}
		}
	}
}

// due returns the pods whose failing probe runs now and plans its next run.
func (k *kubelet) due(now time.Time) []*corev1.Pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	var pods []*corev1.Pod
	for key, pod := range k.probing {
		if now.Before(k.nextProbe[key]) {
			continue
		}
		c, kind, _ := failingProbe(pod)
		probe := c.ReadinessProbe
		if kind == "Startup" {
			probe = c.StartupProbe
		}
		k.nextProbe[key] = now.Add(time.Duration(max(1, probe.PeriodSeconds)) * time.Second)
		pods = append(pods, pod)
	}
	return pods
}

// failingProbe returns the container of which a probe fails at present: one
// that runs and is not started or not ready although it has the probe for it,
// in a scenario in which that is more than the normal wait.
func failingProbe(pod *corev1.Pod) (c corev1.Container, kind string, failing bool) {
	switch pod.Annotations[ScenarioAnnotation] {
	case "", ScenarioDefault, ScenarioInstant, ScenarioCrash, ScenarioOOM, ScenarioLiveness:
		return c, "", false
	}
	specs := map[string]corev1.Container{}
	for _, c := range pod.Spec.Containers {
		specs[c.Name] = c
	}
	for _, status := range pod.Status.ContainerStatuses {
		spec := specs[status.Name]
		switch {
		case status.State.Running == nil || pod.DeletionTimestamp != nil:
		case spec.StartupProbe != nil && status.Started != nil && !*status.Started:
			return spec, "Startup", true
		case spec.ReadinessProbe != nil && !status.Ready:
			return spec, "Readiness", true
		}
	}
	return c, "", false
}

// event records an event about a container, as its node's kubelet.
func (k *kubelet) event(pod *corev1.Pod, container, kind, reason, format string, args ...any) {
	k.mu.Lock()
	recorder := k.recorders[pod.Spec.NodeName]
	if recorder == nil {
		recorder = k.events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: pod.Spec.NodeName})
		k.recorders[pod.Spec.NodeName] = recorder
	}
	k.mu.Unlock()
	ref := &corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
		ResourceVersion: pod.ResourceVersion, FieldPath: fmt.Sprintf("spec.containers{%s}", container),
	}
	recorder.Eventf(ref, kind, reason, format, args...)
}

// serveLogs gives the pod's containers log files of their own.
func (k *kubelet) serveLogs(ctx context.Context, pod *corev1.Pod) {
	var names []string
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		names = append(names, c.Name)
		_ = k.logs.append(pod.Namespace, pod.Name, c.Name)
	}
	k.done.Go(func() { // one request; the informer must not wait for it
		objects, err := parseYAML(k.logs.object(pod.Namespace, pod.Name, names))
		if err != nil {
			panic(err) // our own YAML
		}
		for _, object := range objects {
			// The owner takes the object along when it is deleted.
			object.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}})
			// A namespace that is being deleted refuses: then nobody reads logs.
			_ = k.applier.apply(ctx, object)
		}
	})
}

// forget drops what was kept of a pod that is gone.
func (k *kubelet) forget(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.probing, podKey(pod))
	delete(k.nextProbe, podKey(pod))
}

func podKey(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }
