package rollout

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

const templateBefore = `
metadata:
  labels: {app: api, pod-template-hash: 5b9f}
  annotations: {kubectl.kubernetes.io/restartedAt: "2026-11-20T09:00:00Z"}
spec:
  serviceAccountName: api
  containers:
  - name: api
    image: shop/api:1.4.2
    args: [serve, --db-password, hunter2, --port=8080]
    env:
    - {name: LOG_LEVEL, value: info}
    - {name: API_TOKEN, value: abc}
    - {name: SAME_SECRET, value: s}
    - {name: DATABASE_URL, value: "postgres://shop:pw1@db/shop"}
    - name: REGION
      valueFrom: {configMapKeyRef: {name: env, key: region}}
    ports: [{containerPort: 8080, protocol: TCP}]
    resources: {limits: {memory: 1Gi, cpu: 500m}}
    readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 10}
    volumeMounts: [{name: config, mountPath: /etc/api}]
  - {name: log, image: "shop/log:3"}
  volumes:
  - {name: config, configMap: {name: api-v1}}
`

func TestDiffTemplates(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit [][2]string
		want []TemplateChange
	}{
		{"nothing", nil, nil},
		{"the controller's own label", [][2]string{{"pod-template-hash: 5b9f", "pod-template-hash: 6d5c"}}, nil},
		{"a quantity in another spelling", [][2]string{{"memory: 1Gi", "memory: 1024Mi"}}, nil},
		{"containers that changed places", [][2]string{
			{"  - {name: log, image: \"shop/log:3\"}\n", ""}, {"  containers:\n", "  containers:\n  - {name: log, image: \"shop/log:3\"}\n"},
		}, nil},
		{"an image comes first", [][2]string{{"api:1.4.2", "api:1.5.0"}, {"value: info", "value: debug"}}, []TemplateChange{
			{"containers[api].image", Changed, "shop/api:1.4.2", "shop/api:1.5.0"},
			{"containers[api].env[LOG_LEVEL]", Changed, "info", "debug"},
		}},
		{"a restart", [][2]string{{"2026-11-20T09:00:00Z", "2026-11-24T10:00:00Z"}}, []TemplateChange{
			{"annotations[kubectl.kubernetes.io/restartedAt]", Changed, "2026-11-20T09:00:00Z", "2026-11-24T10:00:00Z"},
		}},
		{"a secret variable is only said to have changed", [][2]string{{"value: abc", "value: xyz"}}, []TemplateChange{
			{"containers[api].env[API_TOKEN]", Changed, Hidden, Hidden},
		}},
		{"a password inside a URL", [][2]string{{"pw1@db", "pw2@db"}}, []TemplateChange{
			{"containers[api].env[DATABASE_URL]", Changed, "postgres://shop:(hidden)@db/shop", "postgres://shop:(hidden)@db/shop"},
		}},
		{"a variable from elsewhere", [][2]string{{"valueFrom: {configMapKeyRef: {name: env, key: region}}", "valueFrom: {secretKeyRef: {name: env, key: region}}"}}, []TemplateChange{
			{"containers[api].env[REGION]", Changed, "ConfigMap env, key region", "Secret env, key region"},
		}},
		{"a variable more and one less", [][2]string{{"- {name: LOG_LEVEL, value: info}", "- {name: MODE, value: fast}"}}, []TemplateChange{
			{"containers[api].env[LOG_LEVEL]", Removed, "info", ""},
			{"containers[api].env[MODE]", Added, "", "fast"},
		}},
		{"arguments keep their secret", [][2]string{{"--port=8080", "--port=9090"}}, []TemplateChange{
			{"containers[api].args", Changed, "serve --db-password (hidden) --port=8080", "serve --db-password (hidden) --port=9090"},
		}},
		{"a limit", [][2]string{{"cpu: 500m", "cpu: \"1\""}}, []TemplateChange{
			{"containers[api].resources.limits.cpu", Changed, "500m", "1"},
		}},
		{"a probe", [][2]string{{"path: /ready", "path: /healthz"}, {"periodSeconds: 10", "periodSeconds: 5"}}, []TemplateChange{
			{"containers[api].readinessProbe.httpGet.path", Changed, "/ready", "/healthz"},
			{"containers[api].readinessProbe.periodSeconds", Changed, "10", "5"},
		}},
		{"a container less", [][2]string{{"  - {name: log, image: \"shop/log:3\"}\n", ""}}, []TemplateChange{
			{"containers[log]", Removed, "shop/log:3", ""},
		}},
		{"the port", [][2]string{{"containerPort: 8080", "containerPort: 9090"}}, []TemplateChange{
			{"containers[api].ports[8080/TCP]", Removed, `{"containerPort":8080,"protocol":"TCP"}`, ""},
			{"containers[api].ports[9090/TCP]", Added, "", `{"containerPort":9090,"protocol":"TCP"}`},
		}},
		{"the volume's source", [][2]string{{"configMap: {name: api-v1}", "configMap: {name: api-v2}"}}, []TemplateChange{
			{"volumes[config].configMap.name", Changed, "api-v1", "api-v2"},
		}},
		{"what could move the cursor", [][2]string{{"value: info", `value: "a\e[2Jb"`}}, []TemplateChange{
			{"containers[api].env[LOG_LEVEL]", Changed, "info", "a␛[2Jb"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			after := templateBefore
			for _, e := range tc.edit {
				if !strings.Contains(after, e[0]) {
					t.Fatalf("the template does not say %q", e[0])
				}
				after = strings.Replace(after, e[0], e[1], 1)
			}
			x, y := read[corev1.PodTemplateSpec](t, templateBefore), read[corev1.PodTemplateSpec](t, after)
			kept := x.DeepCopy()
			if diff := cmp.Diff(tc.want, DiffTemplates(x, y)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if fingerprint(kept) != fingerprint(x) || kept.Labels["pod-template-hash"] != x.Labels["pod-template-hash"] {
				t.Error("the template was modified")
			}
		})
	}
}

func TestDiffTemplatesAgainstNothing(t *testing.T) {
	x := read[corev1.PodTemplateSpec](t, templateBefore)
	for _, c := range DiffTemplates(nil, x) {
		if c.Kind != Added || c.Before != "" {
			t.Errorf("%+v, want only additions", c)
		}
	}
	if n := len(DiffTemplates(x, nil)); n < 4 {
		t.Errorf("%d changes, want one for each part", n)
	}
	if got := DiffTemplates(nil, nil); got != nil {
		t.Errorf("nothing against nothing: %v", got)
	}
}

// The diff must find a change exactly when the controller does.
func TestDiffTemplatesAgreesWithTheFingerprint(t *testing.T) {
	for _, pair := range [][2]string{{"1.4.2", "1.4.3"}, {"1Gi", "1024Mi"}, {"/etc/api", "/etc/app"}, {"serve", "run"}, {"5b9f", "0000"}, {"port: 8080}", "port: http}"}} {
		x := read[corev1.PodTemplateSpec](t, templateBefore)
		y := read[corev1.PodTemplateSpec](t, strings.Replace(templateBefore, pair[0], pair[1], 1))
		if differs := len(DiffTemplates(x, y)) > 0; differs != (fingerprint(x) != fingerprint(y)) {
			t.Errorf("%s to %s: diff says changed: %v, the controller otherwise", pair[0], pair[1], differs)
		}
	}
}

func TestTemplateYAMLsHideSecretsAndStillDiffer(t *testing.T) {
	x := read[corev1.PodTemplateSpec](t, templateBefore)
	y := read[corev1.PodTemplateSpec](t, strings.NewReplacer("value: abc", "value: xyz", "1.4.2", "1.5.0").Replace(templateBefore))
	before, after, err := TemplateYAMLs(x, y)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"abc", "xyz", "hunter2", "pw1"} {
		if strings.Contains(before+after, secret) {
			t.Errorf("%q is in the YAML", secret)
		}
	}
	want := `--- before
+++ after
@@ -14,7 +14,7 @@
     - name: LOG_LEVEL
       value: info
     - name: API_TOKEN
-      value: (hidden, before)
+      value: (hidden, after)
     - name: SAME_SECRET
       value: (hidden)
     - name: DATABASE_URL
@@ -24,7 +24,7 @@
         configMapKeyRef:
           key: region
           name: env
-    image: shop/api:1.4.2
+    image: shop/api:1.5.0
     name: api
     ports:
     - containerPort: 8080
`
	if diff := cmp.Diff(want, UnifiedDiff(before, after).String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnifiedDiff(t *testing.T) {
	if got := UnifiedDiff("a\n", "a\n"); got != "" {
		t.Errorf("equal texts differ: %q", got)
	}
	got := UnifiedDiff("a: 1\n", "a: \x1b[2J\n").String()
	if strings.ContainsRune(got, 0x1b) || !strings.Contains(got, "-a: 1\n+a: ␛[2J") {
		t.Errorf("diff %q", got)
	}
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"API_TOKEN": true, "DB_PASSWORD": true, "AWS_SECRET_ACCESS_KEY": true, "db-pass": false, "DB_PASS": true, "--api-key": true,
		"LOG_LEVEL": false, "PORT": false, "COMPASS": false, "SENTRY_DSN": true,
	} {
		if got := secretName(name); got != want {
			t.Errorf("secretName(%q) = %v, want %v", name, got, want)
		}
	}
}
