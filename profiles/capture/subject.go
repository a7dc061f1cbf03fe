package capture

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"midwatch/foreign"
	"midwatch/k8s"
	"midwatch/k8s/connect"
)

// Subject is what profiles can be taken of: a workload's pods.
type Subject struct {
	// Workload owns the pods; zero for a pod without an owner.
	Workload k8s.Ref
	// Pods that run, those asked for first, then ready ones, the newest
	// revision before older ones.
	Pods []Pod
	// New and Old are revisions with running pods; Old is empty when all
	// pods are of one.
	New, Old string
}

// Pod is one of a subject's.
type Pod struct {
	Target
	Ready   bool
	New     bool // of the newest revision
	Started time.Time
	// Image is the first container's.
	Image foreign.Text
	// Restarts and Note say what is wrong with it; empty for a healthy one.
	Restarts int
	Note     string
}

// warmUp is how old a pod should be before its profile is compared: caches,
// connection pools and compilers have settled by then.
const warmUp = 2 * time.Minute

// mostPods bounds what is listed of one workload.
const mostPods = 500

// Subject reads which pods there are around a workload or a pod.
func (t *Taker) Subject(ctx context.Context, ref k8s.Ref) (*Subject, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	s, err := t.subject(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("the pods of %s: %s", ref, connect.Explain(err).Line())
	}
	if len(s.Pods) == 0 {
		return nil, fmt.Errorf("%s has no running pod to take a profile of", ref)
	}
	return s, nil
}

func (t *Taker) subject(ctx context.Context, ref k8s.Ref) (*Subject, error) {
	s := &Subject{Workload: ref}
	var asked *corev1.Pod
	if ref.Kind == "Pod" {
		pod, err := t.o.Cluster.Typed().CoreV1().Pods(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		asked = pod
		s.Workload = t.ownerOf(ctx, pod)
	}
	list, err := t.podsOf(ctx, s.Workload, asked)
	if err != nil {
		return nil, err
	}
	s.New = t.newest(ctx, s.Workload, list)
	now := t.o.Clock.Now()
	for _, p := range list {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			s.Pods = append(s.Pods, podOf(p, s, now))
		}
	}
	s.sort(asked)
	return s, nil
}

// ownerOf is the workload a pod belongs to: through its ReplicaSet, if that
// may be read.
func (t *Taker) ownerOf(ctx context.Context, pod *corev1.Pod) k8s.Ref {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return k8s.Ref{}
	}
	ref := k8s.Ref{Kind: owner.Kind, Namespace: pod.Namespace, Name: owner.Name}
	if owner.Kind != "ReplicaSet" {
		return ref
	}
	rs, err := t.o.Cluster.Typed().AppsV1().ReplicaSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	if err != nil {
		return ref // then the ReplicaSet stands for it
	}
	if above := metav1.GetControllerOf(rs); above != nil {
		ref.Kind, ref.Name = above.Kind, above.Name
	}
	return ref
}

// podsOf lists a workload's pods; without one, the pod alone.
func (t *Taker) podsOf(ctx context.Context, w k8s.Ref, asked *corev1.Pod) ([]*corev1.Pod, error) {
	selector, err := t.selectorOf(ctx, w, asked)
	if err != nil {
		return nil, err
	}
	if selector == nil {
		if asked == nil {
			return nil, nil
		}
		return []*corev1.Pod{asked}, nil
	}
	list, err := t.o.Cluster.Typed().CoreV1().Pods(w.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: mostPods})
	if err != nil {
		if asked != nil {
			return []*corev1.Pod{asked}, nil // one pod needs no list
		}
		return nil, err
	}
	out := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

func (t *Taker) selectorOf(ctx context.Context, w k8s.Ref, asked *corev1.Pod) (labels.Selector, error) {
	apps := t.o.Cluster.Typed().AppsV1()
	var given *metav1.LabelSelector
	var err error
	switch w.Kind {
	case k8s.Deployment:
		d, failed := apps.Deployments(w.Namespace).Get(ctx, w.Name, metav1.GetOptions{})
		given, err = specOf(d.Spec.Selector, failed)
	case k8s.StatefulSet:
		d, failed := apps.StatefulSets(w.Namespace).Get(ctx, w.Name, metav1.GetOptions{})
		given, err = specOf(d.Spec.Selector, failed)
	case k8s.DaemonSet:
		d, failed := apps.DaemonSets(w.Namespace).Get(ctx, w.Name, metav1.GetOptions{})
		given, err = specOf(d.Spec.Selector, failed)
	default:
		given = siblings(asked)
		if given == nil && !w.IsZero() && asked == nil {
			return t.ownedSelector(ctx, w)
		}
	}
	if err != nil && asked != nil {
		given, err = siblings(asked), nil // may not be read; the labels say enough
	}
	if err != nil || given == nil {
		return nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(given)
	if err != nil {
		return nil, fmt.Errorf("its selector: %w", err)
	}
	return selector, nil
}

func specOf(s *metav1.LabelSelector, err error) (*metav1.LabelSelector, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// revisionLabels name a pod's template: those of Deployments, StatefulSets and
// DaemonSets, Argo Rollouts.
var revisionLabels = []string{"pod-template-hash", "controller-revision-hash", "rollouts-pod-template-hash"}

// siblings selects pods with the same labels but for the revision.
func siblings(pod *corev1.Pod) *metav1.LabelSelector {
	if pod == nil || metav1.GetControllerOf(pod) == nil {
		return nil
	}
	same := map[string]string{}
	for k, v := range pod.Labels {
		switch k {
		case "app", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component", "k8s-app":
			same[k] = v
		}
	}
	if len(same) == 0 {
		return nil
	}
	return &metav1.LabelSelector{MatchLabels: same}
}

// ownedSelector finds the pods of a workload that is no built-in kind (an
// Argo Rollout) through its ReplicaSets.
func (t *Taker) ownedSelector(ctx context.Context, w k8s.Ref) (labels.Selector, error) {
	list, err := t.o.Cluster.Typed().AppsV1().ReplicaSets(w.Namespace).List(ctx, metav1.ListOptions{Limit: mostPods})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		rs := &list.Items[i]
		if o := metav1.GetControllerOf(rs); o == nil || o.Kind != w.Kind || o.Name != w.Name || rs.Spec.Selector == nil {
			continue
		}
		s := rs.Spec.Selector.DeepCopy()
		for _, l := range revisionLabels {
			delete(s.MatchLabels, l)
		}
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			return nil, fmt.Errorf("its selector: %w", err)
		}
		return selector, nil
	}
	return nil, fmt.Errorf("no ReplicaSet belongs to %s", w)
}

func revisionOf(p *corev1.Pod) string {
	for _, l := range revisionLabels {
		if v := p.Labels[l]; v != "" {
			return v
		}
	}
	return ""
}

// newest is the revision that is being rolled out.
func (t *Taker) newest(ctx context.Context, w k8s.Ref, pods []*corev1.Pod) string {
	apps := t.o.Cluster.Typed().AppsV1()
	switch w.Kind {
	case k8s.StatefulSet:
		if s, err := apps.StatefulSets(w.Namespace).Get(ctx, w.Name, metav1.GetOptions{}); err == nil {
			return s.Status.UpdateRevision
		}
	case k8s.Deployment, k8s.Rollout:
		if rev := t.newestReplicaSet(ctx, w, pods); rev != "" {
			return rev
		}
	}
	// The pod made last is of the newest revision, unless somebody scaled.
	var last *corev1.Pod
	for _, p := range pods {
		if last == nil || p.CreationTimestamp.After(last.CreationTimestamp.Time) {
			last = p
		}
	}
	if last == nil {
		return ""
	}
	return revisionOf(last)
}

func (t *Taker) newestReplicaSet(ctx context.Context, w k8s.Ref, pods []*corev1.Pod) string {
	best, revision := int64(-1), ""
	seen := map[string]bool{}
	for _, p := range pods {
		o := metav1.GetControllerOf(p)
		if o == nil || o.Kind != "ReplicaSet" || seen[o.Name] {
			continue
		}
		seen[o.Name] = true
		rs, err := t.o.Cluster.Typed().AppsV1().ReplicaSets(w.Namespace).Get(ctx, o.Name, metav1.GetOptions{})
		if err != nil {
			return ""
		}
		n, err := strconv.ParseInt(cmp.Or(rs.Annotations["deployment.kubernetes.io/revision"], rs.Annotations["rollout.argoproj.io/revision"]), 10, 64)
		if err == nil && n > best {
			best, revision = n, revisionOf(p)
		}
	}
	return revision
}

func podOf(p *corev1.Pod, s *Subject, now time.Time) Pod {
	out := Pod{
		Target: Target{
			Pod:      k8s.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)},
			Workload: s.Workload, Revision: revisionOf(p),
		},
	}
	out.New = out.Revision == s.New
	if p.Status.StartTime != nil {
		out.Started = p.Status.StartTime.Time
	}
	if len(p.Spec.Containers) > 0 {
		out.Image = foreign.CleanN(p.Spec.Containers[0].Image, 200)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			out.Ready = c.Status == corev1.ConditionTrue
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		out.Restarts += int(c.RestartCount)
	}
	switch {
	case !out.Ready:
		out.Note = "not ready"
	case !out.Started.IsZero() && now.Sub(out.Started) < warmUp:
		out.Note = "young: caches may still fill"
	}
	return out
}

// sort puts the pod that was asked for first, and otherwise what is best to
// look at: ready, of the newest revision, the oldest of those.
func (s *Subject) sort(asked *corev1.Pod) {
	old := map[string]int{}
	for i := range s.Pods {
		p := &s.Pods[i]
		if !p.New && p.Ready {
			old[p.Revision]++
		}
	}
	for rev, n := range old {
		if s.Old == "" || n > old[s.Old] || n == old[s.Old] && rev < s.Old {
			s.Old = rev
		}
	}
	rank := func(p *Pod) int {
		switch {
		case asked != nil && p.Pod.Name == asked.Name:
			return 0
		case p.Ready && p.New:
			return 1
		case p.Ready:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(s.Pods, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), a.Started.Compare(b.Started), cmp.Compare(a.Pod.Name, b.Pod.Name))
	})
}

// MostSide is how many pods stand for one side of a comparison.
const MostSide = mostAtOnce

// Canary chooses pods to compare the newest revision with the one before:
// ready ones that have warmed up go first. why says why there are none.
func (s *Subject) Canary() (old, now []Target, why string) {
	if s.Old == "" {
		return nil, nil, "all ready pods are of one revision"
	}
	old, now = s.choose(func(p *Pod) bool { return p.Revision == s.Old }), s.choose(func(p *Pod) bool { return p.New })
	if len(now) == 0 {
		return nil, nil, "no pod of the new revision runs"
	}
	return old, now, ""
}

// Sibling chooses pods to compare one with: ready ones of the same revision
// that restarted least.
func (s *Subject) Sibling(of Target) (others []Target, why string) {
	others = s.choose(func(p *Pod) bool { return p.Pod.Name != of.Pod.Name && p.Revision == of.Revision && p.Ready })
	if len(others) == 0 {
		return nil, "it has no ready sibling of the same revision"
	}
	return others[:1], ""
}

func (s *Subject) choose(fits func(*Pod) bool) []Target {
	var list []Pod
	for i := range s.Pods {
		if fits(&s.Pods[i]) {
			list = append(list, s.Pods[i])
		}
	}
	slices.SortStableFunc(list, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(len(a.Note), len(b.Note)), cmp.Compare(a.Restarts, b.Restarts))
	})
	var out []Target
	for _, p := range list[:min(len(list), MostSide)] {
		out = append(out, p.Target)
	}
	return out
}
