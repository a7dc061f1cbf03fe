package change

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"midwatch/k8s"
)

// kind says how a kind of workload is addressed and what it can do.
type kind struct {
	name     string
	resource schema.GroupVersionResource
	// kubectl is how its commands name it; argo is set when the commands are
	// those of the kubectl-argo-rollouts plugin.
	kubectl string
	argo    bool
	// pausable kinds have spec.paused, scalable ones the scale subresource.
	pausable, scalable bool
	// Past templates are in ReplicaSets, which carry their number in
	// numberKey and the template's identity in the label hashLabel; or else
	// in ControllerRevisions.
	inReplicaSets        bool
	numberKey, hashLabel string
}

// kindOf returns the description of a kind of workload.
func kindOf(name string) (kind, error) {
	apps := func(plural string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: plural}
	}
	switch name {
	case k8s.Deployment:
		return kind{
			name: name, resource: apps("deployments"), kubectl: "deployment", pausable: true, scalable: true,
			inReplicaSets: true, numberKey: "deployment.kubernetes.io/revision", hashLabel: "pod-template-hash",
		}, nil
	case k8s.StatefulSet:
		return kind{name: name, resource: apps("statefulsets"), kubectl: "statefulset", scalable: true}, nil
	case k8s.DaemonSet:
		return kind{name: name, resource: apps("daemonsets"), kubectl: "daemonset"}, nil
	case k8s.Rollout:
		return kind{
			name: name, resource: schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
			kubectl: "rollouts.argoproj.io", argo: true, pausable: true, scalable: true,
			inReplicaSets: true, numberKey: "rollout.argoproj.io/revision", hashLabel: "rollouts-pod-template-hash",
		}, nil
	}
	return kind{}, fmt.Errorf("a %s is not a workload that can be changed here", name)
}
