package change

import (
	"context"
	"fmt"
	"time"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// restartedAt is the annotation `kubectl rollout restart` sets on the pod
// template (kubectl pkg/polymorphichelpers/objectrestarter.go).
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// PlanRestart plans a rollout restart of a Deployment, StatefulSet, DaemonSet
// or Argo Rollout: all pods are replaced by new ones of the same template.
func (p *Planner) PlanRestart(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	if s.paused() {
		return nil, fmt.Errorf("%s is paused, so nothing would restart: resume it first", ref)
	}
	now := p.clock.Now().UTC().Format(time.RFC3339)
	field, before, change := s.restartField(now)
	if before == now {
		return nil, fmt.Errorf("%s was restarted this very second", ref)
	}
	patch, err := p.specPatch(s, change)
	if err != nil {
		return nil, err
	}
	effect := s.replacing()
	do := patch.steps()
	do.Verify = func(ctx context.Context) (string, error) { return p.rolled(ctx, patch) }
	return action.New(action.Plan{
		Verb: "restart", Title: fmt.Sprintf("Restart %s?", s.ref), Target: p.target(s.ref),
		Changes: []action.Field{{Path: field, Before: foreign.Clean(before), After: foreign.Clean(now)}},
		Blast:   effect.text, Warnings: effect.warnings, Danger: effect.danger,
		Undo:       "Nothing to undo: the pods run the same template afterwards; going back a revision would restart them once more.",
		Equivalent: p.rolloutCommand(s, "restart"), VerifyWithin: verifyWithin,
	}, do), nil
}

// restartField is the field that a restart sets, its value now, and the patch.
func (s *subject) restartField(now string) (path, before string, change op) {
	if s.argo {
		spec, _ := s.obj.Object["spec"].(map[string]any)
		before, _ = spec["restartAt"].(string)
		return "spec.restartAt", before, op{Op: "add", Path: "/spec/restartAt", Value: now}
	}
	path = "spec.template.metadata.annotations[" + restartedAt + "]"
	annotations := s.template.Annotations
	if len(annotations) == 0 {
		return path, "", op{Op: "add", Path: "/spec/template/metadata/annotations", Value: map[string]string{restartedAt: now}}
	}
	return path, annotations[restartedAt], op{Op: "add", Path: pointer("spec", "template", "metadata", "annotations", restartedAt), Value: now}
}
