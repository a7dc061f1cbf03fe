package rollout

import (
	"crypto/sha256"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/foreign"
	"midwatch/k8s"
)

// Intern returns one copy of strings that repeat; nil keeps them as they are.
type Intern func(string) string

func (i Intern) of(s string) string {
	if i == nil || s == "" {
		return s
	}
	return i(s)
}

// Condition is one status condition.
type Condition struct {
	Type, Status, Reason string
	Message              foreign.Text
	// Since is lastTransitionTime, Updated lastUpdateTime.
	Since, Updated time.Time
}

// Object is a workload's own object, reduced.
type Object struct {
	k8s.Ref
	Generation, Observed int64
	Created, Deleted     time.Time
	Selector             string
	Replicas             int // spec.replicas; DaemonSet: desiredNumberScheduled
	Strategy             string
	MaxSurge             *intstr.IntOrString
	MaxUnavailable       *intstr.IntOrString
	MinReady             time.Duration
	Deadline             time.Duration // progressDeadlineSeconds; 0: never
	HistoryLimit         int
	Paused               bool
	Partition            int
	OrderedReady         bool
	OrdinalStart         int
	Template             Fingerprint
	Images               []k8s.Image
	Conditions           []Condition
	Status               Counters
	CurrentRevision      string
	UpdateRevision       string
	Argo                 *Argo
	// changedAt is the newest spec change the managedFields record.
	changedAt time.Time
	// ProbeBudget is how long the template gives a container to become ready
	// (startup and readiness); ReadinessBudget is the readiness part.
	ProbeBudget, ReadinessBudget time.Duration
}

// Counters are the controller's own, in pods.
type Counters struct {
	Replicas, Updated, Ready, Available, Unavailable, Misscheduled, Current int
}

// Argo is what only an Argo Rollout has.
type Argo struct {
	Phase                    string
	Message                  foreign.Text
	StableHash, PodHash      string
	Step, Steps, Weight      int
	Aborted, ControllerPause bool
	PauseReasons             []string
	Analysis                 foreign.Text
}

// Fingerprint identifies a pod template's content.
type Fingerprint [16]byte

// fingerprint hashes the deterministic encoding of a template without the
// label that the Deployment controller adds.
func fingerprint(t *corev1.PodTemplateSpec) Fingerprint {
	c := *t
	if _, ok := t.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; ok || len(t.Labels) == 0 {
		c.Labels = map[string]string{}
		for k, v := range t.Labels {
			if k != appsv1.DefaultDeploymentUniqueLabelKey {
				c.Labels[k] = v
			}
		}
	}
	if len(c.Labels) == 0 {
		c.Labels = nil
	}
	if len(c.Annotations) == 0 {
		c.Annotations = nil
	}
	raw, err := c.Marshal()
	if err != nil {
		raw = []byte(fmt.Sprint(c))
	}
	sum := sha256.Sum256(raw)
	return Fingerprint(sum[:16])
}

// changedAt is the newest write to the object's own spec that managedFields
// record (status writers have a subresource).
func changedAt(m interface {
	GetManagedFields() []metav1.ManagedFieldsEntry
}) time.Time {
	var at time.Time
	for _, f := range m.GetManagedFields() {
		if f.Subresource == "" && f.Time != nil && f.Time.After(at) {
			at = f.Time.Time
		}
	}
	return at
}

// probeBudgets is how long a healthy pod of the template may take to pass its
// startup and readiness probes: initialDelay + period x failureThreshold each,
// and a minute for the image and the process (kubelet prober/worker.go).
func probeBudgets(spec *corev1.PodSpec) (all, readiness time.Duration) {
	budget := func(p *corev1.Probe) time.Duration {
		if p == nil {
			return 0
		}
		period, failures := max(p.PeriodSeconds, 1), max(p.FailureThreshold, 1)
		return seconds(p.InitialDelaySeconds + period*failures)
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		ready := budget(c.ReadinessProbe)
		readiness = max(readiness, ready)
		all = max(all, budget(c.StartupProbe)+ready)
	}
	return all + time.Minute, readiness + 30*time.Second
}
