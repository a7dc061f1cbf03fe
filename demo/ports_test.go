package demo_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/demo"
	"midwatch/k8s"
	"midwatch/live"
	"midwatch/profiles/capture"
	"midwatch/profiles/tree"
)

type cluster struct{ cfg *rest.Config }

func (c cluster) RESTConfig() *rest.Config    { return rest.CopyConfig(c.cfg) }
func (c cluster) Typed() kubernetes.Interface { return kubernetes.NewForConfigOrDie(c.cfg) }

func profiled(t *testing.T) (cluster, *capture.Taker) {
	t.Helper()
	w, err := demo.Open(demo.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c := cluster{w.RESTConfig()}
	return c, capture.New(capture.Options{Cluster: c})
}

// pods are the running pods of an image.
func (c cluster) pods(t *testing.T, image string) []corev1.Pod {
	t.Helper()
	list, err := c.Typed().CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []corev1.Pod
	for _, p := range list.Items {
		if strings.HasSuffix(p.Spec.Containers[0].Image, "/"+image) && p.Status.Phase == corev1.PodRunning {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no pod of %s runs", image)
	}
	return out
}

func target(p *corev1.Pod) capture.Target {
	return capture.Target{Pod: k8s.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name}, Revision: p.Labels["pod-template-hash"]}
}

// TestARegressionIsThere takes CPU profiles of both revisions of the cart at the same time, as many as give samples enough. What
// counts is the share of the served requests, not of all samples: some fall into code below Go that has no callers (the race
// detector's).
func TestARegressionIsThere(t *testing.T) {
	c, taker := profiled(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	share := map[string]float64{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, image := range []string{"cart:v1.13.2", "cart:v1.14.0"} {
		pod := c.pods(t, image)[0]
		wg.Go(func() {
			var served, discount int64
			for served < enoughSamples {
				p, err := taker.Take(ctx, target(&pod), capture.Request{Kind: capture.CPU, Seconds: 2}, nil)
				if err != nil {
					t.Errorf("%s, after %d samples: %v", image, served, err)
					return
				}
				i, _ := p.TypeIndex("samples")
				for _, r := range tree.Build(p.Profile, tree.Options{Type: i}).Top(tree.ByCum) {
					n := r.Name.String()
					if strings.HasPrefix(n, "midwatch/") && !strings.HasPrefix(n, "midwatch/demo/svc/cart.") && !strings.HasPrefix(n, "midwatch/demo/process.") {
						t.Errorf("%s: %s is not the cart's work", image, n)
					}
					switch {
					case strings.HasSuffix(n, ".(*Server).Serve"):
						served += r.Cum
					case strings.HasSuffix(n, ".(*Server).discount"):
						discount += r.Cum
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			share[image] = float64(discount) / float64(served)
		})
	}
	wg.Wait()
	if share["cart:v1.14.0"] < share["cart:v1.13.2"]+0.2 {
		t.Errorf("share of discount: %v", share)
	}
}

// enoughSamples is how many samples make a share that differs by two thirds certain.
const enoughSamples = 25

func TestWhatElseThePodsServe(t *testing.T) {
	c, taker := profiled(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	pod := c.pods(t, "checkout:v2.8.0")[0]
	if _, err := taker.Take(ctx, target(&pod), capture.Request{Kind: capture.Heap}, nil); err != nil {
		t.Error(err)
	}
	p, err := taker.Take(ctx, target(&pod), capture.Request{Kind: capture.Goroutine}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Total(0); n < 40 {
		t.Errorf("%d goroutines, where 60 wait", n)
	}

	pod = c.pods(t, "fastapi-service:v1.2.3")[0]
	at := target(&pod)
	var e *capture.Error
	if _, err := taker.Take(ctx, at, capture.Request{Kind: capture.PyMemory}, nil); !errors.As(err, &e) || e.Cause != capture.NeedsKey {
		t.Errorf("without a key: %v", err)
	}
	taker.SetKey(at, "api-key", "wrong")
	if _, err := taker.Take(ctx, at, capture.Request{Kind: capture.PyMemory}, nil); !errors.As(err, &e) || e.Cause != capture.NeedsKey || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong key: %v", err)
	}
}

// TestPythonIsProfiledByACommand takes a profile by the py-spy in the image, stops one, and adds an ephemeral container where
// there is none.
func TestPythonIsProfiledByACommand(t *testing.T) {
	w, err := demo.Open(demo.Options{Seed: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	lock := action.NewLock(live.SystemClock{}, "demo", "")
	lock.Open()
	gate := action.NewGate(lock, discard{}, live.SystemClock{}, "tester")
	c := cluster{w.RESTConfig()}
	c.cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return action.Transport(next, lock, action.Kubernetes())
	})
	taker := capture.New(capture.Options{Cluster: c, Context: "demo", Gate: gate})
	t.Cleanup(taker.Close)
	take := func(ctx context.Context, at capture.Target, req capture.Request) (*capture.Profile, error) {
		py, err := taker.Look(ctx, at, req)
		if err != nil {
			return nil, err
		}
		plan, wait, err := taker.PlanExec(at, req, py)
		if err != nil {
			return nil, err
		}
		if _, err := gate.Run(ctx, plan, action.Confirmation{}); err != nil {
			return nil, err
		}
		return wait(ctx, nil)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pod := c.pods(t, "fastapi-service:v1.2.3")[0]
	at := target(&pod)
	for _, kind := range []capture.Kind{capture.PyCPU, capture.PyWall, capture.PyStacks} {
		p, err := take(ctx, at, capture.Request{Kind: kind, Seconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		rows := tree.Build(p.Profile, tree.Options{Type: len(p.Types) - 1}).Top(tree.ByFlat)
		if kind == capture.PyCPU && rows[0].Name != "convert" || kind == capture.PyWall && rows[0].Name != "select" {
			t.Errorf("%s: %v", kind, rows[0])
		}
	}
	var e *capture.Error
	if _, err := take(ctx, at, capture.Request{Kind: capture.PyTasks}); !errors.As(err, &e) || e.Cause != capture.NoKind {
		t.Errorf("tasks of Python 3.12: %v", err)
	}
	stopping, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	if _, err := take(stopping, at, capture.Request{Kind: capture.PyCPU, Seconds: 60}); !errors.As(err, &e) || e.Cause != capture.Cancelled {
		t.Errorf("a capture that is stopped: %v", err)
	}
	cart := c.pods(t, "cart:v1.13.2")[0]
	if _, err := take(ctx, target(&cart), capture.Request{Kind: capture.PyCPU}); !errors.As(err, &e) || e.Cause != capture.NotPython {
		t.Errorf("a Go program: %v", err)
	}

	list, err := c.Typed().CoreV1().Pods("payments").List(ctx, metav1.ListOptions{LabelSelector: "app=fraud-scorer"})
	if err != nil || len(list.Items) == 0 {
		t.Fatalf("fraud-scorer has no pods: %v", err)
	}
	at = target(&list.Items[0])
	if _, err := take(ctx, at, capture.Request{Kind: capture.PyCPU, Seconds: 1}); !errors.As(err, &e) || !e.Helps() {
		t.Fatalf("without py-spy: %v", err)
	}
	plan, running, err := taker.PlanHelper(ctx, at, "", "registry.example.com/tools/py-spy:0.4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Run(ctx, plan, action.Confirmation{Typed: at.Pod.Name}); err != nil {
		t.Fatal(err)
	}
	if err := running(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := take(ctx, at, capture.Request{Kind: capture.PyCPU, Seconds: 1}); err != nil {
		t.Error(err)
	}
}

type discard struct{}

func (discard) Append(context.Context, action.Entry) error { return nil }
