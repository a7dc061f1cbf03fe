package change

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// PlanUndo plans to put a workload's template back to that of an earlier
// revision; 0 means the previous one.
func (p *Planner) PlanUndo(ctx context.Context, ref k8s.Ref, number int64) (*action.Plan, error) {
	return p.planUndo(ctx, ref, func(s *subject, all []revision) (revision, error) { return s.choose(all, number) })
}

// choice picks the revision to go back to.
type choice func(*subject, []revision) (revision, error)

func (p *Planner) planUndo(ctx context.Context, ref k8s.Ref, choose choice) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := s.undoable(); err != nil {
		return nil, err
	}
	all, err := p.revisions(ctx, s)
	if err != nil {
		return nil, err
	}
	to, err := choose(s, all)
	if err != nil {
		return nil, err
	}
	if s.sameTemplate(to.template, s.template) {
		return nil, fmt.Errorf("%s has the template of revision %d already: nothing to undo", s.ref, to.number)
	}
	patch, err := p.specPatch(s, append([]op{{Op: "replace", Path: "/spec/template", Value: to.raw}}, s.annotationOps(to)...)...)
	if err != nil {
		return nil, err
	}
	from, known := s.present(all)
	if !known {
		from = revision{}
	}
	return p.undoPlan(ctx, s, patch, from, to)
}

func (s *subject) undoable() error {
	switch {
	case s.paused():
		return fmt.Errorf("%s is paused, so nothing would roll back: resume it first", s.ref)
	case s.template == nil:
		name, _, _ := unstructured.NestedString(s.obj.Object, "spec", "workloadRef", "name")
		kind, _, _ := unstructured.NestedString(s.obj.Object, "spec", "workloadRef", "kind")
		return fmt.Errorf("%s takes its template from %s %s: undo that one", s.ref, foreign.Clean(kind), foreign.Clean(name))
	}
	return nil
}

// undoPlan describes the way from one revision to another. from is zero when
// the present template is not in the history; then there is no way back.
func (p *Planner) undoPlan(ctx context.Context, s *subject, patch *specPatch, from, to revision) (*action.Plan, error) {
	diff, err := diffTemplates(s.template, to.template)
	if err != nil {
		return nil, err
	}
	effect := s.replacing()
	do := patch.steps()
	do.Verify = func(ctx context.Context) (string, error) { return p.rolled(ctx, patch) }
	present, undo := "the present template", "Cannot be undone: the present template is not in its history."
	if from.name != "" {
		present = fmt.Sprintf("revision %d", from.number)
		undo = fmt.Sprintf("Undo rolls forward to what is now %s.", present)
		do.Inverse = func(ctx context.Context) (*action.Plan, error) {
			return p.planUndo(ctx, s.ref, func(now *subject, all []revision) (revision, error) { return now.named(all, from.name) })
		}
	}
	plan := action.Plan{
		Verb: "undo", Title: fmt.Sprintf("Roll %s back to revision %d?", s.ref, to.number), Target: p.target(s.ref),
		Changes: append([]action.Field{{Path: "revision", Before: foreign.Text(present), After: foreign.Text(fmt.Sprintf("revision %d", to.number))}}, diff.fields...),
		Diff:    diff.unified, Blast: effect.text, Danger: effect.danger,
		Warnings:   append(effect.warnings, reverters(s.obj, "spec", "template")...),
		Undo:       undo,
		Equivalent: p.rolloutCommand(s, "undo", "--to-revision="+strconv.FormatInt(to.number, 10)), VerifyWithin: verifyWithin,
	}
	if stuck := p.orderedReadyTrap(ctx, s, to); stuck != "" {
		plan.Warnings = append(plan.Warnings, stuck)
	}
	return action.New(plan, do), nil
}

// keptAnnotations are the Deployment's own annotations that a rollback leaves
// alone (kubectl pkg/polymorphichelpers/rollback.go annotationsToSkip).
func keptAnnotations() map[string]bool {
	return map[string]bool{
		corev1.LastAppliedConfigAnnotation:          true,
		"deployment.kubernetes.io/revision":         true,
		"deployment.kubernetes.io/revision-history": true,
		"deployment.kubernetes.io/desired-replicas": true,
		"deployment.kubernetes.io/max-replicas":     true,
		"deprecated.deployment.rollback.to":         true,
	}
}

// annotationOps make a Deployment's annotations what they were at a revision,
// as kubectl does. It sends them one by one instead of replacing the whole
// map, so that what the controller or somebody else writes meanwhile stays.
func (s *subject) annotationOps(to revision) []op {
	if s.name != k8s.Deployment {
		return nil
	}
	kept, have := keptAnnotations(), s.obj.GetAnnotations()
	var ops []op
	for _, k := range slices.Sorted(maps.Keys(to.annotations)) {
		if v, ok := have[k]; !kept[k] && (!ok || v != to.annotations[k]) {
			ops = append(ops, op{Op: "add", Path: pointer("metadata", "annotations", k), Value: to.annotations[k]})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(have)) {
		if _, ok := to.annotations[k]; !kept[k] && !ok {
			ops = append(ops, op{Op: "remove", Path: pointer("metadata", "annotations", k)})
		}
	}
	if len(have) == 0 && len(ops) > 0 {
		ops = append([]op{{Op: "add", Path: "/metadata/annotations", Value: map[string]string{}}}, ops...)
	}
	return ops
}

// orderedReadyTrap warns of the pod that a StatefulSet with ordered pods will
// never replace by itself: the update stops at the first pod that is not
// ready, also when going back would mend it (kubernetes/kubernetes#67250).
func (p *Planner) orderedReadyTrap(ctx context.Context, s *subject, to revision) string {
	if s.statefulSet == nil || s.statefulSet.Spec.PodManagementPolicy == "Parallel" {
		return ""
	}
	selector, err := s.selector()
	if err != nil {
		return ""
	}
	list, err := p.cluster.Typed.CoreV1().Pods(s.ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Sprintf("it is not known whether a pod stands in the way: %v", readable(err))
	}
	for i := range list.Items {
		pod := &list.Items[i]
		owner := metav1.GetControllerOf(pod)
		if owner == nil || string(owner.UID) != s.ref.UID || isReady(pod) || pod.Labels["controller-revision-hash"] == to.name {
			continue
		}
		return fmt.Sprintf("%s is not ready and blocks the update (pods are replaced in order): delete it after rolling back", pod.Name)
	}
	return ""
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}
