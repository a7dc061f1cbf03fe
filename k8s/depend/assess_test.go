package depend_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"midwatch/k8s"
	"midwatch/k8s/depend"
	"midwatch/live"
)

func now() time.Time { return time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC) }

func ago(d time.Duration) time.Time { return now().Add(-d) }

func list(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// template is that of the FastAPI service, with a volume more.
func template() *corev1.PodTemplateSpec {
	return &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "fastapi-service", "team": "storefront"}},
		Spec: corev1.PodSpec{
			ServiceAccountName: "fastapi-service",
			Containers: []corev1.Container{{
				Name: "api", Image: "registry.example.com/fastapi-service:v1.2.3", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8000}},
				Env: []corev1.EnvVar{
					{Name: "ENVIRONMENT", Value: "production"},
					{Name: "DATABASE_URL", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "fastapi-secrets"}, Key: "database-url"}}},
					{Name: "LOG_LEVEL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "fastapi-config"}, Key: "LOG_LEVEL"}}},
				},
				EnvFrom:      []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "fastapi-config"}}}},
				Resources:    corev1.ResourceRequirements{Requests: list("250m", "256Mi"), Limits: list("1000m", "512Mi")},
				VolumeMounts: []corev1.VolumeMount{{Name: "files", MountPath: "/etc/app"}, {Name: "data", MountPath: "/data"}},
			}},
			Volumes: []corev1.Volume{
				{Name: "files", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "fastapi-files"}}}},
				{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}},
			},
		},
	}
}

func pod(i int, began time.Duration) *corev1.Pod {
	t := template()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("fastapi-service-6d5c-%d", i), Labels: t.Labels}, Spec: t.Spec,
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "api", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(ago(began))}}}}},
	}
}

func slice(service string, ready ...bool) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: service + "-x", Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
	for i, r := range ready {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.0.0.%d", i)}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(r)},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: fmt.Sprintf("fastapi-service-6d5c-%d", i)},
		})
	}
	return s
}

func service(name string, selector map[string]string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, Selector: selector, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8000)}},
	}}
}

func ready[T any](items ...T) depend.Read[T] { return depend.Read[T]{State: live.Ready, Items: items} }

func quota(hard, used corev1.ResourceList) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Status: corev1.ResourceQuotaStatus{Hard: hard, Used: used}}
}

// input is a service of which everything is well.
func input(edit ...func(*depend.Input)) depend.Input {
	app := map[string]string{"app": "fastapi-service"}
	path := networkingv1.HTTPIngressPath{Path: "/", Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "fastapi-service", Port: networkingv1.ServiceBackendPort{Number: 80}}}}
	in := depend.Input{
		Workload: k8s.Ref{Kind: k8s.Deployment, Namespace: "shop", Name: "fastapi-service"}, Template: template(), Desired: 3, Surge: 1, At: now(),
		Pods:     []*corev1.Pod{pod(0, time.Hour), pod(1, time.Hour), pod(2, time.Hour)},
		Services: ready(service("fastapi-service", app)), Slices: ready(slice("fastapi-service", true, true, true)),
		Ingresses: ready(&networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Name: "fastapi-service"},
			Spec: networkingv1.IngressSpec{
				IngressClassName: ptr.To("nginx"), TLS: []networkingv1.IngressTLS{{Hosts: []string{"api.example.com"}, SecretName: "api-tls"}},
				Rules: []networkingv1.IngressRule{{Host: "api.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{path}}}}},
			},
			Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}}},
		}),
		Routes: depend.Read[depend.Route]{State: live.Absent},
		Budgets: ready(&policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Name: "fastapi-service"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: app}},
			Status: policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: 1, CurrentHealthy: 3, DesiredHealthy: 2, ExpectedPods: 3},
		}),
		Quotas: ready(quota(list("4", "8Gi"), list("1", "1Gi"))),
		Usage:  ready(depend.PodUsage{Pod: "a", MilliCPU: 120, Memory: 200 << 20}, depend.PodUsage{Pod: "b", MilliCPU: 80, Memory: 210 << 20}),
		ConfigMaps: map[string]depend.Object{
			"fastapi-config": {State: live.Ready, KeysKnown: true, Keys: []string{"APP_NAME", "LOG_LEVEL"}, Changed: ago(48 * time.Hour)},
			"fastapi-files":  {State: live.Ready, KeysKnown: true, Keys: []string{"app.ini"}, Changed: ago(48 * time.Hour)},
		},
		Secrets: map[string]depend.Object{
			"fastapi-secrets": {State: live.Ready, Changed: ago(48 * time.Hour)}, "api-tls": {State: live.Ready, Changed: ago(48 * time.Hour)},
		},
		Claims:  map[string]depend.Claim{"data": {State: live.Ready, Phase: "Bound", Size: "10Gi", Class: "ssd"}},
		Account: depend.Object{State: live.Ready},
	}
	for _, e := range edit {
		e(&in)
	}
	return in
}

// words is a report as text: severity, object, sentence and notes.
func words(r *depend.Report) string {
	var b strings.Builder
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "== %s (%s)\n", s.Area, s.Severity())
		for _, g := range s.Gaps {
			fmt.Fprintf(&b, "? %s %s %s\n", g.What, g.State, g.Err)
		}
		if len(s.Items) == 0 {
			fmt.Fprintf(&b, "- %s\n", s.Empty)
		}
		for _, it := range s.Items {
			fmt.Fprintf(&b, "%s %s/%s: %s\n", it.Severity, it.Ref.Kind, it.Ref.Name, it.Text)
			for _, u := range it.Uses {
				fmt.Fprintf(&b, "    used as %s\n", u)
			}
			for _, n := range it.Notes {
				fmt.Fprintf(&b, "    %s: %s\n", n.Severity, n.Text)
			}
		}
	}
	return b.String()
}

func TestAllIsWell(t *testing.T) {
	const want = `== traffic (ok)
ok Service/fastapi-service: ClusterIP, port 80 to 8000; 3 of 3 endpoints ready
ok Ingress/fastapi-service: api.example.com/ to fastapi-service; class nginx
== config (ok)
ok ConfigMap/fastapi-config: 2 keys
    used as envFrom of api
    used as env LOG_LEVEL (key LOG_LEVEL) of api
ok Secret/fastapi-secrets: is there; its keys are not known, since they come with the values only
    used as env DATABASE_URL (key database-url) of api
ok ConfigMap/fastapi-files: 1 key
    used as volume /etc/app of api
== storage (ok)
ok PersistentVolumeClaim/data: bound, 10Gi ssd
    used as volume /data of api
== identity (ok)
ok ServiceAccount/fastapi-service: is there
== room (ok)
ok ResourceQuota/team: room for 12 pods more (cpu: 1 of 4 used, a pod takes 250m)
== usage (ok)
ok Deployment/fastapi-service: cpu: 2 pods use 200m of the 500m they request, 40 %
ok Deployment/fastapi-service: memory: 2 pods use 410Mi of the 512Mi they request, 80 %
    ok: the largest pod uses 210Mi of its limit 512Mi, 41 % (b)
== budgets (ok)
ok PodDisruptionBudget/fastapi-service: allows 1 disruption now: 3 of 3 are healthy, 2 have to be
`
	if got := words(depend.Assess(input())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*depend.Input)
		want []string
	}{
		"a Service that matches nothing": {func(in *depend.Input) {
			in.Services, in.Slices = ready(service("fastapi-service", map[string]string{"app": "fastapi", "tier": "web"})), ready[*discoveryv1.EndpointSlice]()
		}, []string{"fail Service/fastapi-service: selects app=fastapi,tier=web, which does not match its pods: they have app=fastapi-service, its pods have no label tier; it matches no pod at all"}},
		"a Service of others": {func(in *depend.Input) {
			in.Services, in.Slices = ready(service("fastapi-service", map[string]string{"app": "other"})), ready(slice("fastapi-service", true))
		}, []string{"info Service/fastapi-service: selects app=other", "it leads to 1 pod of others"}},
		"nobody is ready": {func(in *depend.Input) { in.Slices = ready(slice("fastapi-service", false, false, false)) },
			[]string{"fail Service/fastapi-service: ClusterIP, port 80 to 8000; 0 of 3 endpoints ready: requests find nobody"}},
		"one is not ready":             {func(in *depend.Input) { in.Slices = ready(slice("fastapi-service", true, false, true)) }, []string{"info Service/fastapi-service: ClusterIP, port 80 to 8000; 2 of 3 endpoints ready"}},
		"a port nobody has":            {func(in *depend.Input) { in.Services.Items[0].Spec.Ports[0].TargetPort = intstr.FromString("web") }, []string{`fail: target port "web" is not a port of any container`}},
		"an Ingress to the wrong port": {func(in *depend.Input) { in.Services.Items[0].Spec.Ports[0].Port = 8080 }, []string{"fail: Service fastapi-service has no port 80"}},
		"an Ingress to nothing":        {func(in *depend.Input) { in.Services = ready[*corev1.Service]() }, []string{"fail: Service fastapi-service does not exist", "fail Ingress/fastapi-service"}},
		"no TLS secret":                {func(in *depend.Input) { in.Secrets["api-tls"] = depend.Object{State: live.Absent} }, []string{"fail: TLS for api.example.com needs Secret api-tls, which does not exist"}},
		"a route": {func(in *depend.Input) {
			in.Routes = ready(depend.Route{Name: "web", Hosts: []string{"api.example.com"}, Services: []string{"fastapi-service"}, Refused: "NotAllowedByListeners"})
		}, []string{"fail HTTPRoute/web: api.example.com to fastapi-service", "fail: not accepted: NotAllowedByListeners"}},
		"a ConfigMap that is missing": {func(in *depend.Input) { in.ConfigMaps["fastapi-config"] = depend.Object{State: live.Absent} },
			[]string{"fail ConfigMap/fastapi-config: does not exist: new containers do not start (CreateContainerConfigError)"}},
		"files that are missing": {func(in *depend.Input) { in.ConfigMaps["fastapi-files"] = depend.Object{State: live.Absent} },
			[]string{"fail ConfigMap/fastapi-files: does not exist: new pods stay in ContainerCreating (FailedMount)"}},
		"a key that is missing": {func(in *depend.Input) {
			in.ConfigMaps["fastapi-config"] = depend.Object{State: live.Ready, KeysKnown: true, Keys: []string{"APP_NAME"}}
		}, []string{"fail: has no key LOG_LEVEL, which api needs: new containers do not start (CreateContainerConfigError)"}},
		"a Secret's key that an event names": {func(in *depend.Input) {
			in.Events = []*k8s.Event{{Reason: "Failed", Message: "Error: couldn't find key database-url in Secret shop/fastapi-secrets"}}
		}, []string{"fail: has no key database-url, which api needs"}},
		"a Secret nobody may see": {func(in *depend.Input) {
			in.Secrets["fastapi-secrets"] = depend.Object{State: live.Forbidden, Err: "forbidden: get secrets in shop"}
		}, []string{"unknown Secret/fastapi-secrets: is not known: forbidden: get secrets in shop"}},
		"changed under running pods": {func(in *depend.Input) {
			o := in.ConfigMaps["fastapi-config"]
			o.Changed = ago(30 * time.Minute)
			in.ConfigMaps["fastapi-config"] = o
			in.Pods[2] = pod(2, 10*time.Minute)
		}, []string{"warn: changed after 2 of 3 pods started, which still run with what it said before: a restart brings it in (fastapi-service-6d5c-0, fastapi-service-6d5c-1)"}},
		"changed, but the old pods take another one": {func(in *depend.Input) {
			o := in.ConfigMaps["fastapi-config"]
			o.Changed = ago(30 * time.Minute)
			in.ConfigMaps["fastapi-config"] = o
			for _, p := range in.Pods {
				p.Spec.Containers[0].Env, p.Spec.Containers[0].EnvFrom = nil, nil
			}
		}, []string{"ok ConfigMap/fastapi-config: 2 keys"}},
		"files changed under running pods": {func(in *depend.Input) {
			o := in.ConfigMaps["fastapi-files"]
			o.Changed = ago(30 * time.Minute)
			in.ConfigMaps["fastapi-files"] = o
		}, []string{"info: changed after 3 of 3 pods started; their files follow"}},
		"no account":    {func(in *depend.Input) { in.Account.State = live.Absent }, []string{"fail ServiceAccount/fastapi-service: does not exist: new pods are refused"}},
		"no claim":      {func(in *depend.Input) { in.Claims["data"] = depend.Claim{State: live.Absent} }, []string{"fail PersistentVolumeClaim/data: does not exist"}},
		"unbound claim": {func(in *depend.Input) { in.Claims["data"] = depend.Claim{State: live.Ready, Phase: "Pending"} }, []string{"warn PersistentVolumeClaim/data: is not bound yet (Pending)"}},
		"no room for the surge": {func(in *depend.Input) {
			in.Quotas, in.Rolling = ready(quota(list("1", "8Gi"), list("900m", "1Gi"))), true
		},
			[]string{"fail ResourceQuota/team: room for 0 pods more (cpu: 900m of 1 used, a pod takes 250m); this rollout may add 1 and cannot"}},
		"no room for the next one": {func(in *depend.Input) { in.Quotas = ready(quota(list("1", "8Gi"), list("900m", "1Gi"))) }, []string{"warn ResourceQuota/team", "the next rollout adds up to 1 and will be refused"}},
		"the surge is there already": {func(in *depend.Input) {
			in.Quotas, in.Rolling, in.Extra = ready(quota(list("1", "8Gi"), list("1", "1Gi"))), true, 1
		}, []string{"info ResourceQuota/team: room for 0 pods more", "it cannot be scaled up"}},
		"a quota that wants more said": {func(in *depend.Input) {
			in.Quotas = ready(quota(corev1.ResourceList{"limits.cpu": resource.MustParse("8")}, nil))
			in.Template.Spec.Containers[0].Resources.Limits = nil
			in.Pods = nil
		}, []string{"warn: it counts limits.cpu, which the pods do not state"}},
		"a quota for others": {func(in *depend.Input) {
			in.Quotas = ready(quota(list("0", "0"), nil))
			in.Quotas.Items[0].Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
		}, []string{"- The namespace has no ResourceQuota."}},
		"nearly out of memory": {func(in *depend.Input) { in.Usage.Items[1].Memory = 500 << 20 }, []string{"warn: the largest pod uses 500Mi of its limit 512Mi, 97 % (b): at the limit it is killed", "warn Deployment/fastapi-service: memory: 2 pods use 700Mi of the 512Mi they request, 136 %"}},
		"no metrics":           {func(in *depend.Input) { in.Usage = depend.Read[depend.PodUsage]{State: live.Absent} }, []string{"serves no metrics.k8s.io"}},
		"a budget that allows nothing": {func(in *depend.Input) {
			in.Budgets.Items[0].Status = policyv1.PodDisruptionBudgetStatus{CurrentHealthy: 2, DesiredHealthy: 2, ExpectedPods: 3}
		}, []string{"warn PodDisruptionBudget/fastapi-service: allows 0 disruptions now: 2 of 3 are healthy, 2 have to be; drains of nodes wait, rollouts do not"}},
		"two budgets": {func(in *depend.Input) { in.Budgets.Items = append(in.Budgets.Items, in.Budgets.Items[0]) }, []string{"warn: 2 budgets speak of the same pods"}},
		"Services nobody may see": {func(in *depend.Input) {
			in.Services = depend.Read[*corev1.Service]{State: live.Forbidden, Err: "forbidden: list services in shop"}
		}, []string{"? services forbidden forbidden: list services in shop"}},
		"a StatefulSet without its Service": {func(in *depend.Input) { in.Workload.Kind, in.ServiceName = k8s.StatefulSet, "fastapi-headless" }, []string{"warn Service/fastapi-headless: the StatefulSet's serviceName, which does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := words(depend.Assess(input(c.edit)))
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("no %q in\n%s", w, got)
				}
			}
		})
	}
}

func TestWhatAPodTakes(t *testing.T) {
	in := input(func(in *depend.Input) {
		in.Pods = nil
		spec := &in.Template.Spec
		spec.InitContainers = []corev1.Container{
			{Name: "proxy", RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), Resources: corev1.ResourceRequirements{Requests: list("100m", "64Mi")}},
			{Name: "migrate", Resources: corev1.ResourceRequirements{Limits: list("600m", "64Mi")}}, // requests follow limits
		}
		in.Quotas = ready(quota(corev1.ResourceList{"requests.cpu": resource.MustParse("1400m")}, nil))
	})
	// While migrate runs: 100m + 600m; then 100m + 250m. The larger counts.
	if got := words(depend.Assess(in)); !strings.Contains(got, "room for 2 pods more (requests.cpu: 0 of 1400m used, a pod takes 700m)") {
		t.Error(got)
	}
}

func TestContentChanged(t *testing.T) {
	at := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: ago(d)} }
	m := metav1.ObjectMeta{CreationTimestamp: *at(time.Hour), ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "helm", Time: at(30 * time.Minute), FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:LOG_LEVEL":{}}}`)},
		{Manager: "labeller", Time: at(time.Minute), FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:metadata\"":{}}}}`)},
	}}
	if got := depend.ContentChanged(m); !got.Equal(ago(30 * time.Minute)) {
		t.Errorf("changed %v", got)
	}
	m.ManagedFields = nil
	if got := depend.ContentChanged(m); !got.Equal(ago(time.Hour)) {
		t.Errorf("without managedFields: %v", got)
	}
}

func TestNothingIsKnown(t *testing.T) {
	if r := depend.Assess(depend.Input{Workload: input().Workload}); len(r.Sections) != 0 {
		t.Errorf("%+v", r)
	}
	r := depend.Assess(depend.Input{Workload: input().Workload, Template: template()})
	if got := words(r); !strings.Contains(got, "unknown ConfigMap/fastapi-config: was not looked at") {
		t.Error(got)
	}
}
