package demo

import (
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/demo/apiserver"
)

const registry = "registry.example.com/"

// app describes a workload in the terms its manifest differs from the others in.
type app struct {
	namespace, name, image string
	container              string // "api" when empty
	replicas               int32
	port                   int32 // 8000 when 0
	// surge and unavailable are "1" or "25%"; both empty leaves the server's defaults.
	surge, unavailable string
	minReady           int32
	cpu, memory        string // requests; limits are twice the memory and four times the cpu when limits is empty
	limits             [2]string
	env                []corev1.EnvVar
	config             string // ConfigMap all of whose keys become environment
	probes             bool
	// tool is the field manager that deploys it: helm, argocd-controller, kubectl-client-side-apply.
	tool string
	team string
}

func (a app) labels() map[string]string {
	return map[string]string{"app": a.name, "team": a.team}
}

func (a app) meta() metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: a.namespace, Name: a.name, Labels: a.labels()}
	switch a.tool {
	case "helm":
		m.Labels["app.kubernetes.io/managed-by"] = "Helm"
		m.Annotations = map[string]string{"meta.helm.sh/release-name": a.name, "meta.helm.sh/release-namespace": a.namespace}
	case "argocd-controller":
		m.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": a.name + ":apps/Deployment:" + a.namespace + "/" + a.name}
	}
	return m
}

func (a app) selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": a.name}}
}

func (a app) template() corev1.PodTemplateSpec {
	labels := a.labels()
	labels["version"] = tag(a.image)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: a.scrape()},
		Spec: corev1.PodSpec{
			ServiceAccountName: a.name, TerminationGracePeriodSeconds: ptr.To[int64](60), Containers: []corev1.Container{a.containerSpec()},
		},
	}
}

func (a app) scrape() map[string]string {
	return map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8000", "prometheus.io/path": "/metrics"}
}

func tag(image string) string {
	_, t, _ := strings.Cut(image, ":")
	return t
}

func (a app) containerSpec() corev1.Container {
	c := corev1.Container{
		Name: a.container, Image: registry + a.image, Env: a.env, Resources: a.resources(),
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: a.listen()}},
	}
	if c.Name == "" {
		c.Name = "api"
	}
	if a.config != "" {
		c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: a.config}}}}
	}
	if a.probes {
		c.LivenessProbe = a.probe("/healthz", 10, 15, 3)
		c.ReadinessProbe = a.probe("/readyz", 5, 10, 3)
		c.StartupProbe = a.probe("/startupz", 0, 5, 30)
	}
	return c
}

func (a app) listen() int32 {
	if a.port == 0 {
		return 8000
	}
	return a.port
}

func (a app) probe(path string, delay, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(a.listen())}},
		InitialDelaySeconds: delay, PeriodSeconds: period, FailureThreshold: failures,
	}
}

func (a app) resources() corev1.ResourceRequirements {
	cpu, memory := resource.MustParse(a.cpu), resource.MustParse(a.memory)
	limits := corev1.ResourceList{}
	if a.limits[0] != "" {
		limits[corev1.ResourceCPU], limits[corev1.ResourceMemory] = resource.MustParse(a.limits[0]), resource.MustParse(a.limits[1])
	} else {
		limits[corev1.ResourceCPU] = *resource.NewMilliQuantity(4*cpu.MilliValue(), resource.DecimalSI)
		limits[corev1.ResourceMemory] = *resource.NewQuantity(2*memory.Value(), resource.BinarySI)
	}
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory}, Limits: limits}
}

func (a app) deployment() *appsv1.Deployment {
	d := &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: a.meta(),
		Spec: appsv1.DeploymentSpec{Replicas: &a.replicas, Selector: a.selector(), Template: a.template(), MinReadySeconds: a.minReady},
	}
	if a.surge != "" {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxSurge: ptr.To(intstr.Parse(a.surge)), MaxUnavailable: ptr.To(intstr.Parse(a.unavailable))}}
	}
	return d
}

func (a app) statefulSet(claim, size string) *appsv1.StatefulSet {
	t := a.template()
	t.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: claim, MountPath: "/var/lib/" + a.name}}
	return &appsv1.StatefulSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: a.meta(),
		Spec: appsv1.StatefulSetSpec{
			Replicas: &a.replicas, Selector: a.selector(), Template: t, ServiceName: a.name, MinReadySeconds: a.minReady,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: claim},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: ptr.To("ssd"),
					Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
				},
			}},
		},
	}
}

func (a app) daemonSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"}, ObjectMeta: a.meta(),
		Spec: appsv1.DaemonSetSpec{Selector: a.selector(), Template: a.template(), MinReadySeconds: a.minReady},
	}
}

// around are the objects that stand beside every workload: a service account and a service.
func (a app) around() []apiserver.Object {
	meta := a.meta()
	meta.Labels = maps.Clone(meta.Labels)
	return []apiserver.Object{
		&corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}, ObjectMeta: a.meta()},
		&corev1.Service{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta,
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: a.selector().MatchLabels,
				Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(a.listen()), Protocol: corev1.ProtocolTCP}}},
		},
	}
}

func (a app) budget(minAvailable string) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}, ObjectMeta: a.meta(),
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.Parse(minAvailable)), Selector: a.selector()},
	}
}

func fromSecret(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}}}
}

func env(name, value string) corev1.EnvVar { return corev1.EnvVar{Name: name, Value: value} }

// configMap is one in namespace shop.
func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Data: data}
}

// secret holds values that say of themselves that they are made up.
func secret(namespace, name string, keys ...string) *corev1.Secret {
	s := &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	for _, k := range keys {
		s.Data[k] = []byte("demo-value-of-" + name + "-" + k)
	}
	return s
}

// deployed is the usual beginning of a Deployment's story: it and what stands around it appear.
func deployed(a app, objs ...apiserver.Object) func(*cluster) {
	return func(c *cluster) {
		c.create(a.tool, objs...)
		c.create(a.tool, a.around()...)
		c.create(a.tool, a.deployment())
	}
}

// released is the usual next step: another image.
func released(a app, image string) func(*cluster) {
	a.image = image
	return func(c *cluster) {
		change(c, a.tool, appsKind("deployments"), a.namespace, a.name, func(d *appsv1.Deployment) { d.Spec.Template = a.template() })
	}
}
