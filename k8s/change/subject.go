package change

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// subject is a workload as a plan read it.
type subject struct {
	kind
	ref k8s.Ref
	obj *unstructured.Unstructured
	// template is spec.template; nil for a Rollout that refers to another
	// workload's.
	template *corev1.PodTemplateSpec
	// One of these is set, by kind; none for a Rollout.
	deployment  *appsv1.Deployment
	statefulSet *appsv1.StatefulSet
	daemonSet   *appsv1.DaemonSet
}

// read fetches the workload a reference names. A reference with a UID means
// that very object.
func (p *Planner) read(ctx context.Context, ref k8s.Ref) (*subject, error) {
	k, err := kindOf(ref.Kind)
	if err != nil {
		return nil, err
	}
	obj, err := p.objects(k, ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, readable(err))
	}
	if ref.UID != "" && ref.UID != string(obj.GetUID()) {
		return nil, fmt.Errorf("%w: %s was deleted and created again since it was selected", action.ErrChanged, ref)
	}
	if obj.GetDeletionTimestamp() != nil {
		return nil, fmt.Errorf("%s is being deleted", ref)
	}
	ref.UID = string(obj.GetUID())
	s := &subject{kind: k, ref: ref, obj: obj}
	if err := s.decode(); err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	return s, nil
}

func (p *Planner) objects(k kind, namespace string) dynamic.ResourceInterface {
	return p.cluster.Dynamic.Resource(k.resource).Namespace(namespace)
}

func (s *subject) decode() error {
	switch s.name {
	case k8s.Deployment:
		s.deployment = &appsv1.Deployment{}
		s.template = &s.deployment.Spec.Template
		return into(s.obj.Object, s.deployment)
	case k8s.StatefulSet:
		s.statefulSet = &appsv1.StatefulSet{}
		s.template = &s.statefulSet.Spec.Template
		return into(s.obj.Object, s.statefulSet)
	case k8s.DaemonSet:
		s.daemonSet = &appsv1.DaemonSet{}
		s.template = &s.daemonSet.Spec.Template
		return into(s.obj.Object, s.daemonSet)
	}
	raw, found, err := unstructured.NestedMap(s.obj.Object, "spec", "template")
	if err != nil || !found {
		return err
	}
	s.template, err = templateOf(raw)
	return err
}

func templateOf(raw map[string]any) (*corev1.PodTemplateSpec, error) {
	t := &corev1.PodTemplateSpec{}
	return t, into(raw, t)
}

func into(raw map[string]any, typed any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, typed); err != nil {
		return fmt.Errorf("decode %T: %w", typed, err)
	}
	return nil
}

// sameTemplate compares two templates as the controllers do: by meaning, and
// without the label that is derived from the template itself.
func (k kind) sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	if k.hashLabel != "" {
		delete(a.Labels, k.hashLabel)
		delete(b.Labels, k.hashLabel)
	}
	return equality.Semantic.DeepEqual(a, b)
}

// replicas is spec.replicas, 1 when it is absent.
func (s *subject) replicas() int {
	n, found, err := unstructured.NestedInt64(s.obj.Object, "spec", "replicas")
	if err != nil || !found {
		return 1
	}
	return int(n)
}

func (s *subject) paused() bool {
	paused, _, _ := unstructured.NestedBool(s.obj.Object, "spec", "paused") // absent and malformed alike mean: not paused
	return paused
}

func (s *subject) status(field string) int {
	n, _, _ := unstructured.NestedInt64(s.obj.Object, "status", field) // counters are absent when they are zero
	return int(n)
}

// statusIsCurrent reports whether the controller has seen the newest spec.
func (s *subject) statusIsCurrent() bool {
	return progress{generation: s.obj.GetGeneration()}.seen(s.obj)
}

// check says whether the object is still the one the plan was made for, on the
// same cluster.
func (p *Planner) check(ctx context.Context, s *subject) error {
	if err := p.sameCluster(ctx); err != nil {
		return err
	}
	now, err := p.objects(s.kind, s.ref.Namespace).Get(ctx, s.ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: it was deleted", action.ErrChanged)
	}
	if err != nil {
		return fmt.Errorf("read %s again: %w", s.ref, readable(err))
	}
	return s.compare(now)
}

// sameCluster re-reads the cluster's identity: behind one context's name may
// by now be another cluster (a tunnel that was moved, a kubeconfig rewritten).
func (p *Planner) sameCluster(ctx context.Context) error {
	want := p.cluster.ClusterUID()
	if want == "" {
		return nil
	}
	ns, err := p.cluster.Typed.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return nil // the identity came from elsewhere; it cannot be checked
	case err != nil:
		return fmt.Errorf("check the cluster's identity: %w", readable(err))
	case string(ns.UID) != want:
		return fmt.Errorf("%w: context %q leads to cluster %s now, it was %s", action.ErrOtherContext, p.cluster.Context, ns.UID, want)
	}
	return nil
}

// compare returns an error that says what differs when now is another object,
// or has another spec, than the one that was read.
func (s *subject) compare(now *unstructured.Unstructured) error {
	switch {
	case now.GetUID() != s.obj.GetUID():
		return fmt.Errorf("%w: it was deleted and created again", action.ErrChanged)
	case now.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%w: it is being deleted", action.ErrChanged)
	case now.GetGeneration() != s.obj.GetGeneration():
		return fmt.Errorf("%w: %s (generation %d, was %d)", action.ErrChanged,
			differences(s.obj.Object["spec"], now.Object["spec"]), now.GetGeneration(), s.obj.GetGeneration())
	}
	return nil
}

// differences names the fields of a spec that differ, with their values where
// they are short: "replicas 3 → 5, template".
func differences(before, now any) string {
	b, _ := before.(map[string]any)
	n, _ := now.(map[string]any)
	keys := slices.Collect(maps.Keys(b))
	for k := range n {
		if _, had := b[k]; !had {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var changed []string
	for _, k := range keys {
		if equality.Semantic.DeepEqual(b[k], n[k]) {
			continue
		}
		if scalar(b[k]) && scalar(n[k]) {
			changed = append(changed, fmt.Sprintf("spec.%s is %s, was %s", k, value(n[k]), value(b[k])))
		} else {
			changed = append(changed, "spec."+k+" differs")
		}
	}
	if len(changed) == 0 {
		return "it was changed and changed back"
	}
	return foreign.CleanN(strings.Join(changed, ", "), 512).String()
}

func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func value(v any) string {
	if v == nil {
		return "not set"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
