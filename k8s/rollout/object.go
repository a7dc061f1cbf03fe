package rollout

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/secrets"
)

// Intern returns one copy of strings that repeat; nil keeps them as they are.
type Intern func(string) string

func (i Intern) of(s string) string {
	if i == nil || s == "" {
		return s
	}
	return i(s)
}

// clean cleans foreign text of at most limit bytes and interns it.
func (i Intern) clean(s string, limit int) string { return i.of(foreign.CleanN(s, limit).String()) }

// The longest reasons, names and messages kept, in bytes.
const (
	maxReason  = 64
	maxName    = 253
	maxImage   = 512
	maxMessage = 1024
)

// Update strategies, as RolloutStatus.Strategy names them.
const (
	rollingUpdate = "RollingUpdate"
	recreate      = "Recreate"
	onDelete      = "OnDelete"
	canary        = "Canary"
	blueGreen     = "BlueGreen"
)

// Condition is one status condition.
type Condition struct {
	Type, Status, Reason string
	Message              foreign.Text
	// Since is lastTransitionTime: when Status last changed. Updated is
	// lastUpdateTime: when the controller last wrote it, for the Progressing
	// condition the last progress.
	Since, Updated time.Time
}

// Counters are the controller's own, in pods (DaemonSet: nodes).
type Counters struct {
	Replicas, Updated, Ready, Available, Misscheduled int
	// Terminating pods are being deleted and counted nowhere else; 0 also
	// where the server does not say (before 1.35).
	Terminating int
}

// Object is a workload's own object, reduced.
type Object struct {
	k8s.Ref
	Generation, Observed int64
	Created, Deleted     time.Time
	// Changed is the newest write to anything but the status that
	// managedFields record; zero when they are missing.
	Changed    time.Time
	Finalizers []string
	// Selector of its pods, as a selector string.
	Selector string
	// Replicas is spec.replicas; DaemonSet: status.desiredNumberScheduled.
	Replicas int
	// Strategy is RollingUpdate, Recreate, OnDelete, Canary or BlueGreen.
	Strategy                 string
	MaxSurge, MaxUnavailable *intstr.IntOrString
	MinReady                 time.Duration
	// Deadline is progressDeadlineSeconds; 0: never.
	Deadline time.Duration
	// HistoryLimit is revisionHistoryLimit: how many old revisions are kept.
	HistoryLimit int
	Paused       bool
	// Partition, OrderedReady, OrdinalStart, CurrentRevision and
	// UpdateRevision are a StatefulSet's.
	Partition, OrdinalStart         int
	OrderedReady                    bool
	CurrentRevision, UpdateRevision string
	Template                        Fingerprint
	Images                          []k8s.Image
	// Containers of the template, sidecars and init containers included.
	Containers []Container
	Conditions []Condition
	Status     Counters
	// Argo is nil for other kinds.
	Argo *Argo
	// StartupBudget is how long the template's startup probes give a running
	// container, ReadinessBudget how long its readiness probes plausibly take
	// from then on (see [budgets]).
	StartupBudget, ReadinessBudget time.Duration
	// Takes is what the template takes secrets by; nil when it is not known.
	Takes *secrets.Takes
}

// ProbeBudget is how long a container may plausibly run before it is ready.
func (o *Object) ProbeBudget() time.Duration { return o.StartupBudget + o.ReadinessBudget }

// condition finds the condition of a type; nil when there is none.
func (o *Object) condition(kind string) *Condition {
	for i := range o.Conditions {
		if o.Conditions[i].Type == kind {
			return &o.Conditions[i]
		}
	}
	return nil
}

// workload starts the row of a typed workload.
func workload(kind string, m metav1.Object, in Intern, selector *metav1.LabelSelector, t *corev1.PodTemplateSpec) *Object {
	o := &Object{
		Ref: ref(kind, m, in), Generation: m.GetGeneration(), Created: m.GetCreationTimestamp().Time,
		Deleted: deleted(m), Changed: changed(m), Selector: in.of(selectorString(selector)),
		HistoryLimit: 10, Template: fingerprint(t), Images: images(&t.Spec, in), Containers: containers(&t.Spec, in),
	}
	for _, f := range m.GetFinalizers() {
		o.Finalizers = append(o.Finalizers, in.clean(f, maxName))
	}
	o.StartupBudget, o.ReadinessBudget = budgets(&t.Spec)
	o.Takes = secrets.TakesOf(&t.Spec, t.Annotations, in.of)
	return o
}

// FromDeployment reduces a Deployment.
func FromDeployment(d *appsv1.Deployment, in Intern) *Object {
	o := workload(k8s.Deployment, d, in, d.Spec.Selector, &d.Spec.Template)
	o.Observed = d.Status.ObservedGeneration
	o.Replicas, o.MinReady, o.Paused = orOne(d.Spec.Replicas), seconds(d.Spec.MinReadySeconds), d.Spec.Paused
	o.HistoryLimit = orDefault(d.Spec.RevisionHistoryLimit, o.HistoryLimit)
	// Absent or MaxInt32 means never (deployment_util.go HasProgressDeadline).
	if s := d.Spec.ProgressDeadlineSeconds; s != nil && *s != 1<<31-1 {
		o.Deadline = seconds(*s)
	}
	o.Strategy = strategy(string(d.Spec.Strategy.Type), in)
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		o.MaxSurge, o.MaxUnavailable = r.MaxSurge, r.MaxUnavailable
	}
	o.Status = Counters{
		Replicas: int(d.Status.Replicas), Updated: int(d.Status.UpdatedReplicas), Ready: int(d.Status.ReadyReplicas),
		Available: int(d.Status.AvailableReplicas), Terminating: orDefault(d.Status.TerminatingReplicas, 0),
	}
	for _, c := range d.Status.Conditions {
		o.Conditions = append(o.Conditions, condition(in, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, c.LastUpdateTime))
	}
	return o
}

// FromStatefulSet reduces a StatefulSet. Its controller writes no useful
// conditions; those others put there are kept.
func FromStatefulSet(s *appsv1.StatefulSet, in Intern) *Object {
	o := workload(k8s.StatefulSet, s, in, s.Spec.Selector, &s.Spec.Template)
	o.Observed = s.Status.ObservedGeneration
	o.Replicas, o.MinReady = orOne(s.Spec.Replicas), seconds(s.Spec.MinReadySeconds)
	o.HistoryLimit = orDefault(s.Spec.RevisionHistoryLimit, o.HistoryLimit)
	o.OrderedReady = s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	o.CurrentRevision, o.UpdateRevision = in.clean(s.Status.CurrentRevision, maxName), in.clean(s.Status.UpdateRevision, maxName)
	o.Strategy = strategy(string(s.Spec.UpdateStrategy.Type), in)
	if s.Spec.Ordinals != nil {
		o.OrdinalStart = int(s.Spec.Ordinals.Start)
	}
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil {
		o.MaxUnavailable, o.Partition = r.MaxUnavailable, orDefault(r.Partition, 0)
	}
	o.Status = Counters{
		Replicas: int(s.Status.Replicas), Updated: int(s.Status.UpdatedReplicas), Ready: int(s.Status.ReadyReplicas),
		Available: int(s.Status.AvailableReplicas),
	}
	for _, c := range s.Status.Conditions {
		o.Conditions = append(o.Conditions, condition(in, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, metav1.Time{}))
	}
	return o
}

// FromDaemonSet reduces a DaemonSet.
func FromDaemonSet(d *appsv1.DaemonSet, in Intern) *Object {
	o := workload(k8s.DaemonSet, d, in, d.Spec.Selector, &d.Spec.Template)
	o.Observed = d.Status.ObservedGeneration
	o.Replicas, o.MinReady = int(d.Status.DesiredNumberScheduled), seconds(d.Spec.MinReadySeconds)
	o.HistoryLimit = orDefault(d.Spec.RevisionHistoryLimit, o.HistoryLimit)
	o.Strategy = strategy(string(d.Spec.UpdateStrategy.Type), in)
	if r := d.Spec.UpdateStrategy.RollingUpdate; r != nil {
		o.MaxSurge, o.MaxUnavailable = r.MaxSurge, r.MaxUnavailable
	}
	o.Status = Counters{
		Replicas: int(d.Status.CurrentNumberScheduled), Updated: int(d.Status.UpdatedNumberScheduled), Ready: int(d.Status.NumberReady),
		Available: int(d.Status.NumberAvailable), Misscheduled: int(d.Status.NumberMisscheduled),
	}
	for _, c := range d.Status.Conditions {
		o.Conditions = append(o.Conditions, condition(in, string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, metav1.Time{}))
	}
	return o
}

// condition reduces one; a kind without lastUpdateTime gives the transition.
func condition(in Intern, kind, status, reason, message string, since, updated metav1.Time) Condition {
	if updated.IsZero() {
		updated = since
	}
	return Condition{
		Type: in.clean(kind, maxName), Status: in.clean(status, maxReason), Reason: in.clean(reason, maxName),
		Message: foreign.CleanN(message, maxMessage), Since: since.Time, Updated: updated.Time,
	}
}

// budgets says how long a healthy container of the template may run before
// its startup probe has passed, and before it is ready after that: for each
// probe initialDelay + period x failureThreshold, one more period and its
// timeout (kubelet prober/worker.go), the slowest container counting. A
// readiness probe has no limit of its own, so its budget is only plausible: it
// is never less than a minute together with the startup budget, as images
// without probes of their own still have to start.
func budgets(spec *corev1.PodSpec) (startup, readiness time.Duration) {
	consider := func(c *corev1.Container) {
		startup = max(startup, budget(c.StartupProbe))
		readiness = max(readiness, budget(c.ReadinessProbe))
	}
	for i := range spec.Containers {
		consider(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		if isSidecar(&spec.InitContainers[i]) {
			consider(&spec.InitContainers[i])
		}
	}
	return startup, max(readiness, time.Minute-startup, 30*time.Second)
}

// budget is one probe's, with the API's defaults for what is not set.
func budget(p *corev1.Probe) time.Duration {
	if p == nil {
		return 0
	}
	or := func(n, fallback int32) int32 {
		if n <= 0 {
			return fallback
		}
		return n
	}
	period := or(p.PeriodSeconds, 10)
	return seconds(max(p.InitialDelaySeconds, 0)) + time.Duration(period)*time.Second*time.Duration(or(p.FailureThreshold, 3)+1) +
		seconds(or(p.TimeoutSeconds, 1))
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func ref(kind string, m metav1.Object, in Intern) k8s.Ref {
	return k8s.Ref{
		Kind: kind, Namespace: in.clean(m.GetNamespace(), maxName), Name: foreign.CleanN(m.GetName(), maxName).String(),
		UID: foreign.CleanN(string(m.GetUID()), maxName).String(),
	}
}

func deleted(m metav1.Object) time.Time {
	if t := m.GetDeletionTimestamp(); t != nil {
		return t.Time
	}
	return time.Time{}
}

// changed is the newest write that managedFields record to anything but the
// status; writes of the scale subresource count.
func changed(m metav1.Object) time.Time {
	var at time.Time
	for _, f := range m.GetManagedFields() {
		if f.Subresource != "status" && f.Time != nil && f.Time.After(at) {
			at = f.Time.Time
		}
	}
	return at
}

func selectorString(s *metav1.LabelSelector) string {
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return "" // the API server admits no such selector
	}
	return foreign.Clean(sel.String()).String()
}

func images(spec *corev1.PodSpec, in Intern) []k8s.Image {
	out := make([]k8s.Image, 0, len(spec.Containers))
	for _, c := range spec.Containers {
		out = append(out, k8s.Image{Container: in.clean(c.Name, maxName), Image: foreign.Text(in.clean(c.Image, maxImage))})
	}
	return out
}

func strategy(s string, in Intern) string {
	if s == "" {
		return rollingUpdate
	}
	return in.clean(s, maxReason)
}

func orOne(n *int32) int { return orDefault(n, 1) }

func orDefault(n *int32, fallback int) int {
	if n == nil {
		return fallback
	}
	return int(*n)
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
