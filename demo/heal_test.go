package demo_test

import (
	"encoding/json"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestMovingRolloutCompletes(t *testing.T) {
	n := open(t)
	if !n.pass(3*time.Minute, func() bool { return rolledOut(n.deployment("shop", "cart")) }) {
		t.Errorf("cart: %+v", n.deployment("shop", "cart").Status)
	}
}

// TestUndoHealsTheStuckRollout does what `kubectl rollout undo` does.
func TestUndoHealsTheStuckRollout(t *testing.T) {
	n := open(t)
	list, err := n.client.AppsV1().ReplicaSets("shop").List(t.Context(), metav1.ListOptions{LabelSelector: "app=checkout"})
	if err != nil {
		t.Fatal(err)
	}
	for _, rs := range list.Items {
		if rs.Annotations["deployment.kubernetes.io/revision"] != "3" {
			continue
		}
		delete(rs.Spec.Template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/template", "value": rs.Spec.Template}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.client.AppsV1().Deployments("shop").Patch(t.Context(), "checkout", types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: "midwatch"}); err != nil {
			t.Fatal(err)
		}
	}
	if !n.pass(30*time.Second, func() bool { return rolledOut(n.deployment("shop", "checkout")) }) {
		t.Fatalf("%+v", n.deployment("shop", "checkout").Status)
	}
	if d := n.deployment("shop", "checkout"); d.Annotations["deployment.kubernetes.io/revision"] != "5" || progressing(d).Reason != "NewReplicaSetAvailable" {
		t.Errorf("revision %s, %s", d.Annotations["deployment.kubernetes.io/revision"], progressing(d).Reason)
	}
}

func TestDeletingTheTrappedPodHealsTheStatefulSet(t *testing.T) {
	n := open(t)
	if err := n.client.CoreV1().Pods("shop").Delete(t.Context(), "search-2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	healed := n.pass(time.Minute, func() bool {
		s, err := n.client.AppsV1().StatefulSets("shop").Get(t.Context(), "search", metav1.GetOptions{})
		return err == nil && s.Status.ReadyReplicas == 3 && s.Status.UpdatedReplicas == 3
	})
	if !healed {
		t.Error("search is still not whole")
	}
}

func TestWritesMoveTheWorld(t *testing.T) {
	n := open(t)
	api := n.client.AppsV1().Deployments("platform")
	patch := func(body string) {
		t.Helper()
		if _, err := api.Patch(t.Context(), "otel-collector", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	done := func(generation int64) func() bool {
		return func() bool {
			d := n.deployment("platform", "otel-collector")
			return d.Generation == generation && rolledOut(d)
		}
	}
	patch(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-24T03:12:01Z"}}}}}`)
	if !n.pass(time.Minute, done(2)) {
		t.Error("the restart did not finish")
	}
	scale, err := api.GetScale(t.Context(), "otel-collector", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas = 4
	if _, err := api.UpdateScale(t.Context(), "otel-collector", scale, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if !n.pass(30*time.Second, func() bool { return done(3)() && len(n.podsOf("platform", "otel-collector")) == 4 }) {
		t.Error("scaling did not finish")
	}
	patch(`{"spec":{"paused":true}}`)
	patch(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-24T03:14:00Z"}}}}}`)
	n.pass(10*time.Second, func() bool { return false })
	if d := n.deployment("platform", "otel-collector"); d.Status.UpdatedReplicas != 0 || progressing(d).Reason != "DeploymentPaused" {
		t.Errorf("while paused: %+v", d.Status)
	}
	patch(`{"spec":{"paused":false}}`)
	if !n.pass(time.Minute, done(6)) {
		t.Errorf("the rollout after resuming did not finish: %+v", n.deployment("platform", "otel-collector").Status)
	}
}
