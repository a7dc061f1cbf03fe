package testbed

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ScaleSize says how large a cluster Bed.Scale makes.
type ScaleSize struct {
	Namespaces  int
	Deployments int // in all, spread over the namespaces
	Replicas    int // of each Deployment
}

// DefaultScale is the cluster of midwatch's budgets: 10,000 pods.
var DefaultScale = ScaleSize{Namespaces: 20, Deployments: 500, Replicas: 20}

// NamespaceScale is one namespace with that many pods, 20 a Deployment.
func NamespaceScale(pods int) ScaleSize {
	return ScaleSize{Namespaces: 1, Deployments: (pods + 19) / 20, Replicas: 20}
}

// Pods returns the number of pods.
func (s ScaleSize) Pods() int { return s.Deployments * s.Replicas }

// Options returns opts with nodes that hold the pods and controllers that keep
// up with them, and with the pods in place if a bed of this size was made before.
func (s ScaleSize) Options(opts Options) Options {
	opts.ManyPods = true
	opts.Nodes = max(5, (s.Pods()+499)/500)
	opts.NodeCPU, opts.NodeMemory = "1000", "4Ti"
	opts.NodePods = "1000"
	opts.scale = s
	return opts
}

// Namespace returns the name of the i-th namespace, from 0.
func (s ScaleSize) Namespace(i int) string { return fmt.Sprintf("team-%02d", i+1) }

// Scale creates the Deployments and returns when all their pods are ready. The
// bed must have been started with the size's Options. The first time takes
// minutes; later beds of the same size start with the pods in place.
func (b *Bed) Scale(ctx context.Context, size ScaleSize) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for i := range size.Namespaces {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: size.Namespace(i)}}
		if _, err := b.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create namespace %s: %w", ns.Name, err)
		}
	}
	if err := b.createDeployments(ctx, size); err != nil {
		return err
	}
	err := b.waitEvery(ctx, 2*time.Second, func(ctx context.Context) error { return b.allReady(ctx, size) })
	if err != nil || b.restored || b.opts.scale != size {
		return err
	}
	return b.saveSnapshot(ctx, size)
}

func (b *Bed) createDeployments(ctx context.Context, size ScaleSize) error {
	const workers = 8
	var next atomic.Int64
	errs := make(chan error, workers)
	for range workers {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= size.Deployments {
					errs <- nil
					return
				}
				d := scaleDeployment(size.Namespace(i%size.Namespaces), i, size.Replicas)
				_, err := b.client.AppsV1().Deployments(d.Namespace).Create(ctx, d, metav1.CreateOptions{})
				if err != nil && !apierrors.IsAlreadyExists(err) {
					errs <- fmt.Errorf("create deployment %s/%s: %w", d.Namespace, d.Name, err)
					return
				}
			}
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// allReady looks at the Deployments' own counts: one small list instead of all
// the pods.
func (b *Bed) allReady(ctx context.Context, size ScaleSize) error {
	list, err := b.client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{
		LabelSelector: "midwatch.test/scale=true", ResourceVersion: "0",
	})
	if err != nil {
		return err
	}
	ready := 0
	for i := range list.Items {
		ready += int(list.Items[i].Status.AvailableReplicas)
	}
	if ready < size.Pods() {
		return fmt.Errorf("%d of %d pods are available", ready, size.Pods())
	}
	return nil
}

// scaleDeployment is a Deployment whose pods are as large as those of a real
// service: two containers, three probes, environment and volumes.
func scaleDeployment(namespace string, i, replicas int) *appsv1.Deployment {
	name := fmt.Sprintf("service-%03d", i)
	labels := map[string]string{
		"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": namespace,
		"app.kubernetes.io/version": "v1.2.3", "team": namespace,
	}
	count := int32(replicas)
	surge := intstr.FromString("25%")
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{
			"app.kubernetes.io/name": name, "team": namespace, "midwatch.test/scale": "true",
		}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &count,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": name}},
			Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &surge}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{
					ScenarioAnnotation:     ScenarioInstant,
					"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/metrics",
				}},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{apiContainer(name), proxyContainer()},
					Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{
						ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}}},
				},
			},
		},
	}
}

func apiContainer(name string) corev1.Container {
	env := []corev1.EnvVar{
		{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
		{Name: "DATABASE_PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: name + "-secrets"}, Key: "password"}}},
	}
	for i := range 3 {
		env = append(env, corev1.EnvVar{Name: "SETTING_" + strconv.Itoa(i), Value: fmt.Sprintf("https://%s-%d.internal.example.com:8443/v1", name, i)})
	}
	return corev1.Container{
		Name:  "api",
		Image: "registry.example.com/" + name + ":v1.2.3",
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8000}, {Name: "metrics", ContainerPort: 9090}},
		Env:   env,
		EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}}}},
		Resources:      resources("250m", "256Mi", "512Mi"),
		StartupProbe:   httpProbe("/startupz", 8000, 5, 30),
		ReadinessProbe: httpProbe("/readyz", 8000, 10, 3),
		LivenessProbe:  httpProbe("/healthz", 8000, 15, 3),
		VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/" + name, ReadOnly: true}},
	}
}

func proxyContainer() corev1.Container {
	return corev1.Container{
		Name:           "proxy",
		Image:          "registry.example.com/proxy:1.27.1",
		Args:           []string{"sidecar", "--listen=127.0.0.1:15001", "--upstream=127.0.0.1:8000", "--log-level=warning"},
		Ports:          []corev1.ContainerPort{{Name: "proxy", ContainerPort: 15001}},
		Resources:      resources("50m", "64Mi", "128Mi"),
		ReadinessProbe: httpProbe("/ready", 15021, 5, 3),
	}
}

func resources(cpu, memory, limit string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)},
	}
}

func httpProbe(path string, port, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}},
		PeriodSeconds: period, FailureThreshold: failures,
	}
}
