package testbed_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/testbed"
)

// TestScenarios checks that each Deployment in payments has the trouble it is
// meant to have, as the API tells it.
func TestScenarios(t *testing.T) {
	tests := []struct {
		app  string
		want func(corev1.ContainerStatus) error
	}{
		{"checkout-worker", func(c corev1.ContainerStatus) error { return runningButNotReady(c, true) }},
		{"settlement", func(c corev1.ContainerStatus) error { return runningButNotReady(c, false) }},
		{"invoice-api", func(c corev1.ContainerStatus) error {
			return crashing(c, 1, "Error", "Connection refused")
		}},
		{"report-builder", func(c corev1.ContainerStatus) error { return crashing(c, 137, "OOMKilled", "") }},
		{"refund-api", func(c corev1.ContainerStatus) error {
			return waiting(c, "ImagePullBackOff", "refund-api:v5.0.0-bad")
		}},
		{"payout-api", func(c corev1.ContainerStatus) error {
			return waiting(c, "CreateContainerConfigError", `secret "payout-secrets" not found`)
		}},
		{"fraud-check", func(c corev1.ContainerStatus) error {
			if c.RestartCount < 1 || c.LastTerminationState.Terminated == nil || c.LastTerminationState.Terminated.ExitCode != 137 {
				return fmt.Errorf("%d restarts, last end %+v, want one at least with 137", c.RestartCount, c.LastTerminationState.Terminated)
			}
			return nil
		}},
		{"statement-api", func(c corev1.ContainerStatus) error {
			if !c.Ready {
				return fmt.Errorf("not ready yet")
			}
			return nil
		}},
	}
	for _, test := range tests {
		t.Run(test.app, func(t *testing.T) {
			t.Parallel()
			waitContainer(t, "payments", "app="+test.app, test.want)
			for _, pod := range podsOf(t, "payments", "app="+test.app) {
				if condition(&pod, corev1.PodScheduled) == nil {
					t.Errorf("pod %s lost its condition PodScheduled", pod.Name)
				}
				ready, containers := condition(&pod, corev1.PodReady), condition(&pod, corev1.ContainersReady)
				if ready == nil || containers == nil || ready.Status != containers.Status {
					t.Errorf("pod %s: Ready %+v, ContainersReady %+v, want the same", pod.Name, ready, containers)
				}
			}
		})
	}
}

// TestUnschedulable is the real scheduler's refusal.
func TestUnschedulable(t *testing.T) {
	bed.Eventually(t, time.Minute, func(context.Context) error {
		pods := podsOf(t, "payments", "app=ledger")
		for _, pod := range pods {
			c := condition(&pod, corev1.PodScheduled)
			if c == nil || c.Reason != corev1.PodReasonUnschedulable || !strings.HasPrefix(c.Message, "0/3 nodes are available") {
				return fmt.Errorf("pod %s: PodScheduled %+v, want Unschedulable on 0/3 nodes", pod.Name, c)
			}
		}
		if len(pods) == 0 {
			return fmt.Errorf("no pod of ledger yet")
		}
		return nil
	})
}

// TestEvents checks the events that a console takes as evidence: from the
// kubelet, about the container.
func TestEvents(t *testing.T) {
	tests := []struct{ namespace, app, reason, message string }{
		{"payments", "checkout-worker", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{"payments", "settlement", "Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 503"},
		{"payments", "invoice-api", "BackOff", "Back-off restarting failed container api in pod invoice-api"},
		{"payments", "refund-api", "Failed", "Error: ImagePullBackOff"},
		{"payments", "payout-api", "Failed", `Error: secret "payout-secrets" not found`},
		{"payments", "fraud-check", "Killing", "Container api failed liveness probe, will be restarted"},
		{"shop", "fastapi-service", "Started", "Container started"},
	}
	for _, test := range tests {
		t.Run(test.app+"/"+test.reason, func(t *testing.T) {
			t.Parallel()
			bed.Eventually(t, 90*time.Second, func(ctx context.Context) error {
				events, err := bed.Client().CoreV1().Events(test.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + test.reason})
				if err != nil {
					return err
				}
				for _, e := range events.Items {
					if strings.HasPrefix(e.InvolvedObject.Name, test.app+"-") && strings.HasPrefix(e.Message, test.message) {
						if e.Source.Component != "kubelet" || e.Source.Host == "" || e.InvolvedObject.FieldPath != "spec.containers{api}" {
							t.Errorf("event from %+v about %q, want a kubelet and spec.containers{api}", e.Source, e.InvolvedObject.FieldPath)
						}
						return nil
					}
				}
				return fmt.Errorf("no event %s of %s: %q", test.reason, test.app, test.message)
			})
		})
	}
}

// TestUnhealthyRepeats: a failing probe fails again, as one event that counts.
func TestUnhealthyRepeats(t *testing.T) {
	bed.Eventually(t, time.Minute, func(ctx context.Context) error {
		events, err := bed.Client().CoreV1().Events("payments").List(ctx, metav1.ListOptions{FieldSelector: "reason=Unhealthy"})
		if err != nil {
			return err
		}
		for _, e := range events.Items {
			if strings.HasPrefix(e.InvolvedObject.Name, "checkout-worker-") && e.Count >= 2 {
				return nil
			}
		}
		return fmt.Errorf("no Unhealthy event of checkout-worker with a count of 2")
	})
}

// TestScenarioComesWithTheRollout changes only the template's annotation.
func TestScenarioComesWithTheRollout(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	defer cleanUp(t, deployment("rolling", "", 1))
	if err := bed.Apply(ctx, deployment("rolling", "", 1)); err != nil {
		t.Fatal(err)
	}
	if err := bed.WaitRollout(ctx, "default", "rolling"); err != nil {
		t.Fatal(err)
	}
	if err := bed.Apply(ctx, deployment("rolling", testbed.ScenarioConfigError, 1)); err != nil {
		t.Fatal(err)
	}
	waitContainer(t, "default", "app=rolling", func(c corev1.ContainerStatus) error {
		return waiting(c, "CreateContainerConfigError", "not found")
	})
}

func waiting(c corev1.ContainerStatus, reason, message string) error {
	w := c.State.Waiting
	if w == nil || w.Reason != reason || !strings.Contains(w.Message, message) {
		return fmt.Errorf("state %+v, want waiting %s with %q", c.State, reason, message)
	}
	return nil
}

func runningButNotReady(c corev1.ContainerStatus, started bool) error {
	if c.State.Running == nil || c.Ready || c.Started == nil || *c.Started != started {
		return fmt.Errorf("state %+v, ready %v, started %v; want running, not ready, started %v", c.State, c.Ready, c.Started, started)
	}
	return nil
}

func crashing(c corev1.ContainerStatus, code int32, reason, message string) error {
	end := c.LastTerminationState.Terminated
	if c.RestartCount < 1 || end == nil || end.ExitCode != code || end.Reason != reason || !strings.Contains(end.Message, message) {
		return fmt.Errorf("%d restarts, last end %+v, want exit %d %s %q", c.RestartCount, end, code, reason, message)
	}
	if end.FinishedAt.Before(&end.StartedAt) {
		return fmt.Errorf("the last end finished at %s, before it started at %s", end.FinishedAt, end.StartedAt)
	}
	return waiting(c, "CrashLoopBackOff", "restarting failed container=api pod=")
}

// waitContainer waits until a pod with the labels has a container for which
// want returns nil.
func waitContainer(t *testing.T, namespace, selector string, want func(corev1.ContainerStatus) error) {
	t.Helper()
	bed.Eventually(t, 90*time.Second, func(context.Context) error {
		err := fmt.Errorf("no container of %s in %s yet", selector, namespace)
		for _, pod := range podsOf(t, namespace, selector) {
			for _, c := range pod.Status.ContainerStatuses {
				if e := want(c); e != nil {
					err = fmt.Errorf("pod %s, container %s: %w", pod.Name, c.Name, e)
					continue
				}
				return nil
			}
		}
		return err
	})
}

func podsOf(t *testing.T, namespace, selector string) []corev1.Pod {
	t.Helper()
	list, err := bed.Client().CoreV1().Pods(namespace).List(within(t, 10*time.Second), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// deployment is a small Deployment in namespace default.
func deployment(name, scenario string, replicas int) string {
	annotations := "{}"
	if scenario != "" {
		annotations = fmt.Sprintf("{%s: %s}", testbed.ScenarioAnnotation, scenario)
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: default, labels: {app: %[1]s}}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata:
      labels: {app: %[1]s}
      annotations: %[2]s
    spec:
      containers:
        - name: api
          image: registry.example.com/%[1]s:v1
          resources: {requests: {cpu: 100m, memory: 64Mi}}
          readinessProbe: {httpGet: {path: /readyz, port: 8000}}
`, name, annotations, replicas)
}

func cleanUp(t *testing.T, docs ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := bed.Delete(ctx, docs...); err != nil {
		t.Error(err)
	}
}
