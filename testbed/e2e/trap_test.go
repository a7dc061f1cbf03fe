//go:build !scale

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const orderedSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: search, namespace: NAMESPACE}
spec:
  replicas: 3
  serviceName: search
  selector: {matchLabels: {app: search}}
  template:
    metadata:
      labels: {app: search}
      annotations: {midwatch.test/ready-after: 200ms}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: search
          image: registry.example.com/search:v1
          resources: {requests: {cpu: 10m, memory: 16Mi}}
          readinessProbe: {httpGet: {path: /ready, port: 9200}}
`

// TestTrapCause walks a StatefulSet into the trap that neither rolling forward
// nor back leads out of, on the real controller, and out of it by deleting the
// pod that midwatch names.
func TestTrapCause(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	trap := causeCase{cause: "ordered-ready"}
	namespace := "why-" + trap.cause
	roll(ctx, t, namespace, namespaceOnly)
	t.Cleanup(func() { cleanUp(t, namespace, namespaceOnly) })
	roll(ctx, t, namespace, orderedSet)
	await(t, namespace, "all 3 pods", func(w workload) bool { return w.Phase == "Done" && w.Rollout.Ready == 3 })
	roll(ctx, t, namespace, replaced("search:v1", "search:v2-bad")(orderedSet))
	await(t, namespace, "the bad image", func(w workload) bool { return len(w.Causes) > 0 && w.Causes[0].Kind == "image" })
	roll(ctx, t, namespace, orderedSet)
	t.Run(trap.cause, func(t *testing.T) {
		w := await(t, namespace, "the trap", func(w workload) bool { return w.Phase == "Blocked" })
		if len(w.Causes) < 2 || w.Causes[0].Kind != trap.cause || w.Causes[1].Kind != "image" || !slices.Equal(w.Delete, []string{"search-2"}) {
			t.Fatalf("causes %+v, delete %v", w.Causes, w.Delete)
		}
		if !strings.HasPrefix(w.Message, "OrderedReady never replaces search-2 while it is not ready on an older revision: delete it") {
			t.Errorf("the sentence: %s", w.Message)
		}
		if err := shared.bed.Client().CoreV1().Pods(namespace).Delete(ctx, w.Delete[0], metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		await(t, namespace, "all 3 pods after the deletion", func(w workload) bool { return w.Phase == "Done" && w.Rollout.Ready == 3 })
	})
}

// await looks at the StatefulSet until it is as expected.
func await(t *testing.T, namespace, what string, good func(workload) bool) (w workload) {
	t.Helper()
	shared.bed.Eventually(t, time.Minute, func(context.Context) error {
		b, _ := status(t, "admin", "-n", namespace)
		var err error
		if w, err = b.workload("StatefulSet", namespace, "search"); err != nil {
			return err
		}
		if !good(w) {
			return fmt.Errorf("waiting for %s: %s %s: %s", what, w.Severity, w.Phase, w.Message)
		}
		return nil
	})
	return w
}
