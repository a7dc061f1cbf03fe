//go:build scale

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/testbed"
	"midwatch/testbed/ptydrive"
)

// sharesBed is false: the budgets are measured on a bed of their own.
const sharesBed = false

// TestScale measures the budgets that concern the cluster, on 10,000 pods, and
// prints them as the table of docs/BENCHMARKS.md. A machine's noise is in the
// absolute figures, so every time is also given as a ratio to a raw LIST of
// the same pods in the same run. Only wildly missed budgets fail the test.
func TestScale(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
	defer cancel()
	size := testbed.DefaultScale
	bed, err := testbed.Start(ctx, size.Options(testbed.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	begun := time.Now()
	if err := bed.Scale(ctx, size); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d pods ready after %s", size.Pods(), time.Since(begun).Round(time.Second))

	list := rawList(t, bed, 5)
	t.Logf("floor: one raw protobuf LIST of all pods: %s (best of 5: %s)", median(list), slices.Min(list))

	var judged, complete []time.Duration
	for range 3 {
		c := open(t, bed, 160, 48, "-A")
		judged = append(judged, c.untilWorkloads(t, size.Deployments))
		complete = append(complete, c.untilPods(t, size.Pods()))
		c.close(t)
	}
	report(t, "every workload judged on screen", judged, list, 0.3)
	report(t, "every pod's row in memory", complete, list, 1.5)

	c := open(t, bed, 160, 48, "-A")
	c.untilPods(t, size.Pods())
	c.settle(t)
	t.Logf("memory, 10,000 pods, all namespaces: %d MiB RSS (peak %d)", c.memory(t, "VmRSS"), c.memory(t, "VmHWM"))
	cpu, bytes := c.idle(t, time.Minute)
	t.Logf("idle for a minute: %.2f %% of a core, %.0f B/s", cpu*100, bytes)
	if cpu > 0.05 || bytes > 300 {
		t.Errorf("idle costs too much: %.2f %%, %.0f B/s", cpu*100, bytes)
	}
	quiet := c.keys(t, 200)
	stop := churn(t, bed, size)
	busy := c.keys(t, 200)
	stop()
	t.Logf("key to frame at 10,000 rows: quiet p50 %s p99 %s; under churn p50 %s p99 %s",
		percentile(quiet, 50), percentile(quiet, 99), percentile(busy, 50), percentile(busy, 99))
	c.close(t)

	c = open(t, bed, 160, 48, "-n", size.Namespace(0))
	c.untilPods(t, size.Pods()/size.Namespaces)
	c.settle(t)
	t.Logf("memory, one namespace of %d pods: %d MiB RSS (peak %d)", size.Pods()/size.Namespaces, c.memory(t, "VmRSS"), c.memory(t, "VmHWM"))
	c.close(t)

	rate := rolloutBytes(t, bed, size)
	t.Logf("a 50-pod rollout watched for a minute at 120x40: %.0f B/s", rate)
}

// rawList times LISTs of all pods without decoding them.
func rawList(t *testing.T, bed *testbed.Bed, n int) []time.Duration {
	t.Helper()
	cfg := rest.CopyConfig(bed.RESTConfig("admin"))
	cfg.QPS = -1
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for range n {
		begun := time.Now()
		raw, err := client.CoreV1().RESTClient().Get().Resource("pods").
			SetHeader("Accept", "application/vnd.kubernetes.protobuf").
			VersionedParams(&metav1.ListOptions{ResourceVersion: "0"}, metav1.ParameterCodec).Do(t.Context()).Raw()
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(begun))
		t.Logf("raw LIST: %.1f MB in %s", float64(len(raw))/1e6, time.Since(begun).Round(time.Millisecond))
	}
	return took
}

// console is one running midwatch.
type console struct {
	*ptydrive.Session
	started time.Time
}

func open(t *testing.T, bed *testbed.Bed, cols, rows int, args ...string) *console {
	t.Helper()
	started := time.Now()
	s, err := ptydrive.Start(ptydrive.Options{
		Command: append([]string{shared.binary}, args...), Env: environment(t, bed.Kubeconfig("admin")), Cols: cols, Rows: rows,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &console{s, started}
}

func (c *console) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Send("q"); err != nil {
		t.Fatal(err)
	}
	if code, err := c.Wait(ctx); err != nil || code != 0 {
		t.Errorf("quit: exit %d, %v", code, err)
	}
}

// untilWorkloads is how long after the start the counter line spoke of n
// judged workloads.
func (c *console) untilWorkloads(t *testing.T, n int) time.Duration {
	t.Helper()
	return c.until(t, fmt.Sprintf("%d workloads judged", n), func(s string) bool { return countOf(s, "ok") >= n })
}

// untilPods is how long after the start the header spoke of n pods.
func (c *console) untilPods(t *testing.T, n int) time.Duration {
	t.Helper()
	return c.until(t, fmt.Sprintf("%d pods", n), func(s string) bool { return podsComplete(s) })
}

func (c *console) until(t *testing.T, what string, done func(string) bool) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.WaitForFunc(ctx, what, done); err != nil {
		t.Fatal(err)
	}
	return time.Since(c.started)
}

// countOf reads "… · 496 ok" from the screen.
func countOf(screen, word string) int {
	fields := strings.Fields(screen)
	for i := 1; i < len(fields); i++ {
		if strings.Trim(fields[i], "·,|│") == word {
			if n, err := strconv.Atoi(strings.ReplaceAll(fields[i-1], ",", "")); err == nil {
				return n
			}
		}
	}
	return 0
}

func (c *console) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.WaitQuiet(ctx, 3*time.Second); err != nil {
		t.Logf("the screen does not settle: %v", err)
	}
}

// memory reads a field of /proc/PID/status, in MiB.
func (c *console) memory(t *testing.T, field string) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.PID()), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb / 1024
		}
	}
	t.Fatalf("no %s", field)
	return 0
}

// cpu is the processor time used so far.
func (c *console) cpu(t *testing.T) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.PID()), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

func (c *console) idle(t *testing.T, d time.Duration) (cpu, bytesPerSecond float64) {
	t.Helper()
	before, mark := c.cpu(t), c.Mark()
	time.Sleep(d) // the measurement is what happens meanwhile
	return float64(c.cpu(t)-before) / float64(d), float64(c.Bytes(mark)) / d.Seconds()
}

// keys moves the selection n times and times each until a whole frame has been
// written that was begun after the key: the end of the frame before would send
// the next key too early, and two moves that cancel each other draw nothing.
func (c *console) keys(t *testing.T, n int) []time.Duration {
	t.Helper()
	var took []time.Duration
	for i := range n {
		key := "j"
		if i%40 >= 20 {
			key = "k"
		}
		mark := c.Mark()
		begun := time.Now()
		if err := c.Send(key); err != nil {
			t.Fatal(err)
		}
		for !frameIn(c.Raw(mark)) && time.Since(begun) < 2*time.Second {
			time.Sleep(200 * time.Microsecond) // finer than what is measured
		}
		took = append(took, time.Since(begun))
	}
	return took
}

// frameIn reports whether output holds a whole synchronized update
// (private mode 2026), which each frame is.
func frameIn(output []byte) bool {
	_, begun, ok := bytes.Cut(output, []byte("\x1b[?2026h"))
	return ok && bytes.Contains(begun, []byte("\x1b[?2026l"))
}

// churn deletes pods all over the cluster, about twenty a second, until
// stopped.
func churn(t *testing.T, bed *testbed.Bed, size testbed.ScaleSize) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for i := 0; ; i++ {
			ns := size.Namespace(i % size.Namespaces)
			pods, err := bed.Client().CoreV1().Pods(ns).List(ctx, metav1.ListOptions{Limit: 20, FieldSelector: "status.phase=Running"})
			if err == nil {
				for _, p := range pods.Items {
					grace := int64(0)
					_ = bed.Client().CoreV1().Pods(ns).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &grace})
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

// rolloutBytes scales one Deployment to 50 pods, opens the console on it and
// counts what one minute of its rollout writes to the terminal.
func rolloutBytes(t *testing.T, bed *testbed.Bed, size testbed.ScaleSize) float64 {
	t.Helper()
	ns := size.Namespace(1)
	deployments, err := bed.Client().AppsV1().Deployments(ns).List(t.Context(), metav1.ListOptions{Limit: 1})
	if err != nil || len(deployments.Items) == 0 {
		t.Fatalf("no deployment in %s: %v", ns, err)
	}
	name := deployments.Items[0].Name
	patch := func(body string) {
		if _, err := bed.Client().AppsV1().Deployments(ns).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"spec":{"replicas":50}}`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := bed.WaitRollout(ctx, ns, name); err != nil {
		t.Fatal(err)
	}
	c := open(t, bed, 120, 40, "-n", ns)
	c.untilPods(t, size.Pods()/size.Namespaces)
	c.settle(t)
	patch(`{"spec":{"template":{"metadata":{"annotations":{"midwatch.test/roll":"1"}}}}}`)
	_, rate := c.idle(t, time.Minute)
	c.close(t)
	return rate
}

func report(t *testing.T, what string, got, floor []time.Duration, budget float64) {
	t.Helper()
	ratio := float64(median(got)) / float64(median(floor))
	verdict := "met"
	if ratio > budget {
		verdict = "MISSED"
	}
	t.Logf("%s: median %s (%v) = %.2f x the raw LIST; budget %.1f x: %s", what, median(got).Round(time.Millisecond), got, ratio, budget, verdict)
	if ratio > 3*budget {
		t.Errorf("%s takes %.2f x the raw LIST, more than three times its budget", what, ratio)
	}
}

func median(d []time.Duration) time.Duration { return percentile(d, 50) }

func percentile(d []time.Duration, p int) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[min(len(d)-1, len(d)*p/100)].Round(10 * time.Microsecond)
}

// podsComplete reports whether the header, which has two lines on a screen that
// is not wide, calls the pods complete.
func podsComplete(screen string) bool {
	head := strings.Join(strings.SplitN(screen, "\n", 3)[:2], " ")
	return strings.Contains(head, "pods ✓") && !strings.Contains(screen, "arriving")
}
