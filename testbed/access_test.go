package testbed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"midwatch/testbed"
)

// clientOf returns a client made from the identity's kubeconfig file.
func clientOf(t *testing.T, identity string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", bed.Kubeconfig(identity))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestIdentities asks for the same things as every identity.
func TestIdentities(t *testing.T) {
	ctx := within(t, time.Minute)
	options := metav1.ListOptions{Limit: 1}
	questions := []struct {
		name    string
		ask     func(kubernetes.Interface) error
		allowed string
	}{
		{"list pods in shop", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Pods("shop").List(ctx, options)
			return err
		}, "admin shop-dev viewer no-events"},
		{"list pods in payments", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Pods("payments").List(ctx, options)
			return err
		}, "admin viewer no-events"},
		{"list all pods", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Pods("").List(ctx, options)
			return err
		}, "admin viewer no-events"},
		{"list namespaces", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Namespaces().List(ctx, options)
			return err
		}, "admin viewer no-events"},
		{"list nodes", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Nodes().List(ctx, options)
			return err
		}, "admin viewer no-events"},
		{"list events in shop", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Events("shop").List(ctx, options)
			return err
		}, "admin shop-dev viewer"},
		{"list autoscalers in shop", func(c kubernetes.Interface) error {
			_, err := c.AutoscalingV2().HorizontalPodAutoscalers("shop").List(ctx, options)
			return err
		}, "admin shop-dev viewer"},
		{"list secrets in shop", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Secrets("shop").List(ctx, options)
			return err
		}, "admin"},
		{"delete a pod in shop", func(c kubernetes.Interface) error {
			err := c.CoreV1().Pods("shop").Delete(ctx, "no-such-pod", metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}, "admin shop-dev"},
	}
	for _, identity := range testbed.Identities() {
		client := clientOf(t, identity)
		for _, q := range questions {
			err := q.ask(client)
			allowed := strings.Contains(" "+q.allowed+" ", " "+identity+" ")
			switch {
			case allowed && err != nil:
				t.Errorf("%s may not %s: %v", identity, q.name, err)
			case !allowed && !apierrors.IsForbidden(err):
				t.Errorf("%s may %s (error %v), want 403", identity, q.name, err)
			}
		}
	}
}

func TestLogsFollowAndPrevious(t *testing.T) {
	ctx := within(t, time.Minute)
	if err := bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
	pod := podsOf(t, "shop", "app=fastapi-service")[0]
	client := clientOf(t, testbed.ShopDev)
	stream, err := client.CoreV1().Pods("shop").GetLogs(pod.Name, &corev1.PodLogOptions{Container: "api", Follow: true}).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	expectLine(t, lines, "api starting")
	// Twice, so that the second is read by a stream that was waiting already.
	for i := range 2 {
		text := fmt.Sprintf("GET /items 200 (%d)", i)
		if err := bed.AppendLog("shop", pod.Name, "api", text); err != nil {
			t.Fatal(err)
		}
		expectLine(t, lines, text)
	}

	waitContainer(t, "payments", "app=invoice-api", func(c corev1.ContainerStatus) error {
		return crashing(c, 1, "Error", "")
	})
	crashed := podsOf(t, "payments", "app=invoice-api")[0]
	bed.Eventually(t, time.Minute, func(ctx context.Context) error {
		previous, err := bed.Client().CoreV1().Pods("payments").GetLogs(crashed.Name, &corev1.PodLogOptions{Previous: true}).DoRaw(ctx)
		if err != nil {
			return err
		}
		if !strings.Contains(string(previous), "Connection refused") {
			return fmt.Errorf("the previous log of %s does not end with the error:\n%s", crashed.Name, previous)
		}
		return nil
	})
}

func expectLine(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the log ended without %q: %v", text, lines.Err())
}

// TestRestartOfTheAPIServerKeepsData also shows that the rest of the control
// plane goes on afterwards.
func TestRestartOfTheAPIServerKeepsData(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	before, err := bed.Client().CoreV1().Namespaces().Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bed.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if _, err := bed.Client().CoreV1().Namespaces().Get(ctx, "shop", metav1.GetOptions{}); err == nil {
		t.Error("a stopped API server still answers")
	}
	if err := bed.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := bed.Client().CoreV1().Namespaces().Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if before.UID != after.UID {
		t.Errorf("namespace shop is another one after the restart")
	}
	defer cleanUp(t, deployment("after-restart", "", 1))
	if err := bed.Apply(ctx, deployment("after-restart", "", 1)); err != nil {
		t.Fatal(err)
	}
	if err := bed.WaitRollout(ctx, "default", "after-restart"); err != nil {
		t.Fatal(err)
	}
}

func TestPausedAPIServerAnswersNothing(t *testing.T) {
	if err := bed.PauseAPIServer(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	_, err := bed.Client().CoreV1().Namespaces().Get(short, "shop", metav1.GetOptions{})
	if resumeErr := bed.ResumeAPIServer(); resumeErr != nil {
		t.Fatal(resumeErr)
	}
	if err == nil || short.Err() == nil {
		t.Errorf("error %v, want the deadline to pass without an answer", err)
	}
	if _, err := bed.Client().CoreV1().Namespaces().Get(within(t, 30*time.Second), "shop", metav1.GetOptions{}); err != nil {
		t.Errorf("after resuming: %v", err)
	}
}

func TestCompactExpiresWatches(t *testing.T) {
	ctx := within(t, time.Minute)
	list, err := bed.Client().CoreV1().ConfigMaps("shop").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bed.Apply(ctx, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: newer, namespace: shop}\n"); err != nil {
		t.Fatal(err)
	}
	if err := bed.Compact(ctx); err != nil {
		t.Fatal(err)
	}
	w, err := bed.Client().CoreV1().ConfigMaps("shop").Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err == nil {
		// The refusal may come as the first event.
		defer w.Stop()
		event := <-w.ResultChan()
		err = apierrors.FromObject(event.Object)
	}
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		t.Errorf("watch from before the compaction: %v, want 410", err)
	}
}

// TestCloseLeavesNothingBehind starts a second bed, which also shows that two
// can run side by side.
func TestCloseLeavesNothingBehind(t *testing.T) {
	second, err := testbed.Start(within(t, 3*time.Minute), testbed.Options{Nodes: 1, Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pids := second.PIDs()
	if len(pids) != 5 {
		t.Errorf("%d servers are running, want 5: %v", len(pids), pids)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	for name, pid := range pids {
		if err := syscall.Kill(-pid, 0); err != syscall.ESRCH {
			t.Errorf("the process group of %s is still there (%v)", name, err)
		}
	}
	if _, err := testbed.Start(within(t, time.Minute), testbed.Options{NodeCPU: "plenty", Progress: io.Discard}); err == nil ||
		!strings.Contains(err.Error(), `"plenty"`) {
		t.Errorf("a bed with impossible nodes: %v, want an error that names the value", err)
	}
}
