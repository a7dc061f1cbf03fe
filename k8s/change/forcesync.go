package change

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/secrets"
)

// forceSync is the annotation whose change makes the External Secrets Operator
// sync at once: any would do, this one is its documentation's.
const forceSync = "force-sync"

// PlanForceSync plans to have an ExternalSecret synced now instead of at its
// next interval. It refuses where that would do nothing, and says what would.
func (p *Planner) PlanForceSync(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	objects, obj, err := p.externalSecret(ctx, ref)
	if err != nil {
		return nil, err
	}
	if works, instead := secrets.ForceSync(obj); !works {
		return nil, fmt.Errorf("sync %s now: it would do nothing: %s", ref, instead)
	}
	ref.UID = string(obj.GetUID())
	before := obj.GetAnnotations()[forceSync]
	stamp := strconv.FormatInt(p.clock.Now().Unix(), 10)
	sync := &syncing{planner: p, objects: objects, obj: obj, stamp: stamp}
	if err := sync.compose(); err != nil {
		return nil, err
	}
	o := secrets.FromExternalSecret(obj, p.clock.Now())
	return action.New(action.Plan{
		Verb: "sync", Title: fmt.Sprintf("Sync %s now?", ref), Target: p.target(ref),
		Changes:      []action.Field{{Path: "metadata.annotations[" + forceSync + "]", Before: foreign.Clean(before), After: foreign.Text(stamp)}},
		Blast:        fmt.Sprintf("Secret %s gets what %s holds now. Pods that took it into their environment keep the old values until they are restarted.", o.Target, o.Store),
		Danger:       action.DangerEnter,
		Undo:         "Cannot be undone: the store does not give the values back that were there before.",
		Equivalent:   p.kubectl(ref.Namespace, "annotate", "externalsecret/"+ref.Name, forceSync+"="+stamp, "--overwrite"),
		VerifyWithin: verifyWithin,
	}, action.Steps{Check: sync.check, DryRun: sync.dryRun, Apply: sync.apply, Verify: sync.verify}), nil
}

// externalSecret reads an ExternalSecret in the version the server has.
func (p *Planner) externalSecret(ctx context.Context, ref k8s.Ref) (dynamic.ResourceInterface, *unstructured.Unstructured, error) {
	if ref.Kind != "ExternalSecret" {
		return nil, nil, fmt.Errorf("sync %s now: only an ExternalSecret can be told to", ref)
	}
	var first error
	for _, version := range []string{"v1", "v1beta1"} {
		resource := schema.GroupVersionResource{Group: "external-secrets.io", Version: version, Resource: "externalsecrets"}
		objects := p.cluster.Dynamic.Resource(resource).Namespace(ref.Namespace)
		obj, err := objects.Get(ctx, ref.Name, metav1.GetOptions{})
		if err == nil {
			return objects, obj, nil
		}
		if first == nil {
			first = err
		}
		if !apierrors.IsNotFound(err) {
			break
		}
	}
	return nil, nil, fmt.Errorf("read %s: %w", ref, readable(first))
}

// syncing is one forced sync on its way.
type syncing struct {
	planner *Planner
	objects dynamic.ResourceInterface
	obj     *unstructured.Unstructured
	stamp   string
	body    []byte
	applied time.Time
}

func (s *syncing) compose() error {
	ops := []op{{Op: "test", Path: "/metadata/uid", Value: string(s.obj.GetUID())}}
	if s.obj.GetAnnotations() == nil {
		ops = append(ops, op{Op: "add", Path: "/metadata/annotations", Value: map[string]string{forceSync: s.stamp}})
	} else {
		ops = append(ops, op{Op: "add", Path: pointer("metadata", "annotations", forceSync), Value: s.stamp})
	}
	body, err := json.Marshal(ops)
	s.body = body
	return err
}

func (s *syncing) check(ctx context.Context) error {
	now, err := s.objects.Get(ctx, s.obj.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: it was deleted", action.ErrChanged)
	case err != nil:
		return readable(err)
	case now.GetUID() != s.obj.GetUID():
		return fmt.Errorf("%w: it was deleted and created again", action.ErrChanged)
	}
	return nil
}

func (s *syncing) dryRun(ctx context.Context) error {
	_, err := s.send(ctx, metav1.DryRunAll)
	if dryRunUnsupported(err) {
		return nil
	}
	return rejected(readable(err))
}

func (s *syncing) apply(ctx context.Context) error {
	s.applied = s.planner.clock.Now().Truncate(time.Second)
	_, err := s.send(ctx)
	return unsure(readable(err))
}

func (s *syncing) send(ctx context.Context, dryRun ...string) (*unstructured.Unstructured, error) {
	return s.objects.Patch(ctx, s.obj.GetName(), types.JSONPatchType, s.body, metav1.PatchOptions{
		FieldManager: FieldManager, FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun,
	})
}

// verify waits until the operator has synced since, or says that it failed.
// Clocks may differ: what is waited for is a refreshTime other than before.
func (s *syncing) verify(ctx context.Context) (string, error) {
	before := secrets.FromExternalSecret(s.obj, s.applied)
	opts := metav1.ListOptions{FieldSelector: "metadata.name=" + s.obj.GetName()}
	return s.planner.follow(ctx, s.objects, opts, func(w world) (string, bool) {
		u := w[s.obj.GetUID()]
		if u == nil {
			return "it is gone", false
		}
		now := secrets.FromExternalSecret(u, s.planner.clock.Now())
		switch {
		case now.Synced.After(before.Synced):
			return "synced at " + now.Synced.UTC().Format("15:04:05 UTC"), true
		case now.State == secrets.SyncFailed && (before.State != secrets.SyncFailed):
			return "the sync failed: " + now.Message.String(), true
		case now.State == secrets.SyncFailed:
			return "it fails as before: " + now.Message.String(), false
		}
		return "the operator has not synced yet", false
	})
}
