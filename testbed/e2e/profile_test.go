//go:build !scale

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"midwatch/testbed"
)

const profileWorld = `
apiVersion: v1
kind: Namespace
metadata: {name: profiles}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: shop, namespace: profiles}
spec:
  replicas: 6
  serviceName: shop
  podManagementPolicy: Parallel
  updateStrategy: {rollingUpdate: {partition: 3}}
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: shop, image: "registry.example.com/shop:v1"}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: spot, namespace: profiles}
spec:
  replicas: 7
  serviceName: spot
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: spot}}
  template:
    metadata: {labels: {app: spot}}
    spec:
      containers: [{name: spot, image: "registry.example.com/spot:v1"}]
`

// profileWorldUp applies the workloads and puts a process behind every pod.
func profileWorldUp(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := shared.bed.Apply(ctx, profileWorld); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = shared.bed.Client().CoreV1().Namespaces().Delete(context.Background(), "profiles", metav1.DeleteOptions{})
	})
	waitPods(t, ctx, func(ready int, _ map[string]int) bool { return ready == 13 })
	patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"shop","image":"registry.example.com/shop:v2"}]}}}}`)
	if _, err := shared.bed.Client().AppsV1().StatefulSets("profiles").Patch(ctx, "shop", "application/strategic-merge-patch+json", patch, patchOptions); err != nil {
		t.Fatal(err)
	}
	waitPods(t, ctx, func(ready int, images map[string]int) bool {
		return ready == 13 && images["registry.example.com/shop:v2"] == 3
	})
	for i := range 6 {
		revision := "old"
		if i >= 3 {
			revision = "new"
		}
		behindPod(t, fmt.Sprintf("shop-%d", i), 6060, "-hot", "shop", "-revision", revision, "-duty", "25ms")
	}
	for i, flags := range [][]string{{"-hot", "cpu"}, {"-hot", "alloc"}, {"-hot", "leak"}, {"-hot", "mutex"}, {"-hot", "cpu", "-token", "t0ken"}, {"-hot", "cpu", "-busy"}} {
		behindPod(t, fmt.Sprintf("spot-%d", i), 6060, flags...)
	}
	python, err := shared.bed.StartPythonTarget(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(python.Close)
	if err := shared.bed.Forward(ctx, "profiles", "spot-6", 6060, python); err != nil {
		t.Fatal(err)
	}
}

func behindPod(t *testing.T, pod string, port int, flags ...string) *testbed.Target {
	t.Helper()
	target, err := shared.bed.StartGoTarget(t.Context(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	if err := shared.bed.Forward(t.Context(), "profiles", pod, port, target); err != nil {
		t.Fatal(err)
	}
	return target
}

func waitPods(t *testing.T, ctx context.Context, done func(ready int, images map[string]int) bool) {
	t.Helper()
	for {
		list, err := shared.bed.Client().CoreV1().Pods("profiles").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ready, images := 0, map[string]int{}
		for _, p := range list.Items {
			for _, c := range p.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
					ready++
					images[p.Spec.Containers[0].Image]++
				}
			}
		}
		if done(ready, images) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for the pods: %d ready, %v", ready, images)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestProfiles takes profiles of real processes through a real API server.
func TestProfiles(t *testing.T) {
	profileWorldUp(t)
	t.Run("p shows the hot function", testHotFunction)
	t.Run("the canary comparison names the regression", testCanary)
	t.Run("cancelling frees the profiler", testCancel)
	t.Run("what goes wrong is said in one line", testProfileTrouble)
	t.Run("without a screen", testProfileCommand)
}

// onPod opens the chooser for one pod.
func onPod(t *testing.T, pod string) *console {
	t.Helper()
	c := openConsole(t, "admin", 160, 48, "-n", "profiles")
	c.see(30*time.Second, "sts/shop", "pods ✓")
	c.send(":pods" + enter)
	c.send("/"+pod+enter, "1 of 13 shown")
	c.send("p", "what it shows")
	c.send("z")
	return c
}

// answer types into a dialog and waits until it has gone.
func (c *console) answer(text, dialog string) {
	c.t.Helper()
	c.send(text + enter)
	c.until(20*time.Second, "no "+dialog, func(screen string) bool { return !strings.Contains(screen, dialog) })
}

func testHotFunction(t *testing.T) {
	const seconds = 2
	c := onPod(t, "spot-0")
	c.see(20*time.Second, "port 6060", "✓ cpu")
	c.send("--")
	c.see(10*time.Second, fmt.Sprintf(" %d s ", seconds))
	began := time.Now()
	c.send(enter)
	c.see(30*time.Second, "main.burn", "% in main.burn")
	took := time.Since(began)
	t.Logf("the hot function of a %d s profile stood on the screen after %.2f s", seconds, took.Seconds())
	if took > seconds*time.Second+5*time.Second {
		t.Errorf("it took %v", took)
	}
	c.send("\x1b", "what it shows")
	c.quit()
}

func testCanary(t *testing.T) {
	c := openConsole(t, "admin", 160, 48, "-n", "profiles")
	c.see(30*time.Second, "sts/shop", "pods ✓")
	c.send("/shop"+enter, "1 of 2 shown")
	c.send("p", "what it shows")
	c.send("z")
	c.see(20*time.Second, "port 6060", "✓ cpu")
	c.send("d", "the new revision with the old", "3 and 3 pods")
	c.send(enter)
	c.see(40*time.Second, "new revision against old", "worse: main.checkStock", "functions are noise")
	screen := c.Screen()
	for _, unchanged := range []string{"▲ regression", "main.reserve", "main.decode"} {
		for _, line := range strings.Split(screen, "\n") {
			if strings.Contains(line, unchanged) && strings.Contains(line, "regression") && !strings.Contains(line, "checkStock") &&
				(strings.Contains(line, "main.reserve") || strings.Contains(line, "main.decode") || strings.Contains(line, "main.encode")) {
				t.Errorf("what did not change is called a regression: %s", line)
			}
		}
	}
	c.send("\x1b", "what it shows")
	c.quit()
}

func testCancel(t *testing.T) {
	c := onPod(t, "spot-0")
	c.see(20*time.Second, "✓ cpu")
	c.send("++++")
	c.see(10*time.Second, " 60 s ")
	c.send(enter, "of 60 s")
	c.send("\x1b", "what it shows")
	c.send("-----")
	c.see(10*time.Second, " 2 s ")
	c.send(enter)
	c.see(20*time.Second, "% in main.burn") // 60 s have not passed
	c.send("\x1b", "what it shows")
	c.quit()
}

func testProfileTrouble(t *testing.T) {
	c := onPod(t, "spot-4") // behind a token
	c.see(20*time.Second, "asks for a key")
	c.send("K", "Key for spot-4")
	c.answer("wrong", "Key for spot-4")
	c.see(20*time.Second, "asks for a key")
	c.send("K", "Key for spot-4")
	c.answer("t0ken", "Key for spot-4")
	c.see(20*time.Second, "✓ cpu")
	c.send("--" + enter)
	c.see(30*time.Second, "% in main.burn")
	c.send("\x1b", "what it shows")
	c.quit()

	c = onPod(t, "spot-5") // somebody else profiles it all the time
	c.see(20*time.Second, "✓ cpu")
	c.send("--"+enter, "another profiler is at it", "trying again in the gap")
	c.see(60*time.Second, "being profiled already", "heap or goroutine instead")
	c.quit()

	c = onPod(t, "spot-6") // Python behind a key
	c.see(20*time.Second, "asks for a key")
	c.send("K", "Key for spot-6")
	c.answer("api-key: s3cr3t", "Key for spot-6")
	c.see(20*time.Second, "✓ py-memory")
	c.send(enter)
	c.see(30*time.Second, "flat-only", "app.py")
	c.quit()
}

func testProfileCommand(t *testing.T) {
	for pod, want := range map[string][]string{
		"spot-1": {"--type", "heap", "main.hoard"},
		"spot-2": {"--type", "goroutine", "main.waitForNobody"},
		"spot-3": {"--type", "mutex", "main.contend"},
	} {
		r := midwatch(t, "admin", "profile", "pod/"+pod, "-n", "profiles", want[0], want[1], "-o", "top")
		if r.code != 0 || !strings.Contains(r.out, want[2]) {
			t.Errorf("%s: exit %d\n%s%s", pod, r.code, r.out, r.err)
		}
	}
	r := midwatch(t, "viewer", "profile", "pod/spot-1", "-n", "profiles", "--type", "heap")
	if r.code != 2 || !strings.Contains(r.err, "pods/portforward") {
		t.Errorf("viewer: exit %d\n%s%s", r.code, r.out, r.err)
	}
	r = midwatch(t, "admin", "profile", "pod/none", "-n", "profiles")
	if r.code != 2 || !strings.Contains(r.err, "none") {
		t.Errorf("no such pod: exit %d\n%s%s", r.code, r.out, r.err)
	}
}
