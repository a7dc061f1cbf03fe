package controllers_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"midwatch/demo/controllers"
)

func statefulSet(w *world) *appsv1.StatefulSet {
	return get[*appsv1.StatefulSet](w, group("statefulsets"), "web")
}

func newStatefulSet(w *world) {
	w.create(&appsv1.StatefulSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.StatefulSetSpec{Replicas: ptr.To[int32](3), Selector: selector(), Template: template("web:v1"), ServiceName: "web"},
	})
	w.waitFor("three pods", time.Minute, func() bool {
		s := statefulSet(w).Status
		return s.ReadyReplicas == 3 && s.CurrentRevision == s.UpdateRevision
	})
}

func image(image string) func(*appsv1.StatefulSet) {
	return func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = image }
}

func TestStatefulSetUpdatesFromTheTop(t *testing.T) {
	w := newWorld(t)
	newStatefulSet(w)
	var order []string
	w.check = func() {
		for _, p := range w.pods() {
			if p.DeletionTimestamp != nil && (len(order) == 0 || order[len(order)-1] != p.Name) {
				order = append(order, p.Name)
			}
		}
	}
	change(w, group("statefulsets"), "web", image("web:v2"))
	w.waitFor("the update", 2*time.Minute, func() bool {
		s := statefulSet(w).Status
		return s.UpdatedReplicas == 3 && s.ReadyReplicas == 3 && s.CurrentRevision == s.UpdateRevision && s.ObservedGeneration == 2
	})
	if len(order) != 3 || order[0] != "web-2" || order[1] != "web-1" || order[2] != "web-0" {
		t.Errorf("pods went in the order %v", order)
	}
	if n := len(w.store.List(group("controllerrevisions"), "shop")); n != 2 {
		t.Errorf("%d revisions", n)
	}
}

// TestOrderedReadyTrap: a broken update is not cured by rolling the template back, only by deleting the pod.
func TestOrderedReadyTrap(t *testing.T) {
	w := newWorld(t)
	newStatefulSet(w)
	w.behave["web:v2"] = controllers.Behaviour{NotReady: "HTTP probe failed with statuscode: 503"}
	change(w, group("statefulsets"), "web", image("web:v2"))
	w.run(time.Minute)
	change(w, group("statefulsets"), "web", image("web:v1"))
	w.run(20 * time.Minute)
	broken := get[*corev1.Pod](w, podResource(), "web-2")
	set := statefulSet(w)
	if ready(broken) || broken.Spec.Containers[0].Image != "web:v2" || broken.Labels["controller-revision-hash"] == set.Status.UpdateRevision {
		t.Fatalf("not trapped: %s at %s, update revision %s", broken.Spec.Containers[0].Image, broken.Labels["controller-revision-hash"], set.Status.UpdateRevision)
	}
	if _, _, err := w.store.Delete(podKey("web-2"), deleteNow()); err != nil {
		t.Fatal(err)
	}
	w.waitFor("the cure", time.Minute, func() bool {
		s := statefulSet(w).Status
		return s.ReadyReplicas == 3 && s.UpdatedReplicas == 3 && s.CurrentRevision == s.UpdateRevision
	})
}

func TestDaemonSetStopsAtABrokenNode(t *testing.T) {
	w := newWorld(t, "node-1", "node-2", "node-3", "node-4")
	w.create(&appsv1.DaemonSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DaemonSetSpec{Selector: selector(), Template: template("web:v1")},
	})
	status := func() appsv1.DaemonSetStatus {
		return get[*appsv1.DaemonSet](w, group("daemonsets"), "web").Status
	}
	w.waitFor("all nodes", time.Minute, func() bool { return status().NumberAvailable == 4 })
	w.behave["web:v2"] = controllers.Behaviour{PullError: "not found"}
	change(w, group("daemonsets"), "web", func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.Containers[0].Image = "web:v2" })
	w.run(10 * time.Minute)
	if s := status(); s.NumberAvailable != 3 || s.UpdatedNumberScheduled != 1 || s.ObservedGeneration != 2 {
		t.Errorf("stuck: %+v", s)
	}
	change(w, group("daemonsets"), "web", func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.Containers[0].Image = "web:v1" })
	w.waitFor("the rollback", 2*time.Minute, func() bool { s := status(); return s.NumberAvailable == 4 && s.UpdatedNumberScheduled == 4 })
}

func autoscaler(lo, hi int32) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MinReplicas: &lo, MaxReplicas: hi,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](70)}}}},
		},
	}
}

func TestAutoscalerReachesItsMaximumAndComesDownSlowly(t *testing.T) {
	w := settled(t, 2, "1", "0")
	w.cpu = 240 // of 250: 96 %, target 70 %
	w.create(autoscaler(2, 5))
	hpa := func() *autoscalingv2.HorizontalPodAutoscaler {
		return get[*autoscalingv2.HorizontalPodAutoscaler](w, schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}, "web")
	}
	condition := func(t autoscalingv2.HorizontalPodAutoscalerConditionType) autoscalingv2.HorizontalPodAutoscalerCondition {
		for _, c := range hpa().Status.Conditions {
			if c.Type == t {
				return c
			}
		}
		return autoscalingv2.HorizontalPodAutoscalerCondition{}
	}
	w.waitFor("the maximum", 3*time.Minute, func() bool {
		return *w.deployment("web").Spec.Replicas == 5 && condition(autoscalingv2.ScalingLimited).Reason == "TooManyReplicas"
	})
	if c := condition(autoscalingv2.ScalingLimited); c.Status != corev1.ConditionTrue || c.Message != "the desired replica count is more than the maximum replica count" {
		t.Errorf("ScalingLimited: %+v", c)
	}
	if ev := w.events("SuccessfulRescale"); len(ev) == 0 || ev[0].Message != "New size: 3; reason: cpu resource utilization (percentage of request) above target" {
		t.Errorf("events %+v", ev)
	}
	if got := *hpa().Status.CurrentMetrics[0].Resource.Current.AverageUtilization; got != 96 {
		t.Errorf("utilisation %d", got)
	}
	w.run(time.Minute)
	w.cpu = 50
	w.run(2 * time.Minute)
	if n := *w.deployment("web").Spec.Replicas; n != 5 || condition(autoscalingv2.AbleToScale).Reason != "ScaleDownStabilized" {
		t.Errorf("within the window: %d replicas, %s", n, condition(autoscalingv2.AbleToScale).Reason)
	}
	w.run(5 * time.Minute)
	if n := *w.deployment("web").Spec.Replicas; n != 2 {
		t.Errorf("after the window: %d replicas", n)
	}
	w.cpu = 0
	w.run(time.Minute)
	if c := condition(autoscalingv2.ScalingActive); c.Status != corev1.ConditionFalse || c.Reason != "FailedGetResourceMetric" {
		t.Errorf("without metrics: %+v", c)
	}
}
