package change

import (
	"context"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// PlanLimits plans to set the minimum and the maximum of a
// HorizontalPodAutoscaler.
func (p *Planner) PlanLimits(ctx context.Context, ref k8s.Ref, lowest, highest int) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.readScaler(ctx, ref)
	if err != nil {
		return nil, err
	}
	fromLow, fromHigh := s.limits()
	if err := s.canLimit(lowest, highest); err != nil {
		return nil, err
	}
	var ops []op
	var fields []action.Field
	var warnings []string
	for _, f := range []struct {
		name          string
		before, after int
	}{{"minReplicas", fromLow, lowest}, {"maxReplicas", fromHigh, highest}} {
		path := "/spec/" + f.name
		// The server puts the minimum in where none was given.
		ops = append(ops, op{Op: "test", Path: path, Value: f.before})
		if f.before == f.after {
			continue
		}
		ops = append(ops, op{Op: "replace", Path: path, Value: f.after})
		fields = append(fields, action.Field{Path: "spec." + f.name, Before: number(f.before), After: number(f.after)})
		warnings = append(warnings, reverters(s.obj, "spec", f.name)...)
	}
	patch, err := p.scalerPatch(s, ops...)
	if err != nil {
		return nil, err
	}
	patch.same = func(now *autoscalingv2.HorizontalPodAutoscaler) error {
		if low, high := int(ptr.Deref(now.Spec.MinReplicas, 1)), int(now.Spec.MaxReplicas); low != fromLow || high != fromHigh {
			return fmt.Errorf("%w: its limits are %d to %d now, they were %d to %d", action.ErrChanged, low, high, fromLow, fromHigh)
		}
		return nil
	}
	patch.made = func(now *autoscalingv2.HorizontalPodAutoscaler) bool {
		return int(ptr.Deref(now.Spec.MinReplicas, 1)) == lowest && int(now.Spec.MaxReplicas) == highest
	}
	do := patch.steps()
	do.Inverse = func(ctx context.Context) (*action.Plan, error) { return p.PlanLimits(ctx, s.ref, fromLow, fromHigh) }
	effect := s.limitBlast(lowest, highest)
	return action.New(action.Plan{
		Verb: "limit", Title: fmt.Sprintf("Let %s keep %d to %d, not %d to %d?", s.ref, lowest, highest, fromLow, fromHigh),
		Target: p.target(s.ref), Changes: fields,
		Blast: effect.text, Warnings: append(effect.warnings, slices.Compact(warnings)...), Danger: effect.danger,
		Undo: fmt.Sprintf("Undo sets %d to %d again.", fromLow, fromHigh),
		Equivalent: p.kubectl(s.ref.Namespace, "patch", resourceName(s.kind, s.ref), "--type", "merge", "-p",
			fmt.Sprintf(`{"spec":{"minReplicas":%d,"maxReplicas":%d}}`, lowest, highest)),
		VerifyWithin: verifyWithin,
	}, do), nil
}

func number(n int) foreign.Text { return foreign.Text(fmt.Sprint(n)) }

// canLimit refuses what the server would refuse
// (pkg/apis/autoscaling/validation), or what changes nothing.
func (s *scaler) canLimit(lowest, highest int) error {
	fromLow, fromHigh := s.limits()
	switch {
	case lowest == fromLow && highest == fromHigh:
		return fmt.Errorf("%s keeps %d to %d already", s.ref, lowest, highest)
	case lowest < 0 || highest < 1:
		return fmt.Errorf("limits %d to %d: the maximum has to be 1 at least, the minimum not below 0", lowest, highest)
	case highest < lowest:
		return fmt.Errorf("limits %d to %d: the maximum is below the minimum", lowest, highest)
	case lowest == 0 && !s.wakes():
		return fmt.Errorf("limits 0 to %d: only an autoscaler with an Object or External metric may scale to 0, others could not see when to scale up", highest)
	}
	return nil
}

// wakes reports a metric that has a value without any pod.
func (s *scaler) wakes() bool {
	return slices.ContainsFunc(s.hpa.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType
	})
}

// limitBlast says what the new limits do at once: the controller moves what is
// outside them without asking any metric, and without its rate policies.
func (s *scaler) limitBlast(lowest, highest int) blast {
	have := int(s.hpa.Status.CurrentReplicas)
	_, fromHigh := s.limits()
	b := blast{danger: action.DangerEnter, text: fmt.Sprintf("Nothing changes at once: it has %s. From then on the metrics decide between %d and %d.", replicas(have), lowest, highest)}
	switch {
	case have == 0:
		b.text = "Nothing changes at once: its target has 0 replicas, and as long as somebody keeps it there the autoscaler is off."
	case have > highest:
		b.text = fmt.Sprintf("%s stopped within 15 s, all at once and whatever the load: %s.", are(have-highest), stay(highest))
		b.danger = action.DangerName
	case have < lowest:
		b.text = fmt.Sprintf("%s started within 15 s.", are(lowest-have))
	}
	if highest > 10*max(fromHigh, 1) {
		b.danger = action.DangerName
		b.warnings = append(b.warnings, fmt.Sprintf("that is more than ten times the present maximum of %d", fromHigh))
	}
	return b
}
