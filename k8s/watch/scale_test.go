//go:build scale && linux

package watch

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	krt "k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"midwatch/k8s"
	"midwatch/k8s/rollout"
	"midwatch/live"
)

// The tests with tag scale measure against the cluster of KUBECONFIG, which
// should hold nothing but what is to be measured:
//
//	KUBECONFIG=… go test -tags scale -run TestScale -v ./k8s/watch
//
// Every measurement runs in a process of its own, so that memory is that of
// one way of reading alone, and is repeated; times are also given as a
// multiple of one raw protobuf LIST of the same pods.

func scaleConfig(t *testing.T) *rest.Config {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Fatal("KUBECONFIG is not set: start a cluster with `cd testbed && go run ./cmd/midwatch-testbed scale` and export what it prints")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1
	return cfg
}

type realCluster struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

func (c realCluster) Typed() kubernetes.Interface { return c.typed }
func (c realCluster) Dynamic() dynamic.Interface  { return c.dynamic }

// dial opens the cluster. The connection and TLS are not what is measured.
func dial(t *testing.T, cfg *rest.Config) realCluster {
	t.Helper()
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { utilnet.CloseIdleConnectionsFor(client.Transport) })
	c := realCluster{}
	if c.typed, err = kubernetes.NewForConfigAndClient(cfg, client); err != nil {
		t.Fatal(err)
	}
	if c.dynamic, err = dynamic.NewForConfigAndClient(cfg, client); err != nil {
		t.Fatal(err)
	}
	if _, err := c.typed.Discovery().ServerVersion(); err != nil {
		t.Fatal(err)
	}
	return c
}

// measure runs one mode in a process of its own, n times, and returns the
// median of every value.
func measure(t *testing.T, mode string, n int) map[string]float64 {
	t.Helper()
	all := map[string][]float64{}
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestScaleMode$", "-test.v")
		cmd.Env = append(os.Environ(), modeVariable+"="+mode)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", mode, err, out)
		}
		for line := range strings.Lines(string(out)) {
			var key string
			var value float64
			if i := strings.Index(line, "=> "); i >= 0 {
				if _, err := fmt.Sscanf(line[i:], "=> %s %f", &key, &value); err == nil {
					all[key] = append(all[key], value)
				}
			}
		}
	}
	medians := map[string]float64{}
	for key, values := range all {
		slices.Sort(values)
		medians[key] = values[len(values)/2]
	}
	return medians
}

// TestScaleIngress compares the ways to get all pods into memory.
func TestScaleIngress(t *testing.T) {
	scaleConfig(t)
	for _, mode := range []string{"raw", "raw-identity", "typed-list", "paged-list", "reflector", "own-unfiltered", "own", "own-identity"} {
		m := measure(t, mode, 3)
		t.Logf("%-16s %6.0f ms  %6.0f ms CPU  peak RSS %4.0f MiB  allocated %5.0f MiB  read %.0f", mode, m["seconds"]*1000, m["cpu"]*1000, m["peak"], m["allocated"], m["read"])
	}
}

// TestScaleSession measures a whole session: every workload judged, every row
// in memory, memory held, and what an idle minute costs.
func TestScaleSession(t *testing.T) {
	scaleConfig(t)
	raw := measure(t, "raw", 3)
	m := measure(t, "session", 3)
	t.Logf("raw LIST of all pods: %.1f MB in %.0f ms", raw["read"]/1e6, raw["seconds"]*1000)
	t.Logf("%.0f workloads judged after %.0f ms = %.2f x raw LIST (budget 0.3)", m["workloads"], m["judged"]*1000, m["judged"]/raw["seconds"])
	t.Logf("   with ReplicaSets after %.0f ms = %.2f x", m["revisions"]*1000, m["revisions"]/raw["seconds"])
	t.Logf("every pod's row after %.0f ms = %.2f x raw LIST (budget 1.5)", m["rows"]*1000, m["rows"]/raw["seconds"])
	t.Logf("RSS %.0f MiB, peak %.0f MiB, live heap %.0f MiB", m["rss"], m["peak"], m["heap"])
	t.Logf("idle: %.2f %% of a core", m["idle"]*100)
	if m["judged"] > 0.6*raw["seconds"] || m["rows"] > 3*raw["seconds"] {
		t.Errorf("twice over budget")
	}
}

// TestScaleMode is one measurement: the other tests start it.
func TestScaleMode(t *testing.T) {
	mode := os.Getenv(modeVariable)
	if mode == "" {
		return // not a test of its own
	}
	cfg := scaleConfig(t)
	if mode == "session" {
		measureSession(t, cfg)
		return
	}
	cfg.DisableCompression = strings.HasSuffix(mode, "-identity")
	c := dial(t, cfg)
	way, ok := ways()[mode]
	if !ok {
		t.Fatalf("no mode %q", mode)
	}
	begun, burnt := time.Now(), cpu(t)
	read, err := way(t.Context(), c)
	took := time.Since(begun)
	if err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	say("seconds", took.Seconds())
	say("read", float64(read))
	say("cpu", cpu(t).Seconds()-burnt.Seconds())
	say("allocated", float64(m.TotalAlloc)/(1<<20))
	say("peak", status(t, "VmHWM"))
}

func say(key string, value float64) { fmt.Printf("=> %s %f\n", key, value) }

// status reads a line of /proc/self/status, in MiB.
func status(t *testing.T, key string) float64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatalf("no %s in /proc/self/status", key)
	return 0
}

// ways are the ways to read all pods.
func ways() map[string]func(context.Context, realCluster) (int, error) {
	fromCache := metav1.ListOptions{ResourceVersion: "0"}
	raw := func(ctx context.Context, c realCluster) (int, error) {
		body, err := c.typed.CoreV1().RESTClient().Get().Resource("pods").VersionedParams(&fromCache, metav1.ParameterCodec).
			SetHeader("Accept", "application/vnd.kubernetes.protobuf").Do(ctx).Raw()
		return len(body), err
	}
	own := func(ctx context.Context, c realCluster, f *filter) (int, error) {
		w := newWorld()
		l := pods().open(c, "").(*typedLister)
		l.filter = f
		_, err := l.list(ctx, fromCache, func(o krt.Object) error {
			_, err := w.podTable.put(o)
			return err
		})
		return w.podTable.count(""), err
	}
	allRows := func(ctx context.Context, c realCluster) (int, error) { return own(ctx, c, podFilter()) }
	return map[string]func(context.Context, realCluster) (int, error){
		"raw":          raw,
		"raw-identity": raw,
		"own":          allRows,
		"own-identity": allRows,
		"typed-list": func(ctx context.Context, c realCluster) (int, error) {
			list, err := c.typed.CoreV1().Pods("").List(ctx, fromCache)
			return len(list.Items), err
		},
		"paged-list": func(ctx context.Context, c realCluster) (int, error) {
			n, next := 0, ""
			in := newInterner()
			for {
				list, err := c.typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: 500, Continue: next})
				if err != nil {
					return n, err
				}
				for i := range list.Items {
					rollout.FromPod(&list.Items[i], in.intern)
					n++
				}
				if next = list.Continue; next == "" {
					return n, nil
				}
			}
		},
		"reflector":      reflector,
		"own-unfiltered": func(ctx context.Context, c realCluster) (int, error) { return own(ctx, c, &filter{}) },
	}
}

// rowStore is a reflector's store that keeps rows, transformed on the way in.
type rowStore struct {
	world  *world
	synced atomic.Bool
	done   chan struct{}
}

func (s *rowStore) Add(o any) error    { return s.put(o) }
func (s *rowStore) Update(o any) error { return s.put(o) }
func (s *rowStore) Delete(any) error   { return nil }
func (s *rowStore) Resync() error      { return nil }
func (s *rowStore) Transformer() cache.TransformFunc {
	in := s.world.strings.intern
	return func(o any) (any, error) {
		if p, ok := o.(*corev1.Pod); ok {
			row := rollout.FromPod(p, in)
			return &rowObject{ObjectMeta: metav1.ObjectMeta{Namespace: row.Namespace, Name: row.Name}, row: row}, nil
		}
		return o, nil
	}
}

// rowObject lets the reflector's temporary store find a key.
type rowObject struct {
	corev1.Pod
	metav1.ObjectMeta
	row *k8s.PodRow
}

func (o *rowObject) GetObjectMeta() metav1.Object { return &o.ObjectMeta }

func (s *rowStore) put(o any) error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	switch o := o.(type) {
	case *rowObject:
		s.world.podTable.keep(o.row.UID, held[*k8s.PodRow]{namespace: o.row.Namespace, row: o.row})
	case *corev1.Pod:
		row := rollout.FromPod(o, s.world.strings.intern)
		s.world.podTable.keep(row.UID, held[*k8s.PodRow]{namespace: row.Namespace, row: row})
	}
	return nil
}

func (s *rowStore) Replace(list []any, _ string) error {
	for _, o := range list {
		if err := s.put(o); err != nil {
			return err
		}
	}
	if !s.synced.Swap(true) {
		close(s.done)
	}
	return nil
}

// reflector is client-go's, with WatchList where the server has it.
func reflector(ctx context.Context, c realCluster) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	store := &rowStore{world: newWorld(), done: make(chan struct{})}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (krt.Object, error) {
			return c.typed.CoreV1().Pods("").List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			return c.typed.CoreV1().Pods("").Watch(ctx, o)
		},
	}
	r := cache.NewReflectorWithOptions(lw, &corev1.Pod{}, store, cache.ReflectorOptions{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.RunWithContext(ctx)
	}()
	<-store.done
	n := store.world.podTable.count("")
	cancel()
	<-ended
	return n, nil
}

// measureSession opens a session as the console does.
func measureSession(t *testing.T, cfg *rest.Config) {
	c := dial(t, cfg)
	hub := live.NewHub(live.SystemClock{}, 20*time.Millisecond)
	begun := time.Now()
	s := Start(t.Context(), Options{Cluster: c, Hub: hub})
	defer s.Close()
	topic := live.Topic{Name: TopicBoard}
	hub.Want(topic)
	var judged, revisions time.Duration
	for {
		batch, err := hub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		snap, ok := batch[topic]
		if !ok {
			continue
		}
		b := snap.Value.(*Board)
		if judged == 0 && snap.State == live.Ready {
			judged = time.Since(begun)
			say("workloads", float64(len(b.Workloads)))
		}
		if revisions == 0 && snap.State == live.Ready && !slices.Contains(b.Loading, setsName) {
			revisions = time.Since(begun)
		}
		if len(b.Loading) == 0 {
			break
		}
	}
	say("judged", judged.Seconds())
	say("revisions", revisions.Seconds())
	say("rows", time.Since(begun).Seconds())
	say("peak", status(t, "VmHWM"))
	// Let the collector give back what the lists took, as an idle minute does.
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	say("heap", float64(m.HeapAlloc)/(1<<20))
	say("rss", status(t, "VmRSS"))
	before := cpu(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	idle := time.Now()
	for ctx.Err() == nil {
		_, _ = hub.Next(ctx)
	}
	say("idle", (cpu(t)-before).Seconds()/time.Since(idle).Seconds())
}

// cpu is the processor time this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
