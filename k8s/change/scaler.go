package change

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/k8s"
)

// scalerKind is how a HorizontalPodAutoscaler is addressed.
func scalerKind() kind {
	return kind{
		name:     "HorizontalPodAutoscaler",
		resource: schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		kubectl:  "hpa",
	}
}

// scaler is an autoscaler as a plan read it.
type scaler struct {
	subject
	hpa *autoscalingv2.HorizontalPodAutoscaler
}

// readScaler fetches an autoscaler. A reference with a UID means that very
// object.
func (p *Planner) readScaler(ctx context.Context, ref k8s.Ref) (*scaler, error) {
	k := scalerKind()
	obj, err := p.objects(k, ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, readable(err))
	}
	if ref.UID != "" && ref.UID != string(obj.GetUID()) {
		return nil, fmt.Errorf("%w: %s was deleted and created again since it was selected", action.ErrChanged, ref)
	}
	ref.UID = string(obj.GetUID())
	s := &scaler{subject: subject{kind: k, ref: ref, obj: obj}}
	s.hpa, err = scalerOf(obj)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	return s, nil
}

func scalerOf(u *unstructured.Unstructured) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	return h, into(u.Object, h)
}

func (s *scaler) limits() (lowest, highest int) {
	return int(ptr.Deref(s.hpa.Spec.MinReplicas, 1)), int(s.hpa.Spec.MaxReplicas)
}

// scalerPatch is one change of an autoscaler on its way. Before 1.37 an
// autoscaler has no generation, and its status is written at every look, so
// the patch tests the very fields it changes.
type scalerPatch struct {
	planner *Planner
	scaler  *scaler
	body    []byte
	// same says what differs when the fields are no longer as they were.
	same func(now *autoscalingv2.HorizontalPodAutoscaler) error
	// made reports that they are as they should be.
	made func(now *autoscalingv2.HorizontalPodAutoscaler) bool
}

func (p *Planner) scalerPatch(s *scaler, ops ...op) (*scalerPatch, error) {
	body, err := json.Marshal(append([]op{{Op: "test", Path: "/metadata/uid", Value: s.ref.UID}}, ops...))
	if err != nil {
		return nil, fmt.Errorf("patch for %s: %w", s.ref, err)
	}
	return &scalerPatch{planner: p, scaler: s, body: body}, nil
}

func (sp *scalerPatch) steps() action.Steps {
	return action.Steps{
		Check: sp.check,
		DryRun: func(ctx context.Context) error {
			err := sp.send(ctx, metav1.DryRunAll)
			if dryRunUnsupported(err) {
				return nil
			}
			return rejected(err)
		},
		Apply:  func(ctx context.Context) error { return unsure(sp.send(ctx)) },
		Verify: sp.verify,
	}
}

// check looks at the identity and at what the patch changes; what else of the
// autoscaler was changed meanwhile does not matter to it.
func (sp *scalerPatch) check(ctx context.Context) error {
	if err := sp.planner.sameCluster(ctx); err != nil {
		return err
	}
	return sp.compare(ctx)
}

func (sp *scalerPatch) compare(ctx context.Context) error {
	s := sp.scaler
	now, err := sp.planner.objects(s.kind, s.ref.Namespace).Get(ctx, s.ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: it was deleted", action.ErrChanged)
	case err != nil:
		return fmt.Errorf("read %s again: %w", s.ref, readable(err))
	case string(now.GetUID()) != s.ref.UID:
		return fmt.Errorf("%w: it was deleted and created again", action.ErrChanged)
	}
	h, err := scalerOf(now)
	if err != nil {
		return fmt.Errorf("read %s again: %w", s.ref, err)
	}
	return sp.same(h)
}

func (sp *scalerPatch) send(ctx context.Context, dryRun ...string) error {
	s := sp.scaler
	opts := metav1.PatchOptions{FieldManager: FieldManager, FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
	got, err := sp.planner.objects(s.kind, s.ref.Namespace).Patch(ctx, s.ref.Name, types.JSONPatchType, sp.body, opts)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: it was deleted", action.ErrChanged)
	case apierrors.IsConflict(err), statusCode(err) == http.StatusUnprocessableEntity:
		// A failed test and an invalid value look alike.
		if changed := sp.compare(ctx); changed != nil {
			return changed
		}
		return readable(err)
	case err != nil:
		return readable(err)
	}
	if h, err := scalerOf(got); err == nil && !sp.made(h) {
		return fmt.Errorf("%w: it would accept the change and keep the object as it is; an admission webhook may be putting it back", action.ErrRejected)
	}
	return nil
}

// verify waits until the controller has looked at the change: since 1.37 it
// says so (status.observedGeneration), before that it must have the target
// within the limits.
func (sp *scalerPatch) verify(ctx context.Context) (string, error) {
	return sp.planner.followSubject(ctx, &sp.scaler.subject, func(u *unstructured.Unstructured) (string, bool) {
		h, err := scalerOf(u)
		if err != nil {
			return err.Error(), false
		}
		seen := h.Status.ObservedGeneration
		lowest, highest := ptr.Deref(h.Spec.MinReplicas, 1), h.Spec.MaxReplicas
		desired := h.Status.DesiredReplicas
		switch {
		case !sp.made(h):
			return "something put it back meanwhile", false
		case seen != nil && *seen < h.Generation:
			return "its controller has not looked yet", false
		case desired > 0 && (desired < lowest || desired > highest):
			return fmt.Sprintf("it wants %s so far", replicas(int(desired))), false
		}
		if desired == 0 {
			return fmt.Sprintf("it may keep %d to %d now; it wants no size yet", lowest, highest), true
		}
		return fmt.Sprintf("its controller wants %s of %d to %d", replicas(int(desired)), lowest, highest), true
	})
}
