package demo

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func paymentsAPI() app {
	return app{
		namespace: "payments", name: "payments-api", image: "payments-api:v4.0.9", replicas: 3, cpu: "300m", memory: "256Mi", probes: true,
		tool: "helm", team: "payments",
		env: []corev1.EnvVar{fromSecret("STRIPE_API_KEY", "payments-secrets", "stripe-api-key"), fromSecret("DATABASE_URL", "payments-secrets", "database-url")},
	}
}

func ledger() app {
	return app{namespace: "payments", name: "ledger", container: "postgres", image: "postgres:17.6", replicas: 2, port: 5432, cpu: "500m", memory: "1Gi",
		tool: "helm", team: "payments", env: []corev1.EnvVar{fromSecret("POSTGRES_PASSWORD", "ledger-secrets", "password")}}
}

func fraudScorer() app {
	return app{namespace: "payments", name: "fraud-scorer", image: "fraud-scorer:v0.31.0", replicas: 3, cpu: "250m", memory: "768Mi", probes: true,
		tool: "argocd-controller", team: "risk", env: []corev1.EnvVar{fromSecret("REPORTS_PASSWORD", "fraud-db", "password")}}
}

func webhookRelay() app {
	return app{namespace: "payments", name: "webhook-relay", image: "webhook-relay:v2.2.0", replicas: 1, cpu: "100m", memory: "128Mi", probes: true,
		tool: "helm", team: "payments"}
}

func invoicePDF() app {
	return app{namespace: "payments", name: "invoice-pdf", container: "renderer", image: "invoice-pdf:v1.7.2", replicas: 2, surge: "1", unavailable: "0",
		cpu: "200m", memory: "256Mi", limits: [2]string{"800m", "512Mi"}, probes: true, tool: "argocd-controller", team: "payments"}
}

// invoiceBeats: a release that halved the memory limit. The renderer needs more on its first document and is killed.
func invoiceBeats() []beat {
	a := invoicePDF()
	small := a
	small.image, small.memory, small.limits = "invoice-pdf:v1.8.0", "128Mi", [2]string{"800m", "256Mi"}
	return []beat{
		{14 * day, deployed(a)},
		{4 * time.Minute, released(small, small.image)},
	}
}

// paymentsBeats: a release that crashes on start (its deadline has passed), a database, a service that follows its load, and a
// relay that was killed for memory twice and runs again.
func paymentsBeats() []beat {
	api, db, fraud, relay := paymentsAPI(), ledger(), fraudScorer(), webhookRelay()
	return []beat{
		{31 * day, func(c *cluster) { c.create("kubectl-client-side-apply", paymentsQuota()) }},
		{30 * day, deployed(api, secret("payments", "payments-secrets", "stripe-api-key", "database-url"))},
		{30 * day, func(c *cluster) { c.create(api.tool, api.budget("2")) }},
		{11 * day, released(api, "payments-api:v4.1.2")},
		{25 * time.Minute, released(api, "payments-api:v4.2.0")},
		{30 * day, func(c *cluster) {
			c.create(db.tool, secret("payments", "ledger-secrets", "password"))
			c.create(db.tool, db.around()...)
			c.create(db.tool, db.statefulSet("pgdata", "100Gi"))
		}},
		{12 * day, deployed(fraud)},
		{3 * day, func(c *cluster) { c.create(fraud.tool, hpaFor(fraud, 2, 10, utilization(corev1.ResourceCPU, 70))) }},
		{4 * day, func(c *cluster) {
			d := relay.deployment()
			d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
			c.create(relay.tool, relay.around()...)
			c.create(relay.tool, d)
		}},
		// Its autoscaler asks for a metric that nobody serves.
		{3 * time.Minute, func(c *cluster) { c.create(relay.tool, hpaFor(relay, 1, 5, podsMetric("queue_depth", "50"))) }},
	}
}

func paymentsQuota() *corev1.ResourceQuota {
	hard := corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("12"), corev1.ResourceRequestsMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("40")}
	return &corev1.ResourceQuota{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"}, ObjectMeta: metav1.ObjectMeta{Namespace: "payments", Name: "payments"},
		Spec: corev1.ResourceQuotaSpec{Hard: hard}, Status: corev1.ResourceQuotaStatus{Hard: hard},
	}
}
