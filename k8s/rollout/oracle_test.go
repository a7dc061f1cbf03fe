package rollout

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"midwatch/k8s"
	"midwatch/live"
)

// kubectlSays is what `kubectl rollout status` makes of a workload, written
// from its rules (kubectl pkg/polymorphichelpers/rollout_status.go).
type kubectlSays int

const (
	kubectlWaits kubectlSays = iota
	kubectlDone
	kubectlFails   // exits with an error: the deadline is exceeded
	kubectlRefuses // does not know the strategy or the kind
)

func kubectlStatus(o any) kubectlSays {
	wait := func(waits ...bool) kubectlSays {
		for _, w := range waits {
			if w {
				return kubectlWaits
			}
		}
		return kubectlDone
	}
	switch o := o.(type) {
	case *appsv1.Deployment:
		st, n := o.Status, *o.Spec.Replicas
		if o.Generation > st.ObservedGeneration {
			return kubectlWaits
		}
		for _, c := range st.Conditions {
			if c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" {
				return kubectlFails
			}
		}
		return wait(st.UpdatedReplicas < n, st.Replicas > st.UpdatedReplicas, st.AvailableReplicas < st.UpdatedReplicas)
	case *appsv1.StatefulSet:
		st, n, strategy := o.Status, *o.Spec.Replicas, o.Spec.UpdateStrategy
		switch {
		case strategy.Type != appsv1.RollingUpdateStatefulSetStrategyType:
			return kubectlRefuses
		case st.ObservedGeneration == 0 || o.Generation > st.ObservedGeneration:
			return kubectlWaits
		case strategy.RollingUpdate != nil && strategy.RollingUpdate.Partition != nil:
			return wait(st.ReadyReplicas < n, st.UpdatedReplicas < n-*strategy.RollingUpdate.Partition)
		}
		return wait(st.ReadyReplicas < n, st.UpdateRevision != st.CurrentRevision)
	case *appsv1.DaemonSet:
		st := o.Status
		if o.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType {
			return kubectlRefuses
		}
		return wait(o.Generation > st.ObservedGeneration, st.UpdatedNumberScheduled < st.DesiredNumberScheduled, st.NumberAvailable < st.DesiredNumberScheduled)
	}
	return kubectlRefuses
}

// checkAgreesWithKubectl: what kubectl calls done is done here, and the other
// way round, except where we know more or say it another way.
func checkAgreesWithKubectl(t *testing.T, s *situation) {
	t.Helper()
	v, _ := Assess(s.input)
	switch kubectlStatus(s.typed) {
	case kubectlDone:
		switch v.Phase {
		case k8s.PhaseDone, k8s.PhaseScaledToZero, k8s.PhaseDeleting:
		case k8s.PhasePaused:
			// Nothing is pending, so kubectl does not mention the pause.
		case k8s.PhaseBlocked, k8s.PhaseDegraded:
			t.Errorf("kubectl says done, midwatch %s: %s", v.Phase, v.Message)
		case k8s.PhaseProgressing:
			if v.Reason != "ScalingDown" {
				t.Errorf("kubectl says done, midwatch %s (%s): %s", v.Phase, v.Reason, v.Message)
			}
		default:
			t.Errorf("kubectl says done, midwatch %s: %s", v.Phase, v.Message)
		}
	case kubectlFails:
		if v.Phase != k8s.PhaseFailed && v.Phase != k8s.PhasePaused || v.Severity.Rank() > live.Warn.Rank() {
			t.Errorf("kubectl fails, midwatch says %s %s: %s", v.Severity, v.Phase, v.Message)
		}
	case kubectlWaits:
		if v.Phase == k8s.PhaseDone || v.Severity == live.OK {
			t.Errorf("kubectl waits, midwatch says %s: %s", v.Phase, v.Message)
		}
	}
}
