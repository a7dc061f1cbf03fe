package change

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// PlanPause plans to stop the rollout of a Deployment or Argo Rollout where it
// is.
func (p *Planner) PlanPause(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.planPaused(ctx, ref, true)
}

// PlanResume plans to let a paused rollout go on.
func (p *Planner) PlanResume(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	return p.planPaused(ctx, ref, false)
}

func (p *Planner) planPaused(ctx context.Context, ref k8s.Ref, pause bool) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := s.pausing(pause); err != nil {
		return nil, err
	}
	patch, err := p.specPatch(s, op{Op: "add", Path: "/spec/paused", Value: pause})
	if err != nil {
		return nil, err
	}
	do := patch.steps()
	do.Verify = func(ctx context.Context) (string, error) { return p.observed(ctx, patch, pause) }
	do.Inverse = func(ctx context.Context) (*action.Plan, error) { return p.planPaused(ctx, s.ref, !pause) }
	plan := action.Plan{
		Verb: "pause", Title: fmt.Sprintf("Pause the rollout of %s?", s.ref), Target: p.target(s.ref),
		Changes:  []action.Field{{Path: "spec.paused", Before: foreign.Text(fmt.Sprint(!pause)), After: foreign.Text(fmt.Sprint(pause))}},
		Blast:    s.pausedBlast(),
		Warnings: reverters(s.obj, "spec", "paused"), Danger: action.DangerEnter,
		Undo:       "Undo resumes it.",
		Equivalent: p.pauseCommand(s, pause), VerifyWithin: verifyWithin,
	}
	if !pause {
		plan.Verb, plan.Title = "resume", fmt.Sprintf("Resume the rollout of %s?", s.ref)
		plan.Blast, plan.Undo = s.resumedBlast(), "Undo pauses it again; pods that were replaced meanwhile stay."
	}
	return action.New(plan, do), nil
}

// pausing refuses what would change nothing or cannot be.
func (s *subject) pausing(pause bool) error {
	switch {
	case !s.pausable:
		return fmt.Errorf("%s cannot be paused: only Deployments and Argo Rollouts can", s.ref)
	case pause && s.paused():
		return fmt.Errorf("%s is paused already", s.ref)
	case !pause && s.argo && !s.paused() && s.waitsForPromotion():
		return fmt.Errorf("%s waits at a step of its strategy, it is not paused by hand: promote it", s.ref)
	case !pause && !s.paused():
		return fmt.Errorf("%s is not paused", s.ref)
	}
	return nil
}

// waitsForPromotion reports a pause that the Argo controller made itself.
func (s *subject) waitsForPromotion() bool {
	conditions, _, _ := unstructured.NestedSlice(s.obj.Object, "status", "pauseConditions")
	return len(conditions) > 0
}

func (s *subject) pausedBlast() string {
	n, updated := s.replicas(), s.status("updatedReplicas")
	if !s.statusIsCurrent() {
		return "The rollout stops where it is; its controller has not seen the newest template yet. Scaling still works."
	}
	if n > 0 && updated < n {
		return fmt.Sprintf("The rollout stops where it is, with %d of %s new; scaling still works.", updated, pods(n))
	}
	return "No pod changes now; the next change of the template waits until it is resumed. Scaling still works."
}

func (s *subject) resumedBlast() string {
	n, updated := s.replicas(), s.status("updatedReplicas")
	switch {
	case !s.statusIsCurrent():
		return "The rollout goes on: what was changed in the template while it was paused is rolled out now."
	case updated < n:
		return fmt.Sprintf("The rollout goes on, with %d of %s new so far.", updated, pods(n))
	}
	return "Nothing waits to be rolled out; the next change of the template is again rolled out at once."
}

func (p *Planner) pauseCommand(s *subject, pause bool) string {
	switch {
	case s.argo && pause:
		return p.rolloutCommand(s, "pause")
	case s.argo:
		// The plugin's promote would also skip the step it waits at.
		return p.kubectl(s.ref.Namespace, "patch", resourceName(s.kind, s.ref), "--type", "merge", "-p", `{"spec":{"paused":false}}`)
	case pause:
		return p.rolloutCommand(s, "pause")
	}
	return p.rolloutCommand(s, "resume")
}
