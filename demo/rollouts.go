package demo

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
)

const rolloutHashLabel = "rollouts-pod-template-hash"

func recommendations() app {
	return app{namespace: "shop", name: "recommendations", image: "recommendations:v7.1.0", replicas: 5, cpu: "300m", memory: "512Mi", probes: true,
		tool: "argocd-controller", team: "discovery"}
}

// withRollouts adds Argo Rollouts: the kind, and one canary that waits at step 2 of 5. There is no controller for it; its
// ReplicaSets are kept by the ordinary one.
func withRollouts(kinds []apiserver.Resource, beats []beat) ([]apiserver.Resource, []beat) {
	kinds = append(kinds, apiserver.Resource{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout", Plural: "rollouts", Short: []string{"ro"}, Status: true, Scale: true, Generation: true})
	stable := recommendations()
	canary := stable
	canary.image = "recommendations:v7.2.0"
	const stableHash, canaryHash = "6c9f7d5b84", "79d8c6ffb5"
	return kinds, append(beats,
		beat{17 * day, func(c *cluster) {
			c.create(stable.tool, stable.around()...)
			c.create(stable.tool, rolloutObject(stable))
			c.create("rollouts-controller", rolloutSet(c, stable, stableHash, "3", 5))
			c.setRollout(healthyRollout(stableHash))
		}},
		beat{18 * time.Minute, func(c *cluster) {
			change(c, stable.tool, rolloutKind(), stable.namespace, stable.name, func(u *unstructured.Unstructured) {
				u.Object["spec"].(map[string]any)["template"] = plain(ptr.To(canary.template()))
			})
			change(c, "rollouts-controller", appsKind("replicasets"), stable.namespace, stable.name+"-"+stableHash, func(rs *appsv1.ReplicaSet) { rs.Spec.Replicas = ptr.To[int32](4) })
			c.create("rollouts-controller", rolloutSet(c, canary, canaryHash, "4", 1))
			c.setRollout(pausedRollout(stableHash, canaryHash, metav1.NewTime(c.clock.Now().Add(-15*time.Second).UTC()).Rfc3339Copy()))
		}})
}

func rolloutKind() schema.GroupResource {
	return schema.GroupResource{Group: "argoproj.io", Resource: "rollouts"}
}

// plain turns a pod template into what unstructured objects are made of.
func plain(v *corev1.PodTemplateSpec) map[string]any {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v)
	if err != nil {
		panic(err) // API types always convert
	}
	return m
}

func rolloutObject(a app) *unstructured.Unstructured {
	body := plain(ptr.To(a.template()))
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
		"spec": map[string]any{
			"replicas": int64(a.replicas), "revisionHistoryLimit": int64(5), "template": body,
			"selector": map[string]any{"matchLabels": map[string]any{"app": a.name}},
			"strategy": map[string]any{"canary": map[string]any{"maxSurge": "25%", "maxUnavailable": int64(0), "steps": []any{
				map[string]any{"setWeight": int64(10)}, map[string]any{"pause": map[string]any{"duration": "10s"}},
				map[string]any{"pause": map[string]any{}}, map[string]any{"setWeight": int64(50)}, map[string]any{"pause": map[string]any{"duration": "10m"}},
			}}},
		},
	}}
	u.SetName(a.name)
	u.SetNamespace(a.namespace)
	u.SetLabels(a.labels())
	u.SetAnnotations(map[string]string{"rollout.argoproj.io/revision": "3"})
	return u
}

func rolloutSet(c *cluster, a app, hash, revision string, replicas int32) *appsv1.ReplicaSet {
	owner, ok := c.store.Get(rolloutKind(), a.namespace, a.name)
	if !ok {
		owner = &unstructured.Unstructured{Object: map[string]any{}}
	}
	template := a.template()
	template.Labels[rolloutHashLabel] = hash
	return &appsv1.ReplicaSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: a.namespace, Name: a.name + "-" + hash, Labels: template.Labels,
			Annotations:     map[string]string{"rollout.argoproj.io/revision": revision},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"})},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": a.name, rolloutHashLabel: hash}}, Template: template},
	}
}

func (c *cluster) setRollout(status map[string]any) {
	a := recommendations()
	key := apiserver.Key{Resource: rolloutKind(), Namespace: a.namespace, Name: a.name}
	_, err := c.store.Modify(key, apiserver.WriteOptions{Manager: "rollouts-controller", Subresource: "status"}, func(o apiserver.Object) (apiserver.Object, error) {
		o.(*unstructured.Unstructured).Object["status"] = status
		return o, nil
	})
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

func healthyRollout(stable string) map[string]any {
	return map[string]any{
		"observedGeneration": "1", "phase": "Healthy", "stableRS": stable, "currentPodHash": stable, "currentStepIndex": int64(5),
		"replicas": int64(5), "updatedReplicas": int64(5), "readyReplicas": int64(5), "availableReplicas": int64(5), "HPAReplicas": int64(5), "selector": "app=recommendations",
	}
}

func pausedRollout(stable, canary string, since metav1.Time) map[string]any {
	at := since.UTC().Format(time.RFC3339)
	condition := func(typ, status, reason, message string) any {
		return map[string]any{"type": typ, "status": status, "reason": reason, "message": message, "lastUpdateTime": at, "lastTransitionTime": at}
	}
	return map[string]any{
		"observedGeneration": "2", "phase": "Paused", "message": "CanaryPauseStep", "controllerPause": true,
		"stableRS": stable, "currentPodHash": canary, "currentStepIndex": int64(2), "currentStepHash": "5f8c7b9d6f",
		"pauseConditions": []any{map[string]any{"reason": "CanaryPauseStep", "startTime": at}},
		"replicas":        int64(5), "updatedReplicas": int64(1), "readyReplicas": int64(5), "availableReplicas": int64(5), "HPAReplicas": int64(5), "selector": "app=recommendations",
		"canary": map[string]any{},
		"conditions": []any{
			condition("Available", "True", "AvailableReason", "Rollout has minimum availability"),
			condition("Paused", "True", "RolloutPaused", "Rollout is paused"),
			condition("Progressing", "Unknown", "RolloutPaused", "Rollout is paused"),
		},
	}
}
