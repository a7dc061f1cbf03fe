//go:build !scale

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// experiments are what the sample service would read.
const experiments = `# owned by growth
experiments:
- name: checkout-flow
  variants: [control, variant_a, variant_b]
  traffic_percent: 0.5   # a fraction, not a percentage
- name: other
  variants: [control, new]
  traffic_percent: 0.1
`

// TestEndAnExperimentFromTheConsole ends a self-hosted experiment in its
// ConfigMap on a real API server and takes it back, to the byte.
func TestEndAnExperimentFromTheConsole(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := shared.bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
	maps := shared.bed.Client().CoreV1().ConfigMaps("shop")
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "experiments"}, Data: map[string]string{"experiments.yaml": experiments}}
	if _, err := maps.Create(ctx, cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := maps.Delete(context.Background(), "experiments", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	text := func() string {
		t.Helper()
		now, err := maps.Get(ctx, "experiments", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return now.Data["experiments.yaml"]
	}

	c, journal := openFlags(t, "experiments:\n- {configMap: experiments}\n")
	c.see(30*time.Second, "fastapi-service", "READ-ONLY")
	c.send("/fastapi"+enter, "1 of ")
	c.send("8")
	c.send("x", "experiments of deploy/fastapi-service", "checkout-flow", "other")
	c.send("z/flow"+enter, "1 of 2 shown", "50.01 %")
	c.send("K", "End the experiment checkout-flow?", "traffic_percent  0.5 -> -1", "read-only: context bed-admin is locked")
	c.leave("End the experiment")
	c.unlock()
	c.send("K", "End the experiment checkout-flow?", "type experiments")
	c.send("experiments" + enter)
	c.see(30*time.Second, "written;", "u undoes")
	if got, want := text(), strings.Replace(experiments, "traffic_percent: 0.5 ", "traffic_percent: -1 ", 1); got != want {
		t.Errorf("the ConfigMap says\n%s", got)
	}
	c.send("R", "off") // nobody is let in
	c.send("u", "Undo: End the experiment checkout-flow?", "traffic_percent  -1 -> 0.5", "type experiments")
	c.send("experiments" + enter)
	c.witness("the undo", func() bool { return text() == experiments })
	c.send("R", "50.01 %")
	c.quit()

	phases := ""
	for _, e := range entries(t, journal) {
		phases += e.Phase + " "
	}
	if !strings.HasPrefix(phases, "intent applied verified intent applied") {
		t.Errorf("the journal tells %q", phases)
	}
}
