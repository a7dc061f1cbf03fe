package apiserver

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// builtins is the table of kinds every server starts with.
func builtins() []Resource {
	all := []string{"all"}
	return []Resource{
		{Version: "v1", Kind: "Namespace", Plural: "namespaces", Short: []string{"ns"}, Cluster: true, Status: true, Selectable: namespaceFields},
		{Version: "v1", Kind: "Node", Plural: "nodes", Short: []string{"no"}, Cluster: true, Status: true, Selectable: nodeFields},
		{Version: "v1", Kind: "Pod", Plural: "pods", Short: []string{"po"}, Categories: all, Status: true, Generation: true, Selectable: podFields},
		{Version: "v1", Kind: "Service", Plural: "services", Short: []string{"svc"}, Categories: all, Status: true},
		{Version: "v1", Kind: "ConfigMap", Plural: "configmaps", Short: []string{"cm"}},
		{Version: "v1", Kind: "Secret", Plural: "secrets", Selectable: secretFields},
		{Version: "v1", Kind: "Event", Plural: "events", Short: []string{"ev"}, Selectable: eventFields},
		{Version: "v1", Kind: "Endpoints", Plural: "endpoints", Singular: "endpoints", Short: []string{"ep"}},
		{Version: "v1", Kind: "ServiceAccount", Plural: "serviceaccounts", Short: []string{"sa"}},
		{Version: "v1", Kind: "PersistentVolumeClaim", Plural: "persistentvolumeclaims", Short: []string{"pvc"}, Status: true},
		{Version: "v1", Kind: "ResourceQuota", Plural: "resourcequotas", Short: []string{"quota"}, Status: true},
		{Group: "apps", Version: "v1", Kind: "Deployment", Plural: "deployments", Short: []string{"deploy"}, Categories: all, Status: true, Scale: true, Generation: true},
		{Group: "apps", Version: "v1", Kind: "ReplicaSet", Plural: "replicasets", Short: []string{"rs"}, Categories: all, Status: true, Scale: true, Generation: true},
		{Group: "apps", Version: "v1", Kind: "StatefulSet", Plural: "statefulsets", Short: []string{"sts"}, Categories: all, Status: true, Scale: true, Generation: true},
		{Group: "apps", Version: "v1", Kind: "DaemonSet", Plural: "daemonsets", Short: []string{"ds"}, Categories: all, Status: true, Generation: true},
		{Group: "apps", Version: "v1", Kind: "ControllerRevision", Plural: "controllerrevisions"},
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler", Plural: "horizontalpodautoscalers", Short: []string{"hpa"}, Categories: all, Status: true, Generation: true},
		{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget", Plural: "poddisruptionbudgets", Short: []string{"pdb"}, Status: true, Generation: true},
		{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress", Plural: "ingresses", Short: []string{"ing"}, Status: true, Generation: true},
		{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice", Plural: "endpointslices", Generation: true},
	}
}

func namespaceFields(o Object) map[string]string {
	ns, ok := o.(*corev1.Namespace)
	if !ok {
		return nil
	}
	return map[string]string{"status.phase": string(ns.Status.Phase)}
}

func nodeFields(o Object) map[string]string {
	n, ok := o.(*corev1.Node)
	if !ok {
		return nil
	}
	return map[string]string{"spec.unschedulable": strconv.FormatBool(n.Spec.Unschedulable)}
}

// podFields follows k/k pkg/registry/core/pod/strategy.go ToSelectableFields.
func podFields(o Object) map[string]string {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return nil
	}
	return map[string]string{
		"spec.nodeName":            p.Spec.NodeName,
		"spec.restartPolicy":       string(p.Spec.RestartPolicy),
		"spec.schedulerName":       p.Spec.SchedulerName,
		"spec.serviceAccountName":  p.Spec.ServiceAccountName,
		"spec.hostNetwork":         strconv.FormatBool(p.Spec.HostNetwork),
		"status.phase":             string(p.Status.Phase),
		"status.podIP":             p.Status.PodIP,
		"status.nominatedNodeName": p.Status.NominatedNodeName,
	}
}

func secretFields(o Object) map[string]string {
	s, ok := o.(*corev1.Secret)
	if !ok {
		return nil
	}
	return map[string]string{"type": string(s.Type)}
}

// eventFields follows k/k pkg/registry/core/event/strategy.go ToSelectableFields.
func eventFields(o Object) map[string]string {
	e, ok := o.(*corev1.Event)
	if !ok {
		return nil
	}
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	return map[string]string{
		"involvedObject.kind":            e.InvolvedObject.Kind,
		"involvedObject.namespace":       e.InvolvedObject.Namespace,
		"involvedObject.name":            e.InvolvedObject.Name,
		"involvedObject.uid":             string(e.InvolvedObject.UID),
		"involvedObject.apiVersion":      e.InvolvedObject.APIVersion,
		"involvedObject.resourceVersion": e.InvolvedObject.ResourceVersion,
		"involvedObject.fieldPath":       e.InvolvedObject.FieldPath,
		"reason":                         e.Reason,
		"reportingComponent":             e.ReportingController,
		"source":                         source,
		"type":                           e.Type,
	}
}
