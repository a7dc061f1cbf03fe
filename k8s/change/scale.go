package change

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// A scale is put again when only the resourceVersion was out of date: the
// status of a workload on the move changes several times a second.
const scaleTries = 5

// PlanScale plans to set the number of replicas of a Deployment, StatefulSet
// or Argo Rollout through its scale subresource.
func (p *Planner) PlanScale(ctx context.Context, ref k8s.Ref, n int) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	s, err := p.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	before := s.replicas()
	switch {
	case !s.scalable:
		return nil, fmt.Errorf("%s has no replicas to set: it runs one pod per node", s.ref)
	case n < 0:
		return nil, fmt.Errorf("scale %s to %d: a number of replicas cannot be negative", s.ref, n)
	case n == before:
		return nil, fmt.Errorf("%s has %s already", s.ref, replicas(n))
	}
	sc := &scaling{planner: p, subject: s, before: before, after: n}
	effect := s.scalingBlast(before, n)
	effect.warnings = append(effect.warnings, p.autoscalers(ctx, s, n)...)
	effect.warnings = append(effect.warnings, reverters(s.obj, "spec", "replicas")...)
	return action.New(action.Plan{
		Verb: "scale", Title: fmt.Sprintf("Scale %s from %d to %d?", s.ref, before, n), Target: p.target(s.ref),
		Changes: []action.Field{{Path: "spec.replicas", Before: foreign.Text(fmt.Sprint(before)), After: foreign.Text(fmt.Sprint(n))}},
		Blast:   effect.text, Warnings: effect.warnings, Danger: effect.danger,
		Undo: fmt.Sprintf("Undo scales back to %d.", before),
		Equivalent: p.kubectl(s.ref.Namespace, "scale", resourceName(s.kind, s.ref),
			fmt.Sprintf("--current-replicas=%d", before), fmt.Sprintf("--replicas=%d", n)),
		VerifyWithin: verifyWithin,
	}, sc.steps()), nil
}

// scaling is one scale on its way.
type scaling struct {
	planner       *Planner
	subject       *subject
	before, after int
}

func (sc *scaling) steps() action.Steps {
	return action.Steps{
		Check: sc.check,
		DryRun: func(ctx context.Context) error {
			err := sc.put(ctx, metav1.DryRunAll)
			if dryRunUnsupported(err) {
				return nil
			}
			return rejected(err)
		},
		Apply:   func(ctx context.Context) error { return unsure(sc.put(ctx)) },
		Verify:  sc.verify,
		Inverse: sc.inverse,
	}
}

// check looks at what the scale subresource guards: the identity and the
// number. Another change of the spec does not matter to a scale.
func (sc *scaling) check(ctx context.Context) error {
	if err := sc.planner.sameCluster(ctx); err != nil {
		return err
	}
	_, err := sc.read(ctx)
	return err
}

// read returns the scale subresource if it is as it was when planned.
func (sc *scaling) read(ctx context.Context) (*unstructured.Unstructured, error) {
	s := sc.subject
	scale, err := sc.planner.objects(s.kind, s.ref.Namespace).Get(ctx, s.ref.Name, metav1.GetOptions{}, "scale")
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: it was deleted", action.ErrChanged)
	}
	if err != nil {
		return nil, fmt.Errorf("read the scale of %s: %w", s.ref, readable(err))
	}
	if string(scale.GetUID()) != s.ref.UID {
		return nil, fmt.Errorf("%w: it was deleted and created again", action.ErrChanged)
	}
	// Zero is left out of the document (autoscaling/v1 ScaleSpec: omitempty).
	n, _, err := unstructured.NestedInt64(scale.Object, "spec", "replicas")
	if err != nil {
		return nil, fmt.Errorf("read the scale of %s: %w", s.ref, err)
	}
	if int(n) != sc.before {
		return nil, fmt.Errorf("%w: it has %s now, it had %d", action.ErrChanged, replicas(int(n)), sc.before)
	}
	return scale, nil
}

func (sc *scaling) put(ctx context.Context, dryRun ...string) error {
	s := sc.subject
	opts := metav1.UpdateOptions{FieldManager: FieldManager, FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
	var err error
	for range scaleTries {
		var scale *unstructured.Unstructured
		if scale, err = sc.read(ctx); err != nil {
			return err
		}
		if err = unstructured.SetNestedField(scale.Object, int64(sc.after), "spec", "replicas"); err != nil {
			return fmt.Errorf("set the scale of %s: %w", s.ref, err)
		}
		_, err = sc.planner.objects(s.kind, s.ref.Namespace).Update(ctx, scale, opts, "scale")
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return readable(err)
}

func (sc *scaling) verify(ctx context.Context) (string, error) {
	return sc.planner.followSubject(ctx, sc.subject, func(u *unstructured.Unstructured) (string, bool) {
		have, ready := count(u, "replicas"), count(u, "readyReplicas")
		if sc.subject.argo && count(u, "HPAReplicas") > have {
			have = count(u, "HPAReplicas")
		}
		switch n := wanted(u); {
		case n != sc.after:
			return fmt.Sprintf("something set it to %s meanwhile", replicas(n)), false
		case have != n:
			return fmt.Sprintf("%s of %d so far", pods(have), n), false
		case n == 0:
			return "no pod is left", true
		}
		return fmt.Sprintf("%s, %d ready", pods(have), ready), true
	})
}

// inverse scales back, from whatever the number is by then.
func (sc *scaling) inverse(ctx context.Context) (*action.Plan, error) {
	plan, err := sc.planner.PlanScale(ctx, sc.subject.ref, sc.before)
	if err != nil {
		return nil, err
	}
	if now := plan.Changes[0].Before; now != foreign.Text(fmt.Sprint(sc.after)) {
		plan.Warnings = append([]string{fmt.Sprintf("it was scaled to %d here and has %s by now", sc.after, now)}, plan.Warnings...)
	}
	return plan, nil
}

func replicas(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

// scalingBlast says what happens to pods and volumes.
func (s *subject) scalingBlast(before, n int) blast {
	b := blast{danger: action.DangerEnter}
	switch {
	case n == 0:
		b.text = fmt.Sprintf("%s stopped: nothing serves any more.", all(before))
		b.danger = action.DangerName
	case n < before:
		b.text = fmt.Sprintf("%s stopped, %s.", are(before-n), stay(n))
	default:
		b.text = fmt.Sprintf("%s started.", are(n-before))
	}
	if n > 10*max(before, 1) {
		b.danger = action.DangerName
		b.warnings = append(b.warnings, fmt.Sprintf("that is more than ten times the present %s", replicas(before)))
	}
	if s.statefulSet != nil && n < before {
		s.scalingDownStateful(&b)
	}
	return b
}

// scalingDownStateful adds what becomes of the volumes
// (spec.persistentVolumeClaimRetentionPolicy.whenScaled).
func (s *subject) scalingDownStateful(b *blast) {
	b.text += " The highest ordinals go first."
	if len(s.statefulSet.Spec.VolumeClaimTemplates) == 0 {
		return
	}
	policy := s.statefulSet.Spec.PersistentVolumeClaimRetentionPolicy
	if policy != nil && policy.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
		b.danger = action.DangerReason
		b.warnings = append(b.warnings, "their volume claims are DELETED (whenScaled: Delete); scaling back starts with empty volumes")
		return
	}
	b.text += " Their volumes stay."
}

func stay(n int) string {
	if n == 1 {
		return "1 stays"
	}
	return fmt.Sprintf("%d stay", n)
}

func are(n int) string {
	if n == 1 {
		return "1 pod is"
	}
	return fmt.Sprintf("%d pods are", n)
}

// autoscalers warns of what sets the number of replicas by itself.
func (p *Planner) autoscalers(ctx context.Context, s *subject, n int) []string {
	list, err := p.cluster.Typed.AutoscalingV2().HorizontalPodAutoscalers(s.ref.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return []string{fmt.Sprintf("it is not known whether an autoscaler sets the replicas: %v", readable(err))}
	}
	var out []string
	for i := range list.Items {
		h := &list.Items[i]
		if t := h.Spec.ScaleTargetRef; t.Kind == s.ref.Kind && t.Name == s.ref.Name {
			out = append(out, autoscalerWarning(h, s.replicas(), n))
		}
	}
	return out
}

// autoscalerWarning follows k/k pkg/controller/podautoscaler/horizontal.go: 0
// replicas switch the autoscaler off, anything else is recomputed every 15 s.
func autoscalerWarning(h *autoscalingv2.HorizontalPodAutoscaler, before, n int) string {
	name := "HorizontalPodAutoscaler " + h.Name
	if scaledObject := h.Labels["scaledobject.keda.sh/name"]; scaledObject != "" {
		name = "KEDA ScaledObject " + foreign.Clean(scaledObject).String()
	}
	lowest, highest := int(ptr.Deref(h.Spec.MinReplicas, 1)), int(h.Spec.MaxReplicas)
	switch {
	case n == 0:
		return fmt.Sprintf("%s stops scaling it while it has 0 replicas", name)
	case before == 0:
		return fmt.Sprintf("%s scales it again from then on (%d to %d)", name, lowest, highest)
	case n < lowest || n > highest:
		return fmt.Sprintf("%s allows %d to %d and sets it back within 15 s: change its limits instead", name, lowest, highest)
	}
	return fmt.Sprintf("%s sets the replicas (%d to %d) and will put its own number back within 15 s", name, lowest, highest)
}
