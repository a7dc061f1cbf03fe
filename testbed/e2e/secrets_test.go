//go:build !scale

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// crd defines a kind of a sync operator as far as midwatch reads it.
func crd(group, version, kind, plural, scope string) string {
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  scope: %[5]s
  names: {kind: %[3]s, plural: %[4]s, singular: %[6]s}
  versions:
  - name: %[2]s
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`, group, version, kind, plural, scope, strings.ToLower(kind))
}

const vaulted = `
apiVersion: v1
kind: Namespace
metadata: {name: vaulted}
---
apiVersion: v1
kind: Secret
metadata: {name: fastapi-secrets, namespace: vaulted}
stringData: {database-url: canary-database-url-one, jwt-secret: canary-jwt-one}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: fastapi-service, namespace: vaulted}
spec:
  replicas: 3
  selector: {matchLabels: {app: fastapi-service}}
  template:
    metadata: {labels: {app: fastapi-service}}
    spec:
      containers:
      - name: api
        image: registry.example.com/fastapi-service:v1.2.3
        env:
        - {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: fastapi-secrets, key: database-url}}}
        volumeMounts: [{name: tls, mountPath: /tls}]
      volumes: [{name: tls, secret: {secretName: gone, optional: true}}]
`

const vaultedExternal = `
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: vault-backend}
spec: {provider: {vault: {server: "https://vault.example.com", path: kv, version: v2}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: fastapi-secrets, namespace: vaulted}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault-backend, kind: ClusterSecretStore}
  target: {name: fastapi-secrets}
  data: [{secretKey: database-url, remoteRef: {key: services/fastapi, property: database_url}}]
`

// secretRow is the part of midwatch.secrets/v1 the tests look at.
type secretRow struct {
	Workload, Name, State, Reason, Source string
	LastSync, NextSync                    time.Time
	StaleHolders                          []struct{ Pod, Container, How string }
}

func (r secretRow) stalePods() []string {
	var pods []string
	for _, h := range r.StaleHolders {
		pods = append(pods, h.Pod)
	}
	slices.Sort(pods)
	return slices.Compact(pods)
}

func secretsOf(t *testing.T, identity, namespace, name string) (secretRow, error) {
	t.Helper()
	r := midwatch(t, identity, "secrets", "list", "-n", namespace, "-o", "json")
	var doc struct{ Secrets []secretRow }
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		return secretRow{}, fmt.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
	if strings.Contains(r.out+r.err, "canary-") {
		t.Errorf("a value of a Secret was printed:\n%s%s", r.out, r.err)
	}
	i := slices.IndexFunc(doc.Secrets, func(s secretRow) bool { return s.Name == name })
	if i < 0 {
		return secretRow{}, fmt.Errorf("%s is not listed: %s", name, r.out)
	}
	return doc.Secrets[i], nil
}

// rotate writes new values as the External Secrets Operator would, once the
// second in which the newest container started is over: the API's times have
// no fractions.
func rotate(t *testing.T, value string) {
	t.Helper()
	shared.bed.Eventually(t, 10*time.Second, func(ctx context.Context) error {
		for _, pod := range vaultedPods(t) {
			if r := pod.Status.ContainerStatuses[0].State.Running; r == nil || time.Since(r.StartedAt.Time) < 2*time.Second {
				return fmt.Errorf("%s has only just started", pod.Name)
			}
		}
		return nil
	})
	patch := fmt.Sprintf(`{"stringData":{"database-url":%q}}`, value)
	_, err := shared.bed.Client().CoreV1().Secrets("vaulted").Patch(t.Context(), "fastapi-secrets", types.MergePatchType, []byte(patch),
		metav1.PatchOptions{FieldManager: "externalsecrets.external-secrets.io/fastapi-secrets"})
	if err != nil {
		t.Fatal(err)
	}
}

func vaultedPods(t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := shared.bed.Client().CoreV1().Pods("vaulted").List(t.Context(), metav1.ListOptions{LabelSelector: "app=fastapi-service"})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil || len(p.Status.ContainerStatuses) == 0 })
}

func podNames(pods []corev1.Pod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

func vaultedWorld(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	docs := []string{
		crd("external-secrets.io", "v1", "ExternalSecret", "externalsecrets", "Namespaced"), crd("external-secrets.io", "v1", "SecretStore", "secretstores", "Namespaced"),
		crd("external-secrets.io", "v1", "ClusterSecretStore", "clustersecretstores", "Cluster"), vaulted, vaultedExternal,
	}
	if err := shared.bed.Apply(ctx, docs...); err != nil {
		t.Fatal(err)
	}
	if err := shared.bed.WaitRollout(ctx, "vaulted", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
}

// TestARotatedSecretIsStaleForExactlyThePodsThatHoldTheOldOne rotates a Secret
// under three pods, replaces one, then restarts all.
func TestARotatedSecretIsStaleForExactlyThePodsThatHoldTheOldOne(t *testing.T) {
	vaultedWorld(t)
	if row, err := secretsOf(t, "admin", "vaulted", "fastapi-secrets"); err != nil || len(row.StaleHolders) != 0 {
		t.Fatalf("before the rotation: %+v, %v", row, err)
	}
	rotate(t, "canary-database-url-two")
	old := podNames(vaultedPods(t))
	row, err := secretsOf(t, "admin", "vaulted", "fastapi-secrets")
	if err != nil || !slices.Equal(row.stalePods(), old) || row.State != "stale" && row.State != "ignored" {
		t.Fatalf("after it: %+v, %v; want %v stale", row, err, old)
	}
	if err := shared.bed.Client().CoreV1().Pods("vaulted").Delete(t.Context(), old[0], metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expectStale(t, old[1:])
	restart := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
	if _, err := shared.bed.Client().AppsV1().Deployments("vaulted").Patch(t.Context(), "fastapi-service", types.StrategicMergePatchType, []byte(restart), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	expectStale(t, nil)
}

func expectStale(t *testing.T, want []string) {
	t.Helper()
	shared.bed.Eventually(t, time.Minute, func(context.Context) error {
		row, err := secretsOf(t, "admin", "vaulted", "fastapi-secrets")
		if err == nil && !slices.Equal(row.stalePods(), want) {
			err = fmt.Errorf("stale are %v, want %v", row.stalePods(), want)
		}
		if pods := vaultedPods(t); err == nil && len(pods) != 3 {
			err = fmt.Errorf("%d pods", len(pods))
		}
		return err
	})
}

// TestWhatAnExternalSecretSaysIsToldInTheProvidersWords drives the status of an
// ExternalSecret as its operator would.
func TestWhatAnExternalSecretSaysIsToldInTheProvidersWords(t *testing.T) {
	vaultedWorld(t)
	dyn, err := dynamic.NewForConfig(shared.bed.RESTConfig("admin"))
	if err != nil {
		t.Fatal(err)
	}
	es := dyn.Resource(schema.GroupVersionResource{Group: "external-secrets.io", Version: "v1", Resource: "externalsecrets"}).Namespace("vaulted")
	set := func(refreshed time.Time, ready, reason, message string) {
		t.Helper()
		body := fmt.Sprintf(`{"status":{"refreshTime":%q,"conditions":[{"type":"Ready","status":%q,"reason":%q,"message":%q}]}}`,
			refreshed.UTC().Format(time.RFC3339), ready, reason, message)
		if _, err := es.Patch(t.Context(), "fastapi-secrets", types.MergePatchType, []byte(body), metav1.PatchOptions{}, "status"); err != nil {
			t.Fatal(err)
		}
	}
	synced := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	set(synced, "True", "SecretSynced", "secret synced")
	row, err := secretsOf(t, "admin", "vaulted", "fastapi-secrets")
	if err != nil || !row.LastSync.Equal(synced) || !row.NextSync.Equal(synced.Add(time.Hour)) || row.Source != "ExternalSecret vaulted/fastapi-secrets" {
		t.Errorf("synced: %+v, %v", row, err)
	}
	set(time.Now().Add(-3*time.Hour), "False", "SecretSyncedError", "could not get secret data from provider")
	uid, err := es.Get(t.Context(), "fastapi-secrets", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = shared.bed.Client().CoreV1().Events("vaulted").Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "fastapi-secrets.", Namespace: "vaulted"},
		InvolvedObject: corev1.ObjectReference{Kind: "ExternalSecret", Namespace: "vaulted", Name: "fastapi-secrets", UID: uid.GetUID()},
		Type:           "Warning", Reason: "UpdateFailed", LastTimestamp: metav1.Now(), FirstTimestamp: metav1.Now(), Count: 3, Source: corev1.EventSource{Component: "external-secrets"},
		Message: "error retrieving secret at .data[0], key: services/fastapi: Code: 403. Errors: permission denied \x1b[2J",
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	row, err = secretsOf(t, "admin", "vaulted", "fastapi-secrets")
	if err != nil || row.State != "failed" || !strings.Contains(row.Reason, "permission denied") || strings.ContainsRune(row.Reason, 0x1b) {
		t.Errorf("failed: %+v, %v", row, err)
	}
	// viewer may read everything but Secrets: it is told so, and the rest works.
	row, err = secretsOf(t, "viewer", "vaulted", "fastapi-secrets")
	if err != nil || row.State != "failed" && row.State != "forbidden" {
		t.Errorf("as viewer: %+v, %v", row, err)
	}
}
