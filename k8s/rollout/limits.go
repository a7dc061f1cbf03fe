package rollout

import "k8s.io/apimachinery/pkg/util/intstr"

// limits are a Deployment's surge and unavailable in pods: surge rounds up,
// unavailable down, both zero means one unavailable (deployment_util.go
// ResolveFenceposts), never more unavailable than there are pods, and none
// when there are none (MaxUnavailable). What is not set is the API's 25 %.
func limits(maxSurge, maxUnavailable *intstr.IntOrString, n int) (surge, unavailable int) {
	quarter := intstr.FromString("25%")
	surge = scaled(maxSurge, quarter, n, true)
	unavailable = scaled(maxUnavailable, quarter, n, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, n)
}

// daemonLimits are a DaemonSet's, of n nodes: both round up; both zero means
// one unavailable (daemonset_util.go SurgeCount, UnavailableCount,
// daemon/update.go updatedDesiredNodeCounts).
func daemonLimits(maxSurge, maxUnavailable *intstr.IntOrString, n int) (surge, unavailable int) {
	surge = scaled(maxSurge, intstr.FromInt32(0), n, true)
	unavailable = scaled(maxUnavailable, intstr.FromInt32(1), n, true)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// statefulLimit is a StatefulSet's unavailable: rounds down, at least one
// (stateful_set_utils.go getStatefulSetMaxUnavailable).
func statefulLimit(maxUnavailable *intstr.IntOrString, n int) int {
	return max(scaled(maxUnavailable, intstr.FromInt32(1), n, false), 1)
}

// scaled resolves a number or percentage of n; what cannot be parsed, which
// the API server does not admit, counts as zero.
func scaled(v *intstr.IntOrString, fallback intstr.IntOrString, n int, up bool) int {
	got, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(v, fallback), n, up)
	if err != nil {
		return 0
	}
	return max(got, 0)
}

// room is what a rolling update may do next.
type room struct {
	// create is how many pods the new ReplicaSet may grow by, remove how many
	// old pods may go.
	create, remove int
}

// roomOf follows deployment_util.go NewRSNewReplicas and rolling.go
// reconcileOldReplicaSets: surge counts the pods that should be, and each
// unavailable new pod holds back one old pod.
func roomOf(n, surge, unavailable int, current *ReplicaSet, sets []*ReplicaSet) room {
	total, old := 0, 0
	for _, s := range sets {
		total += s.Replicas
		if s != current {
			old += s.Replicas
		}
	}
	have, up := 0, 0
	if current != nil {
		have, up = current.Replicas, current.Status.Available
	}
	return room{
		create: max(min(n+surge-total, n-have), 0),
		remove: min(max(total-(n-unavailable)-(have-up), 0), old),
	}
}
