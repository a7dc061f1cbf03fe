package hpa

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"midwatch/foreign"
)

// requests is calculateRequests of replica_calculator.go: every pod the
// selector matches must ask for the resource in every container, also those
// that are ignored otherwise; one that does not fails the whole metric. A
// named container counts alone, and a request for the whole pod goes before
// its containers'.
func (c *calculation) requests(container string, resource corev1.ResourceName) (map[string]int64, string) {
	out := make(map[string]int64, len(c.in.Pods))
	for _, p := range c.in.Pods {
		n, problem := podRequest(p, container, resource)
		if problem != "" {
			return nil, problem
		}
		out[p.Name] = n
	}
	return out, ""
}

func podRequest(p *corev1.Pod, container string, resource corev1.ResourceName) (int64, string) {
	name := foreign.CleanN(p.Name, maxName)
	if container == "" && p.Spec.Resources != nil && len(p.Spec.Resources.Requests) > 0 {
		if q, ok := p.Spec.Resources.Requests[resource]; ok {
			return q.MilliValue(), ""
		}
		if n := containersRequest(p, resource); n > 0 {
			return n, ""
		}
		return 0, fmt.Sprintf("pod %s has requests of its own, but none for %s", name, resource)
	}
	var sum int64
	containers := counted(p)
	for i := range containers {
		spec := &containers[i]
		if container != "" && container != spec.Name {
			continue
		}
		q, ok := spec.Resources.Requests[resource]
		if !ok {
			return 0, fmt.Sprintf("container %s of pod %s requests no %s, so there is nothing to measure against", foreign.CleanN(spec.Name, maxName), name, resource)
		}
		if container == spec.Name {
			return q.MilliValue(), ""
		}
		sum += q.MilliValue()
	}
	if container != "" {
		return 0, fmt.Sprintf("pod %s has no container %s", name, foreign.CleanN(container, maxName))
	}
	return sum, ""
}

// counted are the containers that run beside each other: the sidecars among
// the init containers too.
func counted(p *corev1.Pod) []corev1.Container {
	list := p.Spec.Containers
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			list = append(list[:len(list):len(list)], c)
		}
	}
	return list
}

// containersRequest is what a pod with requests of its own asks for of a
// resource it does not name there (component-helpers resource.PodRequests).
func containersRequest(p *corev1.Pod, resource corev1.ResourceName) int64 {
	var sum int64
	for _, c := range counted(p) {
		q := c.Resources.Requests[resource]
		sum += q.MilliValue()
	}
	for _, c := range p.Spec.InitContainers {
		q := c.Resources.Requests[resource]
		sum = max(sum, q.MilliValue())
	}
	return sum
}
