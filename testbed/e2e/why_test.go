//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// causeCase is one way in which a rollout goes wrong on real controllers. Its
// name is the kind of cause that midwatch must report; docs/CAUSES.md lists it
// by that.
type causeCase struct {
	cause string
	// edit changes the healthy Deployment's manifest into the one that fails.
	edit func(manifest string) string
	// around is applied before the change: what refuses, or is in the way.
	around string
	// text is how the cause must begin; object what it must name.
	text, object string
	// passing is true where waiting may help: it is named all the same.
	passing bool
}

// scenario sets what the test bed's kubelet plays for the new pods.
func scenario(annotations ...string) func(string) string {
	return func(m string) string {
		return strings.Replace(m, "annotations: {", "annotations: {"+strings.Join(annotations, ", ")+", ", 1)
	}
}

// replaced changes the manifest in one place.
func replaced(old, now string) func(string) string {
	return func(m string) string {
		if !strings.Contains(m, old) {
			panic("the manifest has no " + old)
		}
		return strings.Replace(m, old, now, 1)
	}
}

// inPodSpec puts a line at the front of the pod's spec.
func inPodSpec(line string) func(string) string {
	return replaced("      terminationGracePeriodSeconds", "      "+line+"\n      terminationGracePeriodSeconds")
}

func causeCases() []causeCase {
	restarted := scenario(`release: "2"`)
	return []causeCase{
		{cause: "crash", edit: scenario(`midwatch.test/scenario: crash`), text: "exits 1: sqlalchemy.exc.OperationalError"},
		{cause: "oom", edit: scenario(`midwatch.test/scenario: oom`), text: "OOMKilled at its 512Mi limit", object: "memory limit 512Mi"},
		{cause: "completed", edit: scenario(`midwatch.test/scenario: crash`, `midwatch.test/exit-code: "0"`), text: "exits 0, but should keep running"},
		{cause: "cannot-run", edit: scenario(`midwatch.test/scenario: crash`, `midwatch.test/exit-code: "127"`, `midwatch.test/message: "sh: uvicorn: not found"`), text: "command not found (exit 127): sh: uvicorn: not found"},
		{cause: "liveness", edit: scenario(`midwatch.test/scenario: liveness`, `midwatch.test/crash-after: 4s`), text: "killed: liveness GET :8000/healthz answers 503"},
		{cause: "image", edit: replaced("fastapi-service:v1.2.3", "fastapi-service:v1.2.4-bad"), text: "cannot pull fastapi-service:v1.2.4-bad: no such image", object: "registry.example.com/fastapi-service:v1.2.4-bad"},
		{cause: "config", edit: scenario(`midwatch.test/scenario: config-error`), text: "Secret fastapi-secrets does not exist", object: "Secret fastapi-secrets"},
		{cause: "startup", edit: scenario(`midwatch.test/scenario: never-started`), text: "startup GET :8000/startupz answers 503", passing: true},
		{cause: "readiness", edit: scenario(`midwatch.test/scenario: never-ready`), text: "readiness GET :8000/readyz answers 503", passing: true},
		{cause: "min-ready", edit: func(m string) string {
			return replaced("  replicas: 3", "  replicas: 3\n  minReadySeconds: 120")(restarted(m))
		}, text: "ready, not yet for minReadySeconds", passing: true},
		{cause: "unschedulable", edit: replaced("cpu: 10m", `cpu: "900"`), text: "none of 3 nodes fits: 3 too little cpu", passing: true},
		{cause: "scheduling-gated", edit: inPodSpec(`schedulingGates: [{name: shop.example.com/capacity}]`), text: "not scheduled until its scheduling gates are removed", passing: true},
		{cause: "quota", edit: restarted, around: `
apiVersion: v1
kind: ResourceQuota
metadata: {name: compute, namespace: NAMESPACE}
spec: {hard: {limits.memory: 1536Mi}}
`, text: "quota compute is used up: limits.memory 1536Mi of 1536Mi, wants 512Mi", object: "ResourceQuota compute"},
		{cause: "limit-range", edit: restarted, around: `
apiVersion: v1
kind: LimitRange
metadata: {name: small, namespace: NAMESPACE}
spec: {limits: [{type: Container, max: {memory: 256Mi}}]}
`, text: "LimitRange: maximum memory usage per Container is 256Mi, but limit is 512Mi"},
		{cause: "pod-security", edit: restarted, around: `
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE, labels: {pod-security.kubernetes.io/enforce: restricted}}
`, text: "Pod Security restricted forbids it: allowPrivilegeEscalation != false", object: "Pod Security restricted"},
		{cause: "service-account", edit: inPodSpec("serviceAccountName: api-v2"), text: "ServiceAccount api-v2 does not exist", object: "ServiceAccount api-v2"},
		{cause: "webhook-down", edit: restarted, around: webhookAt(`url: "https://127.0.0.1:1/inject"`, ""), text: "webhook pods.NAMESPACE.example.com does not answer: connection refused", object: "webhook pods.NAMESPACE.example.com"},
		{cause: "policy-denied", edit: restarted, around: `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAMESPACE-pinned-images}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  validations: [{expression: "object.spec.containers.all(c, c.image.contains('@sha256:'))", message: images must be pinned by digest}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAMESPACE-pinned-images}
spec: {policyName: NAMESPACE-pinned-images, validationActions: [Deny]}
`, text: "policy NAMESPACE-pinned-images denies it: images must be pinned by digest"},
		{cause: "terminating", edit: restarted, text: "cannot terminate: finalizers batch.example.com/drain", object: "finalizers batch.example.com/drain"},
	}
}

func webhookAt(client, ca string) string {
	return `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NAMESPACE}
webhooks:
- name: pods.NAMESPACE.example.com
  clientConfig: {` + client + ca + `}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 2
`
}

// denying is an admission webhook that says no, as a policy engine would.
func denying(t *testing.T) (manifest string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
			http.Error(w, "not a review", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "require-owner: label owner is required"}}
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	encoded, err := json.Marshal(ca)
	if err != nil {
		t.Fatal(err)
	}
	return webhookAt(fmt.Sprintf("url: %q", server.URL), ", caBundle: "+string(encoded))
}

const namespaceOnly = `
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
`

// service is the sample service in a namespace of its own, small enough that
// twenty of them fit on the nodes.
const service = `
apiVersion: v1
kind: ConfigMap
metadata: {name: fastapi-config, namespace: NAMESPACE}
data: {LOG_LEVEL: info}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: fastapi-service, namespace: NAMESPACE}
spec:
  replicas: 3
  progressDeadlineSeconds: 600
  selector: {matchLabels: {app: fastapi-service}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata:
      labels: {app: fastapi-service}
      annotations: {midwatch.test/ready-after: 200ms}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: api
          image: registry.example.com/fastapi-service:v1.2.3
          ports: [{name: http, containerPort: 8000}]
          envFrom: [{configMapRef: {name: fastapi-config}}, {secretRef: {name: fastapi-secrets}}]
          resources:
            requests: {cpu: 10m, memory: 16Mi}
            limits: {memory: 512Mi}
          startupProbe: {httpGet: {path: /startupz, port: 8000}, periodSeconds: 5, failureThreshold: 30}
          livenessProbe: {httpGet: {path: /healthz, port: 8000}, initialDelaySeconds: 10, periodSeconds: 15, failureThreshold: 3}
          readinessProbe: {httpGet: {path: /readyz, port: http}, initialDelaySeconds: 5, periodSeconds: 10, failureThreshold: 3}
`

// TestCauses rolls a healthy service into every cause that the bed can play,
// all at once, and waits until `midwatch status` says why, with the new pods
// counted, long before the deadline.
func TestCauses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cases := append(causeCases(), causeCase{
		cause: "webhook-denied", edit: scenario(`release: "2"`), around: denying(t),
		text: "webhook pods.NAMESPACE.example.com denies it: require-owner: label owner is required", object: "webhook pods.NAMESPACE.example.com",
	})
	namespaces := make([]string, len(cases))
	for i := range cases {
		c := &cases[i]
		namespaces[i] = "why-" + c.cause
		c.text, c.object = strings.ReplaceAll(c.text, "NAMESPACE", namespaces[i]), strings.ReplaceAll(c.object, "NAMESPACE", namespaces[i])
		roll(ctx, t, namespaces[i], namespaceOnly)
		t.Cleanup(func() { cleanUp(t, namespaces[i], namespaceOnly) })
		roll(ctx, t, namespaces[i], base(c.cause))
	}
	for _, namespace := range namespaces {
		if err := shared.bed.WaitRollout(ctx, namespace, "fastapi-service"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cases {
		if cases[i].around != "" {
			roll(ctx, t, namespaces[i], cases[i].around)
			t.Cleanup(func() { cleanUp(t, namespaces[i], cases[i].around) })
		}
		roll(ctx, t, namespaces[i], cases[i].edit(base(cases[i].cause)))
	}
	waitForCauses(ctx, t, cases, namespaces)
	for i := range cases {
		t.Run(cases[i].cause, func(t *testing.T) { checkCause(t, &cases[i], namespaces[i]) })
	}
}

// base is the healthy manifest; a pod that does not terminate has had its
// finalizer from the beginning.
func base(cause string) string {
	if cause != "terminating" {
		return service
	}
	m := replaced("labels: {app: fastapi-service}\n      annotations", "labels: {app: fastapi-service}\n      finalizers: [batch.example.com/drain]\n      annotations")(service)
	return replaced("strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}", "strategy: {type: Recreate}")(m)
}

func roll(ctx context.Context, t *testing.T, namespace, manifest string) {
	t.Helper()
	if err := shared.bed.Apply(ctx, strings.ReplaceAll(manifest, "NAMESPACE", namespace)); err != nil {
		t.Fatal(err)
	}
}

// cleanUp takes away what would stand in the way of the tests that follow.
func cleanUp(t *testing.T, namespace, manifest string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := shared.bed.Delete(ctx, strings.ReplaceAll(manifest, "NAMESPACE", namespace)); err != nil {
		t.Error(err)
	}
}

// waitForCauses looks at the whole board until every case is named, or time is
// up; what is missing then fails in a test of its own.
func waitForCauses(ctx context.Context, t *testing.T, cases []causeCase, namespaces []string) {
	t.Helper()
	err := shared.bed.Wait(ctx, func(context.Context) error {
		b, _ := status(t, "admin", "-A")
		var open []string
		for i := range cases {
			w, err := b.workload("Deployment", namespaces[i], "fastapi-service")
			if err != nil || !cases[i].named(w) {
				open = append(open, cases[i].cause)
			}
		}
		if len(open) > 0 {
			return fmt.Errorf("not named yet: %s", strings.Join(open, ", "))
		}
		return nil
	})
	if err != nil {
		t.Log(err)
	}
}

// named reports whether the first cause is the one that was brought about.
func (c *causeCase) named(w workload) bool {
	return len(w.Causes) > 0 && w.Causes[0].Kind == c.cause && strings.HasPrefix(w.Causes[0].Text, c.text)
}

func checkCause(t *testing.T, c *causeCase, namespace string) {
	b, _ := status(t, "admin", "-n", namespace)
	w, err := b.workload("Deployment", namespace, "fastapi-service")
	if err != nil {
		t.Fatal(err)
	}
	if !c.named(w) {
		t.Fatalf("want %s: %s\ngot %+v\n%s", c.cause, c.text, w.Causes, w.Message)
	}
	got := w.Causes[0]
	if got.Count < 1 || got.Of < got.Count || got.Step < 1 || got.Next == "" {
		t.Errorf("the cause is not told in full: %+v", got)
	}
	if c.object != "" && got.Object != c.object {
		t.Errorf("object %q, want %q", got.Object, c.object)
	}
	if !c.passing && (!got.Fatal || w.Severity != "fail" && w.Severity != "warn") {
		t.Errorf("waiting will not help: %+v, severity %s", got, w.Severity)
	}
	if !c.passing && !strings.Contains(w.Message, c.text[:min(len(c.text), 30)]) {
		t.Errorf("the sentence does not say why: %s", w.Message)
	}
	if d := w.Rollout.Deadline; !d.IsZero() && time.Until(d) < time.Minute {
		t.Errorf("named only %s before the deadline", time.Until(d))
	}
}
