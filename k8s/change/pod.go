package change

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// mirrorAnnotation marks the API's image of a static pod (kubelet
// pkg/kubelet/types/pod_update.go ConfigMirrorAnnotationKey).
const mirrorAnnotation = "kubernetes.io/config.mirror"

// podDeletion is one deletion on its way.
type podDeletion struct {
	planner *Planner
	pod     *corev1.Pod
	ref     k8s.Ref
	// owner is what controls the pod, top what controls that, selector how
	// its pods are found; zero for a bare pod.
	owner, top k8s.Ref
	selector   labels.Selector
	// set is the StatefulSet that owns the pod; nil for other owners.
	set *unstructured.Unstructured
	// siblings are the owner's other pods when the plan was made.
	siblings map[types.UID]bool
}

// PlanDeletePod plans to delete one pod, gracefully. The pod of a workload
// comes back as a new one; the plan says so, or that it does not.
func (p *Planner) PlanDeletePod(ctx context.Context, ref k8s.Ref) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	pod, err := p.cluster.Typed.CoreV1().Pods(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, readable(err))
	}
	ref.Kind = "Pod"
	switch {
	case ref.UID != "" && ref.UID != string(pod.UID):
		return nil, fmt.Errorf("%w: %s was deleted and created again since it was selected", action.ErrChanged, ref)
	case pod.DeletionTimestamp != nil:
		return nil, fmt.Errorf("%s is being deleted already", ref)
	}
	ref.UID = string(pod.UID)
	d := &podDeletion{planner: p, pod: pod, ref: ref}
	effect := d.consequences(ctx)
	grace := time.Duration(ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)) * time.Second
	return action.New(action.Plan{
		Verb: "delete", Title: fmt.Sprintf("Delete %s?", ref), Target: p.target(ref),
		Changes: []action.Field{{Path: "pod", Before: foreign.Text("on " + foreign.CleanN(orWord(pod.Spec.NodeName, "no node"), 128).String()), After: "deleted"}},
		Blast:   effect.text, Warnings: effect.warnings, Danger: effect.danger,
		Undo:         "Cannot be undone: the pod itself, its logs and what it wrote to its own disk are gone.",
		Equivalent:   p.kubectl(ref.Namespace, "delete", "pod", ref.Name),
		VerifyWithin: grace + verifyWithin,
	}, action.Steps{
		Check:  d.check,
		DryRun: func(ctx context.Context) error { return d.dryRun(ctx) },
		Apply:  func(ctx context.Context) error { return unsure(d.send(ctx)) },
		Verify: d.verify,
	}), nil
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// consequences says what will replace the pod and what is lost with it.
func (d *podDeletion) consequences(ctx context.Context) blast {
	b := blast{danger: action.DangerEnter}
	owner := metav1.GetControllerOf(d.pod)
	switch {
	case d.pod.Annotations[mirrorAnnotation] != "":
		b.text = "The kubelet shows its static pod again at once; the containers are not restarted."
		b.warnings = append(b.warnings, "a static pod belongs to a file on its node; deleting it here does nothing")
	case owner == nil:
		b.text = "It will not come back: no controller owns it."
		b.danger = action.DangerName
		b.warnings = append(b.warnings, "a bare pod is gone for good once deleted")
	default:
		d.owned(ctx, owner, &b)
	}
	b.warnings = append(b.warnings, d.losses()...)
	return b
}

// owned describes the deletion of a pod with a controller.
func (d *podDeletion) owned(ctx context.Context, owner *metav1.OwnerReference, b *blast) {
	d.owner = k8s.Ref{Kind: owner.Kind, Namespace: d.pod.Namespace, Name: foreign.CleanN(owner.Name, 253).String(), UID: string(owner.UID)}
	d.top = d.owner
	if err := d.climb(ctx, owner); err != nil {
		b.text = fmt.Sprintf("%s should create a new one.", d.owner)
		b.danger = action.DangerName
		b.warnings = append(b.warnings, fmt.Sprintf("it is not known what else runs: %v", err))
		return
	}
	b.text = fmt.Sprintf("%s creates a new one.", d.top)
	switch d.owner.Kind {
	case k8s.StatefulSet:
		b.text = fmt.Sprintf("%s creates it again under the same name.", d.top)
	case k8s.DaemonSet:
		b.text = fmt.Sprintf("%s creates a new one on the same node.", d.top)
	case "Job":
		b.text = fmt.Sprintf("%s starts a new one; the work of this one is lost.", d.top)
	}
	d.lookAround(ctx, b)
	if d.set != nil {
		b.text += d.remade(d.set)
	}
}

// climb finds the workload above the pod's controller and how its pods are
// selected.
func (d *podDeletion) climb(ctx context.Context, owner *metav1.OwnerReference) error {
	for range 2 { // Pod -> ReplicaSet -> Deployment or Rollout
		resource, ok := controllers()[owner.Kind]
		if !ok {
			return fmt.Errorf("a %s controls it", foreign.CleanN(owner.Kind, 64))
		}
		u, err := d.planner.cluster.Dynamic.Resource(resource).Namespace(d.pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("%s %s is gone", owner.Kind, foreign.CleanN(owner.Name, 253))
		}
		if err != nil {
			return readable(err)
		}
		if u.GetUID() != owner.UID {
			return fmt.Errorf("%s %s is another one by now", owner.Kind, foreign.CleanN(owner.Name, 253))
		}
		d.top = k8s.Ref{Kind: owner.Kind, Namespace: d.pod.Namespace, Name: u.GetName(), UID: string(u.GetUID())}
		if err := d.selectBy(u); err != nil {
			return err
		}
		if owner.Kind == k8s.StatefulSet {
			d.set = u
		}
		above := metav1.GetControllerOf(u)
		if above == nil || controllers()[above.Kind].Empty() {
			return nil
		}
		owner = above
	}
	return nil
}

func controllers() map[string]schema.GroupVersionResource {
	out := map[string]schema.GroupVersionResource{
		"ReplicaSet": {Group: "apps", Version: "v1", Resource: "replicasets"},
		"Job":        {Group: "batch", Version: "v1", Resource: "jobs"},
	}
	for _, name := range []string{k8s.Deployment, k8s.StatefulSet, k8s.DaemonSet, k8s.Rollout} {
		if k, err := kindOf(name); err == nil {
			out[name] = k.resource
		}
	}
	return out
}

func (d *podDeletion) selectBy(u *unstructured.Unstructured) error {
	s := subject{ref: d.top, obj: u}
	query, err := s.selector()
	if err != nil {
		return err
	}
	d.selector, err = labels.Parse(query)
	return err
}

// lookAround counts who else serves, and asks the disruption budgets, which a
// deletion goes past.
func (d *podDeletion) lookAround(ctx context.Context, b *blast) {
	list, err := d.planner.cluster.Typed.CoreV1().Pods(d.pod.Namespace).List(ctx, metav1.ListOptions{LabelSelector: d.selector.String()})
	if err != nil {
		b.danger = action.DangerName
		b.warnings = append(b.warnings, fmt.Sprintf("it is not known how many others are ready: %v", readable(err)))
		return
	}
	ready := 0
	d.siblings = map[types.UID]bool{}
	for i := range list.Items {
		p := &list.Items[i]
		d.siblings[p.UID] = true
		if p.UID != d.pod.UID && isReady(p) {
			ready++
		}
	}
	switch {
	case isReady(d.pod) && ready == 0:
		b.text += " It is the only ready pod: nothing serves until the new one is ready."
		b.danger = action.DangerName
	case isReady(d.pod):
		b.text += " " + others(ready) + " ready."
	default:
		b.text += fmt.Sprintf(" It is not ready itself; %s ready.", are(ready))
	}
	b.warnings = append(b.warnings, d.budgets(ctx)...)
}

func others(n int) string {
	if n == 1 {
		return "1 other is"
	}
	return fmt.Sprintf("%d others are", n)
}

func (d *podDeletion) budgets(ctx context.Context) []string {
	list, err := d.planner.cluster.Typed.PolicyV1().PodDisruptionBudgets(d.pod.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return []string{fmt.Sprintf("it is not known whether a disruption budget speaks against it: %v", readable(err))}
	}
	var out []string
	for i := range list.Items {
		pdb := &list.Items[i]
		sel, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err != nil || !sel.Matches(labels.Set(d.pod.Labels)) || pdb.Status.DisruptionsAllowed > 0 || !isReady(d.pod) {
			continue
		}
		out = append(out, fmt.Sprintf("PodDisruptionBudget %s allows no disruption now (%d healthy of %d needed); a deletion does not ask it",
			pdb.Name, pdb.Status.CurrentHealthy, pdb.Status.DesiredHealthy))
	}
	return out
}

// losses names what goes with the pod.
func (d *podDeletion) losses() []string {
	var dirs []string
	for _, v := range d.pod.Spec.Volumes {
		if v.EmptyDir != nil {
			dirs = append(dirs, foreign.CleanN(v.Name, 64).String())
		}
	}
	var out []string
	if len(dirs) > 0 {
		out = append(out, "what it keeps in emptyDir volumes is lost: "+strings.Join(dirs, ", "))
	}
	if f := d.pod.Finalizers; len(f) > 0 {
		out = append(out, fmt.Sprintf("it stays until its finalizers are removed: %s", foreign.CleanN(strings.Join(f, ", "), 256)))
	}
	return out
}

func (d *podDeletion) check(ctx context.Context) error {
	if err := d.planner.sameCluster(ctx); err != nil {
		return err
	}
	now, err := d.planner.cluster.Typed.CoreV1().Pods(d.ref.Namespace).Get(ctx, d.ref.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: it is gone", action.ErrChanged)
	case err != nil:
		return fmt.Errorf("read %s again: %w", d.ref, readable(err))
	case string(now.UID) != d.ref.UID:
		return fmt.Errorf("%w: it is another pod of that name", action.ErrChanged)
	case now.DeletionTimestamp != nil:
		return fmt.Errorf("%w: it is being deleted already", action.ErrChanged)
	}
	return nil
}

func (d *podDeletion) dryRun(ctx context.Context) error {
	err := d.send(ctx, metav1.DryRunAll)
	if dryRunUnsupported(err) {
		return nil
	}
	return rejected(err)
}

// send deletes the pod if it has the UID still. dryRun goes into the query,
// where the transport sees it, and into the options, where the server looks
// when there is a body.
func (d *podDeletion) send(ctx context.Context, dryRun ...string) error {
	opts := &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &d.pod.UID}, DryRun: dryRun}
	req := d.planner.cluster.Typed.CoreV1().RESTClient().Delete().Namespace(d.ref.Namespace).Resource("pods").Name(d.ref.Name).Body(opts)
	for _, v := range dryRun {
		req = req.Param("dryRun", v)
	}
	err := req.Do(ctx).Error()
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return fmt.Errorf("%w: %w", action.ErrChanged, readable(err))
	}
	return readable(err)
}

// verify waits until the pod is gone and, where it has an owner, replaced.
func (d *podDeletion) verify(ctx context.Context) (string, error) {
	opts := metav1.ListOptions{FieldSelector: "metadata.name=" + d.ref.Name}
	if d.siblings != nil {
		opts = metav1.ListOptions{LabelSelector: d.selector.String()}
	}
	pods := d.planner.cluster.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(d.ref.Namespace)
	return d.planner.follow(ctx, pods, opts, d.judge)
}

func (d *podDeletion) judge(w world) (string, bool) {
	old := w[d.pod.UID]
	fresh := d.replacement(w)
	switch {
	case old != nil && fresh == nil && old.GetDeletionTimestamp() == nil:
		return d.ref.Name + " is still there", false
	case old != nil && fresh == nil:
		return d.ref.Name + " is terminating", false
	case old != nil:
		return fmt.Sprintf("%s is terminating; %s replaces it", d.ref.Name, fresh.GetName()), false
	case d.siblings == nil:
		return d.ref.Name + " is gone", true
	case fresh == nil:
		return d.ref.Name + " is gone, not replaced yet", false
	}
	ready := "not ready yet"
	var pod corev1.Pod
	if into(fresh.Object, &pod) == nil && isReady(&pod) {
		ready = "ready"
	}
	return fmt.Sprintf("%s is gone, %s replaces it (%s)", d.ref.Name, fresh.GetName(), ready), true
}

// replacement finds a pod that was not there when the plan was made: the same
// name for a StatefulSet's pod, any new one for others.
func (d *podDeletion) replacement(w world) *unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for uid, u := range w {
		if d.siblings[uid] || (d.owner.Kind == k8s.StatefulSet && u.GetName() != d.ref.Name) {
			continue
		}
		found = append(found, u)
	}
	if len(found) == 0 {
		return nil
	}
	return slices.MinFunc(found, func(a, b *unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
}
