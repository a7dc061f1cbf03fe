package demo_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"midwatch/demo"
	"midwatch/k8s"
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
