package rollout

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/secrets"
)

// Argo is what only an Argo Rollout has
// (argo-rollouts pkg/apis/rollouts/v1alpha1/types.go).
type Argo struct {
	// Phase and Message are the controller's own summary: Progressing,
	// Paused, Healthy, Degraded; empty before Argo Rollouts 1.0.
	Phase   string
	Message foreign.Text
	// StableHash is of the pods that served before, PodHash of those being
	// rolled out; equal when there is nothing to roll out.
	StableHash, PodHash string
	// Step of Steps is the canary's, counted from 0; equal when all are done.
	Step, Steps int
	// StepPause is how long the present step pauses; 0: until promoted, or it
	// is no pause.
	StepPause time.Duration
	// Weight is the canary's actual share of traffic in per cent; -1 when no
	// traffic router reports it.
	Weight                   int
	Aborted, ControllerPause bool
	AbortedAt                time.Time
	Pauses                   []ArgoPause
	Analyses                 []ArgoAnalysis
	// Referenced is true when the template is another workload's
	// (spec.workloadRef), ReferentSeen that its newest change was observed.
	Referenced, ReferentSeen bool
}

// ArgoPause is one pause condition.
type ArgoPause struct {
	Reason string // CanaryPauseStep, BlueGreenPause, InconclusiveAnalysis
	Start  time.Time
}

// ArgoAnalysis is the state of one AnalysisRun of the rollout.
type ArgoAnalysis struct {
	// Kind is step, background, pre-promotion or post-promotion.
	Kind, Name, Status string
	Message            foreign.Text
}

// failed reports whether the run ended without saying yes.
func (a *ArgoAnalysis) failed() bool {
	return a.Status == "Failed" || a.Status == "Error" || a.Status == "Inconclusive"
}

// FromArgoRollout reduces an argoproj.io/v1alpha1 Rollout. A field that is
// missing or of an unexpected type reads as its zero value; the error is for
// an object whose selector or template cannot be read at all.
func FromArgoRollout(u *unstructured.Unstructured, in Intern) (*Object, error) {
	n := nested{u.Object}
	o := &Object{
		Ref: ref(k8s.Rollout, u, in), Generation: u.GetGeneration(), Created: u.GetCreationTimestamp().Time,
		Deleted: deleted(u), Changed: changed(u), Replicas: 1, Strategy: canary, HistoryLimit: 10,
		Paused: n.boolean("spec", "paused"), MinReady: time.Duration(n.num("spec", "minReadySeconds")) * time.Second,
		Deadline: 600 * time.Second, Argo: argoStatus(n, in),
		Status: Counters{
			Replicas: n.num("status", "replicas"), Updated: n.num("status", "updatedReplicas"),
			Ready: n.num("status", "readyReplicas"), Available: n.num("status", "availableReplicas"),
		},
	}
	if v, ok := n.value("spec", "replicas"); ok {
		o.Replicas = number(v)
	}
	if v, ok := n.value("spec", "revisionHistoryLimit"); ok {
		o.HistoryLimit = number(v)
	}
	if v, ok := n.value("spec", "progressDeadlineSeconds"); ok {
		o.Deadline = time.Duration(number(v)) * time.Second
	}
	if _, ok := n.value("spec", "strategy", "blueGreen"); ok {
		o.Strategy = blueGreen
	}
	o.MaxSurge, o.MaxUnavailable = n.intOrString("spec", "strategy", "canary", "maxSurge"), n.intOrString("spec", "strategy", "canary", "maxUnavailable")
	// observedGeneration is a string; one that is no number counts as observed
	// (argo-rollouts utils/rollout/rolloututil.go isGenerationObserved).
	o.Observed = o.Generation
	if g, err := strconv.ParseInt(n.str("status", "observedGeneration"), 10, 64); err == nil {
		o.Observed = g
	}
	for _, f := range u.GetFinalizers() {
		o.Finalizers = append(o.Finalizers, in.clean(f, maxName))
	}
	for _, item := range n.maps("status", "conditions") {
		o.Conditions = append(o.Conditions, condition(in, item.str("type"), item.str("status"), item.str("reason"), item.str("message"),
			metav1.NewTime(item.time("lastTransitionTime")), metav1.NewTime(item.time("lastUpdateTime"))))
	}
	return o, argoSpec(o, n, in)
}

// argoSpec reads the parts that have Kubernetes' own types.
func argoSpec(o *Object, n nested, in Intern) error {
	if m := n.object("spec", "selector"); m != nil {
		var s metav1.LabelSelector
		if err := fromUnstructured(m, &s); err != nil {
			return fmt.Errorf("read spec.selector of %s: %w", o.Ref, err)
		}
		o.Selector = in.of(selectorString(&s))
	}
	if o.Selector == "" {
		// With a workloadRef the controller writes what it uses to the status.
		o.Selector = in.clean(n.str("status", "selector"), maxMessage)
	}
	var t corev1.PodTemplateSpec
	if m := n.object("spec", "template"); m != nil {
		if err := fromUnstructured(m, &t); err != nil {
			return fmt.Errorf("read spec.template of %s: %w", o.Ref, err)
		}
		o.Template, o.Images = fingerprint(&t), images(&t.Spec, in)
		o.Takes = secrets.TakesOf(&t.Spec, t.Annotations, in.of)
	}
	o.StartupBudget, o.ReadinessBudget = budgets(&t.Spec)
	return nil
}

func argoStatus(n nested, in Intern) *Argo {
	a := &Argo{
		Phase: in.clean(n.str("status", "phase"), maxReason), Message: foreign.CleanN(n.str("status", "message"), maxMessage),
		StableHash: in.clean(n.str("status", "stableRS"), maxReason), PodHash: in.clean(n.str("status", "currentPodHash"), maxReason),
		Step: n.num("status", "currentStepIndex"), Weight: -1,
		Aborted: n.boolean("status", "abort"), AbortedAt: n.time("status", "abortedAt"), ControllerPause: n.boolean("status", "controllerPause"),
	}
	steps := n.maps("spec", "strategy", "canary", "steps")
	if a.Steps = len(steps); a.Step < a.Steps && a.Step >= 0 {
		a.StepPause = pauseOf(steps[a.Step])
	}
	if v, ok := n.value("status", "canary", "weights", "canary", "weight"); ok {
		a.Weight = number(v)
	}
	for _, p := range n.maps("status", "pauseConditions") {
		a.Pauses = append(a.Pauses, ArgoPause{Reason: in.clean(p.str("reason"), maxReason), Start: p.time("startTime")})
	}
	for _, at := range []struct{ kind, strategy, field string }{
		{"step", "canary", "currentStepAnalysisRunStatus"}, {"background", "canary", "currentBackgroundAnalysisRunStatus"},
		{"pre-promotion", "blueGreen", "prePromotionAnalysisRunStatus"}, {"post-promotion", "blueGreen", "postPromotionAnalysisRunStatus"},
	} {
		run := nested{n.object("status", at.strategy, at.field)}
		if name := run.str("name"); name != "" {
			a.Analyses = append(a.Analyses, ArgoAnalysis{
				Kind: at.kind, Name: in.clean(name, maxName), Status: in.clean(run.str("status"), maxReason),
				Message: foreign.CleanN(run.str("message"), maxMessage),
			})
		}
	}
	if n.object("spec", "workloadRef") != nil {
		a.Referenced = true
		want, seen := n.annotation("rollout.argoproj.io/workload-generation"), n.str("status", "workloadObservedGeneration")
		a.ReferentSeen = want == "" || want == seen
	}
	return a
}

// pauseOf is how long a canary step pauses: seconds as a number, or a duration
// as text; 0 for a pause without end and for other steps.
func pauseOf(step nested) time.Duration {
	v, ok := step.value("pause", "duration")
	if !ok {
		return 0
	}
	if s, ok := v.(string); ok {
		if n, err := strconv.Atoi(s); err == nil {
			return time.Duration(n) * time.Second
		}
		d, _ := time.ParseDuration(s) // what cannot be read is no known length
		return max(d, 0)
	}
	return time.Duration(number(v)) * time.Second
}
