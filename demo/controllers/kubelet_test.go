package controllers_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/demo/apiserver"
	"midwatch/demo/controllers"
)

func podResource() schema.GroupResource { return schema.GroupResource{Resource: "pods"} }

func podKey(name string) apiserver.Key {
	return apiserver.Key{Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop", Name: name}
}

func deleteNow() apiserver.DeleteOptions { return apiserver.DeleteOptions{} }

func (w *world) status() *corev1.ContainerStatus {
	pods := w.pods()
	if len(pods) == 0 || len(pods[0].Status.ContainerStatuses) == 0 {
		return &corev1.ContainerStatus{}
	}
	return &pods[0].Status.ContainerStatuses[0]
}

func TestCrashLoopBacksOffLongerEachTime(t *testing.T) {
	w := newWorld(t)
	w.behave["web:v1"] = controllers.Behaviour{RunFor: 2 * time.Second, Exit: controllers.Exit{Code: 1, Message: "KeyError: 'STRIPE_WEBHOOK_SECRET'"}}
	w.create(web(1, "1", "0"))
	var waits []time.Duration
	for range 7 {
		w.waitFor("a back-off", 10*time.Minute, func() bool {
			s := w.status().State.Waiting
			return s != nil && s.Reason == "CrashLoopBackOff"
		})
		finished := w.status().LastTerminationState.Terminated.FinishedAt.Time
		message := w.status().State.Waiting.Message
		w.waitFor("a restart", 10*time.Minute, func() bool { return w.status().State.Running != nil })
		wait := w.now.Sub(finished).Truncate(time.Second)
		waits = append(waits, wait)
		if !strings.HasPrefix(message, "back-off "+wait.String()+" restarting failed container=api pod=web-") {
			t.Errorf("message %q, but the wait was %s", message, wait)
		}
	}
	for i, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		if waits[i] != want*time.Second {
			t.Errorf("back-off %d was %s, want %ds", i+1, waits[i], want)
		}
	}
	last := w.status().LastTerminationState.Terminated
	if last.ExitCode != 1 || last.Reason != "Error" || last.Message != "KeyError: 'STRIPE_WEBHOOK_SECRET'" || w.status().RestartCount != 8 {
		t.Errorf("after 8 restarts: %d, %+v", w.status().RestartCount, last)
	}
}

func TestImagePullBackOff(t *testing.T) {
	w := newWorld(t)
	w.behave["web:v1"] = controllers.Behaviour{PullError: "not found"}
	w.create(web(1, "1", "0"))
	for _, want := range []string{"ErrImagePull", "ImagePullBackOff", "ErrImagePull"} {
		w.waitFor(want, time.Minute, func() bool { s := w.status().State.Waiting; return s != nil && s.Reason == want })
	}
	if p := w.pods()[0]; p.Status.Phase != corev1.PodPending {
		t.Errorf("phase %s", p.Status.Phase)
	}
	delete(w.behave, "web:v1")
	w.waitFor("recovery", 6*time.Minute, func() bool { return ready(w.pods()[0]) })
}

func TestLivenessKillsAndConfigErrorWaits(t *testing.T) {
	w := newWorld(t)
	w.behave["web:v1"] = controllers.Behaviour{LivenessFails: "HTTP probe failed with statuscode: 500", LivenessAfter: 30 * time.Second}
	w.create(web(1, "1", "0"))
	w.waitFor("the kill", 2*time.Minute, func() bool { return len(w.events("Killing")) == 1 })
	if msg := w.events("Killing")[0].Message; msg != "Container api failed liveness probe, will be restarted" {
		t.Errorf("message %q", msg)
	}
	if term := w.status().State.Terminated; term == nil || term.ExitCode != 137 {
		t.Errorf("state %+v", w.status().State)
	}

	w = newWorld(t)
	w.behave["web:v1"] = controllers.Behaviour{ConfigError: `secret "fastapi-secrets" not found`}
	w.create(web(1, "1", "0"))
	w.waitFor("the error", time.Minute, func() bool {
		s := w.status().State.Waiting
		return s != nil && s.Reason == "CreateContainerConfigError" && s.Message == `secret "fastapi-secrets" not found`
	})
}

func TestUnschedulablePodSaysWhy(t *testing.T) {
	w := newWorld(t, "node-1", "node-2")
	d := web(1, "1", "0")
	d.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("16")}
	w.create(d)
	w.run(5 * time.Second)
	for _, c := range w.pods()[0].Status.Conditions {
		if c.Type == corev1.PodScheduled && (c.Reason != "Unschedulable" || c.Message != "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.") {
			t.Errorf("condition %+v", c)
		}
	}
	if len(w.events("FailedScheduling")) != 1 {
		t.Error("no FailedScheduling event")
	}
}

func TestEventsExpireAfterAnHour(t *testing.T) {
	w := newWorld(t)
	w.create(web(1, "1", "0"))
	w.run(30 * time.Minute)
	if len(w.events("Started")) != 1 {
		t.Fatal("the event is gone too early")
	}
	w.run(31 * time.Minute)
	if len(w.events("Started")) != 0 {
		t.Error("the event is still there")
	}
}
