package change

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// behaviourPath is where an autoscaler's behaviour stands.
const behaviourPath = "/spec/behavior"

// PlanSuspendScaleDown plans to keep a HorizontalPodAutoscaler from scaling
// down, by spec.behavior.scaleDown.selectPolicy: Disabled. It still scales up.
func (p *Planner) PlanSuspendScaleDown(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.readScaler(ctx, ref)
	if err != nil {
		return nil, err
	}
	if downPolicy(s.hpa.Spec.Behavior) == autoscalingv2.DisabledPolicySelect {
		return nil, fmt.Errorf("%s does not scale down already", s.ref)
	}
	after := s.hpa.Spec.Behavior.DeepCopy()
	if after == nil {
		after = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	}
	if after.ScaleDown == nil {
		after.ScaleDown = &autoscalingv2.HPAScalingRules{}
	}
	disabled := autoscalingv2.DisabledPolicySelect
	after.ScaleDown.SelectPolicy = &disabled
	warnings := reverters(s.obj, "spec", "behavior")
	if s.hpa.Spec.Behavior == nil {
		warnings = append(warnings, "it has no behavior yet: with one, scaling up follows the server's default policies (4 pods or 100 % in 15 s), not the doubling of before")
	}
	return p.planBehaviour(s, after, action.Plan{
		Verb: "suspend scale-down", Title: fmt.Sprintf("Keep %s from scaling down?", s.ref),
		Blast:    fmt.Sprintf("No pod is stopped by it from then on; it still scales up, and what exceeds the maximum of %d is still taken away. It has %s.", s.hpa.Spec.MaxReplicas, replicas(int(s.hpa.Status.CurrentReplicas))),
		Warnings: warnings, Undo: "Undo lets it scale down as before.",
		Equivalent: p.kubectl(s.ref.Namespace, "patch", resourceName(s.kind, s.ref), "--type", "merge", "-p",
			`{"spec":{"behavior":{"scaleDown":{"selectPolicy":"Disabled"}}}}`),
	})
}

// PlanAllowScaleDown plans to let an autoscaler scale down again, by the
// policy with the most change, which is the default.
func (p *Planner) PlanAllowScaleDown(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.readScaler(ctx, ref)
	if err != nil {
		return nil, err
	}
	if downPolicy(s.hpa.Spec.Behavior) != autoscalingv2.DisabledPolicySelect {
		return nil, fmt.Errorf("%s scales down already", s.ref)
	}
	after := s.hpa.Spec.Behavior.DeepCopy()
	most := autoscalingv2.MaxChangePolicySelect
	after.ScaleDown.SelectPolicy = &most
	return p.planBehaviour(s, after, p.allowing(s))
}

func (p *Planner) allowing(s *scaler) action.Plan {
	return action.Plan{
		Verb: "allow scale-down", Title: fmt.Sprintf("Let %s scale down again?", s.ref),
		Blast:    fmt.Sprintf("It scales down when its metrics, its window and its policies say so. It has %s, its minimum is %d.", replicas(int(s.hpa.Status.CurrentReplicas)), lowestOf(s)),
		Warnings: reverters(s.obj, "spec", "behavior"), Undo: "Undo keeps it from scaling down.",
		Equivalent: p.kubectl(s.ref.Namespace, "patch", resourceName(s.kind, s.ref), "--type", "merge", "-p",
			`{"spec":{"behavior":{"scaleDown":{"selectPolicy":"Max"}}}}`),
	}
}

func lowestOf(s *scaler) int {
	lowest, _ := s.limits()
	return lowest
}

func downPolicy(b *autoscalingv2.HorizontalPodAutoscalerBehavior) autoscalingv2.ScalingPolicySelect {
	if b == nil || b.ScaleDown == nil || b.ScaleDown.SelectPolicy == nil {
		return autoscalingv2.MaxChangePolicySelect
	}
	return *b.ScaleDown.SelectPolicy
}

// planBehaviour completes a plan that puts another behaviour in the place of
// the one that was read; nil takes it away. The inverse puts back what was.
func (p *Planner) planBehaviour(s *scaler, after *autoscalingv2.HorizontalPodAutoscalerBehavior, plan action.Plan) (*action.Plan, error) {
	before := s.hpa.Spec.Behavior
	// null matches a field that is not there.
	test := op{Op: "test", Path: behaviourPath, Value: json.RawMessage("null")}
	if raw, ok := s.specField("behavior"); ok {
		test.Value = raw
	}
	write := op{Op: "add", Path: behaviourPath, Value: after}
	if after == nil {
		write = op{Op: "remove", Path: behaviourPath}
	}
	patch, err := p.scalerPatch(s, test, write)
	if err != nil {
		return nil, err
	}
	patch.same = func(now *autoscalingv2.HorizontalPodAutoscaler) error {
		if !equality.Semantic.DeepEqual(now.Spec.Behavior, before) {
			return fmt.Errorf("%w: its behavior was changed", action.ErrChanged)
		}
		return nil
	}
	patch.made = func(now *autoscalingv2.HorizontalPodAutoscaler) bool {
		if after == nil {
			return now.Spec.Behavior == nil
		}
		return downPolicy(now.Spec.Behavior) == downPolicy(after)
	}
	do := patch.steps()
	do.Inverse = func(ctx context.Context) (*action.Plan, error) { return p.restoreBehaviour(ctx, s, before, after) }
	plan.Target, plan.Danger, plan.VerifyWithin = p.target(s.ref), action.DangerEnter, verifyWithin
	plan.Changes = []action.Field{{
		Path: "spec.behavior.scaleDown.selectPolicy", Before: foreign.Text(downPolicy(before)), After: foreign.Text(downPolicy(after)),
	}}
	return action.New(plan, do), nil
}

// specField is a field of the spec as the server wrote it.
func (s *scaler) specField(name string) (any, bool) {
	spec, ok := s.obj.Object["spec"].(map[string]any)
	if !ok {
		return nil, false
	}
	v, ok := spec[name]
	return v, ok
}

// restoreBehaviour plans to put a behaviour back. When somebody has changed it
// since, only the policy is put back: the rest is theirs.
func (p *Planner) restoreBehaviour(ctx context.Context, was *scaler, before, left *autoscalingv2.HorizontalPodAutoscalerBehavior) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.readScaler(ctx, was.ref)
	if err != nil {
		return nil, err
	}
	now := s.hpa.Spec.Behavior
	if downPolicy(now) == downPolicy(before) {
		return nil, errors.New("its scale-down policy is as it was before already")
	}
	plan := p.allowing(s)
	if downPolicy(before) == autoscalingv2.DisabledPolicySelect {
		plan.Verb, plan.Title, plan.Undo = "suspend scale-down", fmt.Sprintf("Keep %s from scaling down again?", s.ref), "Undo lets it scale down."
		plan.Blast = "No pod is stopped by it from then on; it still scales up."
	}
	after := before.DeepCopy()
	if left != nil && now != nil && !sameBut(now, left) {
		after = now.DeepCopy()
		policy := downPolicy(before)
		after.ScaleDown.SelectPolicy = &policy
		plan.Warnings = append([]string{"its behavior was changed since: only the scale-down policy is put back"}, plan.Warnings...)
	}
	return p.planBehaviour(s, after, plan)
}

// sameBut reports that now is what was left there, with the defaults the
// server fills in.
func sameBut(now, left *autoscalingv2.HorizontalPodAutoscalerBehavior) bool {
	same := func(n, l *autoscalingv2.HPAScalingRules) bool {
		if l == nil {
			return true
		}
		if n == nil {
			return false
		}
		window := l.StabilizationWindowSeconds == nil || equality.Semantic.DeepEqual(n.StabilizationWindowSeconds, l.StabilizationWindowSeconds)
		return window && (l.Policies == nil || equality.Semantic.DeepEqual(n.Policies, l.Policies))
	}
	return same(now.ScaleDown, left.ScaleDown) && same(now.ScaleUp, left.ScaleUp)
}
