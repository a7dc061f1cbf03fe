package apiserver

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// setDefaults fills in what the real server does where a client or controller would notice its absence: k/k
// pkg/apis/{apps,core,autoscaling}/v*/defaults.go.
func setDefaults(obj Object) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		defaultDeployment(&o.Spec)
	case *appsv1.ReplicaSet:
		defaultTo(&o.Spec.Replicas, 1)
		defaultPodSpec(&o.Spec.Template.Spec)
	case *appsv1.StatefulSet:
		defaultStatefulSet(&o.Spec)
	case *appsv1.DaemonSet:
		defaultDaemonSet(&o.Spec)
	case *corev1.Pod:
		defaultPodSpec(&o.Spec)
		if o.Status.Phase == "" {
			o.Status.Phase = corev1.PodPending
		}
		if o.Status.QOSClass == "" {
			o.Status.QOSClass = qosClass(&o.Spec)
		}
	case *corev1.Namespace:
		if o.Status.Phase == "" {
			o.Status.Phase = corev1.NamespaceActive
		}
	case *corev1.Secret:
		if o.Type == "" {
			o.Type = corev1.SecretTypeOpaque
		}
		foldStringData(o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		defaultTo(&o.Spec.MinReplicas, 1)
		defaultBehavior(o.Spec.Behavior)
	}
}

func defaultTo[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func defaultString[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}

func defaultDeployment(s *appsv1.DeploymentSpec) {
	defaultTo(&s.Replicas, 1)
	defaultTo(&s.RevisionHistoryLimit, 10)
	defaultTo(&s.ProgressDeadlineSeconds, 600)
	defaultString(&s.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if s.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		defaultTo(&s.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		defaultTo(&s.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
		defaultTo(&s.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
	}
	defaultPodSpec(&s.Template.Spec)
}

func defaultStatefulSet(s *appsv1.StatefulSetSpec) {
	defaultTo(&s.Replicas, 1)
	defaultTo(&s.RevisionHistoryLimit, 10)
	defaultString(&s.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	defaultString(&s.UpdateStrategy.Type, appsv1.RollingUpdateStatefulSetStrategyType)
	if s.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		defaultTo(&s.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
		defaultTo(&s.UpdateStrategy.RollingUpdate.Partition, 0)
	}
	defaultPodSpec(&s.Template.Spec)
}

func defaultDaemonSet(s *appsv1.DaemonSetSpec) {
	defaultTo(&s.RevisionHistoryLimit, 10)
	defaultString(&s.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if s.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		defaultTo(&s.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		defaultTo(&s.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		defaultTo(&s.UpdateStrategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	defaultPodSpec(&s.Template.Spec)
}

func defaultPodSpec(s *corev1.PodSpec) {
	defaultString(&s.RestartPolicy, corev1.RestartPolicyAlways)
	defaultString(&s.DNSPolicy, corev1.DNSClusterFirst)
	defaultString(&s.SchedulerName, corev1.DefaultSchedulerName)
	defaultTo(&s.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	defaultTo(&s.SecurityContext, corev1.PodSecurityContext{})
	if s.DeprecatedServiceAccount != s.ServiceAccountName {
		s.DeprecatedServiceAccount = s.ServiceAccountName
	}
	for i := range s.InitContainers {
		defaultContainer(&s.InitContainers[i])
	}
	for i := range s.Containers {
		defaultContainer(&s.Containers[i])
	}
}

func defaultContainer(c *corev1.Container) {
	defaultString(&c.ImagePullPolicy, corev1.PullIfNotPresent)
	defaultString(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	defaultString(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		defaultString(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			defaultProbe(p)
		}
	}
}

func defaultProbe(p *corev1.Probe) {
	set := func(field *int32, value int32) {
		if *field == 0 {
			*field = value
		}
	}
	set(&p.TimeoutSeconds, 1)
	set(&p.PeriodSeconds, 10)
	set(&p.SuccessThreshold, 1)
	set(&p.FailureThreshold, 3)
	if p.HTTPGet != nil {
		defaultString(&p.HTTPGet.Scheme, corev1.URISchemeHTTP)
		defaultString(&p.HTTPGet.Path, "/")
	}
}

func foldStringData(s *corev1.Secret) {
	for k, v := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}

// defaultBehavior fills scaling rules only where behavior is given at all, as upstream does.
func defaultBehavior(b *autoscalingv2.HorizontalPodAutoscalerBehavior) {
	if b == nil {
		return
	}
	up := autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: ptr.To[int32](0), SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
		Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
			{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
		},
	}
	down := autoscalingv2.HPAScalingRules{
		SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
		Policies:     []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}},
	}
	b.ScaleUp, b.ScaleDown = mergeRules(b.ScaleUp, up), mergeRules(b.ScaleDown, down)
}

func mergeRules(given *autoscalingv2.HPAScalingRules, def autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	if given == nil {
		return &def
	}
	if given.SelectPolicy == nil {
		given.SelectPolicy = def.SelectPolicy
	}
	if given.StabilizationWindowSeconds == nil {
		given.StabilizationWindowSeconds = def.StabilizationWindowSeconds
	}
	if given.Policies == nil {
		given.Policies = def.Policies
	}
	return given
}

// qosClass follows k/k pkg/apis/core/v1/helper/qos in its usual cases.
func qosClass(s *corev1.PodSpec) corev1.PodQOSClass {
	guaranteed, any := true, false
	for _, c := range s.Containers {
		any = any || len(c.Resources.Requests) > 0 || len(c.Resources.Limits) > 0
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, ok := c.Resources.Limits[name]
			request, asked := c.Resources.Requests[name]
			if !ok || (asked && request.Cmp(limit) != 0) {
				guaranteed = false
			}
		}
	}
	switch {
	case guaranteed:
		return corev1.PodQOSGuaranteed
	case any:
		return corev1.PodQOSBurstable
	}
	return corev1.PodQOSBestEffort
}
