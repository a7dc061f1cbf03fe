package rollout

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s"
)

// No state of a cluster, however odd, may make a verdict change before its
// recheck, or call done what kubectl still waits for.
func TestVerdictsOnRandomClustersHold(t *testing.T) {
	for seed := range uint64(2000) {
		s := randomSituation(t, rand.New(rand.NewPCG(seed, 42)))
		for _, in := range []Input{s.input, withoutPods(s.input)} {
			if v, _ := Assess(in); v.Phase == "" || v.Message == "" || v.Reason == "" {
				t.Errorf("verdict %+v leaves something out", v)
			}
			checkHolds(t, in)
		}
		if s.typed != nil {
			v, _ := Assess(s.input)
			if kubectlStatus(s.typed) == kubectlWaits && v.Phase == k8s.PhaseDone {
				t.Errorf("kubectl waits, midwatch says %s: %s", v.Phase, v.Message)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: %+v", seed, s.object)
		}
	}
}

type dice struct{ *rand.Rand }

func (d dice) chance(in int) bool { return d.IntN(in) == 0 }

func (d dice) of(words ...string) string { return words[d.IntN(len(words))] }

// ago is a time in the last ten minutes, in whole seconds as the API has them.
func (d dice) ago() time.Time {
	return time.Unix(1.7e9, 0).Add(-time.Duration(d.IntN(600)) * time.Second)
}

func (d dice) few() int32 { return d.Int32N(4) }

func randomSituation(t *testing.T, r *rand.Rand) *situation {
	t.Helper()
	d := dice{r}
	s := &situation{}
	switch d.IntN(4) {
	case 0:
		o := d.deployment()
		s.typed, s.object = o, FromDeployment(o, nil)
	case 1:
		o := d.statefulSet()
		s.typed, s.object = o, FromStatefulSet(o, nil)
	case 2:
		o := d.daemonSet()
		s.typed, s.object = o, FromDaemonSet(o, nil)
	default:
		o, err := FromArgoRollout(d.rollout(), nil)
		if err != nil {
			t.Fatal(err)
		}
		s.object = o
	}
	d.owned(s)
	return s
}

func (d dice) meta() metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: "x", Namespace: "shop", UID: "uid-x", CreationTimestamp: metav1.NewTime(d.ago()), Generation: 1 + int64(d.few())}
	if d.chance(2) {
		at := metav1.NewTime(d.ago())
		m.ManagedFields = []metav1.ManagedFieldsEntry{{Time: &at}}
	}
	if d.chance(20) {
		at := metav1.NewTime(d.ago())
		m.DeletionTimestamp = &at
	}
	return m
}

func (d dice) template() corev1.PodTemplateSpec { return imageTemplate(d.of("a:1", "a:2")) }

func imageTemplate(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: image}}}}
}

func (d dice) share() *intstr.IntOrString {
	return ptr(intstr.FromString(d.of("0%", "25%", "50%", "100%")))
}

func (d dice) deployment() *appsv1.Deployment {
	o := &appsv1.Deployment{ObjectMeta: d.meta()}
	o.Spec = appsv1.DeploymentSpec{Replicas: ptr(d.few()), Template: d.template(), Paused: d.chance(10), MinReadySeconds: d.few() * 10}
	o.Spec.Strategy.Type = appsv1.DeploymentStrategyType(d.of(rollingUpdate, rollingUpdate, recreate))
	o.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: d.share(), MaxUnavailable: d.share()}
	if d.chance(2) {
		o.Spec.ProgressDeadlineSeconds = ptr(int32(60 + d.IntN(600)))
	}
	o.Status = appsv1.DeploymentStatus{ObservedGeneration: int64(d.few()), Replicas: d.few(), UpdatedReplicas: d.few(), ReadyReplicas: d.few(), AvailableReplicas: d.few()}
	reasons := map[string]string{
		"Available": "MinimumReplicasAvailable", "ReplicaFailure": d.of("FailedCreate", "FailedDelete"),
		"Progressing": d.of(newSetAvailable, "ReplicaSetUpdated", deadlineExceeded, deploymentPaused, createSetError),
	}
	for _, kind := range []string{"Available", "Progressing", "ReplicaFailure"} {
		if d.chance(3) {
			continue
		}
		o.Status.Conditions = append(o.Status.Conditions, appsv1.DeploymentCondition{
			Type: appsv1.DeploymentConditionType(kind), Status: corev1.ConditionStatus(d.of("True", "False", "Unknown")), Reason: reasons[kind],
			LastTransitionTime: metav1.NewTime(d.ago()), LastUpdateTime: metav1.NewTime(d.ago()),
		})
	}
	return o
}

func (d dice) statefulSet() *appsv1.StatefulSet {
	o := &appsv1.StatefulSet{ObjectMeta: d.meta()}
	o.Spec = appsv1.StatefulSetSpec{Replicas: ptr(d.few()), Template: d.template(), MinReadySeconds: d.few() * 10}
	o.Spec.PodManagementPolicy = appsv1.PodManagementPolicyType(d.of("OrderedReady", "Parallel"))
	o.Spec.UpdateStrategy.Type = appsv1.StatefulSetUpdateStrategyType(d.of(rollingUpdate, rollingUpdate, onDelete))
	o.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr(d.few())}
	o.Status = appsv1.StatefulSetStatus{
		ObservedGeneration: int64(d.few()), Replicas: d.few(), UpdatedReplicas: d.few(), ReadyReplicas: d.few(), AvailableReplicas: d.few(),
		CurrentRevision: d.of("x-a", "x-b"), UpdateRevision: d.of("x-a", "x-b", ""),
	}
	return o
}

func (d dice) daemonSet() *appsv1.DaemonSet {
	o := &appsv1.DaemonSet{ObjectMeta: d.meta()}
	o.Spec = appsv1.DaemonSetSpec{Template: d.template(), MinReadySeconds: d.few() * 10}
	o.Spec.UpdateStrategy.Type = appsv1.DaemonSetUpdateStrategyType(d.of(rollingUpdate, rollingUpdate, onDelete))
	o.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxSurge: d.share(), MaxUnavailable: d.share()}
	o.Status = appsv1.DaemonSetStatus{
		ObservedGeneration: int64(d.few()), DesiredNumberScheduled: d.few(), CurrentNumberScheduled: d.few(), UpdatedNumberScheduled: d.few(),
		NumberReady: d.few(), NumberAvailable: d.few(), NumberMisscheduled: d.few() / 3,
	}
	return o
}

func (d dice) rollout() *unstructured.Unstructured {
	when := func() string { return d.ago().UTC().Format(time.RFC3339) }
	status := map[string]any{
		"phase": d.of("Progressing", "Paused", "Healthy", "Degraded", ""), "stableRS": d.of("a", "b"), "currentPodHash": d.of("a", "b", ""), "currentStepIndex": int64(d.few()),
		"replicas": int64(d.few()), "updatedReplicas": int64(d.few()), "readyReplicas": int64(d.few()), "availableReplicas": int64(d.few()),
		"controllerPause": d.chance(3), "observedGeneration": fmt.Sprint(d.few()),
		"conditions": []any{map[string]any{
			"type": "Progressing", "status": d.of("True", "False"), "reason": d.of("ReplicaSetUpdated", deadlineExceeded, "RolloutAborted", newSetAvailable),
			"lastUpdateTime": when(), "lastTransitionTime": when(),
		}},
	}
	if d.chance(3) {
		status["pauseConditions"] = []any{map[string]any{"reason": d.of("CanaryPauseStep", "BlueGreenPause", "InconclusiveAnalysis"), "startTime": when()}}
	}
	steps := []any{map[string]any{"pause": map[string]any{"duration": d.of("10m", "3600", "x")}}, map[string]any{"setWeight": int64(20)}}
	u := &unstructured.Unstructured{Object: map[string]any{
		"spec":   map[string]any{"replicas": int64(d.few()), "paused": d.chance(8), "strategy": map[string]any{d.of("canary", "blueGreen"): map[string]any{"steps": steps}}},
		"status": status,
	}}
	m := d.meta()
	u.SetName(m.Name)
	u.SetNamespace(m.Namespace)
	u.SetUID(m.UID)
	u.SetGeneration(m.Generation)
	return u
}

// owned adds sets, revisions, pods and events.
func (d dice) owned(s *situation) {
	in := &s.input
	in.Object, in.Now, in.SetsKnown, in.PodsKnown = s.object, time.Unix(1.7e9, 0), d.chance(2), true
	for i, hash := range []string{"a", "b"} {
		if d.chance(4) {
			continue
		}
		in.Sets = append(in.Sets, d.set(hash, fmt.Sprintf("a:%d", i+1)))
		in.Revisions = append(in.Revisions, &ControllerRevision{Ref: k8s.Ref{Kind: "ControllerRevision", Name: "x-" + hash}, Hash: hash, Number: int64(d.few()), Created: d.ago()})
	}
	for i := range d.IntN(5) {
		p := d.pod(i, s.object.Kind)
		in.Pods = append(in.Pods, p)
		if d.chance(2) {
			in.Events = append(in.Events, &k8s.Event{Involved: p.Ref(), Reason: d.of("Unhealthy", "FailedMount"), Message: "Readiness probe failed: x", First: d.ago(), Last: d.ago(), Count: 1})
		}
	}
	for _, r := range []k8s.Ref{s.object.Ref, {Kind: "ReplicaSet", Namespace: "shop", Name: "x-a", UID: "uid-x-a"}} {
		if d.chance(3) {
			in.Events = append(in.Events, &k8s.Event{Involved: r, Reason: "FailedCreate", Message: "Error creating: quota", First: d.ago(), Last: d.ago(), Count: 2})
		}
	}
}

func (d dice) set(hash, image string) *ReplicaSet {
	template := imageTemplate(image)
	return &ReplicaSet{
		Ref: k8s.Ref{Kind: "ReplicaSet", Namespace: "shop", Name: "x-" + hash, UID: "uid-x-" + hash}, OwnerUID: "uid-x", Hash: hash, Revision: int64(d.few()),
		Created: d.ago(), Replicas: int(d.few()), Wanted: int(d.few()) - 1, Template: fingerprint(&template),
		Status: Counters{Replicas: int(d.few()), Ready: int(d.few()), Available: int(d.few())},
	}
}

func (d dice) pod(i int, kind string) *k8s.PodRow {
	hash := d.of("a", "b")
	p := &k8s.PodRow{
		UID: fmt.Sprint("p", i), Namespace: "shop", Name: fmt.Sprintf("x-%d", i), Node: d.of("", "node-1", "node-2"), OwnerUID: "uid-x-" + hash, Revision: hash, Ordinal: i,
		Phase: d.of("Pending", "Running", "Running", "Failed", "Succeeded"), Created: d.ago(), Ready: d.chance(2), ReadySince: d.ago(), Containers: 1 + d.IntN(2), Container: "app",
		Reason: d.of("", reasonCrashLoop, "ImagePullBackOff", reasonCreating, reasonInitializing, reasonUnready, reasonUnschedulable,
			reasonNodeNotReady, reasonGates, "Error", reasonNoSandbox),
		Message: "m", Restarts: int(d.few()), Starting: d.chance(3), ExitReason: d.of("", "Error", "OOMKilled"), ExitCode: d.few(),
	}
	if kind == k8s.StatefulSet {
		p.Revision = "x-" + hash
	}
	for _, at := range []*time.Time{&p.Started, &p.RunningSince, &p.LastRestart} {
		if d.chance(2) {
			*at = d.ago()
		}
	}
	if d.chance(6) {
		p.Deleted = d.ago()
	}
	return p
}
