package change

import (
	"context"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"midwatch/foreign"
	"midwatch/k8s"
)

// progress is what a workload's status says of a change of its spec.
type progress struct {
	s          *subject
	generation int64
}

// rolled waits until the rollout that a patch starts is moving, or done.
func (p *Planner) rolled(ctx context.Context, sp *specPatch) (string, error) {
	g := progress{s: sp.subject, generation: sp.generation}
	return p.followSubject(ctx, sp.subject, g.rolling)
}

// observed waits until the controller has seen that the workload is paused, or
// not any more.
func (p *Planner) observed(ctx context.Context, sp *specPatch, paused bool) (string, error) {
	g := progress{s: sp.subject, generation: sp.generation}
	return p.followSubject(ctx, sp.subject, func(u *unstructured.Unstructured) (string, bool) {
		if !g.seen(u) {
			return notSeen, false
		}
		if !paused {
			text, _ := g.rolling(u)
			return "resumed; " + text, true
		}
		return fmt.Sprintf("paused with %d of %s new", count(u, "updatedReplicas"), pods(wanted(u))), true
	})
}

const notSeen = "the controller has not seen the change yet"

// seen reports whether the controller has acted on the patched spec. Argo
// writes its observedGeneration as a string (argo-rollouts
// pkg/apis/rollouts/v1alpha1/types.go); one that is no number counts as seen.
func (g progress) seen(u *unstructured.Unstructured) bool {
	v, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "observedGeneration")
	switch n := v.(type) {
	case int64:
		return n >= g.generation
	case string:
		seen, err := strconv.ParseInt(n, 10, 64)
		return err != nil || seen >= g.generation
	}
	return false
}

// rolling says how far the rollout is, and whether it moves at all: at least
// one pod has the new template, or there is none to be replaced.
func (g progress) rolling(u *unstructured.Unstructured) (text string, moving bool) {
	if !g.seen(u) {
		return notSeen, false
	}
	switch g.s.name {
	case k8s.StatefulSet:
		return g.statefulSet(u)
	case k8s.DaemonSet:
		return g.daemonSet(u)
	case k8s.Rollout:
		return g.rollout(u)
	}
	return g.counts(u, wanted(u), count(u, "updatedReplicas"), count(u, "availableReplicas"), count(u, "replicas"))
}

func (g progress) statefulSet(u *unstructured.Unstructured) (string, bool) {
	strategy, _, _ := unstructured.NestedString(u.Object, "spec", "updateStrategy", "type")
	if strategy == "OnDelete" {
		return "recorded; pods take it when they are deleted (OnDelete)", true
	}
	partition, _, _ := unstructured.NestedInt64(u.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	n := wanted(u)
	if int(partition) >= n && n > 0 {
		return fmt.Sprintf("recorded; partition %d holds all pods back", partition), true
	}
	return g.counts(u, max(0, n-int(partition)), count(u, "updatedReplicas"), count(u, "readyReplicas")-int(partition), n-int(partition))
}

func (g progress) daemonSet(u *unstructured.Unstructured) (string, bool) {
	strategy, _, _ := unstructured.NestedString(u.Object, "spec", "updateStrategy", "type")
	if strategy == "OnDelete" {
		return "recorded; pods take it when they are deleted (OnDelete)", true
	}
	n := count(u, "desiredNumberScheduled")
	return g.counts(u, n, count(u, "updatedNumberScheduled"), count(u, "numberAvailable"), n)
}

func (g progress) rollout(u *unstructured.Unstructured) (string, bool) {
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	message, _, _ := unstructured.NestedString(u.Object, "status", "message")
	text := "the Argo controller has it"
	if phase != "" {
		text += ": " + foreign.CleanN(phase, 64).String()
	}
	if message != "" {
		text += ", " + foreign.CleanN(message, 200).String()
	}
	return text, true
}

// counts turns numbers of pods into a sentence: wanted ones, those with the
// new template, those that are available, and all there are.
func (g progress) counts(u *unstructured.Unstructured, n, updated, available, total int) (string, bool) {
	switch {
	case n == 0:
		return "no pod to replace", true
	case paused(u):
		return "recorded; it is paused", true
	case updated >= n && available >= n && total <= n:
		return fmt.Sprintf("done: %d of %s new and available", n, pods(n)), true
	case updated > 0:
		return fmt.Sprintf("rolling: %d of %s new", updated, pods(n)), true
	}
	return fmt.Sprintf("the controller has seen it; 0 of %s new so far", pods(n)), false
}

func paused(u *unstructured.Unstructured) bool {
	p, _, _ := unstructured.NestedBool(u.Object, "spec", "paused")
	return p
}

func wanted(u *unstructured.Unstructured) int {
	n, found, err := unstructured.NestedInt64(u.Object, "spec", "replicas")
	if err != nil || !found {
		return 1
	}
	return int(n)
}

func count(u *unstructured.Unstructured, field string) int {
	n, _, _ := unstructured.NestedInt64(u.Object, "status", field)
	return int(n)
}
