package change

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/k8s"
)

// blast is what a changed template does to the pods of a workload.
type blast struct {
	// text is one sentence.
	text     string
	danger   action.Danger
	warnings []string
}

// replacing says how the pods of a workload are replaced when its template
// changes.
func (s *subject) replacing() blast {
	switch s.name {
	case k8s.Deployment:
		return s.replacingDeployment()
	case k8s.StatefulSet:
		return s.replacingStatefulSet()
	case k8s.DaemonSet:
		return s.replacingDaemonSet()
	}
	return s.replacingRollout()
}

func (s *subject) replacingDeployment() blast {
	n := s.replicas()
	if n == 0 {
		return idle()
	}
	if s.deployment.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return blast{
			text:     fmt.Sprintf("%s stopped before the first new one starts (strategy Recreate): it is down meanwhile.", all(n)),
			danger:   action.DangerName,
			warnings: []string{"strategy Recreate: there is an outage until new pods are ready"},
		}
	}
	var maxSurge, maxUnavailable *intstr.IntOrString
	if r := s.deployment.Spec.Strategy.RollingUpdate; r != nil {
		maxSurge, maxUnavailable = r.MaxSurge, r.MaxUnavailable
	}
	quarter := intstr.FromString("25%") // the API server's default
	surge := scaled(ptr.Deref(maxSurge, quarter), n, true)
	unavailable := min(n, scaled(ptr.Deref(maxUnavailable, quarter), n, false))
	if surge == 0 && unavailable == 0 {
		unavailable = 1 // ResolveFenceposts
	}
	return rolling(n, surge, unavailable)
}

// rolling describes a rolling update of n pods with at most surge more and
// unavailable fewer than n at a time.
func rolling(n, surge, unavailable int) blast {
	b := blast{danger: action.DangerEnter}
	switch {
	case unavailable >= n:
		b.text = fmt.Sprintf("%s replaced, up to %d more at a time; all may be missing at once.", all(n), surge)
		b.danger = action.DangerName
		b.warnings = []string{"maxUnavailable lets all pods be missing at once"}
	case unavailable == 0:
		b.text = fmt.Sprintf("%s replaced, up to %d more at a time; none may be missing.", all(n), surge)
	case surge == 0:
		b.text = fmt.Sprintf("%s replaced in place, %s.", all(n), atATime(unavailable))
	default:
		b.text = fmt.Sprintf("%s replaced, up to %d more and %d fewer at a time.", all(n), surge, unavailable)
	}
	return b
}

func (s *subject) replacingStatefulSet() blast {
	spec := s.statefulSet.Spec
	n := s.replicas()
	if n == 0 {
		return idle()
	}
	if spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return onDelete()
	}
	partition, together := 0, 1
	if r := spec.UpdateStrategy.RollingUpdate; r != nil {
		partition = int(ptr.Deref(r.Partition, 0))
		if r.MaxUnavailable != nil {
			together = max(1, scaled(*r.MaxUnavailable, n, false))
		}
	}
	if partition >= n {
		return blast{
			text: fmt.Sprintf("No pod is replaced: the partition is %d.", partition), danger: action.DangerEnter,
			warnings: []string{fmt.Sprintf("nothing will restart: partition %d holds back all %d pods", partition, n)},
		}
	}
	start := 0
	if spec.Ordinals != nil {
		start = int(spec.Ordinals.Start)
	}
	b := blast{text: all(n), danger: action.DangerEnter}
	if partition > 0 {
		b.text = fmt.Sprintf("%d of %s are", n-partition, pods(n))
		b.warnings = append(b.warnings, fmt.Sprintf("partition %d: lower ordinals keep the old template", partition))
	}
	b.text += fmt.Sprintf(" replaced in place, %s, %s-%d first.", atATime(together), s.ref.Name, start+n-1)
	if n == 1 {
		b.warnings = append(b.warnings, "its only pod is replaced in place: it is down meanwhile")
		b.danger = action.DangerName
	}
	return b
}

func (s *subject) replacingDaemonSet() blast {
	n := int(s.daemonSet.Status.DesiredNumberScheduled)
	if n == 0 {
		return blast{text: "No node runs it: nothing is replaced.", danger: action.DangerEnter}
	}
	if s.daemonSet.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return onDelete()
	}
	surge, unavailable := 0, 1
	if r := s.daemonSet.Spec.UpdateStrategy.RollingUpdate; r != nil {
		// Both round up, other than a Deployment's (daemonset_util.go).
		surge = scaled(ptr.Deref(r.MaxSurge, intstr.FromInt32(0)), n, true)
		unavailable = scaled(ptr.Deref(r.MaxUnavailable, intstr.FromInt32(1)), n, true)
		if surge == 0 && unavailable == 0 {
			unavailable = 1
		}
	}
	if surge > 0 {
		return blast{text: fmt.Sprintf("%s replaced, one per node, %s, after the new one is ready.", all(n), atATime(surge)), danger: action.DangerEnter}
	}
	return blast{text: fmt.Sprintf("%s replaced in place, one per node, %s.", all(n), atATime(unavailable)), danger: action.DangerEnter}
}

func (s *subject) replacingRollout() blast {
	n := s.replicas()
	if n == 0 {
		return idle()
	}
	if _, found, _ := unstructured.NestedMap(s.obj.Object, "spec", "strategy", "blueGreen"); found {
		return blast{text: fmt.Sprintf("A second set of %s is started; traffic moves over when it is promoted.", pods(n)), danger: action.DangerEnter}
	}
	steps, _, _ := unstructured.NestedSlice(s.obj.Object, "spec", "strategy", "canary", "steps")
	if len(steps) > 0 {
		return blast{text: fmt.Sprintf("%s replaced step by step, as its canary says (steps: %d).", all(n), len(steps)), danger: action.DangerEnter}
	}
	return blast{text: fmt.Sprintf("%s replaced, as its canary strategy says.", all(n)), danger: action.DangerEnter}
}

func idle() blast {
	return blast{text: "No pod is affected: it is scaled to zero.", danger: action.DangerEnter}
}

func onDelete() blast {
	return blast{
		text: "No pod is replaced: its strategy is OnDelete.", danger: action.DangerEnter,
		warnings: []string{"nothing will restart by itself: with OnDelete a pod takes the new template when it is deleted by hand"},
	}
}

// scaled resolves a count or percentage of n; a malformed one counts as zero,
// as the API server would not have let it in.
func scaled(v intstr.IntOrString, n int, roundUp bool) int {
	got, err := intstr.GetScaledValueFromIntOrPercent(&v, n, roundUp)
	if err != nil {
		return 0
	}
	return got
}

func pods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// all begins a sentence about every pod: "Its only pod is", "All 3 pods are".
func all(n int) string {
	switch n {
	case 1:
		return "Its only pod is"
	case 2:
		return "Both pods are"
	}
	return fmt.Sprintf("All %d pods are", n)
}

func atATime(n int) string {
	if n == 1 {
		return "one at a time"
	}
	return fmt.Sprintf("%d at a time", n)
}
