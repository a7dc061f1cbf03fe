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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const mountedWorld = `
apiVersion: v1
kind: Namespace
metadata: {name: mounted}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger-files, namespace: mounted}
spec:
  replicas: 2
  selector: {matchLabels: {app: ledger-files}}
  template:
    metadata: {labels: {app: ledger-files}}
    spec:
      containers:
      - {name: api, image: "registry.example.com/ledger-files:v1.0.0", volumeMounts: [{name: secrets, mountPath: /secrets, readOnly: true}]}
      volumes: [{name: secrets, csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: ledger}}}]
`

const mountedClass = `
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: ledger, namespace: mounted}
spec: {provider: vault, parameters: {roleName: ledger, objects: "- {objectName: url, secretPath: secret/data/services/ledger, secretKey: url}"}}
`

// podStatus is what the driver records of one pod.
func podStatus(pod, version string) string {
	return fmt.Sprintf(`
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClassPodStatus
metadata: {name: %[1]s-mounted-ledger, namespace: mounted}
status: {podName: %[1]s, secretProviderClassName: ledger, mounted: true, objects: [{id: url, version: %[2]q}]}
`, pod, version)
}

// TestWhatPodsHaveMountedIsTold plays the CSI driver after a rotation that only
// one of two pods has seen.
func TestWhatPodsHaveMountedIsTold(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	group := "secrets-store.csi.x-k8s.io"
	// The driver writes a status that is no subresource.
	statuses := strings.Replace(crd(group, "v1", "SecretProviderClassPodStatus", "secretproviderclasspodstatuses", "Namespaced"), "    subresources: {status: {}}\n", "", 1)
	docs := []string{crd(group, "v1", "SecretProviderClass", "secretproviderclasses", "Namespaced"), statuses, mountedWorld, mountedClass}
	if err := shared.bed.Apply(ctx, docs...); err != nil {
		t.Fatal(err)
	}
	if err := shared.bed.WaitRollout(ctx, "mounted", "ledger-files"); err != nil {
		t.Fatal(err)
	}
	list, err := shared.bed.Client().CoreV1().Pods("mounted").List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("%d pods, %v", len(list.Items), err)
	}
	names := []string{list.Items[0].Name, list.Items[1].Name}
	if err := shared.bed.Apply(ctx, podStatus(names[0], "mac-of-the-first"), podStatus(names[1], "mac-of-the-second")); err != nil {
		t.Fatal(err)
	}
	r := midwatch(t, "admin", "secrets", "list", "-n", "mounted", "-o", "json", "ledger-files")
	var doc struct {
		Secrets []struct {
			Name, Source, State, Reason string
			Path                        []string
			Mounts                      []struct {
				Pod     string
				Objects []struct{ ID, Version string }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Secrets) != 1 {
		t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	s := doc.Secrets[0]
	if s.State != "differs" || s.Source != "SecretProviderClass mounted/ledger" || !slices.Equal(s.Path, []string{"secret/data/services/ledger"}) || len(s.Mounts) != 2 {
		t.Errorf("%+v", s)
	}
	for _, m := range s.Mounts {
		if !slices.Contains(names, m.Pod) || len(m.Objects) != 1 || !strings.HasPrefix(m.Objects[0].Version, "mac-of-") {
			t.Errorf("%+v", m)
		}
	}
	c := openConsole(t, "admin", 160, 48, "-n", "mounted")
	c.see(30*time.Second, "ledger-files")
	c.send("9", "differs", "provider vault, role ledger", "url version mac-of-the-first in 1 of 2 pods")
	c.quit()
}
