package depend

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/live"
)

// Read is a list that was read, or why it was not.
type Read[T any] struct {
	// State is Ready when Items are complete.
	State live.State
	Err   foreign.Text
	Items []T
}

// Object is one object that was looked for.
type Object struct {
	// State is Ready when it is there, Absent when it is not, and otherwise
	// why nobody can tell.
	State live.State
	Err   foreign.Text
	// Keys are those of a ConfigMap; KeysKnown is false for a Secret, whose
	// values are not fetched.
	Keys      []string
	KeysKnown bool
	// Changed is when its data changed last.
	Changed   time.Time
	Immutable bool
}

// Claim is a PersistentVolumeClaim that was looked for.
type Claim struct {
	State live.State
	Err   foreign.Text
	// Phase is Pending, Bound or Lost; Size what it has, Class where it is from.
	Phase, Size, Class string
}

// Route is an HTTPRoute, reduced.
type Route struct {
	Name     string
	Hosts    []string
	Services []string // backends in the route's own namespace
	// Refused is why a Gateway does not accept it; empty when none says so.
	Refused foreign.Text
}

// PodUsage is what a pod uses, in thousandths of a core and in bytes.
type PodUsage struct {
	Pod              string
	MilliCPU, Memory int64
}

// Input is what a report is made of. Nothing of it is changed.
type Input struct {
	Workload k8s.Ref
	Template *corev1.PodTemplateSpec
	// Desired pods, how many the strategy may add (Surge), how many there are
	// beyond Desired already (Extra), and whether a rollout is under way.
	Desired, Surge, Extra int
	Rolling               bool
	// ServiceName and ClaimTemplates are a StatefulSet's.
	ServiceName    string
	ClaimTemplates []string
	// Pods are the workload's, as far as read.
	Pods []*corev1.Pod

	Services  Read[*corev1.Service]
	Slices    Read[*discoveryv1.EndpointSlice]
	Ingresses Read[*networkingv1.Ingress]
	Routes    Read[Route]
	Budgets   Read[*policyv1.PodDisruptionBudget]
	Quotas    Read[*corev1.ResourceQuota]
	Usage     Read[PodUsage]

	ConfigMaps map[string]Object
	Secrets    map[string]Object
	Claims     map[string]Claim
	Account    Object

	// Events are Warnings about the workload's pods: the kubelet names the key
	// it does not find in a Secret.
	Events []*k8s.Event
	At     time.Time
}

// ContentChanged is when an object's data changed last: the newest entry of
// managedFields that owns data, else the creation. An entry's time moves with
// any value its manager changes, so a change of a label by the same manager
// counts too (apimachinery meta/v1 types.go, ManagedFieldsEntry.Time).
func ContentChanged(m metav1.ObjectMeta) time.Time {
	newest := time.Time{}
	for i := range m.ManagedFields {
		e := &m.ManagedFields[i]
		if e.Time == nil || e.FieldsV1 == nil || !ownsData(e.FieldsV1) {
			continue
		}
		if e.Time.After(newest) {
			newest = e.Time.Time
		}
	}
	if newest.IsZero() {
		return m.CreationTimestamp.Time
	}
	return newest
}
