package depend

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"midwatch/k8s"
	"midwatch/live"
)

// traffic looks for what leads to the workload, and whether it gets there.
func (a *assessment) traffic() Section {
	s := Section{Area: Traffic, Title: "who sends it traffic", Empty: "No Service selects its pods."}
	s.gap("services", a.Services.State, a.Services.Err)
	s.gap("endpoint slices", a.Slices.State, a.Slices.Err)
	s.gap("ingresses", a.Ingresses.State, a.Ingresses.Err)
	s.gap("HTTP routes", a.Routes.State, a.Routes.Err)
	leads := map[string]*corev1.Service{}
	for _, svc := range a.Services.Items {
		switch {
		case len(svc.Spec.Selector) == 0:
		case a.selects(svc.Spec.Selector):
			leads[svc.Name] = svc
			s.Items = append(s.Items, a.service(svc))
		case a.meant(svc):
			s.Items = append(s.Items, a.missed(svc))
		}
	}
	if a.ServiceName != "" && a.Services.State == live.Ready && !slices.ContainsFunc(a.Services.Items, func(s *corev1.Service) bool { return s.Name == a.ServiceName }) {
		it := Item{Ref: a.ref("Service", a.ServiceName), Severity: live.OK}
		it.say(live.Warn, "the StatefulSet's serviceName, which does not exist: its pods have no names of their own in DNS")
		s.Items = append(s.Items, it)
	}
	for _, ing := range a.Ingresses.Items {
		if it, ok := a.ingress(ing, leads); ok {
			s.Items = append(s.Items, it)
		}
	}
	for _, r := range a.Routes.Items {
		if it, ok := a.route(r, leads); ok {
			s.Items = append(s.Items, it)
		}
	}
	return s
}

func (a *assessment) selects(selector map[string]string) bool {
	return labels.SelectorFromSet(selector).Matches(labels.Set(a.Template.Labels))
}

// common are labels that many workloads share: agreeing in one of them does
// not mean that a Service is meant for this one.
func common(key string) bool {
	switch key {
	case "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "app.kubernetes.io/component", "app.kubernetes.io/version",
		"helm.sh/chart", "environment", "env", "team", "tier", "version", "role":
		return true
	}
	return false
}

// meant reports whether a Service that does not select the workload's pods
// looks as if it should: it has its name, or agrees in a label of its own.
func (a *assessment) meant(svc *corev1.Service) bool {
	if svc.Name == a.Workload.Name || svc.Name == a.ServiceName {
		return true
	}
	for k, v := range svc.Spec.Selector {
		if !common(k) && a.Template.Labels[k] == v {
			return a.endpoints(svc).total() == 0
		}
	}
	return false
}

// missed is a Service that should lead to the workload and does not.
func (a *assessment) missed(svc *corev1.Service) Item {
	it := Item{Ref: a.ref("Service", svc.Name), Severity: live.OK}
	var differ []string
	for _, k := range sortedKeys(svc.Spec.Selector) {
		want := svc.Spec.Selector[k]
		switch have, ok := a.Template.Labels[k]; {
		case !ok:
			differ = append(differ, fmt.Sprintf("its pods have no label %s", k))
		case have != want:
			differ = append(differ, fmt.Sprintf("they have %s=%s", k, have))
		}
	}
	e := a.endpoints(svc)
	text := fmt.Sprintf("selects %s, which does not match its pods: %s", labels.Set(svc.Spec.Selector), strings.Join(differ, ", "))
	switch {
	case a.Slices.State != live.Ready:
		it.say(live.Warn, text)
	case e.total() == 0:
		it.say(live.Fail, text+"; it matches no pod at all")
	default:
		it.say(live.Info, text+fmt.Sprintf("; it leads to %s of others", plural(e.total(), "pod")))
	}
	return it
}

// ends are the endpoints of a Service.
type ends struct {
	ready, notReady, terminating int
	// others are ready ones that are not this workload's pods.
	others int
}

func (e ends) total() int { return e.ready + e.notReady + e.terminating }

func (a *assessment) endpoints(svc *corev1.Service) (e ends) {
	seen := map[string]bool{}
	for _, slice := range a.Slices.Items {
		if slice.Labels[discoveryv1.LabelServiceName] != svc.Name {
			continue
		}
		for i := range slice.Endpoints {
			ep := &slice.Endpoints[i]
			name := strings.Join(ep.Addresses, ",")
			if ep.TargetRef != nil {
				name = ep.TargetRef.Kind + "/" + ep.TargetRef.Name
			}
			if seen[name] { // once for each address family and set of ports
				continue
			}
			seen[name] = true
			switch c := ep.Conditions; {
			case c.Terminating != nil && *c.Terminating:
				e.terminating++
			case c.Ready == nil || *c.Ready: // nil counts as true
				e.ready++
				if ep.TargetRef == nil || ep.TargetRef.Kind == "Pod" && len(a.pods) > 0 && !a.pods[ep.TargetRef.Name] {
					e.others++
				}
			default:
				e.notReady++
			}
		}
	}
	return e
}

func (a *assessment) service(svc *corev1.Service) Item {
	it := Item{Ref: a.ref("Service", svc.Name), Severity: live.OK}
	head := string(svc.Spec.Type)
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		head = "headless"
	}
	var ports []string
	for _, p := range svc.Spec.Ports {
		ports = append(ports, fmt.Sprintf("%d to %s", p.Port, targetPort(p)))
		if p.TargetPort.Type == intstr.String && !a.hasPort(p.TargetPort.StrVal) {
			it.note(live.Fail, fmt.Sprintf("target port %q is not a port of any container: it has no endpoints", p.TargetPort.StrVal))
		}
	}
	if len(ports) > 0 {
		head += ", port " + strings.Join(ports, ", ")
	}
	if a.Slices.State != live.Ready {
		it.say(live.OK, head+"; whether its endpoints are ready is not known")
		return it
	}
	e := a.endpoints(svc)
	all := e.ready + e.notReady
	text := fmt.Sprintf("%s; %d of %s ready", head, e.ready, plural(all, "endpoint"))
	if e.terminating > 0 {
		text += fmt.Sprintf(", %d going away", e.terminating)
	}
	switch {
	case e.ready == 0 && a.Desired > 0:
		it.say(live.Fail, text+": requests find nobody")
	case e.notReady > 0:
		it.say(live.Info, text)
	default:
		it.say(live.OK, text)
	}
	if e.others > 0 {
		it.note(live.Info, fmt.Sprintf("it also leads to %s that are not this workload's", plural(e.others, "pod")))
	}
	if svc.Spec.PublishNotReadyAddresses {
		it.note(live.Info, "it publishes pods that are not ready as well")
	}
	return it
}

func targetPort(p corev1.ServicePort) string {
	switch {
	case p.TargetPort.Type == intstr.String:
		return clean(p.TargetPort.StrVal)
	case p.TargetPort.IntVal != 0:
		return p.TargetPort.String()
	}
	return fmt.Sprint(p.Port)
}

func (a *assessment) hasPort(name string) bool {
	for _, list := range [][]corev1.Container{a.Template.Spec.Containers, a.Template.Spec.InitContainers} {
		for i := range list {
			for _, p := range list[i].Ports {
				if p.Name == name {
					return true
				}
			}
		}
	}
	return false
}

// ingress is what an Ingress sends to the Services that lead to the workload;
// ok is false when that is nothing.
func (a *assessment) ingress(ing *networkingv1.Ingress, leads map[string]*corev1.Service) (it Item, ok bool) {
	it = Item{Ref: a.ref("Ingress", ing.Name), Severity: live.OK}
	var ways []string
	for _, w := range waysOf(ing) {
		svc := leads[w.to.Name]
		missing := svc == nil && a.Services.State == live.Ready && w.to.Name == a.Workload.Name && !a.exists(w.to.Name)
		switch {
		case missing:
			it.note(live.Fail, fmt.Sprintf("Service %s does not exist", w.to.Name))
		case svc == nil:
			continue
		case !servicePort(svc, w.to.Port):
			it.note(live.Fail, fmt.Sprintf("Service %s has no port %s", w.to.Name, portName(w.to.Port)))
		}
		ways = append(ways, w.from+" to "+clean(w.to.Name))
	}
	if len(ways) == 0 {
		return it, false
	}
	text := strings.Join(ways, ", ")
	if ing.Spec.IngressClassName != nil {
		text += "; class " + clean(*ing.Spec.IngressClassName)
	}
	it.say(live.OK, text)
	for _, t := range ing.Spec.TLS {
		if o, known := a.Secrets[t.SecretName]; known && o.State == live.Absent {
			it.note(live.Fail, fmt.Sprintf("TLS for %s needs Secret %s, which does not exist", strings.Join(t.Hosts, ", "), t.SecretName))
		}
	}
	if len(ing.Status.LoadBalancer.Ingress) == 0 {
		it.note(live.Info, "no controller has given it an address")
	}
	return it, true
}

// way is one host and path of an Ingress and where it leads.
type way struct {
	from string
	to   *networkingv1.IngressServiceBackend
}

func waysOf(ing *networkingv1.Ingress) []way {
	var out []way
	if b := ing.Spec.DefaultBackend; b != nil && b.Service != nil {
		out = append(out, way{"any host", b.Service})
	}
	for _, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		host := clean(rule.Host)
		if host == "" {
			host = "any host"
		}
		for i := range rule.HTTP.Paths {
			if p := &rule.HTTP.Paths[i]; p.Backend.Service != nil {
				out = append(out, way{host + clean(p.Path), p.Backend.Service})
			}
		}
	}
	return out
}

func (a *assessment) exists(service string) bool {
	return slices.ContainsFunc(a.Services.Items, func(s *corev1.Service) bool { return s.Name == service })
}

func servicePort(svc *corev1.Service, p networkingv1.ServiceBackendPort) bool {
	return slices.ContainsFunc(svc.Spec.Ports, func(have corev1.ServicePort) bool {
		return p.Name != "" && have.Name == p.Name || p.Name == "" && have.Port == p.Number
	})
}

func portName(p networkingv1.ServiceBackendPort) string {
	if p.Name != "" {
		return p.Name
	}
	return fmt.Sprint(p.Number)
}

func (a *assessment) route(r Route, leads map[string]*corev1.Service) (it Item, ok bool) {
	it = Item{Ref: a.ref("HTTPRoute", r.Name), Severity: live.OK}
	var to []string
	for _, s := range r.Services {
		if leads[s] != nil {
			to = append(to, s)
		}
	}
	if len(to) == 0 {
		return it, false
	}
	hosts := "any host"
	if len(r.Hosts) > 0 {
		hosts = strings.Join(r.Hosts, ", ")
	}
	it.say(live.OK, hosts+" to "+strings.Join(to, ", "))
	if r.Refused != "" {
		it.note(live.Fail, "not accepted: "+r.Refused.String())
	}
	return it, true
}

func (a *assessment) ref(kind, name string) k8s.Ref {
	return k8s.Ref{Kind: kind, Namespace: a.Workload.Namespace, Name: clean(name)}
}
