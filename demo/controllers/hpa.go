package controllers

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
)

const (
	autoscalerName = "horizontal-pod-autoscaler"
	// autoscalerSync is kube-controller-manager's --horizontal-pod-autoscaler-sync-period.
	autoscalerSync = 15 * time.Second
	coarseSync     = 7 * 24 * time.Hour
)

// Query asks for one metric of an autoscaler's target.
type Query struct {
	Namespace, Target, Metric string
	// Ready is how many pods share the load.
	Ready int
	At    time.Time
}

// MeasureFunc returns the average per ready pod in thousandths of the metric's unit (cores, bytes, requests per second); false when
// there is no such metric.
type MeasureFunc func(Query) (int64, bool)

// autoscaler is one HPA during one sync.
type autoscaler struct {
	hpa     *autoscalingv2.HorizontalPodAutoscaler
	target  *appsv1.Deployment
	current int32 // spec.replicas of the target
	pods    []*corev1.Pod
	ready   int
	history *scaleHistory
}

// SetCoarse makes autoscalers and the secrets operator look once a week instead of every 15 seconds and every hour, for fast-forwarding through quiet days.
func (m *Manager) SetCoarse(coarse bool) {
	m.coarse = coarse
	for _, o := range m.store.List(kindAutoscalers(), "") {
		m.wakeAt(item{controller: autoscalers, namespace: o.GetNamespace(), name: o.GetName()}, m.now.Add(latency))
	}
	for _, o := range m.store.List(kindExternalSecrets(), "") {
		m.wakeAt(item{controller: externalSecrets, namespace: o.GetNamespace(), name: o.GetName()}, m.now.Add(latency))
	}
}

// SetQuiet stops events from being recorded, for a past that is longer ago than they are kept.
func (m *Manager) SetQuiet(quiet bool) { m.quiet = quiet }

// syncAutoscaler is k/k pkg/controller/podautoscaler/horizontal.go reconcileAutoscaler.
func (m *Manager) syncAutoscaler(it item) time.Time {
	stored, ok := get[*autoscalingv2.HorizontalPodAutoscaler](m, kindAutoscalers(), it.namespace, it.name)
	if !ok {
		return time.Time{}
	}
	again := m.now.Add(autoscalerSync)
	if m.coarse {
		again = m.now.Add(coarseSync)
	}
	a := &autoscaler{hpa: stored.DeepCopy(), history: m.historyOf(stored)}
	if a.target, ok = get[*appsv1.Deployment](m, kindDeployments(), it.namespace, stored.Spec.ScaleTargetRef.Name); !ok {
		m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedGetScale", fmt.Sprintf(
			"the HPA controller was unable to get the target's current scale: deployments.apps %q not found", stored.Spec.ScaleTargetRef.Name))
	} else {
		a.current = *a.target.Spec.Replicas
		m.collect(a)
		m.reconcile(a)
	}
	if !equality.Semantic.DeepEqual(&stored.Status, &a.hpa.Status) {
		m.updateStatus(a.hpa)
	}
	return again
}

func (m *Manager) collect(a *autoscaler) {
	sel, err := metav1.LabelSelectorAsSelector(a.target.Spec.Selector)
	if err != nil {
		return
	}
	for _, o := range m.store.List(kindPods(), a.target.Namespace) {
		if p := o.(*corev1.Pod); isActive(p) && sel.Matches(labels.Set(p.Labels)) {
			a.pods = append(a.pods, p)
			if isReady(p) {
				a.ready++
			}
		}
	}
}

func (m *Manager) reconcile(a *autoscaler) {
	s := &a.hpa.Status
	s.ObservedGeneration = &a.hpa.Generation
	s.CurrentReplicas = a.target.Status.Replicas
	m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededGetScale", "the HPA controller was able to get the target's current scale")
	lo, hi := ptr.Deref(a.hpa.Spec.MinReplicas, 1), a.hpa.Spec.MaxReplicas
	var desired int32
	var why string
	switch {
	case a.current == 0 && lo != 0:
		m.setHPA(a, autoscalingv2.ScalingActive, corev1.ConditionFalse, "ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
		s.DesiredReplicas, s.CurrentMetrics = 0, nil
		return
	case a.current > hi:
		desired, why, s.CurrentMetrics = hi, "Current number of replicas above Spec.MaxReplicas", nil
	case a.current < lo:
		desired, why, s.CurrentMetrics = lo, "Current number of replicas below Spec.MinReplicas", nil
	default:
		proposal, metric, ok := m.propose(a)
		if !ok {
			return
		}
		if proposal > a.current {
			why = metric + " above target"
		} else if proposal < a.current {
			why = "All metrics below target"
		}
		desired = m.normalize(a, proposal)
	}
	s.DesiredReplicas = desired
	if desired != a.current {
		m.rescale(a, desired, why)
		return
	}
	if c := hpaCondition(s, autoscalingv2.AbleToScale); c.Reason == "SucceededGetScale" {
		m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionTrue, "ReadyForNewScale", "recommended size matches current size")
	}
}

func (m *Manager) rescale(a *autoscaler, n int32, why string) {
	key := apiserver.Key{Resource: kindDeployments(), Namespace: a.target.Namespace, Name: a.target.Name}
	_, err := m.store.Modify(key, apiserver.WriteOptions{Manager: controllerManager, Subresource: "scale"}, func(o apiserver.Object) (apiserver.Object, error) {
		o.(*appsv1.Deployment).Spec.Replicas = &n
		return o, nil
	})
	if err != nil {
		return // the target was deleted; the next sync says so
	}
	m.normal(a.hpa, autoscalerName, "SuccessfulRescale", "New size: %d; reason: %s", n, why)
	m.setHPA(a, autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededRescale", fmt.Sprintf("the HPA controller was able to update the target scale to %d", n))
	a.history.scaled(m.now, n-a.current)
	at := m.stamp()
	a.hpa.Status.LastScaleTime = &at
}

// propose computes every metric; the largest proposal wins (replica_calculator.go, computeReplicasForMetrics).
func (m *Manager) propose(a *autoscaler) (proposal int32, metric string, ok bool) {
	a.hpa.Status.CurrentMetrics = nil
	var failed *failedMetric
	for _, spec := range a.hpa.Spec.Metrics {
		status, n, name, measured := m.proposeFor(a, spec)
		a.hpa.Status.CurrentMetrics = append(a.hpa.Status.CurrentMetrics, status)
		if !measured {
			if failed == nil {
				failed = failureOf(spec)
			}
			continue
		}
		if metric == "" || n > proposal {
			proposal, metric = n, name
		}
	}
	if failed != nil && (metric == "" || proposal < a.current) {
		m.setHPA(a, autoscalingv2.ScalingActive, corev1.ConditionFalse, failed.reason, "the HPA was unable to compute the replica count: "+failed.why)
		return 0, "", false
	}
	m.setHPA(a, autoscalingv2.ScalingActive, corev1.ConditionTrue, "ValidMetricFound", "the HPA was able to successfully calculate a replica count from "+metric)
	return proposal, metric, true
}

// failedMetric is how the controller says that a metric has no value.
type failedMetric struct{ reason, why string }

func failureOf(spec autoscalingv2.MetricSpec) *failedMetric {
	if spec.Type == autoscalingv2.PodsMetricSourceType {
		return &failedMetric{"FailedGetPodsMetric", fmt.Sprintf(
			"unable to get metric %[1]s: unable to fetch metrics from custom metrics API: the server could not find the metric %[1]s for pods", spec.Pods.Metric.Name)}
	}
	name := string(spec.Type)
	if spec.Resource != nil {
		name = string(spec.Resource.Name)
	}
	return &failedMetric{"FailedGetResourceMetric", fmt.Sprintf(
		"failed to get %[1]s utilization: unable to get metrics for resource %[1]s: no metrics returned from resource metrics API", name)}
}

func (m *Manager) proposeFor(a *autoscaler, spec autoscalingv2.MetricSpec) (status autoscalingv2.MetricStatus, n int32, name string, ok bool) {
	q := Query{Namespace: a.target.Namespace, Target: a.target.Name, Ready: a.ready, At: m.now}
	status.Type = spec.Type
	switch spec.Type {
	case autoscalingv2.ResourceMetricSourceType:
		q.Metric = string(spec.Resource.Name)
		name = q.Metric + " resource utilization (percentage of request)"
		request := containerRequest(a.target, spec.Resource.Name)
		perPod, have := m.measure(q)
		if !have || request == 0 || spec.Resource.Target.AverageUtilization == nil {
			return autoscalingv2.MetricStatus{}, 0, name, false
		}
		utilization := int32(100 * perPod / request)
		status.Resource = &autoscalingv2.ResourceMetricStatus{Name: spec.Resource.Name, Current: autoscalingv2.MetricValueStatus{
			AverageUtilization: &utilization, AverageValue: resource.NewMilliQuantity(perPod, resource.DecimalSI)}}
		if spec.Resource.Name == corev1.ResourceMemory {
			status.Resource.Current.AverageValue = resource.NewQuantity(perPod/1000, resource.BinarySI)
		}
		// Pods that are not ready count as idle when cpu asks for more, never when memory does.
		adjust := spec.Resource.Name == corev1.ResourceCPU
		return status, a.replicasFor(float64(utilization)/float64(*spec.Resource.Target.AverageUtilization), adjust), name, true
	case autoscalingv2.PodsMetricSourceType:
		q.Metric = spec.Pods.Metric.Name
		name = "pods metric " + q.Metric
		perPod, have := m.measure(q)
		if !have || spec.Pods.Target.AverageValue == nil {
			return autoscalingv2.MetricStatus{}, 0, name, false
		}
		status.Pods = &autoscalingv2.PodsMetricStatus{Metric: spec.Pods.Metric, Current: autoscalingv2.MetricValueStatus{
			AverageValue: resource.NewMilliQuantity(perPod, resource.DecimalSI)}}
		return status, a.replicasFor(float64(perPod)/float64(spec.Pods.Target.AverageValue.MilliValue()), false), name, true
	}
	return autoscalingv2.MetricStatus{}, 0, string(spec.Type), false
}

func (m *Manager) measure(q Query) (int64, bool) {
	if m.cfg.Measure == nil || q.Ready == 0 {
		return 0, false
	}
	return m.cfg.Measure(q)
}

// containerRequest sums what the target's containers ask for, in thousandths.
func containerRequest(d *appsv1.Deployment, name corev1.ResourceName) int64 {
	var sum int64
	for _, c := range d.Spec.Template.Spec.Containers {
		q := c.Resources.Requests[name]
		sum += q.MilliValue()
	}
	return sum
}

// replicasFor turns a usage ratio into replicas: within a tenth nothing changes (calcPlainMetricReplicas).
func (a *autoscaler) replicasFor(ratio float64, adjust bool) int32 {
	within := func(r float64) bool { return r >= 0.9 && r <= 1.1 }
	unready := len(a.pods) - a.ready
	if !adjust || unready == 0 || ratio <= 1 {
		if within(ratio) {
			return a.current
		}
		return ceil(ratio * float64(a.ready))
	}
	adjusted := ratio * float64(a.ready) / float64(a.ready+unready)
	if within(adjusted) || adjusted < 1 {
		return a.current
	}
	return max(ceil(adjusted*float64(a.ready+unready)), a.current)
}

func ceil(f float64) int32 {
	n := int32(f)
	if float64(n) < f-1e-9 {
		n++
	}
	return n
}

func hpaCondition(s *autoscalingv2.HorizontalPodAutoscalerStatus, t autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	i := slices.IndexFunc(s.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool { return c.Type == t })
	if i < 0 {
		return nil
	}
	return &s.Conditions[i]
}

func (m *Manager) setHPA(a *autoscaler, t autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason, message string) {
	c := hpaCondition(&a.hpa.Status, t)
	if c == nil {
		a.hpa.Status.Conditions = append(a.hpa.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{Type: t})
		c = &a.hpa.Status.Conditions[len(a.hpa.Status.Conditions)-1]
	}
	if c.Status != status {
		c.LastTransitionTime = m.stamp()
	}
	c.Status, c.Reason, c.Message = status, reason, message
}
