package demo

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// usScript is the cluster of the context "demo": the shop on a bad night.
func usScript() script {
	s := script{
		name: Context, namespaces: []string{"shop", "payments", "platform"},
		nodes: []node{
			{"node-1", "us-east-1a", "amd64", "8", "32Gi"}, {"node-2", "us-east-1b", "amd64", "8", "32Gi"}, {"node-3", "us-east-1c", "amd64", "8", "32Gi"},
			{"node-4", "us-east-1a", "arm64", "8", "32Gi"}, {"node-5", "us-east-1b", "amd64", "8", "32Gi"}, {"node-6", "us-east-1c", "amd64", "8", "32Gi"},
		},
	}
	for _, part := range [][]beat{fastapiBeats(), checkoutBeats(), cartBeats(), catalogBeats(), searchBeats(), quietShopBeats(), paymentsBeats(), invoiceBeats(), platformBeats()} {
		s.beats = append(s.beats, part...)
	}
	s.kinds, s.beats = withRollouts(s.kinds, s.beats)
	s.kinds, s.beats = withSecrets(s.kinds, s.beats)
	s.kinds, s.beats = withDynamicSecrets(s.kinds, s.beats)
	return s
}

func fastapi() app {
	return app{
		namespace: "shop", name: "fastapi-service", image: "fastapi-service:v1.2.1", replicas: 3, surge: "1", unavailable: "0",
		cpu: "250m", memory: "256Mi", limits: [2]string{"1000m", "512Mi"}, probes: true, config: "fastapi-config", tool: "helm", team: "storefront",
		env: []corev1.EnvVar{
			env("ENVIRONMENT", "production"),
			fromSecret("DATABASE_URL", "fastapi-secrets", "database-url"), fromSecret("JWT_SECRET", "fastapi-secrets", "jwt-secret"),
			fromSecret("DATABASE_PASSWORD", "fastapi-db", "password"),
		},
	}
}

// fastapiBeats: the healthy service everything else is measured against.
func fastapiBeats() []beat {
	a := fastapi()
	config := configMap("fastapi-config", map[string]string{"APP_NAME": "fastapi-service", "LOG_LEVEL": "INFO", "WORKERS": "2", "OTEL_ENDPOINT": "http://otel-collector:4317"})
	return []beat{
		{34 * day, deployed(a, config, secret("shop", "fastapi-secrets", "database-url", "jwt-secret"), secret("shop", "api-tls", "tls.crt", "tls.key"))},
		{34 * day, func(c *cluster) { c.create(a.tool, ingress(a), a.budget("2")) }},
		{8*day + 3*time.Hour, released(a, "fastapi-service:v1.2.2")},
		{3 * day, func(c *cluster) { c.create(a.tool, fastapiHPA()) }},
		{26 * time.Hour, released(a, "fastapi-service:v1.2.3")},
	}
}

func ingress(a app) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}, ObjectMeta: a.meta(),
		Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "203.0.113.10"}}}},
		Spec: networkingv1.IngressSpec{
			IngressClassName: ptr.To("nginx"), TLS: []networkingv1.IngressTLS{{Hosts: []string{"api.example.com"}, SecretName: "api-tls"}},
			Rules: []networkingv1.IngressRule{{Host: "api.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: ptr.To(networkingv1.PathTypePrefix), Backend: networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: a.name, Port: networkingv1.ServiceBackendPort{Number: 80}}}}},
			}}}},
		},
	}
}

func hpaFor(a app, lo, hi int32, metrics ...autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}, ObjectMeta: a.meta(),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: a.name},
			MinReplicas:    &lo, MaxReplicas: hi, Metrics: metrics,
		},
	}
}

func utilization(name corev1.ResourceName, percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
		Name: name, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}}}
}

func podsMetric(name, average string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: name},
		Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse(average))}}}
}

func fastapiHPA() *autoscalingv2.HorizontalPodAutoscaler {
	h := hpaFor(fastapi(), 3, 20, utilization(corev1.ResourceCPU, 70), utilization(corev1.ResourceMemory, 80), podsMetric("http_requests_per_second", "100"))
	h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](300), Policies: []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PercentScalingPolicy, Value: 25, PeriodSeconds: 60}}},
		ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](30), SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
			Policies: []autoscalingv2.HPAScalingPolicy{
				{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 60}, {Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 60}}},
	}
	return h
}

func checkout() app {
	return app{
		namespace: "shop", name: "checkout", image: "checkout:v2.6.4", replicas: 4, surge: "1", unavailable: "0", cpu: "300m", memory: "384Mi",
		probes: true, config: "checkout-config-v47", tool: "helm", team: "checkout",
		env: []corev1.EnvVar{
			env("ENVIRONMENT", "production"), fromSecret("DATABASE_URL", "checkout-secrets", "database-url"),
			env("PAYMENTS_URL", "http://payments-api.payments.svc"), env("PAYMENTS_TIMEOUT_MS", "2500"),
		},
	}
}

// checkoutBeats: a rollout stuck on readiness for six minutes, four before its deadline. The release changed the image, the
// environment and the configuration.
func checkoutBeats() []beat {
	a := checkout()
	v280 := a
	v280.image, v280.config = "checkout:v2.8.0", "checkout-config-v48"
	v280.env = []corev1.EnvVar{
		env("ENVIRONMENT", "production"), fromSecret("DATABASE_URL", "checkout-secrets", "database-url"),
		env("PAYMENTS_URL", "http://payments-api-v2.payments.svc"), env("PAYMENTS_TIMEOUT_MS", "800"), env("FEATURE_EXPRESS_PAY", "true"),
	}
	return []beat{
		{20 * day, deployed(a,
			configMap("checkout-config-v47", map[string]string{"LOG_LEVEL": "INFO", "READYZ_CHECKS": "db,payments", "RETRY_MAX": "3"}),
			secret("shop", "checkout-secrets", "database-url"))},
		{9 * day, released(a, "checkout:v2.7.0")},
		{6 * day, func(c *cluster) {
			c.create("growth-admin", configMap(ExperimentsMap, map[string]string{"experiments.yaml": experimentsYAML}))
		}},
		{5 * day, released(a, "checkout:v2.7.3")},
		{6 * time.Minute, func(c *cluster) {
			c.create(a.tool, configMap("checkout-config-v48", map[string]string{"LOG_LEVEL": "INFO", "READYZ_CHECKS": "db,payments,express-pay", "RETRY_MAX": "1"}))
			change(c, a.tool, appsKind("deployments"), a.namespace, a.name, func(d *appsv1.Deployment) {
				d.Annotations["kubernetes.io/change-cause"] = "helm upgrade checkout --version 2.8.0"
				d.Spec.Template = v280.template()
			})
		}},
	}
}

func cart() app {
	return app{namespace: "shop", name: "cart", image: "cart:v1.13.2", replicas: 8, surge: "1", unavailable: "0", minReady: 15, cpu: "150m", memory: "192Mi",
		probes: true, tool: "argocd-controller", team: "storefront", env: []corev1.EnvVar{env("REDIS_URL", "redis://cart-redis:6379/0")}}
}

// cartBeats: a healthy rollout half way through, slow because every pod must have been ready for 15 seconds.
func cartBeats() []beat {
	return []beat{
		{15 * day, deployed(cart())},
		{75 * time.Second, released(cart(), "cart:v1.14.0")},
	}
}

func catalog() app {
	return app{namespace: "shop", name: "catalog", image: "catalog:v5.3.0", replicas: 3, cpu: "200m", memory: "256Mi", probes: true,
		tool: "argocd-controller", team: "discovery"}
}

// catalogBeats: an autoscaler at its maximum that wants more.
func catalogBeats() []beat {
	a := catalog()
	return []beat{
		{29 * day, deployed(a)},
		{3 * day, func(c *cluster) { c.create(a.tool, hpaFor(a, 2, 8, utilization(corev1.ResourceCPU, 65))) }},
		{2*day + 5*time.Hour, released(a, "catalog:v5.3.1")},
	}
}

func search() app {
	return app{namespace: "shop", name: "search", container: "opensearch", image: "opensearch:2.18.0", replicas: 3, port: 9200, cpu: "500m", memory: "2Gi",
		tool: "kubectl-client-side-apply", team: "discovery", env: []corev1.EnvVar{env("cluster.name", "shop-search"), env("OPENSEARCH_JAVA_OPTS", "-Xms1g -Xmx1g")}}
}

// searchBeats: the OrderedReady trap. An update broke search-2; the template was rolled back, but nothing replaces the pod.
func searchBeats() []beat {
	a := search()
	set := func(image string) func(*cluster) {
		return func(c *cluster) {
			change(c, a.tool, appsKind("statefulsets"), a.namespace, a.name, func(s *appsv1.StatefulSet) {
				s.Spec.Template.Spec.Containers[0].Image = registry + image
				s.Spec.Template.Labels["version"] = tag(image)
			})
		}
	}
	return []beat{
		{18 * day, func(c *cluster) {
			s := a.statefulSet("data", "50Gi")
			s.Spec.Template.Spec.Containers[0].ReadinessProbe = a.probe("/_cluster/health?local=true", 10, 15, 3)
			c.create(a.tool, a.around()...)
			c.create(a.tool, s)
		}},
		{52 * time.Minute, set("opensearch:2.19.1")},
		{38 * time.Minute, set("opensearch:2.18.0")},
	}
}

// strayService was made by hand for workers that do not exist: it selects no pod.
func strayService(a app) *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: a.name + "-workers"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: map[string]string{"app": a.name, "tier": "worker"},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8000), Protocol: corev1.ProtocolTCP}}},
	}
}

// quietShopBeats: one Deployment scaled to zero, one paused with a template that was never rolled out.
func quietShopBeats() []beat {
	promo := app{namespace: "shop", name: "promo-banner", image: "promo-banner:v0.4.0", replicas: 2, cpu: "50m", memory: "64Mi", tool: "kubectl-client-side-apply", team: "storefront"}
	thumbs := app{namespace: "shop", name: "thumbnailer", image: "thumbnailer:v0.9.4", replicas: 2, cpu: "400m", memory: "512Mi", probes: true, tool: "kubectl-client-side-apply", team: "media"}
	deployments := appsKind("deployments")
	return []beat{
		{25 * day, deployed(promo)},
		{3 * day, func(c *cluster) {
			change(c, "kubectl-scale", deployments, "shop", promo.name, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](0) })
		}},
		{22 * day, deployed(thumbs)},
		{4*time.Hour + 10*time.Minute, func(c *cluster) { c.create(thumbs.tool, strayService(thumbs)) }},
		{4 * time.Hour, func(c *cluster) {
			change(c, "kubectl-rollout", deployments, "shop", thumbs.name, func(d *appsv1.Deployment) { d.Spec.Paused = true })
		}},
		{3*time.Hour + 50*time.Minute, released(thumbs, "thumbnailer:v0.10.0")},
	}
}
