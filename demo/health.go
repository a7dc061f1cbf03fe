package demo

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/controllers"
)

// probed: what is probed over HTTP answers there, as the kubelet is told it does.
func probed(_ *ports, pod *corev1.Pod, port int) http.Handler {
	for i := range pod.Spec.Containers {
		for _, p := range probesOf(&pod.Spec.Containers[i]) {
			if p.HTTPGet != nil && p.HTTPGet.Port.IntValue() == port && running(pod, pod.Spec.Containers[i].Name) {
				return health(pod)
			}
		}
	}
	return nil
}

func probesOf(c *corev1.Container) []*corev1.Probe {
	var out []*corev1.Probe
	for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

func running(pod *corev1.Pod, container string) bool {
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container {
			return s.State.Running != nil
		}
	}
	return false
}

// health is the health endpoints of a pod: each path that is probed answers what its probe finds.
func health(pod *corev1.Pod) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			if asks(c.ReadinessProbe, r) || asks(c.LivenessProbe, r) || asks(c.StartupProbe, r) {
				b := behave(pod, c)
				if trouble := troubleOf(c, b, r); trouble != "" {
					answer(w, http.StatusServiceUnavailable, map[string]any{"status": "unavailable", "checks": map[string]string{"payments": trouble, "db": "ok"}})
					return
				}
				answer(w, http.StatusOK, map[string]any{"status": "ok"})
				return
			}
		}
		detail(w, http.StatusNotFound, "Not Found")
	})
}

func asks(p *corev1.Probe, r *http.Request) bool {
	return p != nil && p.HTTPGet != nil && p.HTTPGet.Path == r.URL.RequestURI()
}

// troubleOf is why a request for health is refused; "" when all is well.
func troubleOf(c *corev1.Container, b controllers.Behaviour, r *http.Request) string {
	switch {
	case b.NotReady != "" && asks(c.ReadinessProbe, r):
		return "no connection to the new endpoint"
	case b.LivenessFails != "" && asks(c.LivenessProbe, r):
		return "the event loop does not answer"
	case b.StartupFails != "" && asks(c.StartupProbe, r):
		return "still migrating"
	}
	return ""
}
