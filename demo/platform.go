package demo

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func logAgent() app {
	return app{namespace: "platform", name: "log-agent", container: "agent", image: "log-agent:v3.2.4", port: 2020, cpu: "50m", memory: "96Mi", minReady: 5,
		tool: "helm", team: "platform"}
}

// hostile is what somebody put into a label to see who prints it as it is: terminal escapes that clear the screen and set the
// window title, and a bidirectional override. It must reach the client unchanged, and the screen escaped.
const hostile = "label \"owner\" has the value \"\x1b[2J\x1b]0;owned\x07\x1b[31mops\u202egnp.exe\", which is not in the directory"

// platformBeats: a daemon set whose update has stopped at the one node with another architecture, and two healthy services.
func platformBeats() []beat {
	agent := logAgent()
	otel := app{namespace: "platform", name: "otel-collector", container: "collector", image: "otel-collector:0.138.0", replicas: 2, port: 4317, cpu: "200m", memory: "400Mi", tool: "helm", team: "platform"}
	nginx := app{namespace: "platform", name: "ingress-nginx", container: "controller", image: "ingress-nginx:v1.13.3", replicas: 2, port: 8080, cpu: "100m", memory: "128Mi", probes: true, tool: "helm", team: "platform"}
	return []beat{
		{38 * day, func(c *cluster) {
			c.create(agent.tool, agent.around()...)
			c.create(agent.tool, agent.daemonSet())
		}},
		{40 * time.Minute, func(c *cluster) {
			change(c, agent.tool, appsKind("daemonsets"), agent.namespace, agent.name, func(d *appsv1.DaemonSet) {
				d.Spec.Template.Spec.Containers[0].Image = registry + "log-agent:v3.3.0"
				d.Spec.Template.Labels["version"] = "v3.3.0"
			})
		}},
		{37 * day, deployed(otel)},
		{37 * day, deployed(nginx)},
		{37 * day, func(c *cluster) { c.create(nginx.tool, nginx.budget("1")) }},
		{12 * time.Minute, func(c *cluster) {
			if d, ok := c.store.Get(appsKind("deployments"), otel.namespace, otel.name); ok {
				c.note(d, "policy-controller", corev1.EventTypeWarning, "PolicyViolation", hostile)
			}
		}},
	}
}
