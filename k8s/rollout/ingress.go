package rollout

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
	"midwatch/k8s"
)

// Annotations and labels the controllers keep their books in.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	argoRevision       = "rollout.argoproj.io/revision"
	causeAnnotation    = "kubernetes.io/change-cause"
	argoHashLabel      = "rollouts-pod-template-hash"
)

func ref(kind string, m metav1.Object, in Intern) k8s.Ref {
	return k8s.Ref{Kind: kind, Namespace: in.of(m.GetNamespace()), Name: m.GetName(), UID: string(m.GetUID())}
}

func deleted(m metav1.Object) time.Time {
	if t := m.GetDeletionTimestamp(); t != nil {
		return t.Time
	}
	return time.Time{}
}

func selector(s *metav1.LabelSelector) string {
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return ""
	}
	return sel.String()
}

func images(spec *corev1.PodSpec, in Intern) []k8s.Image {
	out := make([]k8s.Image, 0, len(spec.Containers))
	for _, c := range spec.Containers {
		out = append(out, k8s.Image{Container: in.of(c.Name), Image: foreign.Text(in.of(string(foreign.Clean(c.Image))))})
	}
	return out
}

func orOne(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// FromDeployment reduces a Deployment.
func FromDeployment(d *appsv1.Deployment, in Intern) *Object {
	o := &Object{
		Ref: ref(k8s.Deployment, d, in), Generation: d.Generation, Observed: d.Status.ObservedGeneration,
		Created: d.CreationTimestamp.Time, Deleted: deleted(d), Selector: selector(d.Spec.Selector),
		Replicas: orOne(d.Spec.Replicas), Strategy: string(d.Spec.Strategy.Type),
		MinReady: seconds(d.Spec.MinReadySeconds), Paused: d.Spec.Paused, HistoryLimit: 10,
		Template: fingerprint(&d.Spec.Template), Images: images(&d.Spec.Template.Spec, in),
		Status: Counters{
			Replicas: int(d.Status.Replicas), Updated: int(d.Status.UpdatedReplicas), Ready: int(d.Status.ReadyReplicas),
			Available: int(d.Status.AvailableReplicas), Unavailable: int(d.Status.UnavailableReplicas),
		},
	}
	o.ProbeBudget, o.ReadinessBudget = probeBudgets(&d.Spec.Template.Spec)
	// Absent or MaxInt32 means never (deployment_util.go HasProgressDeadline).
	if s := d.Spec.ProgressDeadlineSeconds; s != nil && *s != 1<<31-1 {
		o.Deadline = seconds(*s)
	}
	if d.Spec.RevisionHistoryLimit != nil {
		o.HistoryLimit = int(*d.Spec.RevisionHistoryLimit)
	}
	if o.Strategy == "" {
		o.Strategy = "RollingUpdate"
	}
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		o.MaxSurge, o.MaxUnavailable = r.MaxSurge, r.MaxUnavailable
	}
	for _, c := range d.Status.Conditions {
		o.Conditions = append(o.Conditions, Condition{
			Type: in.of(string(c.Type)), Status: in.of(string(c.Status)), Reason: in.of(c.Reason), Message: foreign.Clean(c.Message),
			Since: c.LastTransitionTime.Time, Updated: c.LastUpdateTime.Time,
		})
	}
	return o
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// FromStatefulSet reduces a StatefulSet.
func FromStatefulSet(s *appsv1.StatefulSet, in Intern) *Object {
	o := &Object{
		Ref: ref(k8s.StatefulSet, s, in), Generation: s.Generation, Observed: s.Status.ObservedGeneration,
		Created: s.CreationTimestamp.Time, Deleted: deleted(s), Selector: selector(s.Spec.Selector),
		Replicas: orOne(s.Spec.Replicas), Strategy: string(s.Spec.UpdateStrategy.Type), MinReady: seconds(s.Spec.MinReadySeconds),
		OrderedReady: s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement, HistoryLimit: 10,
		Template: fingerprint(&s.Spec.Template), Images: images(&s.Spec.Template.Spec, in),
		CurrentRevision: s.Status.CurrentRevision, UpdateRevision: s.Status.UpdateRevision,
		Status: Counters{
			Replicas: int(s.Status.Replicas), Updated: int(s.Status.UpdatedReplicas), Ready: int(s.Status.ReadyReplicas),
			Available: int(s.Status.AvailableReplicas), Current: int(s.Status.CurrentReplicas),
		},
	}
	if o.Strategy == "" {
		o.Strategy = "RollingUpdate"
	}
	o.ProbeBudget, o.ReadinessBudget = probeBudgets(&s.Spec.Template.Spec)
	if s.Spec.Ordinals != nil {
		o.OrdinalStart = int(s.Spec.Ordinals.Start)
	}
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil {
		o.MaxUnavailable = r.MaxUnavailable
		if r.Partition != nil {
			o.Partition = int(*r.Partition)
		}
	}
	return o
}

// FromDaemonSet reduces a DaemonSet.
func FromDaemonSet(d *appsv1.DaemonSet, in Intern) *Object {
	o := &Object{
		Ref: ref(k8s.DaemonSet, d, in), Generation: d.Generation, Observed: d.Status.ObservedGeneration,
		Created: d.CreationTimestamp.Time, Deleted: deleted(d), Selector: selector(d.Spec.Selector),
		Replicas: int(d.Status.DesiredNumberScheduled), Strategy: string(d.Spec.UpdateStrategy.Type), MinReady: seconds(d.Spec.MinReadySeconds),
		HistoryLimit: 10, Template: fingerprint(&d.Spec.Template), Images: images(&d.Spec.Template.Spec, in),
		Status: Counters{
			Replicas: int(d.Status.CurrentNumberScheduled), Updated: int(d.Status.UpdatedNumberScheduled), Ready: int(d.Status.NumberReady),
			Available: int(d.Status.NumberAvailable), Unavailable: int(d.Status.NumberUnavailable), Misscheduled: int(d.Status.NumberMisscheduled),
		},
	}
	if o.Strategy == "" {
		o.Strategy = "RollingUpdate"
	}
	o.ProbeBudget, o.ReadinessBudget = probeBudgets(&d.Spec.Template.Spec)
	if r := d.Spec.UpdateStrategy.RollingUpdate; r != nil {
		o.MaxSurge, o.MaxUnavailable = r.MaxSurge, r.MaxUnavailable
	}
	return o
}

// FromArgoRollout reduces an argoproj.io/v1alpha1 Rollout.
func FromArgoRollout(u *unstructured.Unstructured, in Intern) (*Object, error) {
	n := nested{u.Object}
	a := &Argo{
		Phase: n.str("status", "phase"), Message: foreign.Clean(n.str("status", "message")),
		StableHash: n.str("status", "stableRS"), PodHash: n.str("status", "currentPodHash"),
		Step: n.num("status", "currentStepIndex"), Steps: len(n.list("spec", "strategy", "canary", "steps")),
		Weight:          n.num("status", "canary", "weights", "canary", "weight"),
		Aborted:         n.boolean("status", "abort"),
		ControllerPause: n.boolean("status", "controllerPause"),
	}
	for _, p := range n.list("status", "pauseConditions") {
		if m, ok := p.(map[string]any); ok {
			a.PauseReasons = append(a.PauseReasons, nested{m}.str("reason"))
		}
	}
	for _, at := range [][]string{
		{"status", "canary", "currentStepAnalysisRunStatus"}, {"status", "canary", "currentBackgroundAnalysisRunStatus"},
		{"status", "blueGreen", "prePromotionAnalysisRunStatus"}, {"status", "blueGreen", "postPromotionAnalysisRunStatus"},
	} {
		if s := n.str(append(slices.Clone(at), "status")...); s != "" && s != "Successful" && s != "Running" {
			a.Analysis = foreign.Clean(n.str(append(slices.Clone(at), "name")...) + " " + s + " " + n.str(append(slices.Clone(at), "message")...))
		}
	}
	o := &Object{
		Ref: ref(k8s.Rollout, u, in), changedAt: changedAt(u), Generation: u.GetGeneration(), Created: u.GetCreationTimestamp().Time, Deleted: deleted(u),
		Replicas: 1, Strategy: "Canary", HistoryLimit: 10, Paused: n.boolean("spec", "paused"), Argo: a,
		MinReady: time.Duration(n.num("spec", "minReadySeconds")) * time.Second,
		Deadline: 600 * time.Second, ProbeBudget: 3 * time.Minute, ReadinessBudget: time.Minute,
		Status: Counters{
			Replicas: n.num("status", "replicas"), Updated: n.num("status", "updatedReplicas"),
			Ready: n.num("status", "readyReplicas"), Available: n.num("status", "availableReplicas"),
		},
	}
	if v, ok := n.value("spec", "replicas"); ok {
		o.Replicas = number(v)
	}
	if s := n.num("spec", "progressDeadlineSeconds"); s > 0 {
		o.Deadline = time.Duration(s) * time.Second
	}
	if _, ok := n.value("spec", "strategy", "blueGreen"); ok {
		o.Strategy = "BlueGreen"
	}
	o.MaxSurge, o.MaxUnavailable = n.intOrString("spec", "strategy", "canary", "maxSurge"), n.intOrString("spec", "strategy", "canary", "maxUnavailable")
	// observedGeneration is a string; one that is no number counts as observed
	// (argo-rollouts utils/rollout/rolloututil.go).
	o.Observed = o.Generation
	if g, err := strconv.ParseInt(n.str("status", "observedGeneration"), 10, 64); err == nil {
		o.Observed = g
	}
	if sel, ok := n.value("spec", "selector"); ok {
		if m, ok := sel.(map[string]any); ok {
			var ls metav1.LabelSelector
			if err := fromUnstructured(m, &ls); err != nil {
				return nil, fmt.Errorf("read the selector of %s: %w", o.Ref, err)
			}
			o.Selector = selector(&ls)
		}
	}
	for _, c := range n.list("spec", "template", "spec", "containers") {
		if m, ok := c.(map[string]any); ok {
			o.Images = append(o.Images, k8s.Image{Container: nested{m}.str("name"), Image: foreign.Clean(nested{m}.str("image"))})
		}
	}
	for _, c := range n.list("status", "conditions") {
		if m, ok := c.(map[string]any); ok {
			c := nested{m}
			o.Conditions = append(o.Conditions, Condition{
				Type: c.str("type"), Status: c.str("status"), Reason: c.str("reason"), Message: foreign.Clean(c.str("message")),
				Since: c.time("lastTransitionTime"), Updated: c.time("lastUpdateTime"),
			})
		}
	}
	return o, nil
}
