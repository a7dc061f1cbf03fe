package demo

import "time"

// euScript is the cluster of the context "demo-eu": smaller, and well.
func euScript() script {
	small := func(a app, image string) app {
		a.image, a.replicas = image, 2
		return a
	}
	agent := logAgent()
	agent.image = "log-agent:v3.2.4"
	return script{
		name: ContextEU, namespaces: []string{"shop", "payments", "platform"},
		nodes: []node{
			{"node-eu-1", "eu-west-1a", "amd64", "8", "32Gi"}, {"node-eu-2", "eu-west-1b", "amd64", "8", "32Gi"}, {"node-eu-3", "eu-west-1c", "amd64", "8", "32Gi"},
		},
		beats: []beat{
			{33 * day, deployed(small(fastapi(), "fastapi-service:v1.2.2"),
				configMap("fastapi-config", map[string]string{"APP_NAME": "fastapi-service", "LOG_LEVEL": "INFO", "WORKERS": "2"}),
				secret("shop", "fastapi-secrets", "database-url", "jwt-secret"))},
			{25 * time.Hour, released(fastapi(), "fastapi-service:v1.2.3")},
			{19 * day, deployed(small(checkout(), "checkout:v2.7.3"), secret("shop", "checkout-secrets", "database-url"))},
			{15 * day, deployed(small(cart(), "cart:v1.13.2"))},
			{11 * day, deployed(small(paymentsAPI(), "payments-api:v4.1.2"), secret("payments", "payments-secrets", "stripe-api-key", "database-url"))},
			{38 * day, func(c *cluster) {
				c.create(agent.tool, agent.around()...)
				c.create(agent.tool, agent.daemonSet())
			}},
		},
	}
}
