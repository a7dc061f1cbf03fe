package k8s

import (
	"fmt"
	"strings"
)

// The kinds of workload midwatch judges.
const (
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
	DaemonSet   = "DaemonSet"
	Rollout     = "Rollout" // argoproj.io/v1alpha1
)

// Ref names one object of a cluster. Two objects that had the same name at
// different times differ in UID.
type Ref struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// Key is "namespace/Kind/name", the identity selections and topics go by: an
// object recreated under the same name is still the one the user meant.
func (r Ref) Key() string { return r.Namespace + "/" + r.Kind + "/" + r.Name }

// String is "Kind namespace/name".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r.Name == "" }

// ParseKey reads what [Ref.Key] wrote.
func ParseKey(key string) (Ref, error) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return Ref{}, fmt.Errorf("object key %q: want namespace/Kind/name", key)
	}
	return Ref{Namespace: parts[0], Kind: parts[1], Name: parts[2]}, nil
}

// ShortKind is kubectl's short name of a kind of workload, for narrow columns:
// deploy, sts, ds, rollout; others in lower case.
func ShortKind(kind string) string {
	switch kind {
	case Deployment:
		return "deploy"
	case StatefulSet:
		return "sts"
	case DaemonSet:
		return "ds"
	}
	return strings.ToLower(kind)
}
