package controllers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"midwatch/demo/controllers"
)

const revision = "deployment.kubernetes.io/revision"

// settled makes a Deployment and waits until it is up.
func settled(t *testing.T, replicas int32, surge, unavailable string) *world {
	t.Helper()
	w := newWorld(t)
	w.create(web(replicas, surge, unavailable))
	w.waitFor("the first rollout", time.Minute, func() bool { return complete(w.deployment("web")) })
	return w
}

func TestRollingUpdateKeepsItsBounds(t *testing.T) {
	for _, tt := range []struct {
		name, surge, unavailable string
		n, most, least           int32
	}{
		{"surge only", "1", "0", 4, 5, 4},
		{"unavailable only", "0", "1", 4, 4, 3},
		{"percentages", "25%", "25%", 10, 13, 8},
		{"both zero means one unavailable", "0", "0", 3, 3, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(t, tt.n, tt.surge, tt.unavailable)
			w.check = func() {
				var spec int32
				for _, rs := range w.sets() {
					spec += *rs.Spec.Replicas
				}
				if spec > tt.most {
					t.Fatalf("%d replicas asked for, at most %d allowed", spec, tt.most)
				}
				var available int32
				for _, p := range w.pods() {
					if p.DeletionTimestamp == nil && ready(p) {
						available++
					}
				}
				if available < tt.least {
					t.Fatalf("%d pods available, at least %d promised", available, tt.least)
				}
			}
			change(w, group("deployments"), "web", setImage("web:v2"))
			took := w.waitFor("the update", 5*time.Minute, func() bool { return complete(w.deployment("web")) })
			d := w.deployment("web")
			if reason(d, appsv1.DeploymentProgressing) != "NewReplicaSetAvailable" || d.Annotations[revision] != "2" {
				t.Errorf("reason %s, revision %s", reason(d, appsv1.DeploymentProgressing), d.Annotations[revision])
			}
			if took < 4*time.Second || took > 90*time.Second {
				t.Errorf("the update took %s", took)
			}
			w.waitFor("the old pods' end", time.Minute, func() bool { return len(w.pods()) == int(tt.n) })
			for _, p := range w.pods() {
				if p.Spec.Containers[0].Image != "web:v2" {
					t.Errorf("pod %s runs %s", p.Name, p.Spec.Containers[0].Image)
				}
			}
		})
	}
}

func TestNewPodIsReadyInSeconds(t *testing.T) {
	w := newWorld(t)
	w.create(web(1, "1", "0"))
	took := w.waitFor("ready", time.Minute, func() bool { return len(w.pods()) == 1 && ready(w.pods()[0]) })
	if took < 3*time.Second || took > 9*time.Second {
		t.Errorf("a pod was ready after %s, want 4 to 8 s", took)
	}
	for _, reason := range []string{"ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Pulled", "Created", "Started"} {
		if len(w.events(reason)) != 1 {
			t.Errorf("%d events %s", len(w.events(reason)), reason)
		}
	}
	if path := w.events("Started")[0].InvolvedObject.FieldPath; path != "spec.containers{api}" {
		t.Errorf("fieldPath %q", path)
	}
}

func TestRollbackBumpsTheOldReplicaSet(t *testing.T) {
	w := settled(t, 2, "1", "0")
	first := w.sets()[0].Name
	change(w, group("deployments"), "web", setImage("web:v2"))
	w.waitFor("v2", time.Minute, func() bool { return complete(w.deployment("web")) })
	change(w, group("deployments"), "web", setImage("web:v1"))
	w.waitFor("v1 again", time.Minute, func() bool { return complete(w.deployment("web")) })
	rs := get[*appsv1.ReplicaSet](w, group("replicasets"), first)
	if len(w.sets()) != 2 || rs.Annotations[revision] != "3" || rs.Annotations["deployment.kubernetes.io/revision-history"] != "1" {
		t.Errorf("%d sets; revision %s history %q", len(w.sets()), rs.Annotations[revision], rs.Annotations["deployment.kubernetes.io/revision-history"])
	}
	if w.deployment("web").Annotations[revision] != "3" {
		t.Errorf("the Deployment is at revision %s", w.deployment("web").Annotations[revision])
	}
}

func TestRevisionHistoryLimit(t *testing.T) {
	w := settled(t, 1, "1", "0")
	change(w, group("deployments"), "web", func(d *appsv1.Deployment) { d.Spec.RevisionHistoryLimit = ptr.To[int32](1) })
	for _, image := range []string{"web:v2", "web:v3", "web:v4"} {
		change(w, group("deployments"), "web", setImage(image))
		w.waitFor(image, time.Minute, func() bool { return complete(w.deployment("web")) })
	}
	w.run(10 * time.Second)
	if len(w.sets()) != 2 {
		t.Errorf("%d replica sets are left, want the new one and one to undo to", len(w.sets()))
	}
}

func TestPauseHoldsTheTemplateButNotTheScale(t *testing.T) {
	w := settled(t, 2, "1", "0")
	change(w, group("deployments"), "web", func(d *appsv1.Deployment) {
		d.Spec.Paused = true
		setImage("web:v2")(d)
		d.Spec.Replicas = ptr.To[int32](3)
	})
	w.run(30 * time.Second)
	d := w.deployment("web")
	if len(w.sets()) != 1 || d.Status.ReadyReplicas != 3 || d.Status.UpdatedReplicas != 0 || reason(d, appsv1.DeploymentProgressing) != "DeploymentPaused" {
		t.Errorf("while paused: %d sets, %+v", len(w.sets()), d.Status)
	}
	change(w, group("deployments"), "web", func(d *appsv1.Deployment) { d.Spec.Paused = false })
	w.waitFor("the rollout after resuming", time.Minute, func() bool { return complete(w.deployment("web")) })
}

func TestProgressDeadline(t *testing.T) {
	w := settled(t, 3, "1", "0")
	w.behave["web:v2"] = controllers.Behaviour{NotReady: "HTTP probe failed with statuscode: 503"}
	started := w.now
	change(w, group("deployments"), "web", setImage("web:v2"))
	w.run(9 * time.Minute)
	d := w.deployment("web")
	if reason(d, appsv1.DeploymentProgressing) != "ReplicaSetUpdated" || d.Status.ReadyReplicas != 3 || d.Status.UpdatedReplicas != 1 {
		t.Fatalf("before the deadline: %s %+v", reason(d, appsv1.DeploymentProgressing), d.Status)
	}
	w.waitFor("the deadline", 3*time.Minute, func() bool {
		return reason(w.deployment("web"), appsv1.DeploymentProgressing) == "ProgressDeadlineExceeded"
	})
	if after := w.now.Sub(started); after < 10*time.Minute || after > 10*time.Minute+10*time.Second {
		t.Errorf("the deadline passed after %s", after)
	}
	unhealthy := w.events("Unhealthy")
	if len(unhealthy) != 1 || unhealthy[0].Count < 20 || unhealthy[0].Message != "Readiness probe failed: HTTP probe failed with statuscode: 503" {
		t.Errorf("events: %+v", unhealthy)
	}
	change(w, group("deployments"), "web", setImage("web:v1"))
	w.waitFor("the undo", time.Minute, func() bool {
		d := w.deployment("web")
		return complete(d) && reason(d, appsv1.DeploymentProgressing) == "NewReplicaSetAvailable"
	})
}

func TestRecreateWaitsForOldPodsToBeGone(t *testing.T) {
	w := newWorld(t)
	d := web(2, "1", "0")
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	w.create(d)
	w.waitFor("v1", time.Minute, func() bool { return complete(w.deployment("web")) })
	w.check = func() {
		images := map[string]bool{}
		for _, p := range w.pods() {
			images[p.Spec.Containers[0].Image] = true
		}
		if len(images) > 1 {
			t.Fatal("old and new pods at the same time")
		}
	}
	change(w, group("deployments"), "web", setImage("web:v2"))
	w.waitFor("v2", time.Minute, func() bool { return complete(w.deployment("web")) && w.deployment("web").Annotations[revision] == "2" })
}

func TestRefusedPodsShowOnTheDeployment(t *testing.T) {
	w := settled(t, 1, "1", "0")
	w.admit = func(*corev1.Pod) error {
		return errors.New(`pods "web" is forbidden: exceeded quota: shop, requested: pods=1, used: pods=40, limited: pods=40`)
	}
	change(w, group("deployments"), "web", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](3) })
	w.run(5 * time.Second)
	if d := w.deployment("web"); reason(d, appsv1.DeploymentReplicaFailure) != "FailedCreate" {
		t.Errorf("conditions: %+v", d.Status.Conditions)
	}
	if ev := w.events("FailedCreate"); len(ev) != 1 || !strings.Contains(ev[0].Message, "exceeded quota") {
		t.Errorf("events: %+v", ev)
	}
	w.admit = nil
	w.waitFor("recovery", time.Minute, func() bool {
		return complete(w.deployment("web")) && reason(w.deployment("web"), appsv1.DeploymentReplicaFailure) == ""
	})
}

func TestScaleDuringARolloutIsProportional(t *testing.T) {
	w := settled(t, 4, "50%", "0")
	w.behave["web:v2"] = controllers.Behaviour{NotReady: "HTTP probe failed with statuscode: 503"}
	change(w, group("deployments"), "web", setImage("web:v2"))
	w.run(10 * time.Second)
	change(w, group("deployments"), "web", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](8) })
	w.run(10 * time.Second)
	var total int32
	for _, rs := range w.sets() {
		total += *rs.Spec.Replicas
		if *rs.Spec.Replicas < 3 {
			t.Errorf("%s has %d replicas", rs.Name, *rs.Spec.Replicas)
		}
	}
	if total != 12 {
		t.Errorf("%d replicas in all, want 8 and half as many again", total)
	}
}

func TestDeletedPodIsReplaced(t *testing.T) {
	w := settled(t, 2, "1", "0")
	gone := w.pods()[0]
	if _, _, err := w.store.Delete(podKey(gone.Name), deleteNow()); err != nil {
		t.Fatal(err)
	}
	w.waitFor("a replacement", time.Minute, func() bool {
		pods := w.pods()
		return len(pods) == 2 && ready(pods[0]) && ready(pods[1]) && pods[0].UID != gone.UID && pods[1].UID != gone.UID
	})
	if len(w.events("Killing")) != 1 {
		t.Error("no Killing event")
	}
}

func TestNothingIsWrittenWhileNothingHappens(t *testing.T) {
	w := settled(t, 3, "1", "0")
	w.run(10 * time.Second)
	before := w.store.Version()
	w.run(50 * time.Minute)
	if after := w.store.Version(); after != before {
		t.Errorf("%d writes in 50 idle minutes", after-before)
	}
}
