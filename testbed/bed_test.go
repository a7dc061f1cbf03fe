package testbed_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"midwatch/testbed"
	"midwatch/testbed/world"
)

// bed is shared by all tests of the package; those that stop its API server
// run one after the other like all the rest.
var bed *testbed.Bed

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	var err error
	bed, err = testbed.Start(ctx, testbed.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 1
	if err := bed.Apply(ctx, world.All()...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := bed.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestHealthyPartOfTheWorldBecomesReady(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	for _, d := range [][2]string{{"shop", "fastapi-service"}, {"platform", "gateway"}} {
		if err := bed.WaitRollout(ctx, d[0], d[1]); err != nil {
			t.Fatal(err)
		}
	}
	bed.Eventually(t, time.Minute, func(ctx context.Context) error {
		sts, err := bed.Client().AppsV1().StatefulSets("shop").Get(ctx, "redis", metav1.GetOptions{})
		if err != nil {
			return err
		}
		ds, err := bed.Client().AppsV1().DaemonSets("platform").Get(ctx, "log-shipper", metav1.GetOptions{})
		if err != nil {
			return err
		}
		job, err := bed.Client().BatchV1().Jobs("platform").Get(ctx, "nightly-report", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if sts.Status.AvailableReplicas != 3 || ds.Status.NumberAvailable != 3 || job.Status.Succeeded != 1 {
			return fmt.Errorf("redis %d/3 available, log-shipper %d/3, nightly-report %d/1 succeeded",
				sts.Status.AvailableReplicas, ds.Status.NumberAvailable, job.Status.Succeeded)
		}
		return nil
	})
}

// TestReadyPodLooksLikeARealOne checks what a console reads of a healthy pod:
// all conditions with times, the init container's end, every container's state.
func TestReadyPodLooksLikeARealOne(t *testing.T) {
	if err := bed.WaitRollout(within(t, time.Minute), "platform", "gateway"); err != nil {
		t.Fatal(err)
	}
	pod := podsOf(t, "platform", "app=gateway")[0]
	for _, want := range []corev1.PodConditionType{
		corev1.PodScheduled, corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady,
	} {
		c := condition(&pod, want)
		if c == nil || c.Status != corev1.ConditionTrue || c.LastTransitionTime.IsZero() || c.Reason != "" || c.Message != "" {
			t.Errorf("condition %s: %+v, want True with a time and nothing else", want, c)
		}
	}
	if pod.Status.PodIP == "" || pod.Status.HostIP == "" || pod.Status.StartTime == nil || pod.Status.QOSClass == "" {
		t.Errorf("status lacks an address, start time or class: %+v", pod.Status)
	}
	if len(pod.Status.ContainerStatuses) != 2 {
		t.Fatalf("%d container statuses, want 2", len(pod.Status.ContainerStatuses))
	}
	for _, c := range pod.Status.ContainerStatuses {
		if !c.Ready || c.Started == nil || !*c.Started || c.State.Running == nil || c.ContainerID == "" || c.ImageID == "" {
			t.Errorf("container %s: %+v, want running, started, ready, with ids", c.Name, c)
		}
	}
	inits := pod.Status.InitContainerStatuses
	if len(inits) != 1 || inits[0].State.Terminated == nil || inits[0].State.Terminated.Reason != "Completed" {
		t.Errorf("init containers %+v, want one that completed", inits)
	}
}

// TestBadImageAloneBreaksARollout is what "kubectl set image" with a tag that
// is not there does: the new pod backs off, the old ones keep serving.
func TestBadImageAloneBreaksARollout(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	if err := bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
	setImage(t, "v1.2.4-bad")
	defer func() {
		setImage(t, "v1.2.3")
		if err := bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
			t.Error(err)
		}
	}()
	waitContainer(t, "shop", "app=fastapi-service", func(c corev1.ContainerStatus) error {
		return waiting(c, "ImagePullBackOff", `fastapi-service:v1.2.4-bad`)
	})
	d, err := bed.Client().AppsV1().Deployments("shop").Get(ctx, "fastapi-service", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Status.AvailableReplicas != 3 || d.Status.UnavailableReplicas != 1 {
		t.Errorf("%d available and %d not, want 3 and the new one", d.Status.AvailableReplicas, d.Status.UnavailableReplicas)
	}
}

func setImage(t *testing.T, tag string) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"api","image":"registry.example.com/fastapi-service:%s"}]}}}}`, tag)
	_, err := bed.Client().AppsV1().Deployments("shop").Patch(within(t, 10*time.Second), "fastapi-service",
		types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAutoscalerFollowsMetrics lets the real controller scale on what the bed's
// metrics API says.
func TestAutoscalerFollowsMetrics(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	if err := bed.Apply(ctx, deployment("autoscaled", "", 1), `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: autoscaled, namespace: default}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: autoscaled}
  minReplicas: 1
  maxReplicas: 4
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
    - type: Pods
      pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: "100"}}
`); err != nil {
		t.Fatal(err)
	}
	defer cleanUp(t, deployment("autoscaled", "", 1))
	if err := bed.Metrics.Set("default", "app=autoscaled", "300m", "100Mi"); err != nil {
		t.Fatal(err)
	}
	if err := bed.Metrics.SetCustom("default", "app=autoscaled", "http_requests_per_second", "10"); err != nil {
		t.Fatal(err)
	}
	bed.Eventually(t, 3*time.Minute, func(ctx context.Context) error {
		hpa, err := bed.Client().AutoscalingV2().HorizontalPodAutoscalers("default").Get(ctx, "autoscaled", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if hpa.Status.DesiredReplicas < 3 || len(hpa.Status.CurrentMetrics) != 2 {
			return fmt.Errorf("wants %d replicas, 3 at least expected; metrics %d of 2; %+v",
				hpa.Status.DesiredReplicas, len(hpa.Status.CurrentMetrics), hpa.Status.Conditions)
		}
		return nil
	})
}

// TestReadyComesBack: what the node controller does to the pods of a node it
// has lost sight of is set right by the node.
func TestReadyComesBack(t *testing.T) {
	if err := bed.WaitRollout(within(t, time.Minute), "platform", "gateway"); err != nil {
		t.Fatal(err)
	}
	name := podsOf(t, "platform", "app=gateway")[0].Name
	patch := []byte(`{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`)
	pod, err := bed.Client().CoreV1().Pods("platform").Patch(within(t, 10*time.Second), name,
		types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	if condition(pod, corev1.PodReady).Status != corev1.ConditionFalse {
		t.Fatalf("the patch did not take Ready away: %+v", pod.Status.Conditions)
	}
	if err := bed.WaitRollout(within(t, time.Minute), "platform", "gateway"); err != nil {
		t.Fatal(err)
	}
	bed.Eventually(t, time.Minute, func(ctx context.Context) error {
		pod, err := bed.Client().CoreV1().Pods("platform").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if c := condition(pod, corev1.PodReady); c.Status != corev1.ConditionTrue {
			return fmt.Errorf("pod %s: %+v, want Ready again", name, c)
		}
		return nil
	})
}
